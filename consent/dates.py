"""Days, weeks and instants; days as text for readers are the same in every locale, such as ``16 Nov 2026``."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

WEEK = timedelta(days=7)

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def utc_now() -> datetime:
    """Return this instant (aware, UTC)."""
    return datetime.now(UTC)


def parse_day(text: str) -> date | None:
    """Parse ``YYYY-MM-DD``; None for anything else, including other forms of ISO 8601."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else None
    except ValueError:
        return None


def day_in(time_zone: str, instant: datetime) -> date:
    """Return the calendar day of an instant (aware) in a time zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC).astimezone(ZoneInfo(time_zone)).date()


def weekday_of(day: date) -> str:
    """Return the weekday in full: ``Monday``."""
    return _WEEKDAYS[day.weekday()]


def long_day(day: date) -> str:
    """Format a day in full: ``Monday 30 November 2026``."""
    return f"{weekday_of(day)} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def short_day(day: date, *, relative_to: date | None = None) -> str:
    """Format a day: ``16 Nov 2026``, or ``16 Nov`` if it is in the same year as ``relative_to``."""
    year = "" if relative_to and day.year == relative_to.year else f" {day.year}"
    return f"{day.day} {_MONTHS[day.month - 1][:3]}{year}"


def date_range(first: date, last: date, *, relative_to: date | None = None) -> str:
    """Format a range: ``16–22 Nov 2026``, ``28 Sep–4 Oct 2026``, ``29 Dec 2025–4 Jan 2026``.

    The year is left out if ``last`` is in the same year as ``relative_to``.
    """
    end = short_day(last, relative_to=relative_to)
    if first.year != last.year:
        return f"{short_day(first, relative_to=relative_to)}–{end}"
    if first.month != last.month:
        return f"{short_day(first, relative_to=last)}–{end}"
    return f"{first.day}–{end}"


def partial_week_note(first_day: date, *, cutoff: date, exported_on: date) -> str:
    """Return how much of an incomplete week is counted.

    Examples: ``in progress, 1 of 7 days``; before the day of the export ``counted to 27 Sep, 3 of 7 days``.
    """
    days = (cutoff - first_day).days + 1
    if cutoff < exported_on:
        return f"counted to {short_day(cutoff, relative_to=cutoff)}, {days} of 7 days"
    return "in progress, its last day" if days == 7 else f"in progress, {days} of 7 days"
