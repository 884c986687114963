"""Read consents from REDCap rows: the decision, day and state of each.

A consent is one row with a decision, or with a date for a decision that is still pending. A participant may have
several. ``participants.py`` derives the participant's class from them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from consent.counting.columns import days_of, event_ranks, flags_for, instances, stripped
from consent.counting.period import ReportPeriod
from consent.redcap.arrivals import EVENT, INSTANCE, INSTRUMENT, Rows, is_first
from consent.redcap.cells import Array, Cells
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import NOT_COMPLETED, ConsentForm, FieldRef, RowFilter, StudyConfig

CONSENTED, DECLINED, OPEN = "consented", "declined", "open"
NOT_COUNTED_REASONS = ("unknown_code", "no_date", "unreadable_date", "before_start", "future_date", "after_cutoff")
STATES = (CONSENTED, DECLINED, *NOT_COUNTED_REASONS, OPEN)
"""The states of a consent. The first of these among a participant's consents gives the participant's class."""

Table: TypeAlias = dict[str, Any]
"""Columns of the same length, each an array or cells."""

_RANK = {state: rank for rank, state in enumerate(STATES)}


@dataclass(frozen=True)
class Counting:
    """The inputs of every counting rule: the study, the export's columns, and the days covered."""

    study: StudyConfig
    column_map: ColumnMap
    period: ReportPeriod


def rows_at(table: Table, at: Array) -> Table:
    """Return the rows of a table at these positions, or the flagged ones."""
    positions = np.flatnonzero(at) if at.dtype == bool else at
    return {name: column[positions] for name, column in table.items()}


@dataclass(frozen=True)
class Batch:
    """Some whole records, whose rows are adjacent."""

    rows: Rows
    counting: Counting

    @cached_property
    def numbers(self) -> Array:
        """The number of each row's participant, from 0."""
        return np.cumsum(is_first(self.rows.records)) - 1

    @cached_property
    def records(self) -> Array:
        """The record id of each participant, as UTF-8."""
        return self.rows.records[is_first(self.rows.records)]

    @property
    def size(self) -> int:
        return len(self.records)

    @cached_property
    def consents(self) -> Table:
        """Every consent of every form, sorted by participant, event, form and instance.

        Columns ``position`` (in this table), ``participant`` (number), ``row`` (position in ``rows``), ``form``
        (number), ``day`` (NaT if unreadable), ``state`` (rank in ``STATES``), ``agreed`` (by the decision alone),
        ``certified`` and ``agreed_but_open``. If the study has form versions: ``version`` (empty if blank).
        """
        parts = [_consents_on(form, n, self) for n, form in enumerate(self.counting.study.consents)]
        consents: Table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        consents["participant"] = self.numbers[consents["row"]]
        if not _increases(consents["participant"]):
            row, form = consents["row"], consents["form"]
            event, instance = event_ranks(self.rows, self.counting.column_map)[row], instances(self.rows)[row]
            consents = rows_at(consents, np.lexsort((row, instance, form, event, consents["participant"])))
        if version := self.counting.study.version:
            consents["version"] = self.beside_repeats(self.stripped(version.field))[consents["row"]]
        consents["position"] = np.arange(len(consents["row"]))
        return consents

    @cached_property
    def agreed(self) -> Array:
        """Flag the participants with an agreed consent of any form."""
        return self.with_consent(self.consents["agreed"])

    def cells(self, column: str) -> Cells:
        """Return a column of ``rows``."""
        return self.rows.cells(column)

    def values(self, ref: FieldRef) -> Cells:
        """Return a field's values as exported, one per row."""
        return self.cells(self.counting.column_map.columns[ref])

    def stripped(self, ref: FieldRef | None) -> Cells:
        """Return a field's stripped values, one per row; all empty without a field."""
        if ref is None:
            return Cells.blank(len(self.rows))
        return stripped(self.values(ref), self.counting.column_map)

    def selected(self, filters: Iterable[RowFilter]) -> Array:
        """Flag the rows that every filter selects."""
        flags = np.ones(len(self.rows), dtype=bool)
        for each in filters:
            flags &= self.values(each.field).is_in(*each.codes)
        return flags

    def beside_repeats(self, cells: Cells) -> Cells:
        """Fill the blanks on rows of a repeating form from the record's row beside them, in the same event.

        Such a row holds the fields of its form only. Those of the event's other forms stand once, on another row.
        """
        once, empty = self.cells(INSTRUMENT).is_in(""), cells.is_in("")
        if once.all() or not (to_fill := ~once & empty).any():
            return cells
        once &= self.cells(INSTANCE).is_in("") & ~empty
        events, filled = self.cells(EVENT).numbers, np.arange(len(cells))
        beside = {(self.numbers[row], events[row]): row for row in np.flatnonzero(once)}
        for row in np.flatnonzero(to_fill):
            filled[row] = beside.get((self.numbers[row], events[row]), row)
        return cells[filled]

    def with_row(self, chosen: Array) -> Array:
        """Flag the participants that have a chosen row (one flag per row)."""
        return flags_for(self.numbers[chosen], self.size)

    def with_consent(self, chosen: Array) -> Array:
        """Flag the participants that have a chosen consent (one flag per consent)."""
        return flags_for(self.consents["participant"][chosen], self.size)

    def sorted_rows(self, chosen: Array, cells: Cells) -> Array:
        """Return the positions of the chosen rows (one flag per row), by event, instance and cell."""
        at = np.flatnonzero(chosen)
        ranks = {value: rank for rank, value in enumerate(sorted(cells.values))}
        by_cell = cells[at].converted([ranks[value] for value in cells.values], int)
        return at[np.lexsort((by_cell, instances(self.rows)[at], event_ranks(self.rows, self.counting.column_map)[at]))]

    def last(self, values: Array, at: Array, missing: object) -> Array:
        """Return each participant's last value among the rows at these positions, ``missing`` for none."""
        found = np.full(self.size, missing, dtype=values.dtype)
        found[self.numbers[at]] = values[at]
        return found

    def last_cells(self, cells: Cells, at: Array) -> Cells:
        """Return each participant's last cell among the rows at these positions, blank for none."""
        return cells.at(self.last(np.arange(len(cells)), at, -1))


def latest_consents(consents: Table, size: int) -> Array:
    """Return the ``position`` of each participant's latest agreed consent among some consents; -1 for none."""
    at = np.flatnonzero(consents["state"] == STATES.index(CONSENTED))
    if not _increases(consents["participant"][at]):  # the stable sort keeps event, form, instance within a day
        at = at[np.argsort(consents["day"][at], kind="stable")]
    latest = np.full(size, -1)
    latest[consents["participant"][at]] = consents["position"][at]
    return latest


def _increases(participants: Array) -> bool:
    """Return whether there is one consent each, in order."""
    return bool((np.diff(participants) > 0).all())


def holds_consent(form: ConsentForm, batch: Batch) -> Array:
    """Flag the rows that hold a consent of this form, in any event."""
    held: Array = ~decisions_of(form, batch).is_in("") | ~_date_texts(form, batch).is_in("")
    return held & batch.selected(form.where)


def _consents_on(form: ConsentForm, number: int, batch: Batch) -> Table:
    counting, held = batch.counting, holds_consent(form, batch)
    if form.events:
        held &= batch.cells(EVENT).is_in(*form.events)
    at = np.flatnonzero(held)
    decision = decisions_of(form, batch)[at]
    date_text = stripped(_date_texts(form, batch)[at], counting.column_map)
    certified = np.ones(len(at), dtype=bool)
    if form.form_complete:
        certified = batch.values(FieldRef(form.form_complete))[at].is_in("2")
    agreed = decision.is_in(*form.agreed)
    date_open = date_text.is_in(*form.pending_text, NOT_COMPLETED)
    days = days_of(date_text, form.date in counting.column_map.timestamps, counting.study)
    return {
        "row": at,
        "form": np.full(len(at), number),
        "day": days,
        "state": _states(form, decision, agreed & certified, date_text, date_open, days, counting),
        "agreed": agreed,
        "certified": certified,
        "agreed_but_open": agreed & certified & date_open,
    }


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
    undecided = decision.is_in("", *form.pending, *counting.column_map.missing_codes)
    rules = [
        (decision.is_in(*form.declined), DECLINED),
        (undecided | (decision.is_in(*form.agreed) & ~agreed_and_certified), OPEN),
        (~agreed_and_certified, "unknown_code"),
        (date_text.is_in(""), "no_date"),
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
            dates = dates.blanked(others & _undecided(form, batch))
    return dates


def _undecided(form: ConsentForm, batch: Batch) -> Array:
    return decisions_of(form, batch).is_in("", *form.pending, *batch.counting.column_map.missing_codes)


def decisions_of(form: ConsentForm, batch: Batch) -> Cells:
    """Return the code of the decision on each row; on a form without one its only code, or blank."""
    if not form.agreed_when:
        return answers_of(form.decision, batch)
    if form.agreed_when == "complete" and form.form_complete:
        agreed = batch.values(FieldRef(form.form_complete)).is_in("2")
    else:
        agreed = ~batch.stripped(FieldRef(form.date)).is_in("", *form.pending_text, NOT_COMPLETED)
    return Cells(("", form.agreed[0]), agreed.astype("int8"))


def answers_of(ref: FieldRef, batch: Batch) -> Cells:
    """Return a field's values as exported; an unticked box is no answer, because an untouched form exports 0."""
    cells = batch.values(ref)
    return cells.blanked(cells.is_in("0")) if ref.is_checkbox else cells
