"""The rows that an export must contain, and the rows received so far.

Record, event, repeat instrument and instance identify a row. Only a 64-bit hash of them is kept: 8 bytes a row, and 8
a record. Whole rows stay in memory only for their batch, or until the rest of a split record has been received.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from consent.errors import IncompleteExportError, SourceDataError

Hashes: TypeAlias = "array[int]"  # 64-bit hashes in one block of memory

RECORD = "record"  # a batch's first column: the record id, under any name in the project
EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
GROUP, SURVEY = "redcap_data_access_group", "redcap_survey_identifier"
NUMBER = "number of the record in the batch"  # the name of a batch's index, where it is this number
GATHERED_RECORDS = 10_000  # in one batch

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

    def batch(self, columns: Mapping[str, Any]) -> pd.DataFrame:
        """Return the rows of these columns, which have the export's own names, as a table of ``frame_columns``."""
        record = pd.Series(columns[self.record_id], dtype=object).array  # pandas' own text takes longer
        blank = pd.Categorical.from_codes(np.zeros(len(record), "int8"), pd.Index([""]))
        cells = {name: columns.get(name, blank) for name in self.frame_columns} | {RECORD: record}
        return pd.DataFrame(cells, copy=False)


@dataclass
class ReceivedRows:
    """The hashes of the rows received so far, and of their records: one for each group of adjacent rows of a record."""

    rows: Hashes = field(default_factory=lambda: array("Q"), repr=False)
    records: Hashes = field(default_factory=lambda: array("Q"), repr=False)
    source: str = "REDCap's export"
    hashed_ids: bool = True  # every record id so far is 32 hexadecimal digits

    @classmethod
    def of(cls, batches: Iterable[pd.DataFrame]) -> "ReceivedRows":
        """Collect the rows of these batches."""
        received = cls()
        for batch in batches:
            received.see(batch)
        return received

    def see(self, batch: pd.DataFrame) -> npt.NDArray[np.uint64]:
        """Add the rows of a batch, and return the hashes of their records; raise SourceDataError if one has no id."""
        records = batch[RECORD].tolist()
        if not all(map(str.strip, records)):
            row = len(self.rows) + 2 + next(n for n, record in enumerate(records) if not record.strip())
            what = f"{self.source} cannot be counted: row {row} has no record id (the header is row 1)."
            raise SourceDataError(what, "Correct or delete that record in REDCap, then export again.")
        self.hashed_ids = self.hashed_ids and all(map(_HASHED.fullmatch, records))
        of_records, of_rows = hashes_of(batch)
        self.records.frombytes(of_records[is_first(of_records)].tobytes())
        self.rows.frombytes(of_rows.tobytes())
        return of_records

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


def is_first(records: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Flag the first of the adjacent rows of each record; ``records`` has the hash or number of each row's record."""
    return np.append(True, records[1:] != records[:-1])[: len(records)]


def hashes_of(batch: pd.DataFrame) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return 64-bit hashes of each row's record, and of the row: its record, event, repeat instrument and instance.

    A row's hash is the sum of its parts' hashes, and a blank part adds nothing: the hash of a record's only row is the
    record's. That two of a million rows have one hash by chance has a probability of 3 in 100 million.
    """
    of_records = pd.util.hash_array(batch[RECORD].to_numpy(dtype=object), categorize=False)
    of_rows = of_records.copy()
    for name in (EVENT, INSTRUMENT, INSTANCE):
        cells = pd.Categorical(batch[name])
        of_values = [f"{name}={value}" if value else "" for value in cells.categories]
        hashes = pd.util.hash_array(np.array([*of_values, ""], dtype=object), categorize=False)
        of_rows += (hashes - hashes[-1])[cells.codes]
    return of_records, of_rows


def are_working_copies(records: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Flag the records that are one of the two copies that double data entry keeps: ``X--1`` or ``X--2`` of ``X``."""
    ends = ("--1", "--2")
    if "--" not in "\n".join(records):  # the usual case, twenty times as fast
        return np.zeros(len(records), dtype=bool)
    return np.array([record.endswith(ends) and record not in ends for record in records], dtype=bool)


def record_batches(
    batches: Iterable[pd.DataFrame], received: ReceivedRows, *, split: frozenset[int] = frozenset()
) -> Iterator[pd.DataFrame]:
    """Yield batches that split no record, most of them indexed by NUMBER; ``received`` collects their rows.

    split: hashes of records whose rows are not adjacent; they are gathered and yielded at the end.
    """
    gathered, apart = [], np.array([*split], dtype=np.uint64)
    for batch in batches:
        is_split = np.isin(hashes_of(batch)[0], apart) if split else np.zeros(len(batch), dtype=bool)
        if is_split.any():
            gathered.append(batch[is_split].astype(object))
        whole = batch[~is_split] if is_split.any() else batch
        numbers = np.cumsum(is_first(received.see(whole))) - 1
        yield whole.set_axis(pd.Index(numbers, name=NUMBER))
    if gathered:
        together = pd.concat(gathered, ignore_index=True)
        numbers = pd.factorize(together[RECORD])[0]
        together = together.iloc[np.argsort(numbers, kind="stable")]
        for _, batch in together.groupby(np.sort(numbers) // GATHERED_RECORDS):
            received.see(batch)
            yield batch


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
