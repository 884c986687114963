"""Read consents from REDCap rows: the decision, day and state of each.

A consent is one row with a decision, or with a date for a decision that is still pending. A participant may have
several. ``participants.py`` derives the participant's class from them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from consent.counting.columns import (
    Array,
    Cells,
    blanked,
    cells_of,
    days_of,
    event_ranks,
    flags_for,
    instances,
    is_one_of,
    stripped,
)
from consent.counting.period import ReportPeriod
from consent.redcap.arrivals import EVENT, INSTANCE, INSTRUMENT, NUMBER, RECORD, is_first
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
    """Some whole records; ``rows`` has ``record``, structure columns and the study's fields, as text or categories."""

    rows: pd.DataFrame
    counting: Counting

    @cached_property
    def _numbered(self) -> tuple[Array, "pd.Index[str]"]:
        if self.rows.index.name != NUMBER:
            numbers, records = pd.factorize(self.rows[RECORD])
            return numbers, pd.Index(records, name=RECORD)
        numbers = self.rows.index.to_numpy()
        return numbers, pd.Index(self.rows[RECORD].to_numpy(dtype=object)[is_first(numbers)], name=RECORD)

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
        consents = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        at = consents["row"].to_numpy()
        consents["participant"] = self.numbers[at]
        consents["event"] = event_ranks(self.rows, self.counting.column_map)[at]
        consents["instance"] = instances(self.rows)[at]
        if version := self.counting.study.version:
            consents["version"] = self.beside_repeats(self.stripped(version.field))[at]
        if (np.diff(consents["participant"]) > 0).all():  # one of each, in order
            return consents
        return consents.sort_values(["participant", "event", "form", "instance", "row"], ignore_index=True)

    @cached_property
    def agreed(self) -> Array:
        """Flag the participants with an agreed consent of any form."""
        return self.with_consent(self.consents["agreed"].to_numpy())

    def cells(self, column: str) -> Cells:
        """Return a column of ``rows``."""
        cells = self.rows[column].array
        return cells if isinstance(cells, pd.Categorical) else pd.Categorical(cells)

    def values(self, ref: FieldRef) -> Cells:
        """Return a field's values as exported, one per row."""
        return self.cells(self.counting.column_map.columns[ref])

    def stripped(self, ref: FieldRef | None) -> Cells:
        """Return a field's stripped values, one per row; all empty without a field."""
        if ref is None:
            return cells_of(np.zeros(len(self.rows), "int8"), [""])
        return stripped(self.values(ref), self.counting.column_map)

    def selected(self, filters: Iterable[RowFilter]) -> Array:
        """Flag the rows that every filter selects."""
        flags = np.ones(len(self.rows), dtype=bool)
        for each in filters:
            flags &= is_one_of(self.values(each.field), each.codes)
        return flags

    def beside_repeats(self, cells: Cells) -> Cells:
        """Fill the blanks on rows of a repeating form from the record's row beside them, in the same event.

        Such a row holds the fields of its form only. Those of the event's other forms stand once, on another row.
        """
        repeats = self.cells(INSTRUMENT) != ""
        empty = np.flatnonzero(repeats & (cells == "")) if repeats.any() else ()
        if not len(empty):
            return cells
        once = np.flatnonzero(~repeats & (self.cells(INSTANCE) == "") & (cells != ""))
        events = self.rows[EVENT].to_numpy()
        beside = {(self.numbers[row], events[row]): cells[row] for row in once}
        filled = np.asarray(cells, dtype=object)
        filled[empty] = [beside.get((self.numbers[row], events[row]), "") for row in empty]
        return pd.Categorical(filled)

    def with_row(self, chosen: Array) -> Array:
        """Flag the participants that have a chosen row (one flag per row)."""
        return flags_for(self.numbers[chosen], self.size)

    def with_consent(self, chosen: Array) -> Array:
        """Flag the participants that have a chosen consent (one flag per consent)."""
        return flags_for(self.consents["participant"].to_numpy()[chosen], self.size)

    def sorted_rows(self, chosen: Array, cells: Cells) -> Array:
        """Return the positions of the chosen rows (one flag per row), by event, instance and cell."""
        at = np.flatnonzero(chosen)
        by_cell = pd.factorize(np.asarray(cells[at], dtype=object), sort=True)[0]
        return at[np.lexsort((by_cell, instances(self.rows)[at], event_ranks(self.rows, self.counting.column_map)[at]))]

    def last(self, values: Array, at: Array, missing: object) -> Array:
        """Return each participant's last value among the rows at these positions, ``missing`` for none."""
        found = np.full(self.size, missing, dtype=values.dtype)
        found[self.numbers[at]] = values[at]
        return found

    def last_cells(self, cells: Cells, at: Array) -> Cells:
        """Return each participant's last cell among the rows at these positions, blank for none."""
        numbers = self.last(cells.codes, at, -1)
        return blanked(cells_of(numbers, cells.categories), numbers == -1)


def latest_consents(consents: pd.DataFrame, size: int) -> Array:
    """Return the position of each participant's latest agreed consent among ``consents``; -1 for none."""
    valid = consents["state"].to_numpy() == STATES.index(CONSENTED)
    who, at = consents["participant"].to_numpy()[valid], consents.index.to_numpy()[valid]
    if (np.diff(who) <= 0).any():  # the stable sort keeps event, form, instance within a day
        by_day = np.argsort(consents["day"].to_numpy()[valid], kind="stable")
        who, at = who[by_day], at[by_day]
    latest = np.full(size, -1)
    latest[who] = at
    return latest


def holds_consent(form: ConsentForm, batch: Batch) -> Array:
    """Flag the rows that hold a consent of this form, in any event."""
    held: Array = (decisions_of(form, batch) != "") | (_date_texts(form, batch) != "")
    return held & batch.selected(form.where)


def _consents_on(form: ConsentForm, number: int, batch: Batch) -> pd.DataFrame:
    counting, held = batch.counting, holds_consent(form, batch)
    if form.events:
        held &= is_one_of(batch.cells(EVENT), form.events)
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
    decision: Cells,
    agreed_and_certified: Array,
    date_text: Cells,
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


def _date_texts(form: ConsentForm, batch: Batch) -> Cells:
    """Return the form's dates.

    Two forms may share a date field (the participant's and a representative's). Once one is decided, the date is
    not the other's.
    """
    dates = batch.values(FieldRef(form.date))
    for other in batch.counting.study.consents:
        if other.date == form.date and other is not form:
            others = batch.selected(other.where) & ~_undecided(other, batch)
            dates = blanked(dates, others & _undecided(form, batch))
    return dates


def _undecided(form: ConsentForm, batch: Batch) -> Array:
    return is_one_of(decisions_of(form, batch), ("", *form.pending, *batch.counting.column_map.missing_codes))


def decisions_of(form: ConsentForm, batch: Batch) -> Cells:
    """Return the code of the decision on each row; on a form without one its only code, or blank."""
    if not form.agreed_when:
        return answers_of(form.decision, batch)
    if form.agreed_when == "complete" and form.form_complete:
        agreed = batch.values(FieldRef(form.form_complete)) == "2"
    else:
        agreed = ~is_one_of(batch.stripped(FieldRef(form.date)), ("", *form.pending_text, NOT_COMPLETED))
    return cells_of(agreed.astype("int8"), ["", form.agreed[0]])


def answers_of(ref: FieldRef, batch: Batch) -> Cells:
    """Return a field's values as exported; an unticked box is no answer, because an untouched form exports 0."""
    cells = batch.values(ref)
    return blanked(cells, cells == "0") if ref.is_checkbox else cells
