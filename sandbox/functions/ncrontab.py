"""Schedules as Azure's timer trigger writes them: six fields, from second to day of the week, all of which must match.

Knows no time zone: it speaks of the clock that it is asked about. Not read: time spans such as ``00:05:00``, which
work on few plans, and ranges that go backwards, of which the platform's own reading surprises.
https://github.com/atifaziz/NCrontab
"""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_PART = re.compile(r"(?:(?P<all>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[1-9]\d*))?", re.ASCII)
_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class Schedule:
    """When a timer goes off: the seconds, minutes and so on that it names. Sunday is day 0 of the week."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """The first moment it names that is later than this one, in whole seconds and the same time zone."""
        begin = moment.replace(microsecond=0) + timedelta(seconds=1)
        day = begin.date()
        while True:
            if self._names_day(day.year, day.month, day.day):
                from_then = begin.time() if day == begin.date() else time()
                if (found := self._first_time(from_then)) is not None:
                    return datetime.combine(day, found, moment.tzinfo)
            day += timedelta(days=1)

    def _names_day(self, year: int, month: int, day: int) -> bool:
        weekday = (calendar.weekday(year, month, day) + 1) % 7
        return month in self.months and day in self.days and weekday in self.weekdays

    def _first_time(self, begin: time) -> time | None:
        """The first time of day that it names, at ``begin`` or later."""
        for hour in self.hours:
            for minute in self.minutes:
                if (hour, minute) < (begin.hour, begin.minute):
                    continue
                from_second = begin.second if (hour, minute) == (begin.hour, begin.minute) else 0
                second = next((second for second in self.seconds if second >= from_second), None)
                if second is not None:
                    return time(hour, minute, second)
        return None


def parse_schedule(text: str) -> Schedule:
    """Read a schedule such as ``0 30 6 * * Mon``; with five fields the second is 0.

    Raises ``ValueError`` saying which field is wrong, or that no day is ever named.
    """
    parts = text.split()
    if len(parts) == 5:
        parts.insert(0, "0")
    if len(parts) != 6:
        raise ValueError(f"the schedule '{text}' must have six fields: second minute hour day month day-of-the-week")
    found = [_numbers(part, *field) for part, field in zip(parts, _FIELDS, strict=True)]
    seconds, minutes, hours, days, months, weekdays = found
    if all(min(days) > _DAYS_OF_MONTH[month - 1] for month in months):
        raise ValueError(f"the schedule '{text}' names no day that there is")
    in_order = (tuple(sorted(seconds)), tuple(sorted(minutes)), tuple(sorted(hours)))
    return Schedule(*in_order, days, months, weekdays)


def _numbers(text: str, field: str, lowest: int, highest: int, names: dict[str, int]) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.lower().split(","):
        read = _PART.fullmatch(part)
        if read is None:
            raise ValueError(f"'{text}' is no {field}")
        first, last = _bounds(read, lowest, highest, names)
        if first is None or last is None or not lowest <= first <= last <= highest:
            raise ValueError(f"'{text}' is no {field}: it must be within {lowest} and {highest}, and go upwards")
        numbers |= set(range(first, last + 1, int(read["step"] or 1)))
    return frozenset(numbers)


def _bounds(
    read: re.Match[str], lowest: int, highest: int, names: dict[str, int]
) -> tuple[int, int] | tuple[int | None, int | None]:
    if read["all"]:
        return lowest, highest
    first = _number(read["first"], names)
    if read["last"]:
        return first, _number(read["last"], names)
    return first, highest if read["step"] else first


def _number(word: str, names: dict[str, int]) -> int | None:
    return int(word) if word.isdecimal() else names.get(word[:3])
