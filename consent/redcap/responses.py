"""What a good answer of REDCap's holds: its rows, as they arrive, or one object.

Pure: no network. An answer is good only when all of it is: the rows of a body that was cut off end in an error.
"""

import codecs
import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from consent.errors import SourceDataError
from consent.redcap.error_mapping import BLANK, TransientError, error_from_response, error_text

T = TypeVar("T")

LONGEST_OBJECT = 8_000_000  # characters; one row of even a 10,000-field project is far below
SMALL_ANSWER = 200_000  # bytes
_DECODER = json.JSONDecoder(parse_int=str)  # a number is text like any other value
_ROW_AHEAD = re.compile(r"\s*(,?)\s*(?=\{)")
_END = re.compile(r"\s*\]")


def read_rows(pieces: Iterable[bytes], headers: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The objects of a JSON array, one by one as they arrive; every value as text.

    Act on the rows only after the last one came: a body that was cut off anywhere raises instead of ending.

    Args:
        pieces: the body in pieces of any size.
        headers: of the answer, names in lower case.

    Raises:
        ConsentReportError: the body is not an array of flat objects, whole and nothing else; ``TransientError``
            when it merely ends too early.
    """
    return _objects(pieces, headers, _flat)


def _objects(
    pieces: Iterable[bytes], headers: Mapping[str, str], made_of: Callable[[dict[str, Any]], T]
) -> Iterator[T]:
    texts = _decoded(pieces)
    buffer, position, separator = _opening(texts, headers), 0, ""
    while True:
        row_ahead = _ROW_AHEAD.match(buffer, position)
        if row_ahead and row_ahead[1] == separator:
            with contextlib.suppress(json.JSONDecodeError, RecursionError):  # the row has not wholly arrived
                row, position = _DECODER.raw_decode(buffer, row_ahead.end())
                separator = ","
                yield made_of(row)
                continue
        elif end := _END.match(buffer, position):
            return _ensure_no_more(buffer[end.end() :], texts)
        elif rest := buffer[position:].strip(" \t\r\n,"):
            raise _instead_of_a_row(rest, texts)
        if (piece := next(texts, None)) is None:
            raise TransientError("REDCap's answer broke off before its end. Nothing was counted or delivered.")
        buffer, position = buffer[position:] + piece, 0
        if len(buffer) > LONGEST_OBJECT:
            raise _not_rows()


def read_object(pieces: Iterable[bytes], headers: Mapping[str, str]) -> dict[str, str]:
    """The one JSON object that an answer such as ``project`` consists of; every value as text.

    Raises:
        ConsentReportError: it is something else, or was cut off.
    """
    text, found, end = beginning(pieces).strip(BLANK), None, 0
    with contextlib.suppress(ValueError, RecursionError):
        found, end = _DECODER.raw_decode(text)
    if not end and text.startswith("{") and _is_json(headers):
        raise TransientError("REDCap's answer broke off before its end. Nothing was counted.")
    if not (isinstance(found, dict) and end == len(text) and _is_json(headers)) or error_text(text) is not None:
        raise error_from_response(200, headers, text)
    return _flat(found)


def read_nested_rows(pieces: Iterable[bytes], headers: Mapping[str, str]) -> list[dict[str, Any]]:
    """The same for a small answer whose values may be objects themselves, such as ``user``; every number as text.

    Raises as ``read_rows``.
    """
    return list(_objects(pieces, headers, dict))


def read_version(pieces: Iterable[bytes], headers: Mapping[str, str]) -> str:
    """REDCap's version number, which comes as plain text in every format.

    Raises:
        ConsentReportError: the text is something else.
    """
    text = beginning(pieces).strip(BLANK)
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise error_from_response(200, headers, text)
    return text


def beginning(pieces: Iterable[bytes]) -> str:
    """The first part of a body, enough to understand a small or a bad answer."""
    read = b""
    for piece in pieces:
        read += piece
        if len(read) >= SMALL_ANSWER:
            break
    return read[:SMALL_ANSWER].decode("utf-8", "replace")


def _opening(texts: Iterator[str], headers: Mapping[str, str]) -> str:
    """What follows the array's opening bracket, or the error that stands in place of an array."""
    buffer = ""
    for text in texts:
        buffer = (buffer + text).lstrip(BLANK)
        if buffer:
            break
    if buffer.startswith("[") and _is_json(headers):
        return buffer[1:]
    for text in texts:
        buffer += text
        if len(buffer) > LONGEST_OBJECT:
            break
    raise error_from_response(200, headers, buffer)


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("application/json")


def _instead_of_a_row(rest: str, texts: Iterator[str]) -> Exception:
    """The error for what stands where a row should; memory can run out after the first rows were sent."""
    for text in texts:
        rest += text
        if len(rest) > SMALL_ANSWER:
            break
    return error_from_response(200, {}, rest) if "ran out of server memory" in rest.lower() else _not_rows()


def _ensure_no_more(rest: str, texts: Iterator[str]) -> None:
    if rest.strip() or any(text.strip() for text in texts):
        raise _not_rows()


def _flat(row: dict[str, Any]) -> dict[str, str]:
    for name, value in row.items():
        if not isinstance(value, str):
            if isinstance(value, dict | list | bool | float):
                raise _not_rows()
            row[name] = "" if value is None else str(value)
    return row


def _not_rows() -> SourceDataError:
    return SourceDataError(
        "REDCap's answer is not the list of rows that was asked for (HTTP 200). Nothing was counted or delivered. "
        "If it happens again, show it to the REDCap administrator."
    )


def _decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces:
        text = _text(decoder, piece)
        if text is None:  # raised here, where the decoder's own error, which holds the bytes, is gone
            raise SourceDataError(
                "REDCap's answer holds bytes that are not text (invalid UTF-8). Nothing was counted or delivered. Ask "
                "the REDCap administrator to look for damaged characters in the fields that the study file names."
            )
        yield text
    if decoder.getstate()[0]:
        yield "\ufffd"  # the first bytes of a character whose others were cut off


def _text(decoder: codecs.IncrementalDecoder, piece: bytes) -> str | None:
    try:
        return decoder.decode(piece)
    except UnicodeDecodeError:
        return None
