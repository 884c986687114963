"""The days that a report covers: its weeks, its cut-off, and today in the study's time zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from consent.dates import WEEK, day_in
from consent.errors import CutoffError

DRAWN_WEEKS = 52
"""The most weeks that a chart of consents per week shows."""

RECENT_WEEKS = 4
"""The complete weeks that count as recent."""

RATE_WEEKS, FEWEST_RATE_WEEKS = 12, 4
"""The most and the fewest complete weeks of the average per week."""


def average_per_week(complete_weeks: Sequence[int]) -> float | None:
    """Return the mean of the last ``RATE_WEEKS`` counts, oldest first; None for fewer than ``FEWEST_RATE_WEEKS``."""
    recent = complete_weeks[-RATE_WEEKS:]
    return sum(recent) / len(recent) if len(recent) >= FEWEST_RATE_WEEKS else None


@dataclass(frozen=True)
class Week:
    """Seven days of a report; complete once its last day is over and exported."""

    first_day: date
    last_day: date
    complete: bool


@dataclass(frozen=True)
class WeekChange:
    """A week that was complete in the earlier report, and has a different count now."""

    first_day: date
    last_day: date
    before: int
    now: int


@dataclass(frozen=True)
class ReportPeriod:
    """The days from the study's first day to the cut-off (the last day counted), exported on a given day."""

    start: date
    cutoff: date
    exported_on: date

    @cached_property
    def weeks(self) -> tuple[Week, ...]:
        """The 7-day periods from ``start`` through the week of the cut-off, oldest first."""
        number = (self.cutoff - self.start).days // 7 + 1
        return tuple(self._week(self.start + n * WEEK) for n in range(number))

    def _week(self, first_day: date) -> Week:
        last_day = first_day + WEEK - timedelta(days=1)
        return Week(first_day, last_day, complete=last_day <= self.cutoff and last_day < self.exported_on)


def choose_period(*, start: date, time_zone: str, now: datetime, as_of: date | None) -> ReportPeriod:
    """Choose the period of a report made now, with the cut-off ``as_of`` or else today in the time zone.

    Raises CutoffError if the cut-off is in the future, or before the study's first day.
    """
    today = day_in(time_zone, now)
    cutoff = as_of or today
    if cutoff > today:
        raise CutoffError(
            f"The cut-off {cutoff} is in the future: today is {today} in {time_zone}.",
            "Choose today or an earlier day.",
        )
    if cutoff < start:
        raise CutoffError(f"The cut-off {cutoff} is before the study's first day, {start}.", "Choose a later day.")
    return ReportPeriod(start=start, cutoff=cutoff, exported_on=today)
