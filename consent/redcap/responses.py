"""Read a valid REDCap response: its rows as they are received, or one object.

A response is valid only as a whole: reading the rows of a truncated body ends in an error.
"""

import codecs
import contextlib
import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from consent.errors import IncompleteExportError
from consent.redcap.error_mapping import (
    BLANK,
    RUN_AGAIN,
    column_twice,
    damaged,
    error_from_response,
    error_within,
    not_rows,
    truncated,
)
from consent.redcap.text_blocks import TextBlock, block_of_values, json_block

Row = dict[str, Any]

LONGEST_OBJECT = 8_000_000  # characters; one row of even a 10,000-field project is far below
SMALL_RESPONSE = 200_000  # bytes
AHEAD = 2_000_000  # characters of a list that are read together
ROWS = 10_000
_DECODER = json.JSONDecoder(parse_int=str)  # a number is text like any other value
_ROW_AHEAD = re.compile(r"[ \t\r\n]*+(,?)[ \t\r\n]*+(?=\{)")
_END = re.compile(r"[ \t\r\n]*+\]")
_CUT = re.compile(r"[ \t\r\n]*+|u[0-9a-fA-F]{0,4}|-|\.|[eE][-+]?|t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?")
_GOES_ON, _DAMAGED = -1, -2


def read_columns(
    pieces: Iterable[bytes], headers: Mapping[str, str], wanted: Container[str]
) -> Iterator[tuple[list[str], TextBlock]]:
    """Yield the wanted columns of a JSON array, some rows at a time: their names, perhaps among others, and the rows.

    Use them only after the last was received: a truncated body raises TransientError instead of ending, and any body
    other than one array of flat objects raises an error. The names of ``headers`` are in lower case.
    """
    texts = _decoded(pieces)
    buffer, separator = _opening(texts, headers), ""
    names: list[str] = []
    for text in chain(texts, [""]):
        buffer += text
        if text and len(buffer) < AHEAD:
            continue
        names = names or [*(_object_at(buffer, 0)[0] or ())]
        end = buffer.rfind("},{") + 1
        block = json_block(buffer[:end].removeprefix(separator).encode(), names)
        if block is None:
            break  # not objects with these names: the slower way reads them, or finds what is wrong
        yield names, block
        buffer, separator = buffer[end:], ","
    rows = map(_flat, _objects(buffer, texts, _ensure_text, separator))
    while some := [*islice(rows, ROWS)]:
        names = names or [*some[0]]
        found = [name for name in names if name in wanted]
        block = block_of_values([_values(row, found) for row in some])
        if b"\0" in block.text:
            raise damaged("a null character")
        yield found, block


def read_small_rows(pieces: Iterable[bytes], headers: Mapping[str, str]) -> list[dict[str, str]]:
    """Read a small array of flat objects, such as the data dictionary, and repair its labels."""
    return [_flat(row) for row in read_nested_rows(pieces, headers)]


def read_nested_rows(pieces: Iterable[bytes], headers: Mapping[str, str]) -> list[Row]:
    """Read a small array whose values may be objects, such as ``user``; numbers become text."""
    texts = _decoded(pieces)
    return list(_objects(_opening(texts, headers), texts, _repaired))


def _objects(buffer: str, texts: Iterator[str], check: Callable[[Row], Row], separator: str = "") -> Iterator[Row]:
    """Yield the objects of an array whose opening bracket, and perhaps first objects, were read."""
    position = 0
    has_surrogates = _has_surrogates(buffer)
    while True:
        row_ahead = _ROW_AHEAD.match(buffer, position)
        if row_ahead and row_ahead[1] == separator:
            found, end = _object_at(buffer, row_ahead.end())
            if found is not None:
                position, separator = end, ","
                yield check(found) if has_surrogates else found
                continue
            if end == _DAMAGED:
                raise error_within(_collect(buffer[position:], texts)) or damaged("invalid JSON")
        elif end_of_list := _END.match(buffer, position):
            return _ensure_end(buffer[end_of_list.end() :], texts)
        elif buffer[position:].strip(" \t\r\n,"):
            raise error_within(_collect(buffer[position:], texts)) or not_rows()
        buffer, position = _extended(buffer[position:].lstrip(" \t\r\n"), texts), 0
        has_surrogates = _has_surrogates(buffer)


def _values(row: dict[str, str], names: list[str]) -> list[str]:
    with contextlib.suppress(KeyError):
        return [row[name] for name in names]
    missing = next(name for name in names if name not in row)
    raise IncompleteExportError(f"A row of REDCap's list of records has no column {missing}.", RUN_AGAIN)


def _object_at(text: str, start: int) -> tuple[Row | None, int]:
    """Return the object that starts here and where it ends; None and why if it is not whole."""
    try:
        found, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        goes_on = error.msg.startswith("Unterminated") or _CUT.fullmatch(text, error.pos)
        return None, _GOES_ON if goes_on else _DAMAGED
    except RecursionError:
        return None, _DAMAGED
    if not isinstance(found, dict):
        return None, _DAMAGED
    if text.count('":', start, end) != len(found):  # a nested object, a text with these marks, or a name twice
        _ensure_distinct_names(text, start)
    return found, end


def _extended(text: str, texts: Iterator[str]) -> str:
    """Return the text and at least as much again: so all attempts at one row take time in proportion to its length."""
    if len(text) > LONGEST_OBJECT:
        raise not_rows()
    parts, added = [text], 0
    while added <= len(text) and (part := next(texts, None)) is not None:
        parts.append(part)
        added += len(part)
    if len(parts) == 1:
        raise error_within(text) or truncated()
    return "".join(parts)


def read_object(pieces: Iterable[bytes], headers: Mapping[str, str]) -> dict[str, str]:
    """Read a response of exactly one JSON object, such as ``project``, with every value as text."""
    text, found, end = beginning(pieces).strip(BLANK), None, 0
    if text.startswith("{") and _is_json(headers):
        found, end = _object_at(text, 0)
        if found is None:
            raise error_within(text) or (truncated() if end == _GOES_ON else damaged("invalid JSON"))
    if found is None or end != len(text) or "error" in found:
        raise error_from_response(200, headers, text)
    return _repaired(_flat(found))


def read_version(pieces: Iterable[bytes], headers: Mapping[str, str]) -> str:
    """Read REDCap's version number, which is plain text in every format."""
    text = beginning(pieces).strip(BLANK)
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise error_from_response(200, headers, text)
    return text


def beginning(pieces: Iterable[bytes]) -> str:
    """Return the first part of a body, enough to read a small response or to recognise an error."""
    read = bytearray()
    for piece in pieces:
        read += piece
        if len(read) >= SMALL_RESPONSE:
            break
    return read[:SMALL_RESPONSE].decode("utf-8", "replace")


def _opening(texts: Iterator[str], headers: Mapping[str, str]) -> str:
    """Return the text after the array's opening bracket, or raise the error for another body."""
    buffer = ""
    for text in texts:
        buffer = (buffer + text).lstrip(BLANK)
        if buffer:
            break
    if buffer.startswith("[") and _is_json(headers):
        return buffer[1:]
    raise error_from_response(200, headers, _collect(buffer, texts))


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("application/json")


def _collect(text: str, texts: Iterator[str]) -> str:
    """Return the text and the next part of the body, enough to recognise a message of the server."""
    end = len(text) + SMALL_RESPONSE
    for more in texts:
        text += more
        if len(text) > end:
            break
    return text


def _ensure_end(rest: str, texts: Iterator[str]) -> None:
    if rest.strip() or (rest := next((text for text in texts if text.strip()), "")):
        raise error_within(_collect(rest, texts)) or not_rows()


def _flat(row: Row) -> dict[str, str]:
    for name, value in row.items():
        if not isinstance(value, str):
            if isinstance(value, dict | list | bool | float):
                raise not_rows()
            row[name] = "" if value is None else str(value)
    return row


def _ensure_distinct_names(text: str, start: int = 0) -> None:
    """Raise SourceDataError if the object has a name twice: json would keep the last value."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) == len(pairs):
            return found
        raise column_twice()

    json.JSONDecoder(object_pairs_hook=distinct).raw_decode(text, start)


def _has_surrogates(text: str) -> bool:
    return "\\ud" in text or "\\uD" in text  # an emoji, as a pair of them, or a damaged one


def _ensure_text(row: Row) -> Row:
    with contextlib.suppress(UnicodeEncodeError):
        "".join([*row, *map(str, row.values())]).encode()
        return row
    raise damaged("half of a surrogate pair")


def _repaired(found: Row) -> Row:
    """Replace each half of a surrogate pair, which is not a character: no number depends on it."""
    text = json.dumps(found, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    repaired: Row = json.loads(text)
    return repaired


def _decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces:
        text = None
        with contextlib.suppress(UnicodeDecodeError):
            text = decoder.decode(piece)
        if text is None:  # raised outside the handler: the decoder's own error holds the bytes
            raise damaged("invalid UTF-8")
        yield text
    if decoder.getstate()[0]:
        yield "\ufffd"  # the body ends within a character
