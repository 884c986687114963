"""What each participant answered to the optional consents (riders).

Pure and vectorised. An answer comes from the latest agreed consent whose form, and form version, has the rider. Also
told is which answers a data manager should look at.
"""

import numpy as np

from consent.counting.columns import Array, is_one_of, order_of, texts
from consent.counting.consents import Batch, holds_consent, latest_consents
from consent.studies.model import Rider

AGREED, DECLINED, NOT_ANSWERED, NOT_OFFERED = "agreed", "declined", "not_answered", "not_offered"


def answer_riders(batch: Batch) -> dict[str, Array]:
    """Each participant's answer to each rider, by the riders' keys.

    A consent that does not have the rider takes no earlier answer back. Where the study file names the form versions
    that have it (``offered_in``), a version that is blank is none of them.
    """
    latest: dict[tuple[frozenset[int], tuple[str, ...]], Array] = {}
    answers = {}
    for rider in batch.counting.study.riders:
        forms = batch.counting.coding.offered_by[rider.key]
        if (offers := (forms, rider.offered_in)) not in latest:
            latest[offers] = latest_consents(batch.consents[has_rider(rider, batch)], batch.size)
        answers[rider.key] = _answers(rider, latest[offers], batch)
    return answers


def has_rider(rider: Rider, batch: Batch) -> Array:
    """Whether each consent is on a form, and a version of it, that has the rider."""
    on_form: Array = batch.consents["form"].isin(batch.counting.coding.offered_by[rider.key]).to_numpy()
    if not rider.offered_in:  # every version has it
        return on_form
    return on_form & is_one_of(batch.consents["version"].to_numpy(dtype=object), rider.offered_in)


def unknown_answers(rider: Rider, batch: Batch) -> Array:
    """Which rows answer a rider with a code that the study file does not know."""
    understood = {"", "0", *rider.agreed, *rider.declined, *batch.counting.coding.missing_codes}
    return ~is_one_of(texts(batch.rows, rider.field, batch.counting.coding), frozenset(understood))


def agreed_without_consent(rider: Rider, batch: Batch) -> Array:
    """Which rows agree to a rider for somebody who agreed to no form (of a version, if it names any) that has it."""
    yes = is_one_of(texts(batch.rows, rider.field, batch.counting.coding), rider.agreed)
    with_consent = batch.with_consent(batch.consents["agreed"].to_numpy() & has_rider(rider, batch))
    without: Array = yes & ~with_consent[batch.numbers]
    return without


def _answers(rider: Rider, latest: Array, batch: Batch) -> Array:
    """Each participant's answer to a rider, from the consent that has it (-1: there is none)."""
    coding = batch.counting.coding
    offered = latest >= 0
    values = texts(batch.rows, rider.field, coding)
    if rider.field.is_checkbox:
        values = np.where(values == "0", "", values)  # an untouched form exports 0 in every box
    answers = np.full(batch.size, "", dtype=object)
    answers[offered] = values[batch.consents["row"].to_numpy()[latest[offered]]]
    if rider.key in coding.separate_riders and (answers[offered] == "").any():
        answers = np.where(answers == "", _answers_elsewhere(values, batch), answers)
    if rider.field.is_checkbox:
        answers = np.where(answers == "", "0", answers)
    known = [is_one_of(answers, rider.agreed), is_one_of(answers, rider.declined)]
    return np.where(offered, np.select(known, [AGREED, DECLINED], default=NOT_ANSWERED), NOT_OFFERED)


def _answers_elsewhere(values: Array, batch: Batch) -> Array:
    """The last answer on rows that hold no consent: for riders kept on a form or in an event of their own."""
    free = values != ""
    for form in batch.counting.study.consents:
        free &= ~holds_consent(form, batch.rows, batch.counting)
    at = order_of(values, np.flatnonzero(free), batch.rows, batch.counting.coding)
    found = np.full(batch.size, "", dtype=object)
    found[batch.numbers[at]] = values[at]
    return found
