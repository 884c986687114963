"""The rows that an export must contain, and the rows received so far.

Record, event, repeat instrument and instance identify a row. Only a 64-bit hash of them is kept: 8 bytes a row, and 8
a record. Whole rows stay in memory only for their batch, or until the rest of a split record has been received.
"""

import hashlib
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from consent.errors import IncompleteExportError, SourceDataError
from consent.redcap.error_mapping import RUN_AGAIN

Row = tuple[str, ...]
Hashes: TypeAlias = "array[int]"  # 64-bit hashes in one block of memory

RECORD = "record"  # a batch's first column: the record id, under any name in the project
EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
GROUP, SURVEY = "redcap_data_access_group", "redcap_survey_identifier"
BATCH_ROWS = 10_000
BATCH_CHARACTERS = 5_000_000  # a field may hold a whole letter; an ordinary batch is below

_HASHED = re.compile(r"[0-9a-fA-F]{32}")  # how REDCap writes record ids for a user who may not see them


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

    @property
    def frame_columns(self) -> tuple[str, ...]:
        """The columns of a batch: ``record``, the structure columns, then the values."""
        return (RECORD, EVENT, INSTRUMENT, INSTANCE, *self.values)

    def rows(self, objects: Iterable[dict[str, str]], source: str) -> Iterator[Row]:
        """Turn the objects of an export into rows; raise IncompleteExportError where one lacks a column."""
        take = itemgetter(self.record_id, EVENT, INSTRUMENT, INSTANCE, *self.values)
        blank = dict.fromkeys({EVENT, INSTRUMENT, INSTANCE} - {*self.structure}, "")
        try:
            for found in objects:
                yield take(blank | found)
        except KeyError as error:
            raise IncompleteExportError(f"{source} has no column {error.args[0]}.", RUN_AGAIN) from None


@dataclass
class ReceivedRows:
    """The hashes of the rows received so far, and of their records: one for each group of adjacent rows of a record."""

    rows: Hashes = field(default_factory=lambda: array("Q"), repr=False)
    records: Hashes = field(default_factory=lambda: array("Q"), repr=False)
    source: str = "REDCap's export"
    hashed_ids: bool = True  # every record id so far is 32 hexadecimal digits

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "ReceivedRows":
        """Collect these rows."""
        received = cls()
        for _, together in groupby(rows, key=itemgetter(0)):
            received.add_record(list(together))
        return received

    def add_record(self, rows: list[Row]) -> None:
        """Add adjacent rows of one record; raise SourceDataError if its id is blank."""
        record = rows[0][0]
        if not record.strip():
            what = f"{self.source} cannot be counted: row {len(self.rows) + 2} has no record id (the header is row 1)."
            raise SourceDataError(what, "Correct or delete that record in REDCap, then export again.")
        self.hashed_ids = self.hashed_ids and _HASHED.fullmatch(record) is not None
        self.records.append(hash_of(record))
        self.rows.extend(hash_of(*row[:4]) for row in rows)

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


def hash_of(*parts: str) -> int:
    """Return a 64-bit hash of a record or row; it is the same for a record and its row without event and repeat."""
    name = "\x1f".join(parts) if any(parts[1:]) else parts[0]
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def is_working_copy(record: str) -> bool:
    """Return whether a record is one of the two copies that double data entry keeps: ``X--1`` or ``X--2`` of ``X``."""
    return record.endswith(("--1", "--2")) and len(record) > len("--1")


def record_batches(
    rows: Iterable[Row],
    received: ReceivedRows,
    *,
    split: frozenset[int] = frozenset(),
    size: int = BATCH_ROWS,
    characters: int = BATCH_CHARACTERS,
) -> Iterator[list[Row]]:
    """Yield batches in the order received, never splitting a record; ``received`` collects their rows.

    split: hashes of records whose rows are not adjacent; they are gathered and yielded at the end. size, characters:
    a batch is complete when it has so many rows, or values of so many characters in total.
    """
    batch: list[Row] = []
    length = 0
    gathered: dict[str, list[Row]] = {}
    for together in chain(_whole_records(rows, split, gathered), _emptied(gathered)):
        received.add_record(together)
        batch += together
        length += sum(len("".join(row)) for row in together)
        if len(batch) >= size or length >= characters:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch


def _whole_records(rows: Iterable[Row], split: frozenset[int], gathered: dict[str, list[Row]]) -> Iterator[list[Row]]:
    """Yield the adjacent rows of each record; those of a split record go into ``gathered``."""
    for record, group in groupby(rows, key=itemgetter(0)):
        if split and hash_of(record) in split:
            gathered.setdefault(record, []).extend(group)
        else:
            yield list(group)


def _emptied(gathered: dict[str, list[Row]]) -> Iterator[list[Row]]:
    """Yield the gathered records in order, and release each."""
    while gathered:
        yield gathered.pop(next(iter(gathered)))


def frame_of(rows: list[Row], shape: RowShape) -> pd.DataFrame:
    """Return the rows as a table of text with the columns ``shape.frame_columns``."""
    return pd.DataFrame(rows, columns=list(shape.frame_columns), dtype=object)


def sort_hashes(hashes: Hashes) -> npt.NDArray[np.uint64]:
    """Sort the hashes in place and return a view: a copy would double the memory of a large registry."""
    view = np.asarray(hashes)
    view.sort()
    return view


def find_missing(listed: Hashes, received: Hashes) -> npt.NDArray[np.uint64]:
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
