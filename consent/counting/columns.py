"""Convert the cells of an export to values, days and sort positions."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from consent.redcap.arrivals import EVENT, INSTANCE, Rows
from consent.redcap.cells import Array, Cells
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import StudyConfig

_NO_DAY = "NaT"  # numpy's missing day
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?")
_DATE_OR_TIME = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?")


def stripped(cells: Cells, column_map: ColumnMap) -> Cells:
    """Strip the spaces around each value; a missing-data code becomes empty."""
    values = tuple(map(str.strip, cells.values))
    if column_map.missing_codes:
        values = tuple("" if value in column_map.missing_codes else value for value in values)
    if values == cells.values:
        return cells
    distinct = Cells.of(values)
    return Cells(distinct.values, distinct.numbers[cells.numbers])


def flags_for(numbers: Array, size: int) -> Array:
    """Return ``size`` flags, true at these numbers."""
    flags = np.zeros(size, dtype=bool)
    flags[numbers] = True
    return flags


def event_ranks(rows: Rows, column_map: ColumnMap) -> Array:
    """Return each row's position in the project's order of events; unlisted events follow by name."""
    events = rows.cells(EVENT)
    known_first = dict.fromkeys((*column_map.event_order, *sorted(events.values)))
    order = {name: rank for rank, name in enumerate(known_first)}
    return _by_value(events, order.__getitem__, "int64")


def instances(rows: Rows) -> Array:
    """Return each row's repeat instance; 0 on rows that do not repeat."""
    return _by_value(
        rows.cells(INSTANCE), lambda text: int(text) if text.isdecimal() and len(text) < 10 else 0, "int64"
    )


def days_of(texts: Cells, is_timestamp: bool, study: StudyConfig) -> Array:
    """Read the day in each text, NaT where it is not a date; a survey timestamp is in the server's time zone."""
    return _by_value(texts, partial(_day_of_timestamp, study=study) if is_timestamp else _day, "datetime64[D]")


def _by_value(cells: Cells, convert: Callable[[str], object], dtype: Any) -> Array:
    """Convert each distinct value once."""
    return cells.converted(list(map(convert, cells.values)), dtype)


@lru_cache(10_000)  # every batch has most of the days again
def _day(text: str) -> str:
    """Return the day of a strict ``YYYY-MM-DD`` date or date-time.

    Days stay text: numpy reads text thirty times faster than date objects.
    """
    is_day = len(text) == len("2026-11-16") and text[4] == text[7] == "-"  # the usual case, without the expression
    if not (is_day or _DATE_OR_TIME.fullmatch(text)):
        return _NO_DAY
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return _NO_DAY
    return text[:10]


def _day_of_timestamp(text: str, study: StudyConfig) -> str:
    """Return the day of a survey timestamp in the study's time zone."""
    if not _DATE_TIME.fullmatch(text):
        return _day(text)
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(study.redcap.time_zone))
        return moment.astimezone(UTC).astimezone(ZoneInfo(study.time_zone)).date().isoformat()
    except (ValueError, OverflowError):
        return _NO_DAY
