"""What the old rule and today's say in each column of a report, row by row and participant by participant.

Pure and vectorised. Finds for every row the old pipeline counted why it may count for nobody now, and for everybody who
counts now why the old pipeline may have missed it; ``explanation.py`` holds the two against each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from consent.cells import Array, is_one_of, texts
from consent.consents import CONSENTED, STATES, Batch, latest_consents
from consent.participants import LEFT_OUT, OUTSIDE
from consent.riders import AGREED, has_rider
from consent.setup.compare.old_pipeline import NOWHERE, OldReading
from consent.setup.compare.old_report import CONSENT
from consent.study import Rider

NO_CONSENT, LATER_ANSWER, NOT_OFFERED = "no_consent_on_row", "later_answer", "not_offered"
OTHER_CODE, UNDATED_ROW, OTHER_DATE, OTHER_FORM = "other_code", "undated_row", "other_date", "other_form"


@dataclass(frozen=True)
class Column:
    """What both rules say in one column of a report, as arrays.

    Attributes:
        counted: by row, whether the old pipeline counted it.
        faults: by row, why it counts for nobody now, "" if nothing speaks against it.
        now: by participant, the number of the week counted in now, NOWHERE where in none.
        lost: by participant, why a row counts for nobody although nothing speaks against the row itself.
        found: by participant, why the old pipeline did not count what counts now.
    """

    name: str
    counted: Array
    faults: Array
    now: Array
    lost: Array
    found: Array


def compared_columns(batch: Batch, participants: pd.DataFrame, old: OldReading) -> Iterator[Column]:
    """The column of consents, then that of each rider.

    Args:
        participants: of the same rows, as ``participants.build_participants`` returns them.
    """
    yield _consent_column(batch, participants, old)
    for rider in batch.counting.study.riders:
        yield _rider_column(rider, batch, participants, old)


def _consent_column(batch: Batch, participants: pd.DataFrame, old: OldReading) -> Column:
    return Column(
        name=CONSENT,
        counted=old.counted(CONSENT),
        faults=_faults(batch, participants),
        now=_weeks_now(participants, batch),
        lost=np.full(batch.size, "before_start", dtype=object),  # nothing else takes back a consent that is in order
        found=_found(_first_consents(batch), [0], old.says_one[CONSENT], batch),
    )


def _rider_column(rider: Rider, batch: Batch, participants: pd.DataFrame, old: OldReading) -> Column:
    agreed = is_one_of(texts(batch.rows, rider.field, batch.counting.coding), rider.agreed)
    now = _weeks_now(participants, batch)
    faults = _faults(batch, participants)
    faults = np.where((faults == "") & ~_offered(rider, batch), NOT_OFFERED, faults)
    latest = latest_consents(batch.consents[has_rider(rider, batch)], batch.size)
    found = _found(latest, _forms_dated_alike(batch), old.says_one[rider.key], batch)
    return Column(
        name=rider.key,
        counted=old.counted(rider.key),
        faults=np.where((faults == "") & ~agreed, OTHER_CODE, faults),
        now=np.where(participants[f"rider:{rider.key}"].to_numpy() == AGREED, now, NOWHERE),
        lost=np.where(now == NOWHERE, "before_start", LATER_ANSWER).astype(object),
        found=np.where(agreed[_rows_of(latest, batch)], found, UNDATED_ROW),  # else it stands where no consent does
    )


def _weeks_now(participants: pd.DataFrame, batch: Batch) -> Array:
    """The number of the week in which each participant consented, NOWHERE for the others."""
    days = participants["consented_on"].to_numpy().astype("datetime64[D]")
    weeks = (days - np.datetime64(batch.counting.period.start)).astype("int64") // 7
    return np.where(np.isnat(days), NOWHERE, weeks)


def _forms_dated_alike(batch: Batch) -> list[int]:
    """The forms that have their date in the one field where the old pipeline looked for it: the first, at least."""
    first, *_ = forms = batch.counting.study.consents
    return [number for number, form in enumerate(forms) if form.date == first.date]


def _row_states(batch: Batch) -> Array:
    """What each row says on a form with the date that the old pipeline read: "" for a consent in order, else why it
    is none."""
    consents = batch.consents[batch.consents["form"].isin(_forms_dated_alike(batch))]
    best = np.full(len(batch.rows), len(STATES))
    np.minimum.at(best, consents["row"].to_numpy(), consents["state"].to_numpy())
    said: Array = np.array([*("" if state == CONSENTED else state for state in STATES), NO_CONSENT], dtype=object)[best]
    return said


def _faults(batch: Batch, participants: pd.DataFrame) -> Array:
    """Why each row counts for nobody: first the records that are set apart, then what the row itself says."""
    classes = participants["participant_class"].to_numpy()[batch.numbers]
    return np.where(np.isin(classes, (LEFT_OUT, OUTSIDE)), classes, _row_states(batch))


def _offered(rider: Rider, batch: Batch) -> Array:
    """Whether each row has a consent in order, with the date that the old pipeline read, that has the rider."""
    offered = np.zeros(len(batch.rows), dtype=bool)
    in_order = _in_order(batch) & batch.consents["form"].isin(_forms_dated_alike(batch)).to_numpy()
    offered[batch.consents["row"].to_numpy()[has_rider(rider, batch) & in_order]] = True
    return offered


def _in_order(batch: Batch) -> Array:
    """Which consents count, unless an earlier one keeps somebody out."""
    in_order: Array = batch.consents["state"].to_numpy() == STATES.index(CONSENTED)
    return in_order


def _first_consents(batch: Batch) -> Array:
    """For each participant the position of the first consent in order, -1 where there is none."""
    by_day = batch.consents[_in_order(batch)].sort_values("day", kind="stable")[
        ::-1
    ]  # the first is written last, and stays
    first = np.full(batch.size, -1)
    first[by_day["participant"].to_numpy()] = by_day.index.to_numpy()
    return first


def _rows_of(positions: Array, batch: Batch) -> Array:
    """The rows of the consents at these positions; some row for -1."""
    rows: Array = np.append(batch.consents["row"].to_numpy(), 0)[positions]
    return rows


def _found(deciding: Array, read: list[int], says_one: Array, batch: Batch) -> Array:
    """Why the old pipeline did not count what a consent says.

    Args:
        deciding: the position of each participant's consent that counts now, -1 where none does.
        read: the forms that the old pipeline read here.
    """
    forms = np.append(batch.consents["form"].to_numpy(), -1)[deciding]
    rules = [(~np.isin(forms, read), OTHER_FORM), (~says_one[_rows_of(deciding, batch)], OTHER_CODE)]
    return np.select([flags for flags, _ in rules], [np.array(code, dtype=object) for _, code in rules], OTHER_DATE)
