"""Tests of reading REDCap's responses: only a whole list gives rows, anything else the right error."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

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
from consent.redcap.responses import (
    AHEAD,
    read_columns,
    read_nested_rows,
    read_object,
    read_small_rows,
    read_version,
)
from consent.redcap.text_blocks import TextBlock
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


class Everything:
    """Wants every column."""

    def __contains__(self, name: object) -> bool:
        return True


def rows_of(*pieces: bytes, headers: dict[str, str] = JSON) -> list[dict[str, str]]:
    """The rows of a list, each with the columns of the first."""
    found = read_columns(pieces, headers, Everything())
    return [dict(zip(names, row, strict=True)) for names, block in found for row in rows_in(block)]


def rows_in(block: TextBlock) -> list[tuple[str, ...]]:
    return [*zip(*(block.cells(n).tolist() for n in range(len(block.starts))), strict=True)]


def read_list(pieces: Iterable[bytes], headers: dict[str, str]) -> list[dict[str, str]]:
    return rows_of(*pieces, headers=headers)


def in_pieces(body: bytes, places: Iterable[int]) -> list[bytes]:
    """The body cut at these places (any numbers)."""
    return [body[start:end] for start, end in pairwise([0, *sorted(n % (len(body) + 1) for n in places), len(body)])]


def dumped(rows: list[dict[str, str]], escaped: bool, spread: bool) -> bytes:
    between = ",\n" if spread else ","
    return f"[{between.join(json.dumps(row, ensure_ascii=escaped) for row in rows)}]".encode()


NAMES = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4, unique=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
FLAT_ROWS = NAMES.flatmap(lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, VALUES)), max_size=5))
PLACES = st.lists(st.integers(min_value=0, max_value=10_000), max_size=12)


# A list of rows


@pytest.mark.parametrize("body", [b"[null]", b"[null}]", b"[true]", b'[{"a":"1"},null]'])
def test_what_is_no_object_is_no_row(body: bytes) -> None:
    with pytest.raises(SourceDataError):
        rows_of(body)


def test_a_blank_value_comes_before_others() -> None:
    assert rows_of(b'[{"a":""},{"a":"1"}]') == [{"a": ""}, {"a": "1"}]


@pytest.mark.parametrize("body", [b"[{}]", b'[{"b":"1"}]', b'[{"b":"1"},{"b":"2"}]'])
def test_rows_without_a_wanted_column_have_no_names(body: bytes) -> None:
    assert "a" not in {name for names, _ in read_columns([body], JSON, {"a"}) for name in names}


def test_a_null_character_is_damage() -> None:
    with pytest.raises(SourceDataError, match="damaged character"):
        rows_of(b'[{"record_id":"1\\u0000"}]')


@settings(deadline=None)
@given(FLAT_ROWS, st.booleans(), st.booleans(), PLACES)
def test_rows_do_not_depend_on_the_pieces_of_the_body(
    rows: list[dict[str, str]], escaped: bool, spread: bool, places: list[int]
) -> None:
    assert rows_of(*in_pieces(dumped(rows, escaped, spread), places)) == rows


BODIES = {
    read_list: r'[ {"a":"\"\\\/\u00e9\ud83d\ude00é","b":-12,"c":null} ,' "\n" r'{"a":"x","b":3,"c":"\n"}]',
    read_nested_rows: r'[{"a":{"b":[true,false,-1.5e+3]},"c":[]},{"a":{}}]',
    read_object: r'{"project_id":14,"project_title":"A \"study\" {of} \ud83d\ude00 é","is_longitudinal":0}',
}
"""A body for each function that reads one."""


def pieces_of(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("read", BODIES, ids=lambda read: read.__name__)
def test_a_body_cut_at_any_byte_is_truncated(read: Callable[..., Any], size: int) -> None:
    body = BODIES[read].encode()
    assert list(read(pieces_of(body, size), JSON))
    for end in range(len(body)):
        with pytest.raises(TransientError, match=r"truncated|empty response"):
            list(read(pieces_of(body[:end], size), JSON))


ROWS = b'[{"record_id":"1","site":"B"},{"record_id":"2","site":"B"}]'
IN_TEXT = [place for place in range(len(ROWS)) if ROWS[:place].count(b'"') % 2]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("damage", [b"\x0b", b"\n", b'"q', b"\\x", b"\\u12g4"])
def test_a_damaged_character_is_named_wherever_it_stands(damage: bytes, size: int) -> None:
    for place in IN_TEXT:
        with pytest.raises(SourceDataError, match="damaged character"):
            rows_of(*pieces_of(ROWS[:place] + damage + ROWS[place:], size))
    with pytest.raises(SourceDataError, match="damaged character"):
        read_object([b'{"project_id":14,"project_title":"A', damage, b'"}'], JSON)


LONE = [r"\ud83d", r"x\udE00", r"\uDE00\ud83d", r"\ud83d\\ude00"]


@pytest.mark.parametrize("lone", LONE)
@pytest.mark.parametrize("body", ['[{"a":"%s"}]', '[{"a":"1"},{"%s":""}]'])
def test_half_of_a_surrogate_pair_in_a_record_is_a_damaged_character(body: str, lone: str) -> None:
    with pytest.raises(SourceDataError, match="damaged character"):
        rows_of((body % lone).encode())


@pytest.mark.parametrize("lone", LONE)
def test_half_of_a_surrogate_pair_in_a_label_is_replaced(lone: str) -> None:
    body = f'{{"label":"A{lone}"}}'.encode()
    for found in [read_object([body], JSON), *read_small_rows([b"[", body, b"]"], JSON)]:
        assert found["label"].encode().startswith(b"A")
        assert "\ufffd" in found["label"]


PHP = {
    "Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes)": TooLargeError,
    "Out of memory (allocated 2097152) (tried to allocate 20480 bytes)": TooLargeError,
    "Maximum execution time of 30 seconds exceeded": OverloadedError,
    "Uncaught Error: Call to undefined function x()": SourceDataError,
}
"""The words of PHP's fatal errors, and the errors they lead to."""
PHP_FORMATS = [
    "<br />\n<b>%s</b>:  %s in <b>/x.php</b> on line <b>1</b><br />\n",
    "\n%s: %s in /x.php on line 1\n",
    "PHP %s:  %s in /x.php on line 1\n",
]


@pytest.mark.parametrize("form", PHP_FORMATS)
@pytest.mark.parametrize("words", PHP)
def test_a_fatal_error_of_php_is_recognised_wherever_the_body_ends(words: str, form: str) -> None:
    text = (form % ("Fatal error", words)).encode()
    for place in range(len(ROWS) + 1):
        with pytest.raises(PHP[words]):
            rows_of(*pieces_of(ROWS[:place] + text, 7))
    with pytest.raises(PHP[words]):
        read_object([b'{"project_id":1', text], JSON)
    assert isinstance(error_from_response(500, HTML, text.decode()), SourceUnavailableError)


@pytest.mark.parametrize("form", PHP_FORMATS)
@pytest.mark.parametrize("label", ["Warning", "Notice", "Deprecated"])
def test_text_of_php_beside_the_data_is_named(label: str, form: str) -> None:
    text = (form % (label, CANARY)).encode()
    for place in range(len(ROWS) + 1):
        with pytest.raises(SourceDataError, match="message of PHP") as caught:
            rows_of(*pieces_of(ROWS[:place] + text + ROWS[place:], 7))
    assert "REDCap administrator" in caught.value.fix
    assert CANARY not in all_texts_of(caught.value)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text('[]{},":ab1 \n\\', max_size=40).map(str.encode)), PLACES)
def test_any_body_gives_rows_or_an_error(body: bytes, places: list[int]) -> None:
    rows = None
    with suppress(ConsentReportError):
        rows = read_small_rows(in_pieces(body, places), JSON)
    assert rows is None or rows == json.loads(body.decode("utf-8-sig"), parse_int=str)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"001"', "001"),
        ("3", "3"),
        ("null", ""),
        (r'"\u00e9\uD83D\ude00"', "é😀"),
        (r'"\\ud83d"', r"\ud83d"),
        ("7" * 5_000, "7" * 5_000),
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
        yield b'[{"a":"1"},{"a":"2"},'
        yield b'{"a":"' + b"x" * AHEAD
        raise AssertionError("read on although rows were there")

    names, block = next(read_columns(pieces(), JSON, {"a"}))
    assert (names, rows_in(block)) == (["a"], [("1",), ("2",)])


ODD_ROWS = [
    '{"a": "1","n":"2"}',
    '{"a":"\\u00e9","n":"x"}',
    '{"a":"}{","n":"},{"}',
    '{"a":"1","n":3}',
    '{"a":null,"n":""}',
]


@pytest.mark.parametrize("odd", ODD_ROWS)
def test_a_row_unlike_the_others_is_read_like_them(odd: str) -> None:
    rows = [f'{{"a":"{n}","n":"é"}}' for n in range(3 * AHEAD // 20)]
    for place in (0, 1, len(rows) // 2, len(rows)):
        body = f"[{','.join([*rows[:place], odd, *rows[place:]])}]"
        expected = [{name: value or "" for name, value in row.items()} for row in json.loads(body, parse_int=str)]
        assert rows_of(*pieces_of(body.encode(), 65_536)) == expected


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


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b" " * 1_000_000 + b"x",
        b'[{"a":"1"}' + b"," * 4_000_000 + b"x",
        b'[{"a":' + b"[" * 1_000_000,
        b'[{"a":' * 150_000,
        b"x" + b"\n" * 1_000_000,
        b"<hash>" + b"<hash><error" * 80_000,
        b"x<hash><error>" * 70_000,
    ],
)
def test_a_hostile_body_is_refused_in_linear_time(body: bytes) -> None:
    """With quadratic time this test would take very long."""
    with pytest.raises(ConsentReportError, match="REDCap"):
        rows_of(*pieces_of(body, 8))


@pytest.mark.parametrize("read", [read_small_rows, read_nested_rows, read_object])
@pytest.mark.parametrize(("start", "end"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_deep_nesting_is_an_error_of_the_data(read: Callable[..., Any], start: bytes, end: bytes) -> None:
    body = b'{"a":' + start * 100_000 + b"1" + end * 100_000 + b"}"
    with pytest.raises(ConsentReportError, match=r"damaged|truncated"):  # 3.14 reads all that is kept
        read([body if read is read_object else b"[" + body + b"]"], JSON)
    assert isinstance(error_from_response(400, JSON, body.decode()), SourceRefusedError)


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
        (429, LOGIN, TransientError, "too many requests"),
        (500, "", OverloadedError, "empty response"),
        (500, OTHER, TransientError, "not working at the moment"),
        (500, json.dumps({"error": MEMORY_TEXT}), TooLargeError, "too little memory"),
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


@pytest.mark.parametrize("text", ["", LOGIN, OTHER])
@pytest.mark.parametrize("status", [408, 425, 429, *sorted({*range(500, 600)} - {501}), 999])
def test_a_failure_that_may_pass_is_transient(status: int, text: str) -> None:
    assert isinstance(error_from_response(status, HTML, text), TransientError)


@pytest.mark.parametrize(
    ("status", "rights"),
    [
        (400, ["API Export", "Data Access Groups"]),
        (403, ["User Rights"]),
        (200, ["Project Design/Setup", "Logging"]),
    ],
)
def test_the_rights_that_redcap_names_are_repeated_and_nothing_else(status: int, rights: list[str]) -> None:
    named = " and ".join(f"'{right}' privileges" for right in rights)
    message = {"error": f"Insufficient user privileges: You must have {named} in the project of '{CANARY}'."}
    error = error_from_response(status, JSON, json.dumps(message).replace("/", r"\/"))
    assert isinstance(error, SourceRefusedError)
    assert error.fix == f"Ask for the right {' and '.join(map(repr, rights))} in the project."


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


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_users_are_read_from_pieces_of_any_size(size: int) -> None:
    body = json.dumps([{"forms": {"consent": 1}, "note": "é"}], ensure_ascii=False).encode()
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    assert read_nested_rows(pieces, JSON) == [{"forms": {"consent": "1"}, "note": "é"}]
