"""The figures that open the PDF: how many are new, how many there are, and whether recruitment is on track."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice

from consent.counting.period import RATE_WEEKS
from consent.counting.summary import Accrual, OpeningNumbers
from consent.dates import short_day
from consent.reports.headline import compared_with, days_of
from consent.reports.wording import NO_NUMBER, share_words


@dataclass(frozen=True)
class Figure:
    """A number in large print, what it counts, and what it is compared with ("" for nothing)."""

    value: str
    name: str
    detail: str = ""


def figures(summary: OpeningNumbers) -> tuple[Figure, ...]:
    """Return three figures, and up to three of recruitment."""
    people = summary.participants
    left = people.consented - summary.taking_part
    leavers = f"{left:,} no longer take part" if left else "all who consented" if people.consented else ""
    return (
        _new(summary),
        Figure(f"{people.consented:,}", "have consented", f"of {people.total:,} participants"),
        Figure(f"{summary.taking_part:,}", "still taking part", leavers),
        *(islice(_recruitment(summary, summary.accrual), 3) if summary.accrual else ()),
    )


def month_of(day: date) -> str:
    """Return ``Nov 2026``."""
    return short_day(day).partition(" ")[2]


def _new(summary: OpeningNumbers) -> Figure:
    complete = [week for week in summary.weeks if week.complete]
    if not complete:
        return Figure(NO_NUMBER, "no week is complete yet")
    counts = [week.consented for week in complete]
    days = days_of(complete[-1], summary.period.cutoff)
    return Figure(f"{counts[-1]:,}", f"new in the week of {days}", compared_with(counts))


def _recruitment(summary: OpeningNumbers, accrual: Accrual) -> Iterator[Figure]:
    consented, recent, needed = summary.participants.consented, accrual.recent_per_week, accrual.needed_per_week
    if accrual.target:
        until = f" by {short_day(accrual.target_date)}" if accrual.target_date else ""
        missing = f"{max(0, accrual.target - consented):,} to go{until}"
        yield Figure(share_words(consented / accrual.target), f"of the target of {accrual.target:,}", missing)
    if recent is not None:
        weeks = min(RATE_WEEKS, sum(week.complete for week in summary.weeks))
        compared = accrual.no_rate_because or "" if needed is None else f"{needed:,.1f} per week needed"
        yield Figure(f"{recent:,.1f}", f"per week ({weeks}-week average)", compared)
    if projected := summary.projection:
        latest = month_of(projected.latest) if projected.latest else "more than ten years"
        yield Figure(
            month_of(projected.middle), "target expected", f"80% range {month_of(projected.earliest)}–{latest}"
        )
    if accrual.approved:
        agreed = f"{accrual.agreed:,} have agreed, dated or not"
        yield Figure(share_words(accrual.agreed / accrual.approved), f"of the {accrual.approved:,} approved", agreed)
