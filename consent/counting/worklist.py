"""List the records to review: which record, where in it, why, and in which field.

``participants.py`` finds the records of each quality code, so the list and the report agree. This module adds the rows.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np

from consent.counting.consents import Batch, Counting, Table
from consent.counting.participants import QUALITY_CODES, build_participants, quality_of_consents
from consent.counting.riders import agreed_without_consent, unknown_answers
from consent.counting.sites import site_codes, unknown_sites
from consent.counting.withdrawals import rows_with_withdrawal, unknown_extents
from consent.redcap.arrivals import GROUP, STRUCTURE, Rows
from consent.redcap.cells import Array


@dataclass(frozen=True)
class Entry:
    """One place to review; ``event``, ``instrument`` and ``instance`` are empty if REDCap needs none to find it.

    value: what the field holds, where values were asked for.
    """

    record: str
    event: str
    instrument: str
    instance: str
    code: str
    field: str
    value: str = ""


@dataclass(frozen=True)
class Worklist:
    """The places to review in some whole records; the lists of batches without a common record add up."""

    entries: tuple[Entry, ...] = ()

    def __add__(self, other: "Worklist") -> "Worklist":
        return Worklist(self.entries + other.entries)

    @property
    def records(self) -> dict[str, int]:
        """The number of records of each code, in the report's order; a record may have several entries."""
        counted = Counter(code for _, code in {(entry.record, entry.code) for entry in self.entries})
        return {code: counted[code] for code in QUALITY_CODES if counted[code]}

    def of(self, code: str) -> list[Entry]:
        """Return the entries of one code, in the order of the export."""
        return [entry for entry in self.entries if entry.code == code]


@dataclass(frozen=True)
class _Finding:
    """The positions of rows with a code in a field; ``of_record``: the row does not matter."""

    code: str
    field: str
    rows: Array
    of_record: bool = False


def list_records_to_review(rows: Rows, counting: Counting, *, with_values: bool = False) -> Worklist:
    """List everything to review in these rows of whole records (see ``participants.build_participants``)."""
    shown = {str(ref): column for ref, column in counting.column_map.columns.items()} if with_values else {}
    participants, batch = build_participants(rows, counting), Batch(rows, counting)
    findings = chain(_of_consents(batch), _of_riders(batch), _of_withdrawals(batch), _of_sites(batch, participants))
    entries: dict[Entry, None] = {}
    for finding in findings:
        concerned = participants[f"quality:{finding.code}"]
        at = finding.rows[concerned[batch.numbers[finding.rows]]]
        entries |= dict.fromkeys(_entries(finding, rows[at], shown.get(finding.field)))
    return Worklist(tuple(entries))


def _entries(finding: _Finding, rows: Rows, column: str | None) -> Iterator[Entry]:
    values = repeat("") if column is None else rows.cells(column).tolist()
    places = zip(*(rows.cells(name).tolist() for name in STRUCTURE), strict=True)
    for record, place, value in zip(rows.ids(), places, values, strict=False):
        event, instrument, instance = ("", "", "") if finding.of_record else place
        yield Entry(record, event, instrument, instance, finding.code, finding.field, value)


def _of_consents(batch: Batch) -> Iterator[_Finding]:
    forms, at = batch.consents["form"], batch.consents["row"]
    for code, concerned in quality_of_consents(batch).items():
        for number, form in enumerate(batch.counting.study.consents):
            field = str(form.decision) if code in ("unknown_code", "dated_but_pending") else form.date
            yield _Finding(code, field, at[concerned & (forms == number)])


def _of_riders(batch: Batch) -> Iterator[_Finding]:
    for rider in batch.counting.study.riders:
        for ref in rider.fields:
            without = np.flatnonzero(agreed_without_consent(rider, ref, batch))
            yield _Finding("rider_without_consent", str(ref), without)
            yield _Finding("unknown_code", str(ref), np.flatnonzero(unknown_answers(rider, ref, batch)))


def _of_withdrawals(batch: Batch) -> Iterator[_Finding]:
    rules = batch.counting.study.withdrawal
    if rules is None:
        return
    at = np.flatnonzero(rows_with_withdrawal(batch, rules))
    for code in QUALITY_CODES:
        if code.startswith("withdrawal"):
            yield _Finding(code, rules.date or str(rules.flag), at)
    unknown = unknown_extents(batch.stripped(rules.extent), rules)
    yield _Finding("unknown_code", str(rules.extent), np.flatnonzero(unknown))


def _of_sites(batch: Batch, participants: Table) -> Iterator[_Finding]:
    rules = batch.counting.study.sites
    if rules is None:
        return
    sites = participants["site"]
    unlisted = np.flatnonzero(unknown_sites(sites, rules)[batch.numbers])
    on_row, of_record = site_codes(batch, rules)[unlisted].tolist(), sites[batch.numbers[unlisted]].tolist()
    at = [row for row, one, other in zip(unlisted, on_row, of_record, strict=True) if one == other]
    yield _Finding("unknown_code", str(rules.by or GROUP), np.array(at, dtype=int), of_record=rules.by is None)
