"""REDCap rows -> one row per consent: what each decision and its date say, before anyone is counted.

Pure and vectorised. A *consent* is one row with a decision (or a date waiting for one); a participant may have several.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from consent.period import ReportPeriod
from consent.redcap.export_plan import Coding
from consent.redcap.rows import EVENT, INSTANCE
from consent.study import ConsentForm, FieldRef, StudyConfig

Array = npt.NDArray[Any]

CONSENTED, DECLINED, OPEN = "consented", "declined", "open"
NOT_COUNTED_REASONS = ("unknown_code", "no_date", "unreadable_date", "before_start", "future_date", "after_cutoff")
STATES = (CONSENTED, DECLINED, *NOT_COUNTED_REASONS, OPEN)
"""What one consent can say, in the order in which a participant's consents are searched for the one that decides."""

_RANK = {state: rank for rank, state in enumerate(STATES)}
_NOT_COMPLETED = "[not completed]"  # in place of a survey's timestamp: begun, never submitted
_NO_DAY = "NaT"  # numpy's word for it
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?")


@dataclass(frozen=True)
class Counting:
    """Everything that decides how a row counts: the study, how its fields are written, and the days covered."""

    study: StudyConfig
    coding: Coding
    period: ReportPeriod


def read_consents(rows: pd.DataFrame, participants: Array, counting: Counting) -> pd.DataFrame:
    """Every consent in the rows, of any form, in the order event, form, instance within each participant.

    Args:
        rows: ``record``, the structure columns and the study's fields, all text.
        participants: the number of each row's participant.

    Returns:
        Columns ``participant`` (number), ``row`` (position in ``rows``), ``form`` (number), ``event`` and ``instance``
        (order), ``day`` (NaT where the date is not one), ``state`` (rank in ``STATES``), ``agreed`` (the decision,
        whatever the date says) and ``agreed_but_open``.
    """
    parts = [_consents_on(form, n, rows, counting) for n, form in enumerate(counting.study.consents)]
    consents = pd.concat(parts, ignore_index=True)
    at = consents["row"].to_numpy()
    consents["participant"] = participants[at]
    consents["event"] = event_ranks(rows, counting.coding)[at]
    consents["instance"] = instances(rows)[at]
    return consents.sort_values(["participant", "event", "form", "instance", "row"], ignore_index=True)


def _consents_on(form: ConsentForm, number: int, rows: pd.DataFrame, counting: Counting) -> pd.DataFrame:
    written = holds_consent(form, rows, counting)
    if form.events:
        written &= np.isin(rows[EVENT].to_numpy(), form.events)
    at = np.flatnonzero(written)
    decision = _decisions(form, rows, counting.coding)[at]
    date_text = _stripped(_date_texts(form, rows, counting)[at])
    date_text = np.where(is_one_of(date_text, counting.coding.missing_codes), "", date_text)
    certified = np.ones(len(at), dtype=bool)
    if form.form_complete:
        certified = texts(rows, FieldRef(form.form_complete), counting.coding)[at] == "2"
    agreed = is_one_of(decision, form.agreed)
    still_open = is_one_of(date_text, (*form.pending_text, _NOT_COMPLETED))
    days = _days(date_text, form.date in counting.coding.timestamps, counting.study)
    return pd.DataFrame(
        {
            "row": at,
            "form": number,
            "day": days,
            "state": _states(form, decision, agreed & certified, date_text, still_open, days, counting),
            "agreed": agreed,
            "agreed_but_open": agreed & certified & still_open,
        }
    )


def _states(
    form: ConsentForm,
    decision: Array,
    agreed_and_certified: Array,
    date_text: Array,
    still_open: Array,
    days: Array,
    counting: Counting,
) -> Array:
    """The state of each consent as its rank in ``STATES``: the first rule that matches, in this order."""
    period = counting.period
    waiting = (decision == "") | is_one_of(decision, (*form.pending, *counting.coding.missing_codes))
    rules = [
        (is_one_of(decision, form.declined), DECLINED),
        (waiting | (is_one_of(decision, form.agreed) & ~agreed_and_certified), OPEN),
        (~agreed_and_certified, "unknown_code"),
        (date_text == "", "no_date"),
        (still_open, OPEN),
        (np.isnat(days), "unreadable_date"),
        (days < np.datetime64(period.start), "before_start"),
        (days > np.datetime64(period.exported_on), "future_date"),
        (days > np.datetime64(period.cutoff), "after_cutoff"),
    ]
    return np.select([rule for rule, _ in rules], [_RANK[state] for _, state in rules], default=_RANK[CONSENTED])


def holds_consent(form: ConsentForm, rows: pd.DataFrame, counting: Counting) -> Array:
    """Whether each row has a decision of this form, or a date waiting for one, in whatever event."""
    written: Array = (_decisions(form, rows, counting.coding) != "") | (_date_texts(form, rows, counting) != "")
    return written


def _date_texts(form: ConsentForm, rows: pd.DataFrame, counting: Counting) -> Array:
    """The form's dates. One that two forms share (the participant's and a representative's) is not that of a form still
    waiting, once the other is decided."""
    dates = texts(rows, FieldRef(form.date), counting.coding)
    for other in counting.study.consents:
        if other.date == form.date and other is not form:
            taken = ~_waiting(other, rows, counting.coding) & _waiting(form, rows, counting.coding)
            dates = np.where(taken, "", dates)
    return dates


def _waiting(form: ConsentForm, rows: pd.DataFrame, coding: Coding) -> Array:
    return is_one_of(_decisions(form, rows, coding), ("", *form.pending, *coding.missing_codes))


def _decisions(form: ConsentForm, rows: pd.DataFrame, coding: Coding) -> Array:
    decision = texts(rows, form.decision, coding)
    if form.decision.is_checkbox:
        decision = np.where(decision == "0", "", decision)  # an unticked box is no answer
    return decision


def texts(rows: pd.DataFrame, ref: FieldRef, coding: Coding) -> Array:
    """The values of one of the study's fields, as they were exported."""
    return rows[coding.columns[ref]].to_numpy(dtype=object)


def is_one_of(values: Array, codes: Sequence[str] | frozenset[str]) -> Array:
    """Whether each value is one of the codes."""
    return np.isin(values, list(codes)) if codes else np.zeros(len(values), dtype=bool)


def event_ranks(rows: pd.DataFrame, coding: Coding) -> Array:
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


def _stripped(values: Array) -> Array:
    return _by_value(values, lambda unique: [value.strip() for value in unique], object)


def _days(date_texts: Array, is_timestamp: bool, study: StudyConfig) -> Array:
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
