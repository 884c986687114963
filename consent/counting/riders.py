"""Find each participant's answer to the optional consents (riders)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from consent.counting.consents import Batch, answers_of, holds_consent, latest_consents, rows_at
from consent.redcap.arrivals import EVENT
from consent.redcap.cells import Array, Cells
from consent.studies.model import FieldRef, Rider

AGREED, DECLINED, NOT_ANSWERED, NOT_OFFERED = "agreed", "declined", "not_answered", "not_offered"
ANSWERS = (AGREED, DECLINED, NOT_ANSWERED, NOT_OFFERED)
_BLANK = len(ANSWERS)


@dataclass(frozen=True)
class _Offers:
    """The participants who were offered a rider, and the row and form of the consent that gives their answer."""

    to: Array
    rows: Array
    forms: Array

    @classmethod
    def of(cls, latest: Array, batch: Batch) -> "_Offers":
        """Return the offers of the consents at the positions ``latest`` (-1: none has the rider)."""
        to = np.flatnonzero(latest >= 0)
        rows, forms = (batch.consents[name][latest[to]] for name in ("row", "form"))
        return cls(to, rows, forms)


def answer_riders(batch: Batch) -> dict[str, Cells]:
    """Return each participant's answer to each rider (one of ANSWERS), by the riders' keys.

    The answer comes from the latest agreed consent whose form and version have the rider. A later consent without the
    rider changes nothing. If the study file names versions (``offered_in``), a blank version is none of them.
    """
    column_map = batch.counting.column_map
    latest: dict[tuple[tuple[int, ...], tuple[str, ...], frozenset[str] | None], _Offers] = {}
    answers = {}
    for rider in batch.counting.study.riders:
        offers = (tuple(column_map.offered_by[rider.key]), rider.offered_in, column_map.rider_events.get(rider.key))
        if offers not in latest:
            latest[offers] = _Offers.of(latest_offering(rider, batch), batch)
        answers[rider.key] = _answers(rider, latest[offers], batch)
    return answers


def latest_offering(rider: Rider, batch: Batch) -> Array:
    """Return the position of each participant's latest agreed consent that has the rider; -1 for none.

    If the rider is on a form of its own, that is the latest one in an event with that form, where there is any.
    """
    offering = rows_at(batch.consents, has_rider(rider, batch))
    latest = latest_consents(offering, batch.size)
    if events := batch.counting.column_map.rider_events.get(rider.key):
        in_event = batch.cells(EVENT).is_in(*events)[offering["row"]]
        beside = latest_consents(rows_at(offering, in_event), batch.size)
        latest = np.where(beside >= 0, beside, latest)
    return latest


def has_rider(rider: Rider, batch: Batch) -> Array:
    """Flag the consents whose form and version have the rider."""
    on_form: Array = np.isin(batch.consents["form"], [*batch.counting.column_map.offered_by[rider.key]])
    if not rider.offered_in:  # every version has it
        return on_form
    versions: Cells = batch.consents["version"]
    return on_form & versions.is_in(*rider.offered_in)


def unknown_answers(rider: Rider, ref: FieldRef, batch: Batch) -> Array:
    """Flag the rows with an answer in this field of the rider that the study file does not list."""
    known = {"", "0", *rider.agreed, *rider.declined, *batch.counting.column_map.missing_codes}
    return ~batch.values(ref).is_in(*known) & batch.selected(rider.where)


def agreed_without_consent(rider: Rider, ref: FieldRef, batch: Batch) -> Array:
    """Flag the rows that agree to a rider in this field without an agreed consent that has it."""
    on_every_form = len(batch.counting.column_map.offered_by[rider.key]) == len(batch.counting.study.consents)
    with_consent = batch.agreed
    if rider.offered_in or not on_every_form:
        with_consent = batch.with_consent(batch.consents["agreed"] & has_rider(rider, batch))
    agreed = batch.values(ref).is_in(*rider.agreed) & batch.selected(rider.where)
    return agreed & ~with_consent[batch.numbers]


def _answers(rider: Rider, offers: _Offers, batch: Batch) -> Cells:
    answers = np.full(len(offers.to), _BLANK, "int8")
    for form, fields in batch.counting.column_map.offered_by[rider.key].items():
        if fields and (on_form := offers.forms == form).any():
            given = _as_answers(batch.beside_repeats(_cells(rider, fields, batch)), rider)
            answers[on_form] = given[offers.rows[on_form]]
    separate = batch.counting.column_map.separate_fields[rider.key]
    if separate and (blank := answers == _BLANK).any():
        answers[blank] = _as_answers(_answers_elsewhere(rider, separate, batch), rider)[offers.to[blank]]
    if_blank = _answer("0", rider) if rider.fields[0].is_checkbox else NOT_ANSWERED
    answers[answers == _BLANK] = ANSWERS.index(if_blank)
    found = np.full(batch.size, ANSWERS.index(NOT_OFFERED), "int8")
    found[offers.to] = answers
    return Cells(ANSWERS, found)


def _as_answers(cells: Cells, rider: Rider) -> Array:
    """Return the positions in ANSWERS of these cells, or _BLANK."""
    return cells.converted(
        [ANSWERS.index(_answer(value, rider)) if value else _BLANK for value in cells.values], "int8"
    )


def _answer(value: str, rider: Rider) -> str:
    return AGREED if value in rider.agreed else DECLINED if value in rider.declined else NOT_ANSWERED


def _cells(rider: Rider, fields: Sequence[FieldRef], batch: Batch) -> Cells:
    """Return the answer on each row: of several answered fields a decline, else an agreement, else the first."""
    cells, *more = (answers_of(ref, batch) for ref in fields)
    for other in more:
        takes = cells.is_in("") | other.is_in(*rider.declined)
        takes |= other.is_in(*rider.agreed) & ~cells.is_in(*rider.agreed, *rider.declined)
        cells = cells.replaced(takes & ~other.is_in(""), other)
    return cells


def _answers_elsewhere(rider: Rider, fields: Sequence[FieldRef], batch: Batch) -> Cells:
    """Return the last answer on rows without a consent, or on the rows that the rider selects."""
    cells = _cells(rider, fields, batch)
    answered = ~cells.is_in("") & batch.selected(rider.where)
    for form in batch.counting.study.consents if not rider.where else ():
        answered &= ~holds_consent(form, batch)
    return batch.last_cells(cells, batch.sorted_rows(answered, cells))
