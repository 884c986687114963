"""Read CSV in blocks of whole records, whose size does not depend on the registry's.

Each block is whole rows, with a value for each column and quotes only around whole values, or it is refused.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from consent.errors import ConsentReportError
from consent.redcap.arrivals import EXPORT, Rows, RowShape
from consent.redcap.text_blocks import TextBlock, csv_block

Damage = Literal["truncated", "rows", "encoding"]
Refuse = Callable[[Damage, bytes], ConsentReportError]  # returns the error for text that cannot be read

BLOCK = 2_500_000  # bytes
LONGEST_ROW = 10_000_000  # bytes; a notes field can hold a whole letter


@dataclass(frozen=True)
class CsvTable:
    """A table whose header has been read. Its rows can be read once, and count only if all of them can be read."""

    names: tuple[str, ...]
    rows: Iterator[bytes]
    line_end: bytes
    refuse: Refuse
    inspect: Callable[[bytes], None] = lambda block: None  # may refuse a block for what it says
    repair: Callable[[bytes], bytes] = lambda block: block  # may write irregular rows regularly
    source: str = EXPORT

    def batches(self, shape: RowShape, size: int = BLOCK) -> Iterator[Rows]:
        """Yield the rows as they are received; adjacent rows of a record stay together."""
        for text in _blocks(self.rows, size):
            yield shape.rows(self._whole_rows(text), self.names, self.source)

    def _whole_rows(self, text: bytes) -> TextBlock:
        self.inspect(text)
        if self.line_end == b"\r\n" and text.endswith(b"\r"):
            text += b"\n"
        if not text.endswith(b"\n") or text.count(b'"') % 2:
            raise self.refuse("truncated" if len(text) <= LONGEST_ROW else "rows", text)
        if not is_utf8(text):
            raise self.refuse("encoding", text)
        width = len(self.names)
        block = csv_block(text, width, self.line_end) or csv_block(self.repair(text), width, self.line_end)
        if block is None or b"\0" in text:
            raise self.refuse("rows", text)
        return block


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
