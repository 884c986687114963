"""Find each participant's answer to the optional consents (riders)."""

from collections.abc import Sequence

import numpy as np

from consent.counting.columns import Array, is_one_of
from consent.counting.consents import Batch, answers_of, holds_consent, latest_consents
from consent.redcap.arrivals import EVENT
from consent.studies.model import FieldRef, Rider

AGREED, DECLINED, NOT_ANSWERED, NOT_OFFERED = "agreed", "declined", "not_answered", "not_offered"
ANSWERS = (AGREED, DECLINED, NOT_ANSWERED, NOT_OFFERED)


def answer_riders(batch: Batch) -> dict[str, Array]:
    """Return each participant's answer to each rider, by the riders' keys.

    The answer comes from the latest agreed consent whose form and version have the rider. A later consent without the
    rider changes nothing. If the study file names versions (``offered_in``), a blank version is none of them.
    """
    column_map = batch.counting.column_map
    latest: dict[tuple[tuple[int, ...], tuple[str, ...], frozenset[str] | None], Array] = {}
    answers = {}
    for rider in batch.counting.study.riders:
        offers = (tuple(column_map.offered_by[rider.key]), rider.offered_in, column_map.rider_events.get(rider.key))
        if offers not in latest:
            latest[offers] = latest_offering(rider, batch)
        answers[rider.key] = _answers(rider, latest[offers], batch)
    return answers


def latest_offering(rider: Rider, batch: Batch) -> Array:
    """Return the position of each participant's latest agreed consent that has the rider; -1 for none.

    If the rider is on a form of its own, that is the latest one in an event with that form, where there is any.
    """
    offering = batch.consents[has_rider(rider, batch)]
    latest = latest_consents(offering, batch.size)
    if events := batch.counting.column_map.rider_events.get(rider.key):
        in_event = np.isin(batch.rows[EVENT].to_numpy()[offering["row"].to_numpy()], [*events])
        beside = latest_consents(offering[in_event], batch.size)
        latest = np.where(beside >= 0, beside, latest)
    return latest


def has_rider(rider: Rider, batch: Batch) -> Array:
    """Flag the consents whose form and version have the rider."""
    on_form: Array = batch.consents["form"].isin([*batch.counting.column_map.offered_by[rider.key]]).to_numpy()
    if not rider.offered_in:  # every version has it
        return on_form
    return on_form & is_one_of(batch.consents["version"].to_numpy(dtype=object), rider.offered_in)


def unknown_answers(rider: Rider, ref: FieldRef, batch: Batch) -> Array:
    """Flag the rows with an answer in this field of the rider that the study file does not list."""
    known = {"", "0", *rider.agreed, *rider.declined, *batch.counting.column_map.missing_codes}
    return ~is_one_of(batch.values(ref), frozenset(known)) & batch.selected(rider.where)


def agreed_without_consent(rider: Rider, ref: FieldRef, batch: Batch) -> Array:
    """Flag the rows that agree to a rider in this field without an agreed consent that has it."""
    with_consent = batch.with_consent(batch.consents["agreed"].to_numpy() & has_rider(rider, batch))
    agreed: Array = is_one_of(batch.values(ref), rider.agreed) & batch.selected(rider.where)
    return agreed & ~with_consent[batch.numbers]


def _answers(rider: Rider, latest: Array, batch: Batch) -> Array:
    """Read a rider's answers from the consents at the positions ``latest`` (-1: none has the rider)."""
    offered = latest >= 0
    answers = np.full(batch.size, "", dtype=object)
    rows, forms = (batch.consents[name].to_numpy()[latest[offered]] for name in ("row", "form"))
    for form, fields in batch.counting.column_map.offered_by[rider.key].items():
        if fields and (forms == form).any():
            cells = batch.beside_repeats(_cells(rider, fields, batch))
            answers[np.flatnonzero(offered)[forms == form]] = cells[rows[forms == form]]
    separate = batch.counting.column_map.separate_fields[rider.key]
    if separate and (answers[offered] == "").any():
        answers = np.where(answers == "", _answers_elsewhere(rider, separate, batch), answers)
    if rider.fields[0].is_checkbox:
        answers = np.where(answers == "", "0", answers)
    known = [is_one_of(answers, rider.agreed), is_one_of(answers, rider.declined)]
    return np.where(offered, np.select(known, [AGREED, DECLINED], default=NOT_ANSWERED), NOT_OFFERED)


def _cells(rider: Rider, fields: Sequence[FieldRef], batch: Batch) -> Array:
    """Return the answer on each row: of several answered fields a decline, else an agreement, else the first."""
    cells, *more = (answers_of(ref, batch) for ref in fields)
    for other in more:
        takes = (cells == "") | is_one_of(other, rider.declined)
        takes |= is_one_of(other, rider.agreed) & ~is_one_of(cells, (*rider.agreed, *rider.declined))
        cells = np.where(takes & (other != ""), other, cells)
    return cells


def _answers_elsewhere(rider: Rider, fields: Sequence[FieldRef], batch: Batch) -> Array:
    """Return the last answer on rows without a consent, or on the rows that the rider selects."""
    cells = _cells(rider, fields, batch)
    answered = (cells != "") & batch.selected(rider.where)
    for form in batch.counting.study.consents if not rider.where else ():
        answered &= ~holds_consent(form, batch)
    return batch.last(cells, batch.sorted_rows(answered, cells))
