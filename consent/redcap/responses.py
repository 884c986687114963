"""Read a valid REDCap response: its rows as they are received, or one object.

A response is valid only as a whole: reading the rows of a truncated body ends in an error.
"""

import codecs
import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from consent.errors import SourceDataError
from consent.redcap.error_mapping import BLANK, RUN_AGAIN, TransientError, error_from_response, error_text

T = TypeVar("T")

LONGEST_OBJECT = 8_000_000  # characters; one row of even a 10,000-field project is far below
SMALL_RESPONSE = 200_000  # bytes
_DECODER = json.JSONDecoder(parse_int=str)  # a number is text like any other value
_ROW_AHEAD = re.compile(r"\s*(,?)\s*(?=\{)")
_END = re.compile(r"\s*\]")


def read_rows(pieces: Iterable[bytes], headers: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the objects of a JSON array as they are received, with every value as text.

    Use the rows only after the last one was received: a truncated body raises TransientError instead of ending, and
    any body other than one array of flat objects raises an error. The names of ``headers`` are in lower case.
    """
    return _objects(pieces, headers, _flat)


def read_nested_rows(pieces: Iterable[bytes], headers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Read a small array whose values may be objects, such as ``user``; numbers become text."""
    return list(_objects(pieces, headers, dict))


def _objects(pieces: Iterable[bytes], headers: Mapping[str, str], make: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    texts = _decoded(pieces)
    buffer, position, separator = _opening(texts, headers), 0, ""
    while True:
        row_ahead = _ROW_AHEAD.match(buffer, position)
        if row_ahead and row_ahead[1] == separator:
            with contextlib.suppress(json.JSONDecodeError, RecursionError):  # the row is not complete yet
                row, end_of_row = _DECODER.raw_decode(buffer, row_ahead.end())
                if buffer.count('":', row_ahead.end(), end_of_row) != len(row):  # a nested object, or a name twice
                    _ensure_distinct_names(buffer, row_ahead.end())
                position, separator = end_of_row, ","
                yield make(row)
                continue
        elif end := _END.match(buffer, position):
            return _ensure_end(buffer[end.end() :], texts)
        elif rest := buffer[position:].strip(" \t\r\n,"):
            raise _not_a_row(rest, texts)
        if (piece := next(texts, None)) is None:
            raise _truncated()
        buffer, position = buffer[position:] + piece, 0
        if len(buffer) > LONGEST_OBJECT:
            raise _not_rows()


def read_object(pieces: Iterable[bytes], headers: Mapping[str, str]) -> dict[str, str]:
    """Read a response of exactly one JSON object, such as ``project``, with every value as text."""
    text, found, end = beginning(pieces).strip(BLANK), None, 0
    with contextlib.suppress(ValueError, RecursionError):
        found, end = _DECODER.raw_decode(text)
        _ensure_distinct_names(text)
    if not end and text.startswith("{") and _is_json(headers):
        raise _truncated()
    if not (isinstance(found, dict) and end == len(text) and _is_json(headers)) or error_text(text) is not None:
        raise error_from_response(200, headers, text)
    return _flat(found)


def read_version(pieces: Iterable[bytes], headers: Mapping[str, str]) -> str:
    """Read REDCap's version number, which is plain text in every format."""
    text = beginning(pieces).strip(BLANK)
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise error_from_response(200, headers, text)
    return text


def beginning(pieces: Iterable[bytes]) -> str:
    """Return the first part of a body, enough to read a small response or to recognise an error."""
    read = b""
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
    raise error_from_response(200, headers, _collect(buffer, texts, LONGEST_OBJECT))


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("application/json")


def _collect(text: str, texts: Iterator[str], limit: int) -> str:
    for more in texts:
        text += more
        if len(text) > limit:
            break
    return text


def _not_a_row(rest: str, texts: Iterator[str]) -> Exception:
    """The error for text in place of a row: memory can run out after the first rows were sent."""
    rest = _collect(rest, texts, SMALL_RESPONSE)
    return error_from_response(200, {}, rest) if "ran out of server memory" in rest.lower() else _not_rows()


def _ensure_end(rest: str, texts: Iterator[str]) -> None:
    if rest.strip() or any(text.strip() for text in texts):
        raise _not_rows()


def _flat(row: dict[str, Any]) -> dict[str, str]:
    for name, value in row.items():
        if not isinstance(value, str):
            if isinstance(value, dict | list | bool | float):
                raise _not_rows()
            row[name] = "" if value is None else str(value)
    return row


def _ensure_distinct_names(text: str, start: int = 0) -> None:
    """Raise SourceDataError if the object has a name twice: json would keep the last value."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) == len(pairs):
            return found
        what = "A row of REDCap's response has one column twice, so which of the values is right is not known."
        raise SourceDataError(what, "Ask the REDCap administrator whether two options of a checkbox share a column.")

    json.JSONDecoder(object_pairs_hook=distinct).raw_decode(text, start)


def _not_rows() -> SourceDataError:
    return SourceDataError("REDCap's response is not a list of rows (HTTP 200).", RUN_AGAIN)


def _truncated() -> TransientError:
    return TransientError("REDCap's response was truncated.", RUN_AGAIN)


def _decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces:
        text = None
        with contextlib.suppress(UnicodeDecodeError):
            text = decoder.decode(piece)
        if text is None:  # raised outside the handler: the decoder's own error holds the bytes
            raise SourceDataError(
                "REDCap's response contains bytes that are not text (invalid UTF-8).",
                "Ask the REDCap administrator to look for damaged characters in the fields of the study file.",
            )
        yield text
    if decoder.getstate()[0]:
        yield "\ufffd"  # the body ends within a character
