"""The rows that an export must contain, and the rows received so far.

Record, event, repeat instrument and instance identify a row. Only a 64-bit hash of them is kept: 8 bytes a row, and 8
a record. Whole rows stay in memory only for their batch, or until the rest of a split record has been received.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from consent.errors import IncompleteExportError, SourceDataError
from consent.redcap.cells import Array, Cells
from consent.redcap.text_blocks import HashArray, TextBlock, hashes_of_texts, join_hashes, short_texts

Hashes: TypeAlias = "array[int]"  # 64-bit hashes in one block of memory

RECORD = "record"  # the record id, under any name in the project
EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
GROUP, SURVEY = "redcap_data_access_group", "redcap_survey_identifier"
STRUCTURE = (EVENT, INSTRUMENT, INSTANCE)
EXPORT = "REDCap's export"
LONGEST_ID = 400  # bytes: REDCap allows 100 characters
GATHERED_RECORDS = 10_000  # in one batch

_HASHED = re.compile(rb"[0-9a-fA-F]{32}")  # how REDCap writes record ids for a user who may not see them


@dataclass(frozen=True)
class Rows:
    """Rows of an export.

    records: the id of each row's record, as UTF-8. columns: the other columns, among them those of STRUCTURE.
    """

    records: Array
    columns: Mapping[str, Cells]

    @classmethod
    def together(cls, parts: Iterable["Rows"]) -> "Rows":
        """Return the rows of all parts."""
        parts = [*parts]
        columns = {
            name: Cells.of(text for part in parts for text in part.columns[name].tolist()) for name in parts[0].columns
        }
        return cls(np.concatenate([part.records for part in parts]), columns)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, at: Array | slice) -> "Rows":
        """Return the rows at these positions, or the flagged ones."""
        return Rows(self.records[at], {name: cells[at] for name, cells in self.columns.items()})

    def cells(self, name: str) -> Cells:
        """Return a column; ``RECORD`` for the record ids."""
        return Cells.of(self.ids()) if name == RECORD else self.columns[name]

    def ids(self) -> list[str]:
        """Return the record id of each row."""
        return [record.decode() for record in self.records.tolist()]


@dataclass(frozen=True)
class RowShape:
    """The columns to read from an export, under the export's own names.

    structure: the required ones of EVENT, INSTRUMENT and INSTANCE. The others are read where present, because old
    servers do not report that a project has repeats, and are blank elsewhere.
    """

    record_id: str
    values: tuple[str, ...]
    structure: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that must be in the export."""
        return (self.record_id, *self.structure, *self.values)

    def rows(self, block: TextBlock, names: Iterable[str], source: str = EXPORT) -> Rows:
        """Return the rows of a block whose columns have these names; a column that is not there is blank.

        Raises SourceDataError for an impossible record id.
        """
        at = {name: n for n, name in enumerate(names)}
        if block.widths[at[self.record_id]] > LONGEST_ID:
            what = f"{source} cannot be counted: a record id has more than 100 characters, the most that REDCap allows."
            raise SourceDataError(what, "In a file, check that the record id is the first column. Then export again.")
        records = block.texts(at[self.record_id])
        columns = {
            name: block.cells(at[name]) if name in at else Cells.blank(len(records))
            for name in (*STRUCTURE, *self.values)
        }
        return Rows(records, columns)

    def no_rows(self) -> Rows:
        """Return no rows, with every column."""
        return Rows(np.empty(0, "S1"), {name: Cells.blank(0) for name in (*STRUCTURE, *self.values)})


@dataclass
class ReceivedRows:
    """The hashes of the rows received so far, and of their records: one for each group of adjacent rows of a record."""

    rows: Hashes = field(default_factory=lambda: array("Q"), repr=False)
    records: Hashes = field(default_factory=lambda: array("Q"), repr=False)
    source: str = EXPORT
    hashed_ids: bool = True  # every record id so far is 32 hexadecimal digits

    @classmethod
    def of(cls, batches: Iterable[Rows]) -> "ReceivedRows":
        """Collect the rows of these batches."""
        received = cls()
        for batch in batches:
            received.see(batch)
        return received

    def see(self, batch: Rows) -> None:
        """Add the rows of a batch; raise SourceDataError if one has no record id."""
        if (blank := _find_blank(batch.records)) is not None:
            row = len(self.rows) + 2 + blank
            what = f"{self.source} cannot be counted: row {row} has no record id (the header is row 1)."
            raise SourceDataError(what, "Correct or delete that record in REDCap, then export again.")
        self.hashed_ids = self.hashed_ids and all(map(_HASHED.fullmatch, batch.records.tolist()))
        of_records, of_rows = hashes_of(batch)
        self.records.frombytes(of_records[is_first(of_records)].tobytes())
        self.rows.frombytes(of_rows.tobytes())

    def add(self, others: "ReceivedRows") -> None:
        """Add the rows of another response."""
        self.records.extend(others.records)
        self.rows.extend(others.rows)
        self.hashed_ids = self.hashed_ids and others.hashed_ids

    def split_records(self) -> frozenset[int]:
        """Return the hashes of the records whose rows were not adjacent."""
        return frozenset(_repeated(self.records))

    @property
    def record_count(self) -> int:
        """The number of different records received."""
        view = sort_hashes(self.records)
        return len(view) - int((view[1:] == view[:-1]).sum())


def _find_blank(records: Array) -> int | None:
    """Return the position of the first blank id; None for none."""
    firsts = records.view(np.uint8)[:: records.itemsize]
    unsure = np.flatnonzero((firsts <= ord(" ")) | (firsts > ord("~")))  # a space of any kind, or another character
    return next((int(n) for n in unsure if not records[n].decode().strip()), None)


def is_first(records: Array) -> npt.NDArray[np.bool_]:
    """Flag the first of the adjacent rows of each record; ``records`` has each row's record id, or its hash."""
    return np.append(True, records[1:] != records[:-1])[: len(records)]


def hashes_of(batch: Rows) -> tuple[HashArray, HashArray]:
    """Return 64-bit hashes of each row's record, and of the row: its record, event, repeat instrument and instance.

    A blank part changes nothing: the hash of a record's only row is the record's. That two of a million rows have one
    hash by chance has a probability of 3 in 100 million.
    """
    of_records = of_rows = hashes_of_texts(batch.records)
    for name in STRUCTURE:
        cells = batch.columns[name]
        parts = short_texts(f"{name}={value}" if value else "" for value in cells.values)
        of_rows = join_hashes(of_rows, cells.converted(hashes_of_texts(parts)))
    return of_records, of_rows


def are_working_copies(records: Array) -> npt.NDArray[np.bool_]:
    """Flag the records that are one of the two copies that double data entry keeps."""
    if b"--" not in records.tobytes():  # the usual case
        return np.zeros(len(records), dtype=bool)
    return np.array([is_working_copy(record.decode()) for record in records.tolist()], dtype=bool)


def is_working_copy(record: str) -> bool:
    """Return whether a record is named like one of the copies of double data entry: ``X--1`` or ``X--2`` of ``X``."""
    return len(record) > len("--1") and record.endswith(("--1", "--2"))


def record_batches(
    batches: Iterable[Rows], received: ReceivedRows, *, split: frozenset[int] = frozenset()
) -> Iterator[Rows]:
    """Yield batches that split no record, and in which the rows of a record are adjacent; ``received`` collects them.

    split: hashes of records whose rows are not adjacent; they are gathered and yielded at the end.
    """
    gathered, apart = [], np.array([*split], dtype=np.uint64)
    for batch in batches:
        is_split = np.isin(hashes_of_texts(batch.records), apart) if split else np.zeros(len(batch), dtype=bool)
        if is_split.any():
            gathered.append(batch[is_split])
        whole = batch[~is_split] if is_split.any() else batch
        received.see(whole)
        yield whole
    if gathered:
        together = Rows.together(gathered)
        numbers = Cells.of(together.ids()).numbers
        order = np.argsort(numbers, kind="stable")
        for ids in np.split(order, np.flatnonzero(np.diff(numbers[order] // GATHERED_RECORDS)) + 1):
            received.see(together[ids])
            yield together[ids]


def sort_hashes(hashes: Hashes) -> HashArray:
    """Sort the hashes in place and return a view: a copy would double the memory of a large registry."""
    view = np.asarray(hashes)
    view.sort()
    return view


def find_missing(listed: Hashes, received: Hashes) -> HashArray:
    """Return the sorted hashes that are listed and were not received."""
    wanted, present = sort_hashes(listed), sort_hashes(received)
    if not present.size or np.array_equal(wanted, present):
        return wanted[: 0 if present.size else None].copy()
    nearest = np.minimum(np.searchsorted(present, wanted), len(present) - 1)
    absent: npt.NDArray[np.bool_] = present[nearest] != wanted
    return wanted[absent]


def ensure_no_repeated_rows(received: ReceivedRows) -> None:
    """Raise IncompleteExportError if a row was received twice, with the number of such rows but no record id."""
    if repeated := len(_repeated(received.rows)):
        raise IncompleteExportError(
            f"{received.source} holds {repeated:,} row{'s' if repeated > 1 else ''} more than once (the same record, "
            "event and instance).",
            "Export again. If it happens again, show this message to the REDCap administrator.",
        )


def _repeated(hashes: Hashes) -> set[int]:
    view = sort_hashes(hashes)
    return {*np.unique(view[1:][view[1:] == view[:-1]]).tolist()}
