"""Writes tables and errors in REDCap's JSON, CSV and XML, with its spelling of each.

Deliberately not here: which rows and columns there are. Large tables are written in pieces of some hundred rows.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from json.encoder import encode_basestring, encode_basestring_ascii
from xml.sax.saxutils import escape

from sandbox.redcap.switches import Switches

Value = str | int | Mapping[str, int]
Cells = list[str]

ROWS_IN_A_PIECE = 500
XML_HEAD = '<?xml version="1.0" encoding="UTF-8" ?>'
MEMORY_TEXT = (
    "REDCap ran out of server memory. The request cannot be processed. "
    "Please try importing/exporting a smaller amount of data."
)
_FATAL_ERROR = b"<br />\n<b>Fatal error</b>:  Allowed memory size of 4294967296 bytes exhausted<br />\n"
CONTENT_TYPES = {
    "json": "application/json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xml": "text/xml; charset=utf-8",
}


def error_body(kind: str, text: str) -> bytes:
    """An error in the format asked for; CSV is the only one that says ``ERROR:``."""
    if kind == "json":
        return _json({"error": text}).encode()
    if kind == "csv":
        return f"ERROR: {text}".encode()
    return f"{XML_HEAD}<hash><error>{escape(text)}</error></hash>".encode()


def out_of_memory(kind: str) -> bytes:
    """What is sent with status 200 when PHP runs out of memory: its own HTML first, then the error."""
    return _FATAL_ERROR + error_body(kind, MEMORY_TEXT)


def small_table(
    kind: str, rows: Sequence[Mapping[str, Value]], *, root: str = "records", spread: bool = False, end: str = "\n"
) -> bytes:
    """A table that fits in memory; ``spread`` puts a line break between JSON objects, ``end`` closes CSV."""
    if kind == "json":
        between = ",\n" if spread else ","
        return f"[{between.join(map(_json, rows))}]".encode()
    if kind == "csv":
        lines = [list(rows[0]), *([_csv_text(value) for value in row.values()] for row in rows)] if rows else []
        return ("\n".join(map(_csv_line(","), lines)) + end).encode()
    items = "".join(f"<item>{_xml_pairs(row)}</item>" for row in rows)
    return f"{XML_HEAD}<{root}>{items}</{root}>".encode()


def one_object(kind: str, row: Mapping[str, Value]) -> bytes:
    """A single thing, such as the project's own description: one JSON object, or a table of one row."""
    if kind == "json":
        return _json(row).encode()
    return small_table(kind, [row])


def json_pieces(names: Cells, rows: Iterable[Cells], switches: Switches) -> Iterator[bytes]:
    """Records as JSON: compact, every value a string but the repeat instance, ``/`` escaped."""
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


def csv_pieces(names: Cells, rows: Iterable[Cells], switches: Switches, delimiter: str = ",") -> Iterator[bytes]:
    """Records as CSV with a bare header; no rows: no header either, only a line break."""
    line = _csv_line(delimiter, backslash_quirk=switches.csv_backslash_quirk)
    before = line(names) + "\n"
    for piece in _pieces(rows):
        yield (before + "\n".join(map(line, piece)) + "\n").encode()
        before = ""
    if before:
        yield b"\n"


def xml_pieces(names: Cells, rows: Iterable[Cells], switches: Switches) -> Iterator[bytes]:
    """Records as XML items."""
    wrap = "<![CDATA[{}]]>".format if switches.xml_cdata else escape
    yield f"{XML_HEAD}<records>".encode()
    for piece in _pieces(rows):
        items = (
            "".join(f"<{name}>{wrap(cell)}</{name}>" for name, cell in zip(names, row, strict=True)) for row in piece
        )
        yield "".join(f"<item>{item}</item>" for item in items).encode()
    yield b"</records>"


def _pieces(rows: Iterable[Cells]) -> Iterator[list[Cells]]:
    waiting = iter(rows)
    while piece := list(islice(waiting, ROWS_IN_A_PIECE)):
        yield piece


def _json(value: Mapping[str, Value]) -> str:
    return json.dumps(value, separators=(",", ":")).replace("/", r"\/")


def _csv_line(delimiter: str, *, backslash_quirk: bool = False) -> Callable[[Cells], str]:
    must_quote = re.compile(f'[ \t\r\n"{re.escape(delimiter)}]').search
    to_double = r'(?<!\\)"' if backslash_quirk else '"'

    def quoted(cell: str) -> str:
        return '"' + re.sub(to_double, '""', cell) + '"' if must_quote(cell) else cell

    return lambda cells: delimiter.join(map(quoted, cells))


def _csv_text(value: Value) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{number}" for name, number in value.items())
    return str(value)


def _xml_pairs(row: Mapping[str, Value]) -> str:
    return "".join(
        f"<{name}>{_xml_pairs(value) if isinstance(value, Mapping) else escape(str(value))}</{name}>"
        for name, value in row.items()
    )
