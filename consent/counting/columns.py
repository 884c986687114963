"""The cells of an export -> values: texts, days, and the order of rows.

Pure and vectorised; knows nothing of consents.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from consent.redcap.arrivals import EVENT, INSTANCE
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import FieldRef, StudyConfig

Array = npt.NDArray[Any]

_NO_DAY = "NaT"  # numpy's word for it
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?")


def texts(rows: pd.DataFrame, ref: FieldRef, coding: ColumnMap) -> Array:
    """The values of one of the study's fields, as they were exported."""
    return rows[coding.columns[ref]].to_numpy(dtype=object)


def is_one_of(values: Array, codes: Sequence[str] | frozenset[str]) -> Array:
    """Whether each value is one of the codes."""
    return np.isin(values, list(codes)) if codes else np.zeros(len(values), dtype=bool)


def event_ranks(rows: pd.DataFrame, coding: ColumnMap) -> Array:
    """Each row's place in the order of events: the project's own, then by name where that is not known."""

    def rank_all(names: Sequence[str]) -> list[int]:
        known_first = dict.fromkeys((*coding.event_order, *sorted(names)))
        order = {name: rank for rank, name in enumerate(known_first)}
        return [order[name] for name in names]

    return _by_value(rows[EVENT].to_numpy(dtype=object), rank_all, "int64")


def instances(rows: pd.DataFrame) -> Array:
    """Each row's repeat instance; 0 on rows that do not repeat."""
    return _by_value(
        rows[INSTANCE].to_numpy(dtype=object),
        lambda values: [int(value) if value.isdecimal() and len(value) < 10 else 0 for value in values],
        "int64",
    )


def written(values: Array, coding: ColumnMap) -> Array:
    """What was written, without spaces around it; a missing-data code is nothing written."""

    def read_all(unique: Sequence[str]) -> list[str]:
        stripped = (value.strip() for value in unique)
        return ["" if value in coding.missing_codes else value for value in stripped]

    return _by_value(values, read_all, object)


def order_of(values: Array, at: Array, rows: pd.DataFrame, coding: ColumnMap) -> Array:
    """The positions ``at``, by event and instance, and where these are the same by value."""
    by_value = pd.factorize(values[at], sort=True)[0]
    return at[np.lexsort((by_value, instances(rows)[at], event_ranks(rows, coding)[at]))]


def any_of(numbers: Array, size: int) -> Array:
    """Which of so many participants are among these numbers."""
    flags = np.zeros(size, dtype=bool)
    flags[numbers] = True
    return flags


def days_of(date_texts: Array, is_timestamp: bool, study: StudyConfig) -> Array:
    """The day that each text names, NaT where it names none."""

    def read_all(values: Sequence[str]) -> list[str]:
        if is_timestamp:
            return [_day_of_timestamp(value, study) for value in values]
        return [_day(value) for value in values]

    return _by_value(date_texts, read_all, "datetime64[D]")


def _by_value(values: Array, convert: Callable[[Sequence[str]], Sequence[object]], kind: Any) -> Array:
    """Convert each different value once."""
    codes, unique = pd.factorize(values)
    return np.array(convert(list(unique)), dtype=kind)[codes] if len(values) else np.empty(0, dtype=kind)


def _day(text: str) -> str:
    """A date written YYYY-MM-DD, alone or with a time after it; anything else is not read.

    Days stay text, which numpy reads thirty times faster than date objects.
    """
    if not (_DATE.fullmatch(text) or _DATE_TIME.fullmatch(text)):
        return _NO_DAY
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return _NO_DAY
    return text[:10]


def _day_of_timestamp(text: str, study: StudyConfig) -> str:
    """The day in the study's zone of a survey timestamp, which REDCap writes in its server's zone."""
    if not _DATE_TIME.fullmatch(text):
        return _day(text)
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(study.redcap.time_zone))
        return moment.astimezone(UTC).astimezone(ZoneInfo(study.time_zone)).date().isoformat()
    except (ValueError, OverflowError):
        return _NO_DAY
