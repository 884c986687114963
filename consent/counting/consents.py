"""Read consents from REDCap rows: the decision, day and state of each.

A consent is one row with a decision, or with a date for a decision that is still pending. A participant may have
several. ``participants.py`` derives the participant's class from them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from consent.counting.columns import Array, days_of, event_ranks, flags_for, instances, is_one_of, stripped
from consent.counting.period import ReportPeriod
from consent.redcap.arrivals import EVENT, INSTANCE, INSTRUMENT, RECORD
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import NOT_COMPLETED, ConsentForm, FieldRef, RowFilter, StudyConfig

CONSENTED, DECLINED, OPEN = "consented", "declined", "open"
NOT_COUNTED_REASONS = ("unknown_code", "no_date", "unreadable_date", "before_start", "future_date", "after_cutoff")
STATES = (CONSENTED, DECLINED, *NOT_COUNTED_REASONS, OPEN)
"""The states of a consent. The first of these among a participant's consents gives the participant's class."""

_RANK = {state: rank for rank, state in enumerate(STATES)}


@dataclass(frozen=True)
class Counting:
    """The inputs of every counting rule: the study, the export's columns, and the days covered."""

    study: StudyConfig
    column_map: ColumnMap
    period: ReportPeriod


@dataclass(frozen=True)
class Batch:
    """Some whole records; ``rows`` has ``record``, the structure columns and the study's fields, all text."""

    rows: pd.DataFrame
    counting: Counting

    @cached_property
    def _numbered(self) -> tuple[Array, "pd.Index[str]"]:
        numbers, records = pd.factorize(self.rows[RECORD])
        return numbers, pd.Index(records, name=RECORD)

    @property
    def numbers(self) -> Array:
        """The number of each row's participant, from 0."""
        return self._numbered[0]

    @property
    def records(self) -> "pd.Index[str]":
        """The record id of each participant."""
        return self._numbered[1]

    @property
    def size(self) -> int:
        return len(self.records)

    @cached_property
    def consents(self) -> pd.DataFrame:
        """Every consent of every form, sorted by participant, event, form and instance.

        Columns ``participant`` (number), ``row`` (position in ``rows``), ``form`` (number), ``event`` and ``instance``
        (order), ``day`` (NaT if unreadable), ``state`` (rank in ``STATES``), ``agreed`` (by the decision alone),
        ``certified`` and ``agreed_but_open``. If the study has form versions: ``version`` (empty if blank).
        """
        parts = [_consents_on(form, n, self) for n, form in enumerate(self.counting.study.consents)]
        consents = pd.concat(parts, ignore_index=True)
        at = consents["row"].to_numpy()
        consents["participant"] = self.numbers[at]
        consents["event"] = event_ranks(self.rows, self.counting.column_map)[at]
        consents["instance"] = instances(self.rows)[at]
        if version := self.counting.study.version:
            consents["version"] = self.beside_repeats(self.stripped(version.field))[at]
        return consents.sort_values(["participant", "event", "form", "instance", "row"], ignore_index=True)

    def values(self, ref: FieldRef) -> Array:
        """Return a field's values as exported, one per row."""
        return self.rows[self.counting.column_map.columns[ref]].to_numpy(dtype=object)

    def stripped(self, ref: FieldRef | None) -> Array:
        """Return a field's stripped values, one per row; all empty without a field."""
        if ref is None:
            return np.full(len(self.rows), "", dtype=object)
        return stripped(self.values(ref), self.counting.column_map)

    def selected(self, filters: Iterable[RowFilter]) -> Array:
        """Flag the rows that every filter selects."""
        flags = np.ones(len(self.rows), dtype=bool)
        for each in filters:
            flags &= is_one_of(self.values(each.field), each.codes)
        return flags

    def beside_repeats(self, cells: Array) -> Array:
        """Fill the blanks on rows of a repeating form from the record's row beside them, in the same event.

        Such a row holds the fields of its form only. Those of the event's other forms stand once, on another row.
        """
        repeats = self.rows[INSTRUMENT].to_numpy() != ""
        empty = np.flatnonzero(repeats & (cells == ""))
        once = np.flatnonzero(~repeats & (self.rows[INSTANCE].to_numpy() == "") & (cells != ""))
        if not len(empty) or not len(once):
            return cells
        events = self.rows[EVENT].to_numpy()
        beside = {(self.numbers[row], events[row]): cells[row] for row in once}
        filled = cells.copy()
        filled[empty] = [beside.get((self.numbers[row], events[row]), "") for row in empty]
        return filled

    def with_row(self, chosen: Array) -> Array:
        """Flag the participants that have a chosen row (one flag per row)."""
        return flags_for(self.numbers[chosen], self.size)

    def with_consent(self, chosen: Array) -> Array:
        """Flag the participants that have a chosen consent (one flag per consent)."""
        return flags_for(self.consents["participant"].to_numpy()[chosen], self.size)

    def sorted_rows(self, chosen: Array, cells: Array) -> Array:
        """Return the positions of the chosen rows (one flag per row), by event, instance and cell."""
        at = np.flatnonzero(chosen)
        by_cell = pd.factorize(cells[at], sort=True)[0]
        return at[np.lexsort((by_cell, instances(self.rows)[at], event_ranks(self.rows, self.counting.column_map)[at]))]

    def last(self, cells: Array, at: Array, missing: object = "") -> Array:
        """Return each participant's last cell among the rows at these positions, ``missing`` for none."""
        found = np.full(self.size, missing, dtype=cells.dtype)
        found[self.numbers[at]] = cells[at]
        return found


def latest_consents(consents: pd.DataFrame, size: int) -> Array:
    """Return the position of each participant's latest agreed consent among ``consents``; -1 for none."""
    valid = consents[consents["state"] == STATES.index(CONSENTED)]
    by_day = valid.sort_values("day", kind="stable")  # the stable sort keeps event, form, instance within a day
    latest = np.full(size, -1)
    latest[by_day["participant"].to_numpy()] = by_day.index.to_numpy()
    return latest


def holds_consent(form: ConsentForm, batch: Batch) -> Array:
    """Flag the rows that hold a consent of this form, in any event."""
    held: Array = (decisions_of(form, batch) != "") | (_date_texts(form, batch) != "")
    return held & batch.selected(form.where)


def _consents_on(form: ConsentForm, number: int, batch: Batch) -> pd.DataFrame:
    counting, held = batch.counting, holds_consent(form, batch)
    if form.events:
        held &= np.isin(batch.rows[EVENT].to_numpy(), form.events)
    at = np.flatnonzero(held)
    decision = decisions_of(form, batch)[at]
    date_text = stripped(_date_texts(form, batch)[at], counting.column_map)
    certified = np.ones(len(at), dtype=bool)
    if form.form_complete:
        certified = batch.values(FieldRef(form.form_complete))[at] == "2"
    agreed = is_one_of(decision, form.agreed)
    date_open = is_one_of(date_text, (*form.pending_text, NOT_COMPLETED))
    days = days_of(date_text, form.date in counting.column_map.timestamps, counting.study)
    return pd.DataFrame(
        {
            "row": at,
            "form": number,
            "day": days,
            "state": _states(form, decision, agreed & certified, date_text, date_open, days, counting),
            "agreed": agreed,
            "certified": certified,
            "agreed_but_open": agreed & certified & date_open,
        }
    )


def _states(
    form: ConsentForm,
    decision: Array,
    agreed_and_certified: Array,
    date_text: Array,
    date_open: Array,
    days: Array,
    counting: Counting,
) -> Array:
    """Return the state of each consent (its rank in ``STATES``): the first rule that matches."""
    period = counting.period
    undecided = (decision == "") | is_one_of(decision, (*form.pending, *counting.column_map.missing_codes))
    rules = [
        (is_one_of(decision, form.declined), DECLINED),
        (undecided | (is_one_of(decision, form.agreed) & ~agreed_and_certified), OPEN),
        (~agreed_and_certified, "unknown_code"),
        (date_text == "", "no_date"),
        (date_open, OPEN),
        (np.isnat(days), "unreadable_date"),
        (days < np.datetime64(period.start), "before_start"),
        (days > np.datetime64(period.exported_on), "future_date"),
        (days > np.datetime64(period.cutoff), "after_cutoff"),
    ]
    return np.select([rule for rule, _ in rules], [_RANK[state] for _, state in rules], default=_RANK[CONSENTED])


def _date_texts(form: ConsentForm, batch: Batch) -> Array:
    """Return the form's dates.

    Two forms may share a date field (the participant's and a representative's). Once one is decided, the date is
    not the other's.
    """
    dates = batch.values(FieldRef(form.date))
    for other in batch.counting.study.consents:
        if other.date == form.date and other is not form:
            others = batch.selected(other.where) & ~_undecided(other, batch)
            dates = np.where(others & _undecided(form, batch), "", dates)
    return dates


def _undecided(form: ConsentForm, batch: Batch) -> Array:
    return is_one_of(decisions_of(form, batch), ("", *form.pending, *batch.counting.column_map.missing_codes))


def decisions_of(form: ConsentForm, batch: Batch) -> Array:
    """Return the code of the decision on each row; on a form without one its only code, or blank."""
    if not form.agreed_when:
        return answers_of(form.decision, batch)
    if form.agreed_when == "complete" and form.form_complete:
        agreed = batch.values(FieldRef(form.form_complete)) == "2"
    else:
        agreed = ~is_one_of(batch.stripped(FieldRef(form.date)), ("", *form.pending_text, NOT_COMPLETED))
    return np.where(agreed, form.agreed[0], "").astype(object)


def answers_of(ref: FieldRef, batch: Batch) -> Array:
    """Return a field's values as exported; an unticked box is no answer, because an untouched form exports 0."""
    cells = batch.values(ref)
    return np.where(cells == "0", "", cells) if ref.is_checkbox else cells
