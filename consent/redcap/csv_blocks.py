"""Read CSV in blocks of whole records, whose size does not depend on the registry's.

pandas would fill a short row with blanks and drop the end of a long one. So each block is checked first: whole rows,
each with a value for each column, and quotes only around whole values.
"""

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from consent.errors import ConsentReportError
from consent.redcap.arrivals import EVENT, INSTANCE, INSTRUMENT, RowShape

Damage = Literal["truncated", "rows", "encoding"]
Refuse = Callable[[Damage, bytes], ConsentReportError]  # returns the error for text that cannot be read

BLOCK = 2_500_000  # bytes
LONGEST_ROW = 10_000_000  # bytes; a notes field can hold a whole letter
_SEPARATORS = [*b",\r\n"]
_ALL_BUT_SEPARATORS = bytes({*range(256)} - {*_SEPARATORS})


@dataclass(frozen=True)
class CsvTable:
    """A table whose header has been read. Its rows can be read once, and count only if all of them can be read."""

    names: tuple[str, ...]
    rows: Iterator[bytes]
    line_end: bytes
    refuse: Refuse
    inspect: Callable[[bytes], None] = lambda block: None  # may refuse a block for what it says
    repair: Callable[[bytes], bytes] = lambda block: block  # may write irregular rows regularly

    def batches(self, shape: RowShape, size: int = BLOCK) -> Iterator[pd.DataFrame]:
        """Yield the columns ``shape.frame_columns`` as rows are received; adjacent rows of a record stay together."""
        for block in _blocks(self.rows, size):
            yield self._parsed(self._whole_rows(block), shape)

    def _whole_rows(self, block: bytes) -> bytes:
        self.inspect(block)
        if self.line_end == b"\r\n" and block.endswith(b"\r"):
            block += b"\n"
        if not block.endswith(b"\n") or block.count(b'"') % 2:
            raise self.refuse("truncated" if len(block) <= LONGEST_ROW else "rows", block)
        if not is_utf8(block):
            raise self.refuse("encoding", block)
        if not _is_regular(block, len(self.names), self.line_end):
            block = self.repair(block)
        if b"\0" in block or not _is_regular(block, len(self.names), self.line_end):
            raise self.refuse("rows", block)
        return block

    def _parsed(self, rows: bytes, shape: RowShape) -> pd.DataFrame:
        """Return the values as categories, which cost no object for each value."""
        used = [at for at, name in enumerate(self.names) if name in {*shape.columns, EVENT, INSTRUMENT, INSTANCE}]
        kinds = {at: object if self.names[at] == shape.record_id else "category" for at in used}
        words = b",".join([b"word"] * len(self.names)) + self.line_end  # or pandas makes the same number of 1 and 01
        found = pd.read_csv(
            io.BytesIO(words + rows),
            header=None,
            usecols=used,
            dtype=kinds,
            na_filter=False,
            low_memory=False,
            skip_blank_lines=False,
        )
        return shape.batch({self.names[at]: found[at].array[1:] for at in used})


def _blocks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the text in blocks that end between two records; the last one ends as the text does."""
    buffer, enough = bytearray(), size
    for piece in pieces:
        buffer += piece
        if len(buffer) >= enough:
            end, last_row = _ends(buffer)
            if len(buffer) - last_row > LONGEST_ROW:
                break
            if end:
                yield bytes(buffer[:end])
                del buffer[:end]
            enough = max(size, 2 * len(buffer))  # so all attempts take time in proportion to the text
    rows = len(buffer.rstrip(b"\r\n"))
    if rows:  # without the blank lines at the end of a file
        yield bytes(buffer[: buffer.find(b"\n", rows) + 1 or len(buffer)])


def _ends(text: bytearray) -> tuple[int, int]:
    """Return where the adjacent rows of the last record start, and where the last row does, which may not be whole.

    The first is 0 if all whole rows are of one record. The text before a row's first comma stands for its record.
    """
    quotes, end, last_row, following, record = text.count(b'"'), len(text), 0, -1, b""
    while end >= 0:
        start = text.rfind(b"\n", 0, end) + 1
        quotes -= text.count(b'"', start, end)
        if quotes % 2 == 0:  # otherwise the line starts within a value
            found = bytes(text[start : text.find(b",", start)])
            if following == -1:
                last_row = start
            elif following != last_row and found != record:
                return following, last_row
            following, record = start, found
        end = start - 1
    return 0, last_row


def is_utf8(text: bytes) -> bool:
    """Return whether all of a text is UTF-8."""
    if text.isascii():
        return True
    with contextlib.suppress(UnicodeDecodeError):
        text.decode()
        return True
    return False


def _is_regular(rows: bytes, width: int, line_end: bytes) -> bool:
    """Return whether each row has ``width`` values, and quotes stand only around values or, doubled, in them."""
    first, *others = rows.split(b'"')[::2]
    text = b'"'.join([first, *filter(None, others)])  # one quote for each quoted value
    marks = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(marks == ord('"'))
    around = np.concatenate([marks[quotes - 1], marks[quotes + 1]])  # before the first one, the last line end
    separators = text.translate(None, _ALL_BUT_SEPARATORS)
    regular = (b"," * (width - 1) + line_end) * separators.count(b"\n")
    return separators == regular and bool(np.isin(around, _SEPARATORS).all())
