"""REDCap rows -> one row per consent: what each decision and its date say, before anyone is counted.

Pure and vectorised. A *consent* is one row with a decision (or a date waiting for one); a participant may have several.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from consent.counting.columns import Array, any_of, days_of, event_ranks, instances, is_one_of, texts, written
from consent.counting.period import ReportPeriod
from consent.redcap.arrivals import EVENT
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import NOT_COMPLETED, ConsentForm, FieldRef, StudyConfig

CONSENTED, DECLINED, OPEN = "consented", "declined", "open"
NOT_COUNTED_REASONS = ("unknown_code", "no_date", "unreadable_date", "before_start", "future_date", "after_cutoff")
STATES = (CONSENTED, DECLINED, *NOT_COUNTED_REASONS, OPEN)
"""What one consent can say, in the order in which a participant's consents are searched for the one that decides."""

_RANK = {state: rank for rank, state in enumerate(STATES)}


@dataclass(frozen=True)
class Counting:
    """Everything that decides how a row counts: the study, how its fields are written, and the days covered."""

    study: StudyConfig
    coding: ColumnMap
    period: ReportPeriod


@dataclass(frozen=True)
class Batch:
    """The rows of some whole records, with the consents in them.

    Attributes:
        rows: ``record``, the structure columns and the study's fields, all text.
        numbers: the number of each row's participant, from 0.
        records: the record id of each participant.
        consents: one row per consent; columns as ``read_consents`` says.
    """

    rows: pd.DataFrame
    numbers: Array
    records: "pd.Index[str]"
    consents: pd.DataFrame
    counting: Counting

    @property
    def size(self) -> int:
        """How many participants there are."""
        return len(self.records)

    def with_row(self, chosen: Array) -> Array:
        """Whether any row of each participant is among those chosen (by a bool each)."""
        return any_of(self.numbers[chosen], self.size)

    def with_consent(self, chosen: Array) -> Array:
        """Whether any consent of each participant is among those chosen (by a bool each)."""
        return any_of(self.consents["participant"].to_numpy()[chosen], self.size)


def read_batch(rows: pd.DataFrame, counting: Counting) -> Batch:
    """Number the participants and read their consents."""
    numbers, records = pd.factorize(rows["record"])
    return Batch(rows, numbers, pd.Index(records, name="record"), read_consents(rows, numbers, counting), counting)


def read_consents(rows: pd.DataFrame, participants: Array, counting: Counting) -> pd.DataFrame:
    """Every consent in the rows, of any form, in the order event, form, instance within each participant.

    Args:
        rows: ``record``, the structure columns and the study's fields, all text.
        participants: the number of each row's participant.

    Returns:
        Columns ``participant`` (number), ``row`` (position in ``rows``), ``form`` (number), ``event`` and ``instance``
        (order), ``day`` (NaT where the date is not one), ``state`` (rank in ``STATES``), ``agreed`` (the decision,
        whatever the date says), ``certified``, ``agreed_but_open``, and ``version`` (empty where it is blank) where
        the study file says how to tell it.
    """
    parts = [_consents_on(form, n, rows, counting) for n, form in enumerate(counting.study.consents)]
    consents = pd.concat(parts, ignore_index=True)
    at = consents["row"].to_numpy()
    consents["participant"] = participants[at]
    consents["event"] = event_ranks(rows, counting.coding)[at]
    consents["instance"] = instances(rows)[at]
    if version := counting.study.version:
        consents["version"] = written(texts(rows, version.field, counting.coding)[at], counting.coding)
    return consents.sort_values(["participant", "event", "form", "instance", "row"], ignore_index=True)


def latest_consents(consents: pd.DataFrame, size: int) -> Array:
    """For each participant the position of the latest agreed consent among ``consents``, -1 where there is none."""
    valid = consents[consents["state"] == STATES.index(CONSENTED)]
    by_day = valid.sort_values("day", kind="stable")  # the stable sort keeps event, form, instance within a day
    latest = np.full(size, -1)
    latest[by_day["participant"].to_numpy()] = by_day.index.to_numpy()
    return latest


def _consents_on(form: ConsentForm, number: int, rows: pd.DataFrame, counting: Counting) -> pd.DataFrame:
    held = holds_consent(form, rows, counting)
    if form.events:
        held &= np.isin(rows[EVENT].to_numpy(), form.events)
    at = np.flatnonzero(held)
    decision = _decisions(form, rows, counting.coding)[at]
    date_text = written(_date_texts(form, rows, counting)[at], counting.coding)
    certified = np.ones(len(at), dtype=bool)
    if form.form_complete:
        certified = texts(rows, FieldRef(form.form_complete), counting.coding)[at] == "2"
    agreed = is_one_of(decision, form.agreed)
    still_open = is_one_of(date_text, (*form.pending_text, NOT_COMPLETED))
    days = days_of(date_text, form.date in counting.coding.timestamps, counting.study)
    return pd.DataFrame(
        {
            "row": at,
            "form": number,
            "day": days,
            "state": _states(form, decision, agreed & certified, date_text, still_open, days, counting),
            "agreed": agreed,
            "certified": certified,
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
    held: Array = (_decisions(form, rows, counting.coding) != "") | (_date_texts(form, rows, counting) != "")
    return held


def _date_texts(form: ConsentForm, rows: pd.DataFrame, counting: Counting) -> Array:
    """The form's dates. One that two forms share (the participant's and a representative's) is not that of a form still
    waiting, once the other is decided."""
    dates = texts(rows, FieldRef(form.date), counting.coding)
    for other in counting.study.consents:
        if other.date == form.date and other is not form:
            taken = ~_waiting(other, rows, counting.coding) & _waiting(form, rows, counting.coding)
            dates = np.where(taken, "", dates)
    return dates


def _waiting(form: ConsentForm, rows: pd.DataFrame, coding: ColumnMap) -> Array:
    return is_one_of(_decisions(form, rows, coding), ("", *form.pending, *coding.missing_codes))


def _decisions(form: ConsentForm, rows: pd.DataFrame, coding: ColumnMap) -> Array:
    decision = texts(rows, form.decision, coding)
    if form.decision.is_checkbox:
        decision = np.where(decision == "0", "", decision)  # an unticked box is no answer
    return decision
