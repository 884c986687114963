"""The rule by which the old pipeline counted: rows, not participants, each in the week of its own date.

Pure and vectorised. It read one consent form (the study file's first) and no code but 1: a consent is a dated row whose
decision is 1, agreement to a rider a dated row whose rider is 1, whatever the decision. Its last week took all seven
days, also those still to come. Knows nothing of today's rules; ``explanation.py`` holds the two against each other.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from consent.counting.columns import Array, texts
from consent.counting.consents import Counting
from consent.dates import WEEK, parse_day
from consent.errors import SourceDataError
from consent.studies.model import FieldRef, StudyConfig

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
    _ensure_same_weeks([line[0] for line in lines[:-1]], study, name)
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


def _ensure_same_weeks(periods: Iterable[str], study: StudyConfig, name: str) -> None:
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


PENDING_TEXT = "Consent not completed"
NOWHERE = -1
"""The week of a row that the old pipeline counted in none."""

_BLANK = frozenset({"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null", "None", "NaN", "nan"})  # as pandas.read_csv
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})([ T]\d{2}:\d{2}(?::\d{2})?)?", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # https://pandas.pydata.org/docs/user_guide/timeseries.html#timestamp-limitations


@dataclass(frozen=True)
class OldReading:
    """What the old pipeline made of each row of a batch, as arrays by row.

    Attributes:
        weeks: the number of the week that the row's date is in, NOWHERE where it has none in the report's weeks.
        dated: whether there is a date that it could read.
        unreadable: whether there is one that it could not read, at which it stopped.
        says_one: by column (consents, then the riders' keys), whether the row says 1.
    """

    weeks: Array
    dated: Array
    unreadable: Array
    says_one: dict[str, Array]

    def counted(self, column: str) -> Array:
        """Which rows it counted in this column."""
        found: Array = self.says_one[column] & (self.weeks != NOWHERE)
        return found


def read_by_old_rule(rows: pd.DataFrame, counting: Counting) -> OldReading:
    """Read every row as the old pipeline did, over the weeks of this report.

    A date that it could not read, at which it would have stopped, is taken for none.
    """
    form, period = counting.study.consents[0], counting.period
    written = texts(rows, FieldRef(form.date), counting.coding)
    blank = np.array([text in _BLANK or text == PENDING_TEXT for text in written], dtype=bool)
    days = np.array([_day(text) for text in written], dtype="datetime64[D]")
    dated = ~blank & ~np.isnat(days)
    since_start = (days - np.datetime64(period.start)).astype("int64") // 7
    in_weeks = dated & (since_start >= 0) & (since_start < len(period.weeks))
    fields = {CONSENT: form.decision, **{rider.key: rider.field for rider in counting.study.riders}}
    return OldReading(
        weeks=np.where(in_weeks, since_start, NOWHERE),
        dated=dated,
        unreadable=~blank & np.isnat(days),
        says_one={column: _says_one(texts(rows, ref, counting.coding)) for column, ref in fields.items()},
    )


def _says_one(values: Array) -> Array:
    """It compared numbers, so 01 and 1.0 were 1 as well."""
    found: Array = (pd.to_numeric(pd.Series(values, dtype=object), errors="coerce") == 1).to_numpy(dtype=bool)
    return found


def _day(text: str) -> str:
    """The day that a text named to it, as ISO writes it; numpy's NaT for none. One digit did for a month or a day."""
    found = _DATE.fullmatch(text)
    if not found or not _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR:
        return "NaT"
    day = f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}"
    try:
        datetime.fromisoformat(day + (found[4] or ""))
    except ValueError:
        return "NaT"
    return day
