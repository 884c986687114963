"""Days and weeks as readers read them, whatever the machine's locale: ``16 Nov 2026``, ``16–22 Nov``.

For machines days stay ``YYYY-MM-DD``; that is not done here.
"""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

WEEK = timedelta(days=7)


def parse_day(text: str) -> date | None:
    """The day that a text names as ``YYYY-MM-DD``; None for anything else, also other spellings of ISO 8601."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def day_in(time_zone: str, instant: datetime) -> date:
    """The calendar day that an instant (aware) falls on in a time zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC).astimezone(ZoneInfo(time_zone)).date()


def utc_now() -> datetime:
    """This instant (aware, UTC)."""
    return datetime.now(UTC)


_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def weekday_of(day: date) -> str:
    """``Monday``."""
    return _WEEKDAYS[day.weekday()]


def long_day(day: date) -> str:
    """``Monday 30 November 2026``."""
    return f"{weekday_of(day)} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def short_day(day: date, *, seen_from: date | None = None) -> str:
    """``16 Nov 2026``, and ``16 Nov`` in the year that it is seen from."""
    year = "" if seen_from and day.year == seen_from.year else f" {day.year}"
    return f"{day.day} {_MONTHS[day.month - 1][:3]}{year}"


def span(first: date, last: date, *, seen_from: date | None = None) -> str:
    """``16–22 Nov 2026``, ``28 Sep–4 Oct 2026``, ``29 Dec 2025–4 Jan 2026``; without the year it is seen from."""
    end = short_day(last, seen_from=seen_from)
    if first.year != last.year:
        return f"{short_day(first, seen_from=seen_from)}–{end}"
    if first.month != last.month:
        return f"{short_day(first, seen_from=last)}–{end}"
    return f"{first.day}–{end}"


def days_counted(first_day: date, *, cutoff: date, exported_on: date) -> str:
    """What marks a week of which not every day is counted, or over yet.

    ``in progress, 1 of 7 days``; ``in progress, its last day``; where the data are newer than the cut-off, ``counted to
    27 Sep, 3 of 7 days``.
    """
    days = (cutoff - first_day).days + 1
    if cutoff < exported_on:
        return f"counted to {short_day(cutoff, seen_from=cutoff)}, {days} of 7 days"
    return "in progress, its last day" if days == 7 else f"in progress, {days} of 7 days"
