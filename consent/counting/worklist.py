"""REDCap rows -> the list of what a data manager should look at: which record, where, what, and in which field.

Pure. Decides nothing itself: whom a quality code concerns is what counting says of the same rows, so that the list has
as many records of each code as the report counts. It only finds the places where that stands.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from consent.counting.columns import Array
from consent.counting.consents import NOT_COUNTED_REASONS, OPEN, STATES, Batch, Counting, read_batch
from consent.counting.participants import QUALITY_CODES, build_participants
from consent.counting.riders import agreed_without_consent, unknown_answers
from consent.counting.sites import site_values, unknown_sites
from consent.counting.withdrawals import rows_of_withdrawals, unknown_extents, written_in
from consent.redcap.arrivals import EVENT, GROUP, INSTANCE, INSTRUMENT, RECORD


@dataclass(frozen=True)
class Entry:
    """One thing to look at; ``event``, ``instrument`` and ``instance`` are empty where REDCap needs none to find it."""

    record: str
    event: str
    instrument: str
    instance: str
    code: str
    field: str


@dataclass(frozen=True)
class Worklist:
    """What to look at in some whole records; lists of batches with no record in common add up to that of the whole."""

    entries: tuple[Entry, ...] = ()

    def __add__(self, other: "Worklist") -> "Worklist":
        return Worklist(self.entries + other.entries)

    @property
    def records(self) -> dict[str, int]:
        """How many records each code concerns, in the order of the report; one record may have several entries."""
        counted = Counter(code for _, code in {(entry.record, entry.code) for entry in self.entries})
        return {code: counted[code] for code in QUALITY_CODES if counted[code]}

    def of(self, code: str) -> list[Entry]:
        """The entries of one code, as REDCap sent the records."""
        return [entry for entry in self.entries if entry.code == code]


@dataclass(frozen=True)
class _Finding:
    """Rows (by their positions) on which a code may stand in a field; ``of_record``: it is not told by the row."""

    code: str
    field: str
    rows: Array
    of_record: bool = False


def list_exceptions(rows: pd.DataFrame, counting: Counting) -> Worklist:
    """Everything to look at in these rows of whole records.

    Args:
        rows: as ``participants.build_participants`` takes them.
    """
    participants, batch = build_participants(rows, counting), read_batch(rows, counting)
    parts = [_of_consents(batch), _of_riders(batch), _of_withdrawals(batch), _of_sites(batch, participants)]
    entries: dict[Entry, None] = {}
    for finding in chain.from_iterable(parts):
        concerned = participants[f"quality:{finding.code}"].to_numpy()
        at = finding.rows[concerned[batch.numbers[finding.rows]]]
        entries |= dict.fromkeys(_entries(finding, rows.iloc[at]))
    return Worklist(tuple(entries))


def _entries(finding: _Finding, rows: pd.DataFrame) -> Iterator[Entry]:
    for record, *place in rows[[RECORD, EVENT, INSTRUMENT, INSTANCE]].itertuples(index=False):
        event, instrument, instance = ("", "", "") if finding.of_record else (str(part) for part in place)
        yield Entry(record, event, instrument, instance, finding.code, finding.field)


def _of_consents(batch: Batch) -> Iterator[_Finding]:
    consents, study = batch.consents, batch.counting.study
    states, at = consents["state"].to_numpy(), consents["row"].to_numpy()
    for number, form in enumerate(study.consents):
        on_form = consents["form"].to_numpy() == number
        for reason in NOT_COUNTED_REASONS:
            if reason in QUALITY_CODES:
                field = str(form.decision) if reason == "unknown_code" else form.date
                yield _Finding(reason, field, at[on_form & (states == STATES.index(reason))])
        yield _Finding("agreed_but_open", form.date, at[on_form & consents["agreed_but_open"].to_numpy()])
        dated = (states == STATES.index(OPEN)) & consents["day"].notna().to_numpy()
        yield _Finding("dated_but_pending", str(form.decision), at[on_form & dated])


def _of_riders(batch: Batch) -> Iterator[_Finding]:
    for rider in batch.counting.study.riders:
        without = np.flatnonzero(agreed_without_consent(rider, batch))
        yield _Finding("rider_without_consent", str(rider.field), without)
        yield _Finding("unknown_code", str(rider.field), np.flatnonzero(unknown_answers(rider, batch)))


def _of_withdrawals(batch: Batch) -> Iterator[_Finding]:
    rules = batch.counting.study.withdrawal
    if rules is None:
        return
    said = np.flatnonzero(rows_of_withdrawals(batch, rules))
    for code in QUALITY_CODES:
        if code.startswith("withdrawal"):
            yield _Finding(code, rules.date or str(rules.flag), said)
    extents = written_in(rules.extent, batch)
    yield _Finding("unknown_code", str(rules.extent), np.flatnonzero(unknown_extents(extents, rules)))


def _of_sites(batch: Batch, participants: pd.DataFrame) -> Iterator[_Finding]:
    rules = batch.counting.study.sites
    if rules is None:
        return
    sites = participants["site"].to_numpy()
    unlisted = unknown_sites(sites, rules)[batch.numbers] & (site_values(batch, rules) == sites[batch.numbers])
    yield _Finding("unknown_code", str(rules.by or GROUP), np.flatnonzero(unlisted), of_record=rules.by_group)
