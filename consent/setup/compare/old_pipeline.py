"""The rule by which the old pipeline counted: rows, not participants, each in the week of its own date.

Pure and vectorised. It read one consent form (the study file's first) and no code but 1: a consent is a dated row whose
decision is 1, agreement to a rider a dated row whose rider is 1, whatever the decision. Its last week took all seven
days, also those still to come. Knows nothing of today's rules; ``explanation.py`` holds the two against each other.
"""

import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from consent.cells import Array, texts
from consent.consents import Counting
from consent.setup.compare.old_report import CONSENT
from consent.study import FieldRef

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
