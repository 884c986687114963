"""Tests of reading REDCap's responses: only a whole list gives rows, anything else the right error."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.errors import (
    ConfigurationError,
    ConsentReportError,
    DictionaryError,
    SourceDataError,
    SourceRefusedError,
    SourceUnavailableError,
)
from consent.redcap.error_mapping import OverloadedError, TooLargeError, TransientError, error_from_response
from consent.redcap.responses import read_nested_rows, read_object, read_rows, read_version
from sandbox.redcap.faults import DATABASE_PASSWORD
from sandbox.redcap.formats import MEMORY_TEXT
from tests.support.builders import all_texts_of

JSON = {"content-type": "application/json; charset=utf-8"}
HTML = {"content-type": "text/html; charset=utf-8"}
CANARY = "CANARY-7"

LOGIN = f"<!DOCTYPE html><html><title>Sign in {CANARY}</title></html>"
TABS = f"<html>You may have multiple browser tabs of the same REDCap page open. {CANARY}</html>"
DATABASE = (
    f"The hostname (h) / password ({DATABASE_PASSWORD}) combination could not connect to the MySQL server {CANARY}"
)
MEMORY = f"<b>Fatal error</b> {CANARY}<br />" + json.dumps({"error": MEMORY_TEXT})
NO_RIGHT = json.dumps({"error": f"You do not have permissions to use the API {CANARY}"})
OTHER = json.dumps({"error": f"Something else about {CANARY}"})
UNKNOWN_FIELD = "The following values in the parameter \"fields\" are not valid: 'consent_dat'"
DELETED = f"The REDCap project no longer exists because it was deleted. {CANARY}"
PRIVILEGES = f"Insufficient user privileges: You must have 'API Export' privileges. {CANARY}"


def rows_of(*pieces: bytes, headers: dict[str, str] = JSON) -> list[dict[str, str]]:
    return list(read_rows(pieces, headers))


def in_pieces(body: bytes, places: Iterable[int]) -> list[bytes]:
    """The body cut at these places (any numbers)."""
    return [body[start:end] for start, end in pairwise([0, *sorted(n % (len(body) + 1) for n in places), len(body)])]


def dumped(rows: list[dict[str, str]], escaped: bool, spread: bool) -> bytes:
    between = ",\n" if spread else ","
    return f"[{between.join(json.dumps(row, ensure_ascii=escaped) for row in rows)}]".encode()


FLAT_ROWS = st.lists(st.dictionaries(st.text(min_size=1, max_size=6), st.text(max_size=10), max_size=4), max_size=5)
PLACES = st.lists(st.integers(min_value=0, max_value=10_000), max_size=12)


# A list of rows


@settings(deadline=None)
@given(FLAT_ROWS, st.booleans(), st.booleans(), PLACES)
def test_rows_do_not_depend_on_the_pieces_of_the_body(
    rows: list[dict[str, str]], escaped: bool, spread: bool, places: list[int]
) -> None:
    assert rows_of(*in_pieces(dumped(rows, escaped, spread), places)) == rows


@settings(deadline=None)
@given(FLAT_ROWS, st.booleans(), st.booleans(), PLACES, st.integers(min_value=0))
def test_a_truncated_body_is_a_transient_failure(
    rows: list[dict[str, str]], escaped: bool, spread: bool, places: list[int], end: int
) -> None:
    body = dumped(rows, escaped, spread)
    with pytest.raises(TransientError, match=r"truncated|empty response"):
        rows_of(*in_pieces(body[: end % len(body)], places))


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text('[]{},":ab1 \n\\', max_size=40).map(str.encode)), PLACES)
def test_any_body_gives_rows_or_an_error(body: bytes, places: list[int]) -> None:
    rows = None
    with suppress(ConsentReportError):
        rows = rows_of(*in_pieces(body, places))
    assert rows is None or rows == json.loads(body.decode("utf-8-sig"), parse_int=str)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"001"', "001"),
        ("3", "3"),
        ("null", ""),
        (r'"\u00e9"', "é"),
        ('"1e5"', "1e5"),
    ],
)
def test_every_value_is_read_as_text(written: str, read: str) -> None:
    assert rows_of(f'[{{"a":{written}}}]'.encode()) == [{"a": read}]


@pytest.mark.parametrize("body", [b'\xef\xbb\xbf[{"a":"1"}]', b' \r\n[ {"a":"1"} ] \n', b'[{"a":"1"}\n]'])
def test_a_byte_order_mark_and_white_space_are_ignored(body: bytes) -> None:
    assert rows_of(body) == [{"a": "1"}]


def test_rows_are_yielded_before_the_body_has_ended() -> None:
    def pieces() -> Iterator[bytes]:
        yield b'[{"a":"1"},'
        raise AssertionError("read on although a row was there")

    assert next(read_rows(pieces(), JSON)) == {"a": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a":"1"}] x',
        b'[{"a":"1"}]\xc3',
        b'[{"a":"1"}]{"error":"REDCap"}',
        b'[{"a":"1"} {"a":"2"}]',
        b'[{"a":"1"},,{"a":"2"}]',
        b'[,{"a":"1"}]',
        b'[{"a":"1"},]',
        b"[1,2]",
        b'[{"a":{"b":"1"}}]',
        b'[{"a":["1"]}]',
        b'[{"a":true}]',
        b'[{"a":0.5}]',
    ],
)
def test_a_body_of_another_shape_is_not_a_list_of_rows(body: bytes) -> None:
    with pytest.raises(SourceDataError, match="not a list of rows"):
        rows_of(body)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", JSON),
        (b"0", JSON),
        (b"record_id,a\n1,2\n", JSON),
        (b'[{"a":"1"}]', HTML),
        (b'[{"a":"1"}]', {}),
    ],
)
def test_only_a_list_that_is_declared_as_json_is_data(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(SourceDataError, match="not data"):
        rows_of(body, headers=headers)


@pytest.mark.parametrize(
    "body",
    [b'[{"a":"1"},{"a":"1","b":"","a":"2"}]', b'[{"a":"1","a":"1"}]', b'[{"a" : "1", "a" : "2"}]'],
)
def test_a_row_with_one_column_twice_is_refused(body: bytes) -> None:
    with pytest.raises(SourceDataError, match="has one column twice"):
        rows_of(body)


def test_text_like_a_second_column_is_a_value() -> None:
    assert rows_of(b'[{"a":"b\\":","b":""}]') == [{"a": 'b":', "b": ""}]


def test_a_row_without_end_does_not_fill_the_memory() -> None:
    with pytest.raises(SourceDataError, match="not a list of rows"):
        rows_of(b'[{"a":"', *[b"x" * 1_000_000] * 9)


def test_the_error_about_invalid_text_holds_none_of_it() -> None:
    with pytest.raises(SourceDataError, match="invalid UTF-8") as caught:
        rows_of(f'[{{"a":"{CANARY}'.encode() + b'\xff"}]')
    assert CANARY not in all_texts_of(caught.value)


# Other responses


@pytest.mark.parametrize(
    ("status", "text", "kind", "words"),
    [
        (200, "", OverloadedError, "empty response"),
        (200, LOGIN, SourceRefusedError, "web page instead of data"),
        (200, TABS, TransientError, "error page"),
        (200, DATABASE, TransientError, "cannot reach its database"),
        (200, MEMORY, TooLargeError, "too little memory"),
        (200, f"ERROR: {CANARY}", SourceRefusedError, "refused the request"),
        (200, f'<?xml version="1.0" ?><hash><error>{CANARY}</error></hash>', SourceRefusedError, "refused the request"),
        (200, CANARY, SourceDataError, "not data"),
        (400, OTHER, SourceRefusedError, "refused the request"),
        (400, json.dumps({"error": DELETED}), SourceRefusedError, "project was deleted"),
        (400, json.dumps({"error": PRIVILEGES}), SourceRefusedError, "user may not read this"),
        (401, OTHER, SourceRefusedError, "refused the API token"),
        (403, NO_RIGHT, SourceRefusedError, "refused the API token"),
        (403, LOGIN, SourceRefusedError, "refused this computer"),
        (404, LOGIN, ConfigurationError, "no REDCap API at this address"),
        (405, "", ConfigurationError, "no REDCap API at this address"),
        (501, OTHER, ConfigurationError, "no REDCap API at this address"),
        (406, "", SourceRefusedError, "refused the request"),
        (408, "", OverloadedError, "took too long"),
        (413, LOGIN, TooLargeError, "too little memory"),
        (500, "", OverloadedError, "empty response"),
        (500, OTHER, TransientError, "not working at the moment"),
        (500, json.dumps({"error": MEMORY_TEXT}), TooLargeError, "too little memory"),
        (502, LOGIN, TransientError, "not working at the moment"),
        (503, LOGIN, TransientError, "not working at the moment"),
        (504, LOGIN, OverloadedError, "took too long"),
    ],
)
def test_a_response_gives_the_error_that_explains_it(
    status: int, text: str, kind: type[ConsentReportError], words: str
) -> None:
    error = error_from_response(status, HTML, text)
    assert isinstance(error, kind)
    assert words in error.what
    assert f"(HTTP {status})" in error.what
    assert error.fix
    assert CANARY not in all_texts_of(error)


def test_a_redirect_names_only_the_new_host() -> None:
    error = error_from_response(301, {"location": f"https://user:{CANARY}@new.example.org/api/?{CANARY}"}, "")
    assert "redirects to new.example.org; the token was not sent there" in str(error)
    assert CANARY not in str(error)


@pytest.mark.parametrize("location", ["/api/", "", "https://[broken"])
def test_a_redirect_without_a_host_is_explained(location: str) -> None:
    with pytest.raises(ConfigurationError, match="redirects to another path of the same server"):
        raise error_from_response(302, {"location": location}, "")


@pytest.mark.parametrize("text", ["", DATABASE, TABS, LOGIN, OTHER, "gibberish"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 501])
def test_a_refusal_by_status_is_never_transient(status: int, text: str) -> None:
    assert not isinstance(error_from_response(status, HTML, text), SourceUnavailableError)


def test_only_the_names_of_unknown_fields_are_repeated() -> None:
    text = json.dumps({"error": f"{UNKNOWN_FIELD}, 'other_field' for {CANARY.lower()} of jane doe"})
    error = error_from_response(400, JSON, text)
    assert isinstance(error, DictionaryError)
    assert error.problems[0].what == "REDCap no longer has these fields: consent_dat, other_field."
    assert "jane" not in all_texts_of(error)


# The project's description, users and version


PROJECT = {"project_id": 14, "project_title": 'A "study" {of} things}', "is_longitudinal": 0, "missing_data_codes": ""}
PROJECT_BODY = json.dumps(PROJECT).encode()


def test_the_projects_description_is_read_as_text() -> None:
    assert read_object([PROJECT_BODY], JSON) == {**PROJECT, "project_id": "14", "is_longitudinal": "0"}


def test_a_truncated_description_is_a_transient_failure() -> None:
    for end in range(len(PROJECT_BODY)):
        with pytest.raises(TransientError, match=r"truncated|empty response"):
            read_object([PROJECT_BODY[:end]], JSON)


def test_a_projects_description_may_begin_with_a_byte_order_mark() -> None:
    assert read_object([b"\xef\xbb\xbf", PROJECT_BODY], JSON)["project_id"] == "14"


@pytest.mark.parametrize(
    ("body", "headers", "kind", "words"),
    [
        (OTHER.encode(), JSON, SourceRefusedError, "refused the request"),
        (b'[{"project_id":14}]', JSON, SourceDataError, "not data"),
        (b'{"project_id":{"a":1}}', JSON, SourceDataError, "not a list of rows"),
        (PROJECT_BODY, HTML, SourceDataError, "not data"),
        (PROJECT_BODY + b"x", JSON, SourceDataError, "not data"),
    ],
)
def test_anything_else_is_not_a_projects_description(
    body: bytes, headers: dict[str, str], kind: type[ConsentReportError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read_object([body], headers)
    assert CANARY not in all_texts_of(caught.value)


@pytest.mark.parametrize("body", [b"16.1.3\n", b"\xef\xbb\xbf9.10.22"])
def test_a_version_is_numbers_and_dots(body: bytes) -> None:
    assert read_version([body], HTML) == body.decode("utf-8-sig").strip()


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (LOGIN, SourceRefusedError, "web page instead of data"),
        ("", TransientError, "empty response"),
        ("version 16.1.3", SourceDataError, "not data"),
    ],
)
def test_anything_else_is_not_a_version(text: str, kind: type[ConsentReportError], words: str) -> None:
    with pytest.raises(kind, match=words):
        read_version([text.encode()], HTML)


def test_a_server_that_runs_out_of_memory_after_the_first_rows_is_recognised() -> None:
    body = b'[{"record_id":"1"}' + MEMORY_TEXT.encode()
    with pytest.raises(TooLargeError, match="too little memory"):
        list(read_rows([body], JSON))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_users_are_read_from_pieces_of_any_size(size: int) -> None:
    body = json.dumps([{"forms": {"consent": 1}, "note": "é"}], ensure_ascii=False).encode()
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    assert read_nested_rows(pieces, JSON) == [{"forms": {"consent": "1"}, "note": "é"}]


def test_a_truncated_list_of_users_is_a_transient_failure() -> None:
    with pytest.raises(TransientError, match="truncated"):
        read_nested_rows([b'[{"forms": {"cons'], JSON)
