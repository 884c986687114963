"""Read an export of records as CSV.

CSV is a third of JSON's bytes, but truncated between two rows it looks whole: only the listing shows which rows lack.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import chain

from consent.errors import ConsentReportError
from consent.redcap.csv_blocks import CsvTable, Damage
from consent.redcap.error_mapping import (
    BLANK,
    column_twice,
    damaged,
    error_from_response,
    error_within,
    not_rows,
    truncated,
)
from consent.redcap.responses import SMALL_RESPONSE, beginning

_BLANK = BLANK.encode()
_HEADER = re.compile(rb'("?)[a-z][a-z0-9_]*+\1(?:,("?)[a-z][a-z0-9_]*+\2)*+\r?')
_PART_OF_HEADER = re.compile(rb'[a-z0-9_",]++\r?')


def read_table(pieces: Iterable[bytes], headers: Mapping[str, str]) -> CsvTable:
    """Read the header of CSV; it has no names if REDCap sent a line break only, which it does where it has no rows.

    Reading the rows ends in an error where the body is truncated within a row, or is not rows of the header's width.
    """
    rest, start, is_empty = iter(pieces), bytearray(), True
    for piece in rest:
        is_empty = is_empty and not piece
        start += piece if start else piece.lstrip(_BLANK)
        if (start and b"\n" in piece) or len(start) > SMALL_RESPONSE:
            break
    line, _, more = bytes(start).partition(b"\n")
    is_csv = headers.get("content-type", "").lower().startswith("text/csv")
    if is_csv and not (start or is_empty):
        return CsvTable((), iter(()), b"\n", _refuse)
    if not is_csv or len(line) == len(start) or not _HEADER.fullmatch(line):
        if is_csv and start and _PART_OF_HEADER.fullmatch(start):
            raise truncated()
        raise error_from_response(200, headers, beginning(chain([bytes(start)], rest)))
    names = line.rstrip(b"\r").replace(b'"', b"").decode().split(",")
    if len({*names}) < len(names):
        raise column_twice()
    line_end = b"\r\n" if line.endswith(b"\r") else b"\n"
    return CsvTable(tuple(names), chain([more], rest), line_end, _refuse, _ensure_no_message)


def _refuse(damage: Damage, block: bytes) -> ConsentReportError:
    if error := error_within(block.decode("utf-8", "replace")):
        return error
    return {"truncated": truncated(), "encoding": damaged("invalid UTF-8"), "rows": not_rows()}[damage]


def _ensure_no_message(block: bytes) -> None:
    """Raise the error for a message of PHP within a value in quotes."""
    if b" on line " in block and (error := error_within(block.decode("utf-8", "replace"))):
        raise error
