"""Tests of received rows: which rows are missing or repeated, and that no batch splits a record."""

from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import chain, groupby, product
from operator import itemgetter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent.errors import IncompleteExportError, SourceDataError
from consent.redcap.arrivals import (
    EVENT,
    INSTANCE,
    INSTRUMENT,
    RECORD,
    STRUCTURE,
    ReceivedRows,
    Rows,
    RowShape,
    ensure_no_repeated_rows,
    find_missing,
    record_batches,
)
from consent.redcap.text_blocks import block_of_values
from tests.support.builders import as_dicts

Row = tuple[str, ...]

SIMILAR_IDS = ["1", "01", "001", " 1", "1 ", "1-1", "11", "1e5", "100000", "a", "A", "é", "e\u0301", "a,b", 'a"b']


def a_row(record: str = "1", event: str = "", instrument: str = "", instance: str = "", *values: str) -> Row:
    return (record, event, instrument, instance, *values)


def rows_of(rows: Iterable[Row]) -> Rows:
    shape, texts = RowShape(RECORD, (), ()), [row[:4] for row in rows]
    return shape.rows(block_of_values(texts), [RECORD, *STRUCTURE]) if texts else shape.no_rows()


def received(rows: Iterable[Row]) -> ReceivedRows:
    return ReceivedRows.of([rows_of(rows)])


def hash_of(row: Row) -> int:
    return received([row]).rows[0]


def batches_of(rows: list[Row], size: int) -> list[list[Row]]:
    """The rows in batches of whole records, read again if rows of one record are not adjacent."""
    together = [[*group] for _, group in groupby(rows, key=itemgetter(0))]
    parts = [rows_of(chain.from_iterable(together[n : n + size])) for n in range(0, len(together), size)]
    seen = ReceivedRows()
    batches = list(record_batches(parts, seen))
    if split := seen.split_records():
        batches = list(record_batches(parts, ReceivedRows(), split=split))
    return [[tuple(row.values()) for row in as_dicts(batch)] for batch in batches]


def number_missing(listed: list[Row], arrived: list[Row]) -> int:
    return find_missing(received(listed).rows, received(arrived).rows).size


ROWS = st.lists(
    st.builds(a_row, st.sampled_from("abcdef"), st.sampled_from("xyz"), st.just(""), st.sampled_from("123"))
)
SIZES = st.integers(min_value=1, max_value=12)


@settings(deadline=None)
@given(ROWS, SIZES)
@example([a_row("1", "x"), a_row("1", "y")], 1)
def test_no_batch_splits_a_record(rows: list[Row], size: int) -> None:
    records_by_batch = [{row[0] for row in batch} for batch in batches_of(rows, size)]
    assert Counter(chain.from_iterable(records_by_batch)) == Counter({row[0] for row in rows})


@settings(deadline=None)
@given(ROWS, SIZES)
def test_every_row_is_in_exactly_one_batch(rows: list[Row], size: int) -> None:
    assert Counter(chain.from_iterable(batches_of(rows, size))) == Counter(rows)


@settings(deadline=None)
@given(ROWS, ROWS)
def test_a_listed_row_that_was_not_received_is_missing(listed: list[Row], arrived: list[Row]) -> None:
    missing = find_missing(received(listed).rows, received(arrived).rows)
    assert set(missing.tolist()) == {hash_of(row) for row in {*listed} - {*arrived}}


def test_gathered_rows_of_a_record_keep_their_order() -> None:
    rows = [a_row("1", "x"), a_row("2"), a_row("1", "y"), a_row("3"), a_row("1", "z")]
    assert batches_of(rows, 100) == [[rows[1], rows[3]], [rows[0], rows[2], rows[4]]]


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_record_id_is_refused_with_its_row(blank: str) -> None:
    with pytest.raises(SourceDataError, match="REDCap's export cannot be counted: row 4 has no record id"):
        received([a_row("1"), a_row("1", "x"), a_row(blank)])


@pytest.mark.parametrize(
    ("ids", "are_hashed"),
    [(["0123456789abcdef" * 2, "F" * 32], True), (["F" * 32, "1"], False), (["F" * 33], False), (["G" * 32], False)],
)
def test_hashed_ids_are_recognised_if_all_are_hashed(ids: list[str], are_hashed: bool) -> None:
    rows = received([a_row(ids[0])])
    rows.add(received(map(a_row, ids[1:])))
    assert rows.hashed_ids == are_hashed


def test_similar_ids_are_different_records() -> None:
    assert received(map(a_row, SIMILAR_IDS)).record_count == len(SIMILAR_IDS)


@pytest.mark.parametrize(
    "other", [a_row("1", "x2"), a_row("1", "x", "2"), a_row("1x"), a_row("1", "", "x"), a_row("1", "", "", "x")]
)
def test_event_form_and_instance_are_not_confused(other: Row) -> None:
    assert number_missing([a_row("1", "x")], [other]) == 1


def test_no_two_different_rows_have_one_hash() -> None:
    ids = ["1", "2", "10", *(f"OBRI-IBD-TORONTO-2023-{n:03}" for n in range(3))]
    events = ["", *(f"{event}_arm_{arm}" for event in ("v", "baseline_visit", "consent") for arm in (1, 2))]
    instruments, instances = ["", "consent", "consent_arm_1", "consent_arm_2"], ["", *map(str, range(1, 131))]
    rows = [*product(ids, events, instruments, instances)]
    assert len({*received(rows).rows}) == len(rows)


def test_values_do_not_identify_a_row() -> None:
    assert number_missing([a_row("1")], [a_row("1", "", "", "", "agreed")]) == 0


def test_all_rows_are_missing_when_none_was_received() -> None:
    assert number_missing([a_row("1"), a_row("2")], []) == 2


def test_a_record_is_missing_only_when_none_of_its_rows_was_received() -> None:
    listed = received([a_row("1", "x"), a_row("1", "y"), a_row("2", "x")])
    assert find_missing(listed.records, received([a_row("1", "y")]).records).tolist() == [hash_of(a_row("2"))]


def test_a_repeated_row_is_an_error_without_its_record_id() -> None:
    with pytest.raises(IncompleteExportError, match=r"holds 1 row more than once") as caught:
        ensure_no_repeated_rows(received([a_row("CANARY"), a_row("CANARY"), a_row("2")]))
    assert "CANARY" not in str(caught.value)


def test_rows_received_once_are_no_error() -> None:
    ensure_no_repeated_rows(received([a_row("1", "x"), a_row("1", "y"), a_row("2")]))


def test_a_row_of_two_responses_is_repeated() -> None:
    rows = received([a_row("1")])
    rows.add(received([a_row("1")]))
    with pytest.raises(IncompleteExportError, match="holds 1 row more than once"):
        ensure_no_repeated_rows(rows)


def test_received_rows_keep_no_record_id() -> None:
    assert "CANARY" not in repr(received([a_row("CANARY")]))


def test_a_batch_has_the_columns_of_the_shape_and_blank_ones_that_the_server_did_not_send() -> None:
    block = block_of_values([["01", "7", "1e5", "x"]])
    assert as_dicts(RowShape("study_no", ("b", "a"), ()).rows(block, ["a", "study_no", "b", "more"])) == [
        {RECORD: "7", EVENT: "", INSTRUMENT: "", INSTANCE: "", "b": "1e5", "a": "01"}
    ]


@pytest.mark.parametrize(("letters", "is_refused"), [(100, False), (101, True)])
def test_an_id_longer_than_redcap_allows_is_no_record_id(letters: int, is_refused: bool) -> None:
    with pytest.raises(SourceDataError, match="more than 100 characters") if is_refused else nullcontext():
        rows_of([a_row("😀" * letters)])
