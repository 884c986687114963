"""What an answer of REDCap's is taken for: rows only when it is a whole list of rows, and otherwise the right error."""

import json
from collections.abc import Iterable, Iterator
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
from consent.redcap.responses import read_object, read_rows, read_version
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
def test_rows_are_the_same_however_the_body_is_divided(
    rows: list[dict[str, str]], escaped: bool, spread: bool, places: list[int]
) -> None:
    assert rows_of(*in_pieces(dumped(rows, escaped, spread), places)) == rows


@settings(deadline=None)
@given(FLAT_ROWS, st.booleans(), st.booleans(), PLACES, st.integers(min_value=0))
def test_a_body_cut_anywhere_is_a_failure_that_may_pass(
    rows: list[dict[str, str]], escaped: bool, spread: bool, places: list[int], end: int
) -> None:
    body = dumped(rows, escaped, spread)
    with pytest.raises(TransientError, match=r"broke off|empty answer"):
        rows_of(*in_pieces(body[: end % len(body)], places))


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text('[]{},":ab1 \n\\', max_size=40).map(str.encode)), PLACES)
def test_whatever_arrives_is_either_rows_or_a_clear_error(body: bytes, places: list[int]) -> None:
    assert believed(body, places) in (None, loaded(body))


def believed(body: bytes, places: list[int]) -> list[dict[str, str]] | None:
    """The rows in a body, nothing where it is refused."""
    try:
        return rows_of(*in_pieces(body, places))
    except ConsentReportError:
        return None


def loaded(body: bytes) -> object:
    """What a plain JSON parser makes of the body, integers and null as text."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_int=str)
    except ValueError:
        return "not JSON"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"001"', "001"),
        ("3", "3"),
        ("null", ""),
        (r'"a\/b"', "a/b"),
        (r'"\u00e9"', "é"),
        ('"é"', "é"),
        ('"1e5"', "1e5"),
    ],
)
def test_every_value_is_read_as_text(written: str, read: str) -> None:
    assert rows_of(f'[{{"a":{written}}}]'.encode()) == [{"a": read}]


@pytest.mark.parametrize("body", [b'\xef\xbb\xbf[{"a":"1"}]', b' \r\n[ {"a":"1"} ] \n', b'[{"a":"1"}\n]'])
def test_a_byte_order_mark_and_white_space_are_tolerated(body: bytes) -> None:
    assert rows_of(body) == [{"a": "1"}]


def test_rows_come_out_before_the_body_has_ended() -> None:
    def pieces() -> Iterator[bytes]:
        yield b'[{"a":"1"},'
        raise AssertionError("read on although a row was there")

    assert next(read_rows(pieces(), JSON)) == {"a": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a":"1"}] x',
        b'[{"a":"1"}]\xc3',
        b'[{"a":"1"}][{"a":"2"}]',
        b'[{"a":"1"}]{"error":"REDCap"}',
        b'[{"a":"1"}]<b>Fatal error</b>',
        b'[{"a":"1"} {"a":"2"}]',
        b'[{"a":"1"},,{"a":"2"}]',
        b'[,{"a":"1"}]',
        b'[{"a":"1"},]',
        b"[1,2]",
        b'["a"]',
        b'[["a"]]',
        b'[{"a":{"b":"1"}}]',
        b'[{"a":["1"]}]',
        b'[{"a":true}]',
        b'[{"a":0.5}]',
        b'[{"a":NaN}]',
    ],
)
def test_a_whole_body_of_another_shape_is_not_a_list_of_rows(body: bytes) -> None:
    with pytest.raises(SourceDataError, match="not the list of rows"):
        rows_of(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"{}", "not data"), (b'"a"', "not data"), (b"0", "not data"), (b"record_id,a\n1,2\n", "not data")],
)
def test_a_body_that_is_no_list_is_not_data(body: bytes, words: str) -> None:
    with pytest.raises(SourceDataError, match=words):
        rows_of(body)


def test_a_list_that_calls_itself_a_web_page_is_not_believed() -> None:
    with pytest.raises(SourceDataError, match="not data"):
        rows_of(b'[{"a":"1"}]', headers=HTML)


def test_a_list_that_does_not_say_what_it_is_is_not_believed() -> None:
    with pytest.raises(SourceDataError, match="not data"):
        rows_of(b'[{"a":"1"}]', headers={})


def test_a_row_without_end_does_not_fill_the_memory() -> None:
    with pytest.raises(SourceDataError, match="not the list of rows"):
        rows_of(b'[{"a":"', *[b"x" * 1_000_000] * 9)


def test_bytes_that_are_not_text_are_said_to_be_so() -> None:
    with pytest.raises(SourceDataError, match="invalid UTF-8"):
        rows_of(b'[{"a":"\xff"}]')


def test_the_error_about_bytes_that_are_not_text_carries_none_of_them() -> None:
    with pytest.raises(SourceDataError, match="invalid UTF-8") as caught:
        rows_of(f'[{{"a":"{CANARY}'.encode() + b'\xff"}]')
    assert CANARY not in all_texts_of(caught.value)


# What stands in place of rows


@pytest.mark.parametrize(
    ("status", "text", "kind", "words"),
    [
        (200, "", TransientError, "empty answer"),
        (200, " \r\n", TransientError, "empty answer"),
        (200, LOGIN, SourceRefusedError, "a web page instead of data: a sign-in or maintenance page"),
        (200, TABS, TransientError, "error page"),
        (200, DATABASE, TransientError, "cannot reach its database"),
        (200, MEMORY, TooLargeError, "too little memory"),
        (200, OTHER, SourceRefusedError, "refused the request"),
        (200, f"ERROR: {CANARY}", SourceRefusedError, "refused the request"),
        (200, f'<?xml version="1.0" ?><hash><error>{CANARY}</error></hash>', SourceRefusedError, "refused the request"),
        (200, json.dumps({"error": DELETED}), SourceRefusedError, "project was deleted"),
        (200, CANARY, SourceDataError, "not data"),
        (400, OTHER, SourceRefusedError, "refused the request"),
        (400, json.dumps({"error": DELETED}), SourceRefusedError, "project was deleted"),
        (400, json.dumps({"error": PRIVILEGES}), SourceRefusedError, "user may not read this"),
        (400, json.dumps({"error": UNKNOWN_FIELD}), DictionaryError, "fields consent_dat: renamed or deleted"),
        (401, OTHER, SourceRefusedError, "refused the API token"),
        (403, NO_RIGHT, SourceRefusedError, "refused the API token"),
        (403, LOGIN, SourceRefusedError, "firewall, or a ban"),
        (404, LOGIN, ConfigurationError, "no REDCap API at the address"),
        (405, "", ConfigurationError, "no REDCap API at the address"),
        (501, OTHER, ConfigurationError, "no REDCap API at the address"),
        (406, OTHER, SourceRefusedError, "refused the request"),
        (408, "", TooLargeError, "took too long"),
        (413, LOGIN, TooLargeError, "too little memory"),
        (500, "", OverloadedError, "empty answer"),
        (500, OTHER, TransientError, "not working at the moment"),
        (500, json.dumps({"error": MEMORY_TEXT}), TooLargeError, "too little memory"),
        (502, LOGIN, TransientError, "not working at the moment"),
        (503, LOGIN, TransientError, "not working at the moment"),
        (504, LOGIN, TooLargeError, "took too long"),
    ],
)
def test_an_answer_is_the_error_that_it_stands_for(
    status: int, text: str, kind: type[ConsentReportError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        raise error_from_response(status, HTML, text)
    assert CANARY not in all_texts_of(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_the_new_host_alone(status: int) -> None:
    error = error_from_response(status, {"location": f"https://user:{CANARY}@new.example.org/api/?{CANARY}"}, "")
    assert "redirects to new.example.org; the token was not sent there" in str(error)
    assert CANARY not in str(error)


@pytest.mark.parametrize("location", ["/api/", "", "https://[broken", "http://[::1"])
def test_a_redirect_to_nowhere_in_particular_is_still_explained(location: str) -> None:
    with pytest.raises(ConfigurationError, match="redirects to another path of the same server"):
        raise error_from_response(302, {"location": location}, "")


@pytest.mark.parametrize("text", ["", DATABASE, TABS, LOGIN, OTHER, "gibberish"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 501])
def test_a_refusal_by_status_never_counts_as_passing(status: int, text: str) -> None:
    assert not isinstance(error_from_response(status, HTML, text), SourceUnavailableError)


def test_what_redcap_says_beyond_the_names_of_unknown_fields_is_not_repeated() -> None:
    text = json.dumps({"error": f"{UNKNOWN_FIELD}, 'other_field' for {CANARY.lower()} of jane doe"})
    error = error_from_response(400, JSON, text)
    assert "fields consent_dat, other_field: renamed" in str(error)
    assert "jane" not in str(error)


# The project's description and the version


PROJECT = {"project_id": 14, "project_title": 'A "study" {of} things}', "is_longitudinal": 0, "missing_data_codes": ""}
PROJECT_BODY = json.dumps(PROJECT).encode()


def test_the_projects_description_is_read_as_text() -> None:
    assert read_object([PROJECT_BODY], JSON) == {**PROJECT, "project_id": "14", "is_longitudinal": "0"}


@pytest.mark.parametrize("end", range(len(PROJECT_BODY)))
def test_a_projects_description_cut_anywhere_is_refused(end: int) -> None:
    with pytest.raises(TransientError, match=r"broke off|empty answer"):
        read_object([PROJECT_BODY[:end]], JSON)


def test_a_projects_description_may_begin_with_a_byte_order_mark() -> None:
    assert read_object([b"\xef\xbb\xbf", PROJECT_BODY], JSON)["project_id"] == "14"


@pytest.mark.parametrize(
    ("body", "headers", "kind", "words"),
    [
        (OTHER.encode(), JSON, SourceRefusedError, "refused the request"),
        (LOGIN.encode(), HTML, SourceRefusedError, "web page instead of data"),
        (b'[{"project_id":14}]', JSON, SourceDataError, "not data"),
        (b"14", JSON, SourceDataError, "not data"),
        (b'{"project_id":{"a":1}}', JSON, SourceDataError, "not the list of rows|not data"),
        (PROJECT_BODY, HTML, SourceDataError, "not data"),
        (PROJECT_BODY + b"x", JSON, SourceDataError, "not data"),
        (MEMORY.encode(), HTML, TooLargeError, "too little memory"),
    ],
)
def test_anything_else_is_not_a_projects_description(
    body: bytes, headers: dict[str, str], kind: type[ConsentReportError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read_object([body], headers)
    assert CANARY not in all_texts_of(caught.value)


@pytest.mark.parametrize("body", [b"16.1.3", b"16.1.3\n", b"\xef\xbb\xbf16.1.3", b"9.10.22"])
def test_a_version_is_numbers_and_dots(body: bytes) -> None:
    assert read_version([body], HTML) == body.decode("utf-8-sig").strip()


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (LOGIN, SourceRefusedError, "web page instead of data"),
        ("", TransientError, "empty answer"),
        ("16.", SourceDataError, "not data"),
        ("version 16.1.3", SourceDataError, "not data"),
        (NO_RIGHT, SourceRefusedError, "refused the request"),
    ],
)
def test_anything_else_is_not_a_version(text: str, kind: type[ConsentReportError], words: str) -> None:
    with pytest.raises(kind, match=words):
        read_version([text.encode()], HTML)


def test_memory_that_runs_out_after_the_first_rows_is_recognised() -> None:
    body = b'[{"record_id":"1"}' + MEMORY_TEXT.encode()
    with pytest.raises(TooLargeError, match="too little memory"):
        list(read_rows([body], JSON))
