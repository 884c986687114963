"""Tests of blocks of text: the values that Python's own readers find, and hashes that depend on the text alone."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.redcap.text_blocks import TextBlock, block_of_values, csv_block, hashes_of_texts, json_block, short_texts

NAMES = ["record_id", "a"]
LONG = "x" * 100
MARKS = st.text(st.sampled_from('a1é",:{}[]\\ \n\x1f'), max_size=8) | st.sampled_from([LONG, f'{LONG}"'])
PAIRS = st.lists(st.tuples(MARKS, MARKS), min_size=1, max_size=5)


def values_of(block: TextBlock | None) -> list[tuple[str, ...]] | None:
    """The rows of a block as cells and as bytes, which must agree; None for no block."""
    if block is None:
        return None
    columns = [block.cells(n).tolist() for n in range(len(block.starts))]
    assert columns == [[text.decode() for text in block.texts(n).tolist()] for n in range(len(block.starts))]
    return [*zip(*columns, strict=True)]


def as_csv(rows: Sequence[Sequence[str]], quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    file = io.StringIO()
    csv.writer(file, quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return file.getvalue().encode()


def as_json(rows: Sequence[Sequence[str]]) -> bytes:
    objects = (
        json.dumps(dict(zip(NAMES, row, strict=True)), ensure_ascii=False, separators=(",", ":")) for row in rows
    )
    return ",".join(objects).encode()


@given(PAIRS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_csv_has_the_values_that_were_written(rows: list[tuple[str, str]], quoting: int) -> None:
    assert values_of(csv_block(as_csv(rows, quoting), 2, b"\n")) == rows


@given(PAIRS)
def test_json_has_the_values_that_were_written_or_is_left_to_the_slower_way(rows: list[tuple[str, str]]) -> None:
    is_plain = not any(mark in text for row in rows for text in row for mark in '"\\\n\x1f')
    assert values_of(json_block(as_json(rows), NAMES)) == (rows if is_plain else None)


@given(st.text('"{}:,ab\n', max_size=30).map(str.encode))
def test_what_is_not_a_list_of_objects_with_these_names_is_no_block(text: bytes) -> None:
    assert json_block(b'{"record_id":"1","a":"2"}' + text, NAMES) is None or text == b""


@pytest.mark.parametrize(
    "objects",
    [
        '{"a":"1","record_id":"2"}',
        '{"record_id":"1","a":2}',
        '{"record_id":"1","a":"2","b":"3"}',
        '{"record_id":"1" ,"a":"2"}',
        '{"record_id":"1","a":"2"},{"record_id":"1","b":"2"}',
        '{"record_id":"1","a":"2"};{"record_id":"1","a":"2"}',
        '{"record_id":"1\n2","a":"2"}',
    ],
)
def test_objects_of_another_form_are_no_block(objects: str) -> None:
    assert json_block(objects.encode(), NAMES) is None


@given(st.lists(st.text("01a", max_size=20), min_size=1, max_size=6))
def test_a_hash_depends_on_its_text_alone(texts: list[str]) -> None:
    together = hashes_of_texts(block_of_values([[text] for text in texts]).texts(0)).tolist()
    assert together == [int(hashes_of_texts(np.array([text.encode()]))[0]) for text in texts]


def number_of_hashes(texts: Iterable[str]) -> int:
    hashes = hashes_of_texts(np.array([text.encode() for text in texts], dtype=bytes))
    return len({*hashes.tolist()})


@given(st.sets(st.text("01a", max_size=20), max_size=20))
def test_different_texts_have_different_hashes(texts: set[str]) -> None:
    assert number_of_hashes(texts) == len(texts)


def test_the_same_words_in_another_order_have_another_hash() -> None:
    words = ["00000000", "00000001", "AAAAAAAA", "BBBBBBBB"]
    assert number_of_hashes("".join(each) for each in product(words, repeat=6)) == len(words) ** 6


def test_texts_with_one_hash_remain_different_values() -> None:
    texts = ["R0000904", "R0000904kGqR|@$8"]  # the second was made to have the hash of the first
    assert number_of_hashes(texts) == 1
    assert block_of_values([[text] for text in texts]).cells(0).tolist() == texts


def test_a_long_text_stands_for_itself_in_a_few_bytes() -> None:
    texts = short_texts(["x" * 1_000_000, "x" * 1_000_001, "x" * 64, ""])
    assert (len({*texts.tolist()}), texts.itemsize) == (4, 64)


def test_values_are_in_the_order_of_their_first_cell() -> None:
    assert block_of_values([["north"], ["a"], ["south side"], ["north"]]).cells(0).values == (
        "north",
        "a",
        "south side",
    )


def test_one_long_value_does_not_widen_the_others() -> None:
    block = block_of_values([["1", LONG], ["2", "short"], ["3", LONG]])
    assert block.cells(1).tolist() == [LONG, "short", LONG]


def test_no_rows_have_no_values() -> None:
    assert values_of(csv_block(b"", 2, b"\n")) == []
