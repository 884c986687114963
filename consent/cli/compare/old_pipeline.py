"""The old pipeline: the CSV report that it delivered, and the rule by which it counted.

It counted rows, not participants, and each row in the week of its own date. It read the study file's first consent form
and no code except 1. A consent was a dated row whose decision is 1. Agreement to a rider was a dated row whose rider is
1, with any decision. Its last week had all seven days, including future ones.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from consent.counting.consents import Batch
from consent.dates import WEEK
from consent.errors import SourceDataError
from consent.redcap.cells import Array, Cells
from consent.studies.model import FieldRef, StudyConfig

CONSENT = "consent"
"""The column of consents; every other column has the key of its rider."""
NOWHERE = -1
"""The week number of what is counted in no week."""

_PANDAS_BLANKS = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null", "None", "NaN", "nan")  # of pandas.read_csv
_BLANK = frozenset({*_PANDAS_BLANKS, "Consent not completed"})
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})([ T]\d{2}:\d{2}(?::\d{2})?)?", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # https://pandas.pydata.org/docs/user_guide/timeseries.html#timestamp-limitations

Cell = tuple[int, str]
"""One number of a report: the number of its week since the study's first day, and its column."""


@dataclass(frozen=True)
class OldReport:
    """The numbers of an old report; the column of consents comes first."""

    columns: tuple[str, ...]
    weeks: int
    cells: Counter[Cell]

    def last_week(self, start: date) -> tuple[date, date]:
        """Return the first and last day of its last week in a study that began on ``start``."""
        return _week(start, self.weeks - 1)


def parse_old_report(content: bytes, name: str, study: StudyConfig) -> OldReport:
    """Read an old report from its CSV; raises SourceDataError if it is incomplete, or of another study or kind."""
    header, *lines = _lines(content, name)
    columns = _columns(header, study, name)
    if not lines or lines[-1][0] != "Total":
        raise _unusable(name, "its last row is not 'Total', so it may be incomplete")
    *weeks, total = (_numbers(line, len(columns), number, name) for number, line in enumerate(lines, 2))
    if not weeks:
        raise _unusable(name, "it has no week")
    for number, line in enumerate(lines[:-1]):
        first, last = _week(study.start_date, number)
        if line[0] != f"{first} - {last}":
            raise _unusable(name, f"row {number + 2} is not the study's week {first} - {last}")
    for column, numbers, stated in zip(columns, zip(*weeks, strict=True), total, strict=True):
        if sum(numbers) != stated:
            raise _unusable(name, f"the weeks of column '{column}' do not add up to its total")
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
        raise _unusable(name, "two of its columns have the same name")
    if unknown := [column for column in columns[1:] if column not in {rider.key for rider in study.riders}]:
        raise _unusable(name, f"the study file has no rider with the key {', '.join(unknown)}")
    return columns


def _numbers(line: Sequence[str], expected: int, number: int, name: str) -> list[int]:
    numbers = line[1:]
    if len(numbers) != expected or not all(re.fullmatch(r"[0-9]{1,9}", cell) for cell in numbers):
        raise _unusable(name, f"row {number} does not have a whole number in every column (the header is row 1)")
    return [int(cell) for cell in numbers]


def _week(start: date, number: int) -> tuple[date, date]:
    first = start + number * WEEK
    return first, first + WEEK - timedelta(days=1)


def _unusable(name: str, reason: str) -> SourceDataError:
    fix = "Give the CSV that the old pipeline delivered, and the study file of the same study."
    return SourceDataError(f"The file {name} cannot be compared: {reason}.", fix)


@dataclass(frozen=True)
class OldReading:
    """How the old pipeline read each row of a batch."""

    weeks: Array  # the number of the week of the row's date; NOWHERE outside the report's weeks
    unreadable: Array  # whether there is a date that it could not read; it stopped there
    has_one: dict[str, Array]  # by column: whether the row has the code 1

    def counted(self, column: str) -> Array:
        """Return which rows it counted in this column."""
        return np.asarray(self.has_one[column] & (self.weeks != NOWHERE))


def read_by_old_rule(batch: Batch) -> OldReading:
    """Read every row as the old pipeline did, over the weeks of this report; an unreadable date counts as none."""
    study, period = batch.counting.study, batch.counting.period
    dates = batch.values(FieldRef(study.consents[0].date))
    blank = dates.is_in(*_BLANK)
    days = dates.converted([_day(text) for text in dates.values], "datetime64[D]")
    weeks = (days - np.datetime64(period.start)).astype("int64") // 7
    counted = ~blank & ~np.isnat(days) & (weeks >= 0) & (weeks < len(period.weeks))
    fields = {CONSENT: study.consents[0].decision, **{rider.key: rider.fields[0] for rider in study.riders}}
    return OldReading(
        weeks=np.where(counted, weeks, NOWHERE),
        unreadable=~blank & np.isnat(days),
        has_one={column: _has_one(batch.values(ref)) for column, ref in fields.items()},
    )


def _has_one(values: Cells) -> Array:
    """The old pipeline compared numbers, so 01 and 1.0 were also 1."""
    numbers = pd.to_numeric(pd.Series(values.values, dtype=object), errors="coerce")
    return values.converted((numbers == 1).to_numpy(dtype=bool))


def _day(text: str) -> str:
    """Return the day that it read, in ISO format or NaT; it accepted months and days of one digit."""
    found = _DATE.fullmatch(text)
    if not found or not _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR:
        return "NaT"
    day = f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}"
    try:
        datetime.fromisoformat(day + (found[4] or ""))
    except ValueError:
        return "NaT"
    return day
