"""Count a batch of rows by the old rule and by the current one, and name the rule behind every difference.

The reasons of a cell add up to its difference: each participant is followed through both rules, column by column.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from consent.cli.compare.old_pipeline import CONSENT, NOWHERE, Cell, OldReading, read_by_old_rule
from consent.counting.consents import CONSENTED, STATES, Batch, Counting, Table, rows_at
from consent.counting.participants import EXCLUDED, build_participants
from consent.counting.riders import AGREED, has_rider, latest_offering
from consent.counting.tally import Tally, tally_participants
from consent.redcap.arrivals import Rows
from consent.redcap.cells import Array
from consent.reports.wording import REASONS
from consent.studies.model import Rider

ANOTHER_ROW, OTHER_WEEK = "another_row", "other_week"
NO_CONSENT, LATER_ANSWER, NOT_OFFERED = "no_consent_on_row", "later_answer", "not_offered"
OTHER_CODE, UNDATED_ROW, OTHER_DATE, OTHER_FORM = "other_code", "undated_row", "other_date", "other_form"

RULES = {
    ANOTHER_ROW: "another row of a participant who is already counted",
    OTHER_WEEK: "counted in the week of the participant's first consent, in the study's time zone",
    "declined": "declined; riders count only with a consent",
    "open": "no decision, pending or not certified; riders count only with a consent",
    NO_CONSENT: "a row of another event, without a consent",
    **{code: REASONS[code] for code in ("unknown_code", "no_date")},
    "unreadable_date": "agreed, with a date in another format than REDCap's (2026-11-16)",
    "before_start": "first agreed before the study's first day",
    **{code: REASONS[code] for code in ("future_date", "after_cutoff")},
    "working_copy": "a working copy of double data entry",
    "left_out": "left out by the study file (leave_out)",
    "outside": "outside the study (only, in the study file)",
    LATER_ANSWER: "a later consent has another answer to the rider, or none",
    NOT_OFFERED: "a form, or form version, without the rider",
    UNDATED_ROW: "the answer to the rider is on a row without a consent date",
    OTHER_FORM: "agreed on a consent form that the old pipeline did not read",
    OTHER_CODE: "another code for yes in the study file; the old pipeline used 1 only",
    OTHER_DATE: "a date that the old pipeline could not read, or read differently",
}
"""The meaning of each rule, in the order in which they are shown."""

OldRow = tuple[int, str]
"""A row that the old pipeline counted: its week, and why it does not count now ("" if it does)."""


@dataclass(frozen=True, order=True)
class Reason:
    """Why only one pipeline counts a participant in a cell: a rule, and the week in which the other one does."""

    code: str
    other_week: int = NOWHERE


@dataclass(frozen=True)
class BothCounts:
    """The counts of some whole records by both rules; batches with different records can be added."""

    old: Counter[Cell] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)  # what is counted now
    reasons: Counter[tuple[Cell, Reason]] = field(default_factory=Counter)  # negative if fewer are counted now
    unreadable: int = 0  # rows with a date at which the old pipeline stopped

    def __add__(self, other: "BothCounts") -> "BothCounts":
        reasons = self.reasons.copy()
        reasons.update(other.reasons)  # "+" would drop numbers below 0
        return BothCounts(self.old + other.old, self.tally + other.tally, reasons, self.unreadable + other.unreadable)


@dataclass(frozen=True)
class _Column:
    """How both rules count in one column of a report."""

    name: str
    counted: Array  # by row: whether the old pipeline counted it
    faults: Array  # by row: why it does not count now; "" if it can
    now: Array  # by participant: the number of the week counted in now, or NOWHERE
    lost: Array  # by participant: why a row without a fault does not count now
    found: Array  # by participant: why the old pipeline did not count what counts now


def count_by_both_rules(rows: Rows, counting: Counting) -> BothCounts:
    """Count a batch of whole records by both rules and explain the differences."""
    batch, participants = Batch(rows, counting), build_participants(rows, counting)
    old = read_by_old_rule(batch)
    riders = (_rider_column(rider, batch, participants, old) for rider in counting.study.riders)
    columns = [_consent_column(batch, participants, old), *riders]
    reasons: Counter[tuple[Cell, Reason]] = Counter()
    for column in columns:
        for week, reason, n in _differences(column, old.weeks, batch):
            reasons[(week, column.name), reason] += n
    return BothCounts(
        old=Counter((week, column.name) for column in columns for week in old.weeks[column.counted].tolist()),
        tally=tally_participants(participants, counting.period.start),
        reasons=reasons,
        unreadable=int(old.unreadable.sum()),
    )


def _consent_column(batch: Batch, participants: Table, old: OldReading) -> _Column:
    return _Column(
        name=CONSENT,
        counted=old.counted(CONSENT),
        faults=_faults(batch, participants),
        now=_weeks_now(participants, batch),
        lost=np.full(batch.size, "before_start", dtype=object),  # nothing else cancels a valid consent
        found=_why_missed(_first_consents(batch), [0], old.has_one[CONSENT], batch),
    )


def _rider_column(rider: Rider, batch: Batch, participants: Table, old: OldReading) -> _Column:
    agreed = batch.values(rider.fields[0]).is_in(*rider.agreed)
    now = _weeks_now(participants, batch)
    faults = _faults(batch, participants)
    faults = np.where((faults == "") & ~_offered(rider, batch), NOT_OFFERED, faults)
    latest = latest_offering(rider, batch)
    missed = _why_missed(latest, _forms_with_same_date(batch), old.has_one[rider.key], batch)
    return _Column(
        name=rider.key,
        counted=old.counted(rider.key),
        faults=np.where((faults == "") & ~agreed, OTHER_CODE, faults),
        now=np.where(participants[f"rider:{rider.key}"].is_in(AGREED), now, NOWHERE),
        lost=np.where(now == NOWHERE, "before_start", LATER_ANSWER).astype(object),
        found=np.where(agreed[_rows_of(latest, batch)], missed, UNDATED_ROW),  # else the answer is on a row of its own
    )


def _faults(batch: Batch, participants: Table) -> Array:
    """Why each row does not count: its record is excluded, or the row itself has no valid consent."""
    consents = rows_at(batch.consents, np.isin(batch.consents["form"], _forms_with_same_date(batch)))
    best = np.full(len(batch.rows), len(STATES))
    np.minimum.at(best, consents["row"], consents["state"])
    codes = np.array([*("" if state == CONSENTED else state for state in STATES), NO_CONSENT], dtype=object)
    classes = participants["participant_class"][batch.numbers]
    return np.where(classes.is_in(*EXCLUDED), np.array(classes.tolist(), dtype=object), codes[best])


def _forms_with_same_date(batch: Batch) -> list[int]:
    """The forms with the date field of the first form, the only one that the old pipeline read."""
    first, *_ = forms = batch.counting.study.consents
    return [number for number, form in enumerate(forms) if form.date == first.date]


def _weeks_now(participants: Table, batch: Batch) -> Array:
    """The number of the week in which each participant consented, or NOWHERE."""
    days = participants["consented_on"]
    weeks = (days - np.datetime64(batch.counting.period.start)).astype("int64") // 7
    return np.where(np.isnat(days), NOWHERE, weeks)


def _offered(rider: Rider, batch: Batch) -> Array:
    """Whether each row has a valid consent that has the rider and the date that the old pipeline read."""
    offering = _valid(batch) & has_rider(rider, batch) & np.isin(batch.consents["form"], _forms_with_same_date(batch))
    offered = np.zeros(len(batch.rows), dtype=bool)
    offered[batch.consents["row"][offering]] = True
    return offered


def _valid(batch: Batch) -> Array:
    """Which consents count, unless an earlier one excludes the participant."""
    return np.asarray(batch.consents["state"] == STATES.index(CONSENTED))


def _first_consents(batch: Batch) -> Array:
    """The position of each participant's first valid consent, -1 if there is none."""
    valid = rows_at(batch.consents, _valid(batch))
    latest_first = np.argsort(valid["day"], kind="stable")[::-1]
    first = np.full(batch.size, -1)
    first[valid["participant"][latest_first]] = valid["position"][latest_first]  # the last assignment remains
    return first


def _rows_of(positions: Array, batch: Batch) -> Array:
    """The rows of the consents at these positions; any row for -1."""
    return np.asarray(np.append(batch.consents["row"], 0)[positions])


def _why_missed(deciding: Array, read: list[int], has_one: Array, batch: Batch) -> Array:
    """Why the old pipeline, which read some forms in this column, did not count each deciding consent (by position)."""
    forms = np.append(batch.consents["form"], -1)[deciding]
    other_code = np.where(has_one[_rows_of(deciding, batch)], OTHER_DATE, OTHER_CODE).astype(object)
    return np.where(np.isin(forms, read), other_code, OTHER_FORM)


def _differences(column: _Column, weeks: Array, batch: Batch) -> Iterator[tuple[int, Reason, int]]:
    """Explain the numbers of every participant whose numbers differ in this column."""
    at = np.flatnonzero(column.counted)
    who = batch.numbers[at]
    rows_each, old = np.bincount(who, minlength=batch.size), np.full(batch.size, NOWHERE)
    old[who] = weeks[at]
    differs = (rows_each > 1) | (old != column.now)
    rows: dict[int, list[OldRow]] = {int(number): [] for number in np.flatnonzero(differs)}
    for row in at[differs[who]]:
        rows[int(batch.numbers[row])].append((int(weeks[row]), column.faults[row]))
    for number, own in rows.items():
        yield from explain(own, int(column.now[number]), column.lost[number], column.found[number])


def explain(old: Iterable[OldRow], now: int, lost: str, found: str) -> Iterator[tuple[int, Reason, int]]:
    """Explain the difference of one participant in one column, as week, reason and 1 or -1.

    old: the participant's rows that the old pipeline counted. now: the week counted in now, or NOWHERE. lost: why a row
    without a fault does not count now. found: why the old pipeline did not count what counts now.
    """
    if now == NOWHERE:
        yield from ((week, Reason(fault or lost), -1) for week, fault in old)
        return
    rows = list(old)
    candidates = [(week, fault) for week, fault in rows if week == now or not fault]
    kept = min(candidates, key=lambda row: (row[0] != now, row[1], row[0]), default=None)
    if kept is None:
        yield now, Reason(found), 1
    else:
        rows.remove(kept)
        if kept[0] != now:
            yield kept[0], Reason(OTHER_WEEK, now), -1
            yield now, Reason(OTHER_WEEK, kept[0]), 1
    yield from ((week, Reason(fault or ANOTHER_ROW), -1) for week, fault in rows)
