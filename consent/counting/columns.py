"""Convert the cells of an export to values, days and sort positions."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from consent.redcap.arrivals import EVENT, INSTANCE
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import StudyConfig

Array = npt.NDArray[Any]

_NO_DAY = "NaT"  # numpy's missing day
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?")


def stripped(cells: Array, column_map: ColumnMap) -> Array:
    """Strip the spaces around each value; a missing-data code becomes empty."""
    return _by_value(cells, lambda value: "" if value.strip() in column_map.missing_codes else value.strip(), object)


def is_one_of(cells: Array, codes: Sequence[str] | frozenset[str]) -> Array:
    """Flag the values that are one of the codes."""
    return np.isin(cells, list(codes)) if codes else np.zeros(len(cells), dtype=bool)


def flags_for(numbers: Array, size: int) -> Array:
    """Return ``size`` flags, true at these numbers."""
    flags = np.zeros(size, dtype=bool)
    flags[numbers] = True
    return flags


def event_ranks(rows: pd.DataFrame, column_map: ColumnMap) -> Array:
    """Return each row's position in the project's order of events; unlisted events follow by name."""
    events = rows[EVENT].to_numpy(dtype=object)
    known_first = dict.fromkeys((*column_map.event_order, *sorted(pd.unique(events))))
    order = {name: rank for rank, name in enumerate(known_first)}
    return _by_value(events, order.__getitem__, "int64")


def instances(rows: pd.DataFrame) -> Array:
    """Return each row's repeat instance; 0 on rows that do not repeat."""
    numbers = rows[INSTANCE].to_numpy(dtype=object)
    return _by_value(numbers, lambda text: int(text) if text.isdecimal() and len(text) < 10 else 0, "int64")


def days_of(texts: Array, is_timestamp: bool, study: StudyConfig) -> Array:
    """Read the day in each text, NaT where it is not a date; a survey timestamp is in the server's time zone."""
    return _by_value(texts, partial(_day_of_timestamp, study=study) if is_timestamp else _day, "datetime64[D]")


def _by_value(cells: Array, convert: Callable[[str], object], dtype: Any) -> Array:
    """Convert each distinct value once."""
    codes, unique = pd.factorize(cells)
    return np.array([convert(value) for value in unique], dtype=dtype)[codes]


def _day(text: str) -> str:
    """Return the day of a strict ``YYYY-MM-DD`` date or date-time.

    Days stay text: numpy reads text thirty times faster than date objects.
    """
    if not (_DATE.fullmatch(text) or _DATE_TIME.fullmatch(text)):
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
