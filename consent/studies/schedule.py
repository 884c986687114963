"""When a study's report is due."""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from consent.dates import WEEK, day_in
from consent.studies.model import StudyConfig

GRACE = timedelta(hours=5)
"""How late a report may be without an alarm."""


def latest_monday(study: StudyConfig, now: datetime) -> date:
    """Return the latest Monday whose report is due, in the study's time zone."""
    today = day_in(study.time_zone, now)
    monday = today - timedelta(days=today.weekday())
    return monday if due_at(study, monday) <= now else monday - WEEK


def due_at(study: StudyConfig, monday: date) -> datetime:
    """Return the instant (UTC) from which a Monday's report is due: ``not_before`` in the study's time zone.

    If a clock change repeats that time, this is its first occurrence; if one skips it, the instant of the change.
    """
    zone = ZoneInfo(study.time_zone)
    wall = datetime.combine(monday, study.not_before)
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _wall_of(first, zone) == wall:
        return first
    gap = range(int((first - second).total_seconds()))  # for a skipped time Python returns the later one first
    change = bisect_left(gap, wall, key=lambda seconds: _wall_of(second + timedelta(seconds=seconds), zone))
    return second + timedelta(seconds=change)


def _wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)
