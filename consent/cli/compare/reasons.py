"""Rows of an export -> what the old pipeline counted, what is counted now, and the rule behind every difference.

Pure. Each participant is walked through both rules, column by column; what is counted by one and not, or elsewhere, by
the other gets the reason for it, so that the reasons add up to the difference in every cell.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pandas as pd

from consent.cli.compare.old_pipeline import CONSENT, NOWHERE, Cell, OldReading, read_by_old_rule
from consent.counting.columns import Array, is_one_of, texts
from consent.counting.consents import CONSENTED, STATES, Batch, Counting, latest_consents, read_batch
from consent.counting.participants import LEFT_OUT, OUTSIDE, build_participants
from consent.counting.riders import AGREED, has_rider
from consent.counting.tally import Tally, tally_participants
from consent.studies.model import Rider

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


ANOTHER_ROW, OTHER_WEEK = "another_row", "other_week"

OldRow = tuple[int, str]
"""A row that the old pipeline counted: its week, and why it counts for nobody now ("" if it does)."""


@dataclass(frozen=True, order=True)
class Reason:
    """Why somebody is counted in a cell by one rule and not by the other.

    code: of the rule. other_week: the number of the week in which the other rule counts, where it does.
    """

    code: str
    other_week: int = NOWHERE


@dataclass(frozen=True)
class Compared:
    """What both rules make of some whole records; adds up as a tally does.

    Attributes:
        old: by cell, what the old pipeline counted.
        tally: what is counted now.
        reasons: by cell and reason, how many more (or, below 0, fewer) are counted now.
        unreadable: rows with a date at which the old pipeline stopped.
    """

    old: Counter[Cell] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    reasons: Counter[tuple[Cell, Reason]] = field(default_factory=Counter)
    unreadable: int = 0

    def __add__(self, other: "Compared") -> "Compared":
        reasons = self.reasons.copy()
        reasons.update(other.reasons)  # which keeps numbers below 0
        return Compared(self.old + other.old, self.tally + other.tally, reasons, self.unreadable + other.unreadable)


def compare_rows(rows: pd.DataFrame, counting: Counting) -> Compared:
    """Count a batch of whole records by both rules and explain what differs."""
    batch, participants = read_batch(rows, counting), build_participants(rows, counting)
    old = read_by_old_rule(rows, counting)
    columns = list(compared_columns(batch, participants, old))
    return Compared(
        old=Counter(chain.from_iterable(_old_cells(column, old.weeks) for column in columns)),
        tally=tally_participants(participants, counting.period.start),
        reasons=_summed(chain.from_iterable(_differences(column, old.weeks, batch) for column in columns)),
        unreadable=int(old.unreadable.sum()),
    )


def explain(old: Iterable[OldRow], now: int, lost: str, found: str) -> Iterator[tuple[int, Reason, int]]:
    """Why one participant's numbers in one column differ: week, reason, and by how much (1 or -1).

    Args:
        old: the participant's rows that the old pipeline counted.
        now: the week counted in now, NOWHERE where in none.
        lost: why a row in order counts for nobody. found: why the old pipeline did not count what counts now.
    """
    if now == NOWHERE:
        yield from ((week, Reason(fault or lost), -1) for week, fault in old)
        return
    rows = list(old)
    may_stand = [(week, fault) for week, fault in rows if week == now or not fault]
    kept = min(may_stand, key=lambda row: (row[0] != now, row[1], row[0]), default=None)
    if kept is None:
        yield now, Reason(found), 1
    else:
        rows.remove(kept)
        if kept[0] != now:
            yield kept[0], Reason(OTHER_WEEK, now), -1
            yield now, Reason(OTHER_WEEK, kept[0]), 1
    yield from ((week, Reason(fault or ANOTHER_ROW), -1) for week, fault in rows)


def _summed(differences: Iterable[tuple[Cell, Reason, int]]) -> Counter[tuple[Cell, Reason]]:
    reasons: Counter[tuple[Cell, Reason]] = Counter()
    for cell, reason, n in differences:
        reasons[cell, reason] += n
    return reasons


def _old_cells(column: Column, weeks: Array) -> Iterator[Cell]:
    return ((week, column.name) for week in weeks[column.counted].tolist())


def _differences(column: Column, weeks: Array, batch: Batch) -> Iterator[tuple[Cell, Reason, int]]:
    """The reasons of everybody whose numbers in this column differ."""
    at = np.flatnonzero(column.counted)
    who = batch.numbers[at]
    rows_each, old = np.bincount(who, minlength=batch.size), np.full(batch.size, NOWHERE)
    old[who] = weeks[at]
    differs = (rows_each > 1) | (old != column.now)
    rows: dict[int, list[OldRow]] = {int(number): [] for number in np.flatnonzero(differs)}
    for row in at[differs[who]]:
        rows[int(batch.numbers[row])].append((int(weeks[row]), column.faults[row]))
    for number, own in rows.items():
        for week, reason, n in explain(own, int(column.now[number]), column.lost[number], column.found[number]):
            yield (week, column.name), reason, n
