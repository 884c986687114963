"""Which rows a project's export consists of, and which of them have arrived.

Pure. A row is named by record, event, repeat instrument and instance; each name is kept as a 64-bit hash, so that a
million rows take eight megabytes. Whole rows stay in memory only for their batch, or, of records whose rows come apart,
until the rest of the record has come.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import pandas as pd

from consent.errors import IncompleteExportError

Row = tuple[str, ...]

RECORD = "record"  # the first column of a batch, whatever the project calls its record id
EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
GROUP = "redcap_data_access_group"
BATCH_ROWS = 10_000


@dataclass(frozen=True)
class RowShape:
    """The columns of an export in a fixed order: the record id, the three that tell rows of one record apart, values.

    ``columns`` are the export's own names. A structure column that is not expected is read where it comes (old servers
    do not say that a project has repeats), and is blank elsewhere.
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

    def reader(self) -> Callable[[dict[str, str]], Row]:
        """A function that turns one object of the export into a row.

        Raises (when called):
            KeyError: with the name of a column that is not in the object.
        """
        take_values = _taker(self.values)
        structure = set(self.structure)
        event, instrument, instance = (name in structure for name in (EVENT, INSTRUMENT, INSTANCE))

        def read(found: dict[str, str]) -> Row:
            return (
                found[self.record_id],
                found[EVENT] if event else found.get(EVENT, ""),
                found[INSTRUMENT] if instrument else found.get(INSTRUMENT, ""),
                found[INSTANCE] if instance else found.get(INSTANCE, ""),
                *take_values(found),
            )

        return read


def _taker(names: tuple[str, ...]) -> Callable[[dict[str, str]], Row]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda found: tuple(found[name] for name in names)


class Hashes:
    """Any number of 64-bit hashes in one block of memory.

    The block doubles when it is full, or has ``room`` from the beginning: growing by little leaves holes in memory.
    """

    def __init__(self, room: int = 1024) -> None:
        self._block = np.empty(max(1, room), dtype=np.uint64)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def append(self, value: int) -> None:
        """Add one."""
        if self._used == len(self._block):
            larger = np.empty(2 * self._used, dtype=np.uint64)
            larger[: self._used] = self._block
            self._block = larger
        self._block[self._used] = value
        self._used += 1

    def extend(self, values: Iterable[int]) -> None:
        """Add several."""
        for value in values:
            self.append(value)

    def copy(self) -> "Hashes":
        """The same hashes in a block of their own."""
        other = Hashes(len(self._block))
        other._block[: self._used] = self._block[: self._used]
        other._used = self._used
        return other

    def sorted(self) -> npt.NDArray[np.uint64]:
        """A view of them, sorted in place: a copy would double the memory that a large registry takes."""
        view = self._block[: self._used]
        view.sort()
        return view


@dataclass
class ReceivedRows:
    """The rows and records that have arrived so far, as hashes.

    As long as each record is a single row, in no event and no repeat, one hash names both and is kept once.
    """

    rows: Hashes = field(default_factory=Hashes)
    _records: Hashes | None = None

    @classmethod
    def with_room(cls, number: int) -> "ReceivedRows":
        """None yet, and memory for so many rows."""
        return cls(Hashes(number))

    @property
    def records(self) -> Hashes:
        """A record once for each time that rows of it came together."""
        return self.rows if self._records is None else self._records

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "ReceivedRows":
        """All of these rows, those of a record side by side."""
        arrivals = cls()
        for _, together in groupby(rows, key=itemgetter(0)):
            arrivals.add_record(list(together))
        return arrivals

    def add_record(self, rows: list[Row]) -> None:
        """Note one record's rows, which arrived together."""
        if len(rows) > 1 or any(rows[0][1:4]):
            self._keep_apart().append(hash_of(rows[0][0]))
        elif self._records is not None:
            self._records.append(hash_of(rows[0][0]))
        self.rows.extend(hash_of(*row[:4]) for row in rows)

    def _keep_apart(self) -> Hashes:
        """The hashes of the records, from now on beside those of the rows."""
        if self._records is None:
            self._records = self.rows.copy()
        return self._records

    def add(self, others: "ReceivedRows") -> None:
        """Take in what arrived in another request."""
        if self._records is not None or others._records is not None:
            self._keep_apart().extend(others.records.sorted().tolist())
        self.rows.extend(others.rows.sorted().tolist())

    def split_records(self) -> frozenset[int]:
        """Hashes of the records whose rows did not arrive together."""
        return frozenset(_repeated(self.records))

    def repeated_rows(self) -> int:
        """How many rows arrived more than once."""
        return len(_repeated(self.rows))

    @property
    def record_count(self) -> int:
        """Number of different records that arrived."""
        view = self.records.sorted()
        return len(view) - int((view[1:] == view[:-1]).sum())


def hash_of(*parts: str) -> int:
    """A 64-bit hash of a record's or a row's name; the same for a record and its row in no event and no repeat."""
    name = "\x1f".join(parts) if any(parts[1:]) else parts[0]
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def record_batches(
    rows: Iterable[Row], arrivals: ReceivedRows, *, held_back: frozenset[int] = frozenset(), size: int = BATCH_ROWS
) -> Iterator[list[Row]]:
    """Batches of about ``size`` rows that never split a record, in order of arrival; ``arrivals`` notes each record.

    Rows of the records in ``held_back`` (those found apart before) are gathered to the end and come together there.
    """
    batch: list[Row] = []
    held: dict[str, list[Row]] = {}
    for record, group in groupby(rows, key=itemgetter(0)):
        together = list(group)
        if held_back and hash_of(record) in held_back:
            held.setdefault(record, []).extend(together)
            continue
        arrivals.add_record(together)
        batch += together
        if len(batch) >= size:
            yield batch
            batch = []
    for together in held.values():
        arrivals.add_record(together)
        batch += together
    if batch:
        yield batch


def frame_of(rows: list[Row], shape: RowShape) -> pd.DataFrame:
    """The rows as a table of text, columns as ``shape.frame_columns``."""
    return pd.DataFrame(rows, columns=list(shape.frame_columns), dtype=object)


def missing_rows(listed: ReceivedRows, arrived: ReceivedRows) -> npt.NDArray[np.uint64]:
    """Hashes of the rows that are listed and did not arrive, sorted."""
    return _absent(listed.rows, arrived.rows)


def missing_records(listed: ReceivedRows, arrived: ReceivedRows) -> npt.NDArray[np.uint64]:
    """Hashes of the records that are listed and of which nothing arrived, sorted."""
    return _absent(listed.records, arrived.records)


def _absent(listed: Hashes, arrived: Hashes) -> npt.NDArray[np.uint64]:
    wanted, present = listed.sorted(), arrived.sorted()
    if np.array_equal(wanted, present) or not len(present):
        return wanted[:0] if len(present) else wanted.copy()
    nearest = np.minimum(np.searchsorted(present, wanted), len(present) - 1)
    absent: npt.NDArray[np.bool_] = present[nearest] != wanted
    return wanted[absent]


def ensure_no_repeated_rows(arrivals: ReceivedRows, what: str) -> None:
    """Make sure that no row arrived twice.

    Raises:
        IncompleteExportError: how many did; which ones is not said, they are participants.
    """
    if repeated := arrivals.repeated_rows():
        raise IncompleteExportError(
            f"{what} holds {repeated:,} row{'s' if repeated > 1 else ''} more than once (the same record, event and "
            "instance). It cannot be told which is right, so nothing was counted or delivered. Export again; if it "
            "happens again, show it to the REDCap administrator."
        )


def _repeated(hashes: Hashes) -> set[int]:
    view = hashes.sorted()
    return {int(value) for value in np.unique(view[1:][view[1:] == view[:-1]])}
