"""Which days a report covers: its weeks, its cut-off, and what "today" is where the study is.

Knows no clock: the instant is handed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from consent.dates import WEEK, day_in
from consent.errors import CutoffError

DRAWN_WEEKS = 52
"""The most weeks that a chart of consents per week shows."""

RECENT_WEEKS = 4
"""The complete weeks that count as recent."""

RATE_WEEKS, FEWEST_RATE_WEEKS = 12, 4
"""The complete weeks that the average per week is taken over: at most, and at least."""


def average_per_week(complete_weeks: Sequence[int]) -> float | None:
    """Return the mean of the last ``RATE_WEEKS`` counts, oldest first; None for fewer than ``FEWEST_RATE_WEEKS``."""
    recent = complete_weeks[-RATE_WEEKS:]
    return sum(recent) / len(recent) if len(recent) >= FEWEST_RATE_WEEKS else None


@dataclass(frozen=True)
class Week:
    """Seven days of a report; complete once all of them are over and were exported."""

    first_day: date
    last_day: date
    complete: bool


@dataclass(frozen=True)
class ReportPeriod:
    """From the study's first day to the cut-off (the last day counted), as exported on a given day."""

    start: date
    cutoff: date
    exported_on: date

    @property
    def weeks(self) -> tuple[Week, ...]:
        """The 7-day periods from ``start`` through the one that holds the cut-off, oldest first."""
        number = (self.cutoff - self.start).days // 7 + 1
        firsts = (self.start + n * WEEK for n in range(number))
        return tuple(Week(first, first + WEEK - timedelta(days=1), self._is_complete(first)) for first in firsts)

    def _is_complete(self, first_day: date) -> bool:
        last_day = first_day + WEEK - timedelta(days=1)
        return last_day <= self.cutoff and last_day < self.exported_on


def choose_period(*, start: date, time_zone: str, now: datetime, as_of: date | None) -> ReportPeriod:
    """The period of a report made now, cut at ``as_of`` (default: today where the study is).

    Raises:
        CutoffError: the cut-off lies in the future or before the study began.
    """
    today = day_in(time_zone, now)
    cutoff = as_of or today
    if cutoff > today:
        raise CutoffError(
            f"The cut-off {cutoff} lies after today, {today} in {time_zone}. Choose today or an earlier day."
        )
    if cutoff < start:
        raise CutoffError(f"The cut-off {cutoff} lies before the study's first day, {start}. Choose a later day.")
    return ReportPeriod(start=start, cutoff=cutoff, exported_on=today)
