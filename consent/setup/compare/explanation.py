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

from consent.cells import Array
from consent.consents import Batch, Counting, read_batch
from consent.participants import build_participants
from consent.setup.compare.columns import Column, compared_columns
from consent.setup.compare.old_pipeline import NOWHERE, read_by_old_rule
from consent.setup.compare.old_report import Cell
from consent.tally import Tally, tally_participants

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
