"""Find each participant's answer to the optional consents (riders)."""

import numpy as np

from consent.counting.columns import Array, is_one_of
from consent.counting.consents import Batch, answers_of, holds_consent, latest_consents
from consent.studies.model import Rider

AGREED, DECLINED, NOT_ANSWERED, NOT_OFFERED = "agreed", "declined", "not_answered", "not_offered"
ANSWERS = (AGREED, DECLINED, NOT_ANSWERED, NOT_OFFERED)


def answer_riders(batch: Batch) -> dict[str, Array]:
    """Return each participant's answer to each rider, by the riders' keys.

    The answer comes from the latest agreed consent whose form and version have the rider. A later consent without the
    rider changes nothing. If the study file names versions (``offered_in``), a blank version is none of them.
    """
    latest: dict[tuple[frozenset[int], tuple[str, ...]], Array] = {}
    answers = {}
    for rider in batch.counting.study.riders:
        offers = (batch.counting.column_map.offered_by[rider.key], rider.offered_in)
        if offers not in latest:
            latest[offers] = latest_consents(batch.consents[has_rider(rider, batch)], batch.size)
        answers[rider.key] = _answers(rider, latest[offers], batch)
    return answers


def has_rider(rider: Rider, batch: Batch) -> Array:
    """Flag the consents whose form and version have the rider."""
    on_form: Array = batch.consents["form"].isin(batch.counting.column_map.offered_by[rider.key]).to_numpy()
    if not rider.offered_in:  # every version has it
        return on_form
    return on_form & is_one_of(batch.consents["version"].to_numpy(dtype=object), rider.offered_in)


def unknown_answers(rider: Rider, batch: Batch) -> Array:
    """Flag the rows with a rider answer that the study file does not list."""
    known = {"", "0", *rider.agreed, *rider.declined, *batch.counting.column_map.missing_codes}
    return ~is_one_of(batch.values(rider.field), frozenset(known))


def agreed_without_consent(rider: Rider, batch: Batch) -> Array:
    """Flag the rows that agree to a rider without an agreed consent that has it."""
    with_consent = batch.with_consent(batch.consents["agreed"].to_numpy() & has_rider(rider, batch))
    without: Array = is_one_of(batch.values(rider.field), rider.agreed) & ~with_consent[batch.numbers]
    return without


def _answers(rider: Rider, latest: Array, batch: Batch) -> Array:
    """Read a rider's answers from the consents at the positions ``latest`` (-1: none has the rider)."""
    offered = latest >= 0
    cells = answers_of(rider.field, batch)
    answers = np.full(batch.size, "", dtype=object)
    answers[offered] = cells[batch.consents["row"].to_numpy()[latest[offered]]]
    if rider.key in batch.counting.column_map.separate_riders and (answers[offered] == "").any():
        answers = np.where(answers == "", _answers_elsewhere(cells, batch), answers)
    if rider.field.is_checkbox:
        answers = np.where(answers == "", "0", answers)
    known = [is_one_of(answers, rider.agreed), is_one_of(answers, rider.declined)]
    return np.where(offered, np.select(known, [AGREED, DECLINED], default=NOT_ANSWERED), NOT_OFFERED)


def _answers_elsewhere(cells: Array, batch: Batch) -> Array:
    """Return the last answer on rows without a consent: a rider may have its own form or event."""
    answered = cells != ""
    for form in batch.counting.study.consents:
        answered &= ~holds_consent(form, batch)
    return batch.last(cells, batch.sorted_rows(answered, cells))
