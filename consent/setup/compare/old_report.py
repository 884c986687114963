"""The CSV that the old pipeline delivered -> its numbers, or why it is none of its reports.

Pure. Says nothing about how its numbers came about; ``old_pipeline.py`` does.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from consent.errors import SourceDataError
from consent.period import WEEK, parse_day
from consent.study import StudyConfig

CONSENT = "consent"
"""The column of consents; every other one is a rider's, under the rider's key."""

Cell = tuple[int, str]
"""One number of a report: the week's number since the study's first day, and the column."""


@dataclass(frozen=True)
class OldReport:
    """What an old report says: its columns (consents first), how many weeks it has, and the number in each cell."""

    columns: tuple[str, ...]
    weeks: int
    cells: Counter[Cell]

    def last_week(self, start: date) -> tuple[date, date]:
        """The first and the last day of its last week, in a study that began on ``start``."""
        first = start + (self.weeks - 1) * WEEK
        return first, first + WEEK - timedelta(days=1)


def parse_old_report(content: bytes, name: str, study: StudyConfig) -> OldReport:
    """The numbers of the report in this CSV.

    Args:
        name: of the file, for messages.

    Raises:
        SourceDataError: it is no whole report of the old pipeline, or not of this study.
    """
    header, *lines = _lines(content, name)
    columns = _columns(header, study, name)
    if not lines or lines[-1][0] != "Total":
        raise _unusable(name, "its last row is not 'Total', so it may be cut off")
    *weeks, total = (_numbers(line, len(columns), number, name) for number, line in enumerate(lines, 2))
    _refuse_other_weeks([line[0] for line in lines[:-1]], study, name)
    for column, numbers, in_all in zip(columns, zip(*weeks, strict=True), total, strict=True):
        if sum(numbers) != in_all:
            raise _unusable(name, f"the weeks of its column '{column}' do not add up to its total")
    cells = {(week, column): n for week, row in enumerate(weeks) for column, n in zip(columns, row, strict=True)}
    return OldReport(columns, len(weeks), Counter(cells))


def _lines(content: bytes, name: str) -> list[list[str]]:
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        return [line for line in csv.reader(text, strict=True) if line] or [[]]
    except (UnicodeDecodeError, csv.Error):
        raise _unusable(name, "it is not CSV in UTF-8") from None


def _columns(header: Sequence[str], study: StudyConfig, name: str) -> tuple[str, ...]:
    if list(header[:2]) != ["period", CONSENT]:
        raise _unusable(name, "its first row does not begin with period,consent")
    columns = tuple(header[1:])
    if len({*columns}) < len(columns):
        raise _unusable(name, "one of its columns stands in it twice")
    if unknown := [column for column in columns[1:] if column not in {rider.key for rider in study.riders}]:
        raise _unusable(name, f"the study file has no rider with the key {', '.join(unknown)}")
    return columns


def _numbers(line: Sequence[str], expected: int, number: int, name: str) -> list[int]:
    numbers = line[1:]
    if len(numbers) != expected or not all(cell.isascii() and cell.isdecimal() for cell in numbers):
        raise _unusable(name, f"row {number} does not have a whole number in every column (the header is row 1)")
    return [int(cell) for cell in numbers]


def _refuse_other_weeks(periods: Iterable[str], study: StudyConfig, name: str) -> None:
    """The weeks must be those of the study file, from its first day on, without a gap."""
    periods = list(periods)
    if not periods:
        raise _unusable(name, "it has no week")
    for number, period in enumerate(periods):
        first = study.start_date + number * WEEK
        found = [parse_day(day) for day in period.split(" - ")]
        if found != [first, first + WEEK - timedelta(days=1)]:
            expected = f"{first} - {first + WEEK - timedelta(days=1)}"
            raise _unusable(name, f"row {number + 2} is not of the week {expected}, as the study's first day wants it")


def _unusable(name: str, why: str) -> SourceDataError:
    return SourceDataError(
        f"The file {name} cannot be compared: {why}. Give the CSV as the old pipeline delivered it, and the study file "
        "of the same study."
    )
