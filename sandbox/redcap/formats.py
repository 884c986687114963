"""Write tables and errors as REDCap does: JSON, records also as CSV, in pieces of 500 rows."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from json.encoder import encode_basestring, encode_basestring_ascii

Value = str | int | Mapping[str, int]
Cells = list[str]

ROWS_IN_A_PIECE = 500
MEMORY_TEXT = (
    "REDCap ran out of server memory. The request cannot be processed. "
    "Please try importing/exporting a smaller amount of data."
)
_FATAL_ERROR = b"<br />\n<b>Fatal error</b>:  Allowed memory size of 4294967296 bytes exhausted<br />\n"
CONTENT_TYPES = {
    "json": "application/json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
}
_must_quote = re.compile('[ \t\r\n",]').search


def error_body(text: str) -> bytes:
    """Return an error in JSON."""
    return json_object({"error": text}).encode()


def out_of_memory() -> bytes:
    """Return the body that PHP sends with status 200 when memory runs out: its own HTML, then the error."""
    return _FATAL_ERROR + error_body(MEMORY_TEXT)


def json_object(value: Mapping[str, Value]) -> str:
    """Return a mapping as compact JSON with ``/`` escaped."""
    return json.dumps(value, separators=(",", ":")).replace("/", r"\/")


def json_list(rows: Sequence[Mapping[str, Value]], *, separator: str = ",") -> str:
    """Return a short table as JSON."""
    return f"[{separator.join(map(json_object, rows))}]"


def json_pieces(names: Cells, rows: Iterable[Cells], *, escape_unicode: bool) -> Iterator[bytes]:
    """Yield records as JSON: compact, every value a string except the repeat instance, ``/`` escaped."""
    encode = encode_basestring_ascii if escape_unicode else encode_basestring
    template = "{" + ",".join(f"{encode(name)}:%s" for name in names) + "}"
    number = names.index("redcap_repeat_instance") if "redcap_repeat_instance" in names else None

    def record(row: Cells) -> str:
        cells = [encode(cell) for cell in row]
        if number is not None and row[number]:
            cells[number] = row[number]
        return template % tuple(cells)

    before = "["
    for piece in _pieces(rows):
        yield (before + ",".join(map(record, piece))).replace("/", r"\/").encode()
        before = ","
    yield b"[]" if before == "[" else b"]"


def csv_pieces(names: Cells, rows: Iterable[Cells]) -> Iterator[bytes]:
    """Yield records as CSV; without rows there is no header, only a line break."""
    before = _csv_line(names) + "\n"
    for piece in _pieces(rows):
        yield (before + "\n".join(map(_csv_line, piece)) + "\n").encode()
        before = ""
    if before:
        yield b"\n"


def _pieces(rows: Iterable[Cells]) -> Iterator[list[Cells]]:
    waiting = iter(rows)
    while piece := list(islice(waiting, ROWS_IN_A_PIECE)):
        yield piece


def _csv_line(cells: Cells) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' if _must_quote(cell) else cell for cell in cells)
