"""Write tables and errors in REDCap's JSON and CSV, in pieces of some hundred rows."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from json.encoder import encode_basestring, encode_basestring_ascii

from sandbox.redcap.switches import Switches

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


def error_body(kind: str, text: str) -> bytes:
    """Return an error in the requested format."""
    return (f"ERROR: {text}" if kind == "csv" else _json({"error": text})).encode()


def out_of_memory(kind: str) -> bytes:
    """Return the body that PHP sends with status 200 when memory runs out: its own HTML, then the error."""
    return _FATAL_ERROR + error_body(kind, MEMORY_TEXT)


def small_table(kind: str, rows: Sequence[Mapping[str, Value]], *, spread: bool = False, end: str = "\n") -> bytes:
    """Return a table that fits in memory; ``spread`` puts a line break between JSON objects, ``end`` closes CSV."""
    if kind == "json":
        between = ",\n" if spread else ","
        return f"[{between.join(map(_json, rows))}]".encode()
    lines = [list(rows[0]), *([_csv_text(value) for value in row.values()] for row in rows)] if rows else []
    return ("\n".join(map(_csv_line(), lines)) + end).encode()


def one_object(kind: str, row: Mapping[str, Value]) -> bytes:
    """Return a single thing, such as the project's description: one JSON object, or a table of one row."""
    if kind == "json":
        return _json(row).encode()
    return small_table(kind, [row])


def json_pieces(names: Cells, rows: Iterable[Cells], switches: Switches) -> Iterator[bytes]:
    """Write records as JSON: compact, every value a string except the repeat instance, ``/`` escaped."""
    encode = encode_basestring_ascii if switches.escape_unicode else encode_basestring
    template = "{" + ",".join(f"{encode(name)}:%s" for name in names) + "}"
    number = names.index("redcap_repeat_instance") if "redcap_repeat_instance" in names else None

    def written(row: Cells) -> str:
        cells = [encode(cell) for cell in row]
        if number is not None and row[number]:
            cells[number] = row[number]
        return template % tuple(cells)

    before = "["
    for piece in _pieces(rows):
        yield (before + ",".join(map(written, piece))).replace("/", r"\/").encode()
        before = ","
    yield b"[]" if before == "[" else b"]"


def csv_pieces(names: Cells, rows: Iterable[Cells], switches: Switches) -> Iterator[bytes]:
    """Write records as CSV; without rows there is no header, only a line break."""
    line = _csv_line(backslash_quirk=switches.csv_backslash_quirk)
    before = line(names) + "\n"
    for piece in _pieces(rows):
        yield (before + "\n".join(map(line, piece)) + "\n").encode()
        before = ""
    if before:
        yield b"\n"


def _pieces(rows: Iterable[Cells]) -> Iterator[list[Cells]]:
    waiting = iter(rows)
    while piece := list(islice(waiting, ROWS_IN_A_PIECE)):
        yield piece


def _json(value: Mapping[str, Value]) -> str:
    return json.dumps(value, separators=(",", ":")).replace("/", r"\/")


def _csv_line(*, backslash_quirk: bool = False) -> Callable[[Cells], str]:
    must_quote = re.compile('[ \t\r\n",]').search
    to_double = r'(?<!\\)"' if backslash_quirk else '"'

    def quoted(cell: str) -> str:
        return '"' + re.sub(to_double, '""', cell) + '"' if must_quote(cell) else cell

    return lambda cells: ",".join(map(quoted, cells))


def _csv_text(value: Value) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{number}" for name, number in value.items())
    return str(value)
