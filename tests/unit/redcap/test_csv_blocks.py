"""Tests of reading an export as CSV: whole rows as REDCap writes them, in blocks of whole records, or an error."""

import csv
import io
from contextlib import suppress
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.errors import ConsentReportError, SourceDataError, SourceRefusedError
from consent.redcap.arrivals import RowShape
from consent.redcap.csv_blocks import LONGEST_ROW
from consent.redcap.csv_response import read_table
from consent.redcap.error_mapping import OverloadedError, TooLargeError, TransientError
from sandbox.redcap.formats import MEMORY_TEXT, csv_pieces, error_body
from tests.support.builders import all_texts_of, rows_of_table
from tests.unit.redcap.test_responses import CANARY, PHP, PHP_FORMATS, in_pieces, pieces_of

CSV = {"content-type": "text/csv; charset=utf-8"}
HTML = {"content-type": "text/html; charset=utf-8"}
NAMES = ["record_id", "a", "b"]
BODY = 'record_id,a,b\n1,"é ""x"",\n",0\n1-1,,"10:00 2"\n2,,\n'.encode()
ROWS = [
    {"record_id": "1", "a": 'é "x",\n', "b": "0"},
    {"record_id": "1-1", "a": "", "b": "10:00 2"},
    {"record_id": "2", "a": "", "b": ""},
]


def rows_of(*pieces: bytes, headers: dict[str, str] = CSV, size: int = 10) -> list[dict[str, str]]:
    return rows_of_table(read_table(pieces, headers), size)


def written(rows: list[list[str]], quoting: str) -> bytes:
    """The rows as REDCap writes them, or as older servers do: with quotes around all text."""
    if quoting == "where needed":
        return b"".join(csv_pieces(NAMES, rows))
    file = io.StringIO()
    line_end = "\r\n" if quoting == "Windows" else "\n"
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=line_end).writerows([NAMES, *rows])
    return file.getvalue().encode()


TEXTS = st.text(st.sampled_from('a1",\n\r é\t'), max_size=6)
TABLES = st.lists(st.tuples(st.sampled_from("12x"), TEXTS, TEXTS).map(list), min_size=1, max_size=6)
PLACES = st.lists(st.integers(min_value=0, max_value=10_000), max_size=12)


@settings(deadline=None)
@given(TABLES, st.sampled_from(["where needed", "everywhere", "Windows"]), PLACES, st.integers(1, 60))
def test_rows_do_not_depend_on_quoting_pieces_and_blocks(
    rows: list[list[str]], quoting: str, places: list[int], size: int
) -> None:
    expected = [dict(zip(NAMES, row, strict=True)) for row in rows]
    assert rows_of(*in_pieces(written(rows, quoting), places), size=size) == expected


@settings(deadline=None)
@given(TABLES, st.integers(1, 60))
def test_adjacent_rows_of_a_record_are_in_one_block(rows: list[list[str]], size: int) -> None:
    table = read_table([written(sorted(rows), "where needed")], CSV)
    blocks = [{*batch.ids()} for batch in table.batches(RowShape("record_id", (), ()), size)]
    assert len({*chain.from_iterable(blocks)}) == sum(map(len, blocks))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_cut_at_any_byte_is_truncated_or_has_fewer_whole_rows(size: int) -> None:
    ends = [at for at in range(len(BODY)) if BODY[:at].endswith((b"b\n", b",0\n", b'2"\n'))]
    for at in range(len(BODY)):
        if at in ends:
            assert rows_of(*pieces_of(BODY[:at], size)) == ROWS[: ends.index(at)]
        else:
            with pytest.raises(TransientError, match=r"truncated|empty response"):
                rows_of(*pieces_of(BODY[:at], size))


def test_numbers_that_are_written_differently_are_different_values() -> None:
    body = b"record_id,a,b\n1,1,1.0\n01,01,1\n1e0,1.0,NA\n"
    assert [",".join(row.values()) for row in rows_of(body)] == body.decode().splitlines()[1:]


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf" + BODY, b"\n\n" + BODY, BODY + b"\n"])
def test_a_byte_order_mark_and_blank_lines_around_are_ignored(body: bytes) -> None:
    assert rows_of(body) == ROWS


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\xef\xbb\xbf\n"])
def test_a_line_break_alone_is_no_rows(blank: bytes) -> None:
    assert read_table([blank], CSV).names == ()


DAMAGE = {
    "a short row": b"3,\n",
    "a long row": b"3,,,\n",
    "a short row beside a long one": b"3,\n4,,,\n",
    "a blank line": b"\n3,,\n",
    "a quote in a value": b'3,a"b,c"d,e\n',
    "text after a quote": b'3,"a"b,\n',
    "a quote before a line break": b'3,a"\nb"\n',
    "a carriage return": b"3,a\rb,\n",
    "a null character": b"3,a\0b,\n",
    "invalid UTF-8": b"3,\xff,\n",
    "a web page": b"<html><body>Sign in</body></html>\n",
    "an error": b"ERROR: CANARY-7\n",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("after", [b"", BODY.partition(b"\n")[2]])
def test_rows_that_are_not_as_wide_as_the_header_or_not_text_are_refused(damage: bytes, after: bytes) -> None:
    with pytest.raises(SourceDataError, match=r"not a list of rows|damaged character") as caught:
        rows_of(*pieces_of(BODY + damage + after, 7))
    assert CANARY not in all_texts_of(caught.value)


@pytest.mark.parametrize("form", PHP_FORMATS)
@pytest.mark.parametrize("words", PHP)
def test_a_fatal_error_of_php_is_recognised_wherever_the_body_ends(words: str, form: str) -> None:
    text = (form % ("Fatal error", words)).encode()
    for at in range(len(BODY) + 1):
        with pytest.raises(PHP[words]):
            rows_of(*pieces_of(BODY[:at] + text, 7), size=1000)


@pytest.mark.parametrize("form", PHP_FORMATS)
@pytest.mark.parametrize("label", ["Warning", "Notice", "Deprecated"])
def test_text_of_php_beside_or_within_the_data_is_named(label: str, form: str) -> None:
    text = (form % (label, CANARY)).encode()
    for at in range(len(BODY) + 1):
        with pytest.raises(SourceDataError, match="message of PHP"):
            rows_of(*pieces_of(BODY[:at] + text + BODY[at:], 7), size=1000)


@pytest.mark.parametrize(
    ("body", "headers", "kind"),
    [
        (b"", CSV, OverloadedError),
        (BODY, HTML, SourceDataError),
        (b'[{"record_id":"1"}]', CSV, SourceDataError),
        (b"<!DOCTYPE html>\n<html>Sign in</html>", CSV, SourceRefusedError),
        (b"ERROR: CANARY-7\n", CSV, SourceRefusedError),
        (error_body(f"Something about {CANARY}"), CSV, SourceRefusedError),
        (error_body(MEMORY_TEXT), CSV, TooLargeError),
        (BODY + error_body(MEMORY_TEXT), CSV, TooLargeError),
        (b"record_id,a,a\n1,,\n", CSV, SourceDataError),
        (b"Record ID,Consent?\n1,2\n", CSV, SourceDataError),
    ],
)
def test_anything_but_a_table_gives_the_error_that_explains_it(
    body: bytes, headers: dict[str, str], kind: type[ConsentReportError]
) -> None:
    with pytest.raises(kind, match="REDCap") as caught:
        rows_of(*pieces_of(body, 7), headers=headers)
    assert CANARY not in all_texts_of(caught.value)


@settings(deadline=None)
@given(st.text('1,"\n\r', max_size=40).map(str.encode), st.integers(1, 20))
def test_any_text_gives_the_rows_that_csv_has_or_an_error(text: bytes, size: int) -> None:
    rows = None
    with suppress(ConsentReportError):
        rows = [[*row.values()] for row in rows_of(b"record_id,a,b\n" + text, size=size)]
    assert rows is None or rows == [row for row in csv.reader(io.StringIO(text.decode(), newline="")) if row]


@pytest.mark.parametrize("start", [b"", b"1,,\n"])
def test_a_row_without_end_does_not_fill_the_memory(start: bytes) -> None:
    pieces = iter([b"record_id,a,b\n" + start + b'2,"', *[b"x" * 1_000_000] * (3 * LONGEST_ROW // 1_000_000)])
    with pytest.raises(SourceDataError, match="not a list of rows"):
        rows_of_table(read_table(pieces, CSV))
    assert next(pieces, None)
