"""Tests of received rows: which rows are missing or repeated, and that no batch splits a record."""

from collections import Counter
from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent.errors import IncompleteExportError, SourceDataError
from consent.redcap.arrivals import (
    EVENT,
    INSTANCE,
    INSTRUMENT,
    ReceivedRows,
    Row,
    RowShape,
    ensure_no_repeated_rows,
    find_missing,
    frame_of,
    hash_of,
    record_batches,
)

STRUCTURE = (EVENT, INSTRUMENT, INSTANCE)
SIMILAR_IDS = ["1", "01", "001", " 1", "1 ", "1-1", "11", "1e5", "100000", "a", "A", "é", "e\u0301", "a,b", 'a"b']


def a_row(record: str = "1", event: str = "", instrument: str = "", instance: str = "", *values: str) -> Row:
    return (record, event, instrument, instance, *values)


def batches_of(rows: list[Row], size: int) -> list[list[Row]]:
    """The rows in batches of whole records, read again if rows of one record are not adjacent."""
    received = ReceivedRows()
    batches = list(record_batches(rows, received, size=size))
    if split := received.split_records():
        return list(record_batches(rows, ReceivedRows(), split=split, size=size))
    return batches


def number_missing(listed: list[Row], received: list[Row]) -> int:
    return find_missing(ReceivedRows.of(listed).rows, ReceivedRows.of(received).rows).size


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
def test_a_listed_row_that_was_not_received_is_missing(listed: list[Row], received: list[Row]) -> None:
    missing = find_missing(ReceivedRows.of(listed).rows, ReceivedRows.of(received).rows)
    assert set(missing.tolist()) == {hash_of(*row) for row in {*listed} - {*received}}


@settings(deadline=None)
@given(ROWS, st.integers(min_value=1, max_value=40), st.booleans())
def test_a_batch_has_no_more_characters_than_allowed_before_its_last_record(
    rows: list[Row], characters: int, apart: bool
) -> None:
    split = frozenset(hash_of(row[0]) for row in rows) if apart else frozenset()
    batches = record_batches(rows if apart else sorted(rows), ReceivedRows(), split=split, characters=characters)
    for batch in batches:
        without_last = [row for row in batch if row[0] != batch[-1][0]]
        assert sum(len("".join(row)) for row in without_last) < characters


def test_gathered_rows_of_a_record_keep_their_order() -> None:
    rows = [a_row("1", "x"), a_row("2"), a_row("1", "y"), a_row("3"), a_row("1", "z")]
    assert batches_of(rows, 100) == [[rows[1], rows[3], rows[0], rows[2], rows[4]]]


def test_a_batch_is_yielded_before_the_next_rows_are_read() -> None:
    rows = iter([a_row("1"), a_row("2"), a_row("3"), a_row("4")])
    next(record_batches(rows, ReceivedRows(), size=1))
    assert next(rows) == a_row("3")


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_record_id_is_refused_with_its_row(blank: str) -> None:
    with pytest.raises(SourceDataError, match="REDCap's export cannot be counted: row 4 has no record id"):
        ReceivedRows.of([a_row("1"), a_row("1", "x"), a_row(blank)])


@pytest.mark.parametrize(
    ("ids", "are_hashed"),
    [(["0123456789abcdef" * 2, "F" * 32], True), (["F" * 32, "1"], False), (["F" * 33], False), (["G" * 32], False)],
)
def test_hashed_ids_are_recognised_if_all_are_hashed(ids: list[str], are_hashed: bool) -> None:
    received = ReceivedRows.of([a_row(ids[0])])
    received.add(ReceivedRows.of(map(a_row, ids[1:])))
    assert received.hashed_ids == are_hashed


def test_similar_ids_are_different_records() -> None:
    assert ReceivedRows.of(map(a_row, SIMILAR_IDS)).record_count == len(SIMILAR_IDS)


@pytest.mark.parametrize(
    "other", [a_row("1", "x2"), a_row("1", "x", "2"), a_row("1x"), a_row("1", "", "x"), a_row("1", "", "", "x")]
)
def test_event_form_and_instance_are_not_confused(other: Row) -> None:
    assert number_missing([a_row("1", "x")], [other]) == 1


def test_values_do_not_identify_a_row() -> None:
    assert number_missing([a_row("1")], [a_row("1", "", "", "", "agreed")]) == 0


def test_all_rows_are_missing_when_none_was_received() -> None:
    assert number_missing([a_row("1"), a_row("2")], []) == 2


def test_a_record_is_missing_only_when_none_of_its_rows_was_received() -> None:
    listed = ReceivedRows.of([a_row("1", "x"), a_row("1", "y"), a_row("2", "x")])
    assert find_missing(listed.records, ReceivedRows.of([a_row("1", "y")]).records).tolist() == [hash_of("2")]


def test_a_record_id_with_damaged_letters_has_a_hash() -> None:
    assert hash_of("\ud83d") != hash_of("?")


def test_a_repeated_row_is_an_error_without_its_record_id() -> None:
    with pytest.raises(IncompleteExportError, match=r"holds 1 row more than once") as caught:
        ensure_no_repeated_rows(ReceivedRows.of([a_row("CANARY"), a_row("CANARY"), a_row("2")]))
    assert "CANARY" not in str(caught.value)


def test_rows_received_once_are_no_error() -> None:
    ensure_no_repeated_rows(ReceivedRows.of([a_row("1", "x"), a_row("1", "y"), a_row("2")]))


def test_a_row_of_two_responses_is_repeated() -> None:
    received = ReceivedRows.of([a_row("1")])
    received.add(ReceivedRows.of([a_row("1")]))
    with pytest.raises(IncompleteExportError, match="holds 1 row more than once"):
        ensure_no_repeated_rows(received)


def test_received_rows_keep_no_record_id() -> None:
    assert "CANARY" not in repr(ReceivedRows.of([a_row("CANARY")]))


def test_an_object_becomes_a_row_in_the_order_of_the_shape() -> None:
    shape = RowShape("study_no", ("b", "a"), STRUCTURE)
    found = {"a": "1", "study_no": "7", "b": "2", EVENT: "e", INSTRUMENT: "f", INSTANCE: "3", "more": "x"}
    assert list(shape.rows([found], "A row")) == [("7", "e", "f", "3", "2", "1")]


@pytest.mark.parametrize("values", [(), ("a",), ("a", "b")])
def test_a_shape_may_have_any_number_of_values(values: tuple[str, ...]) -> None:
    rows = RowShape("id", values, ()).rows([{"id": "1", "a": "2", "b": "3"}], "A row")
    assert list(rows) == [a_row("1", "", "", "", *("2", "3")[: len(values)])]


@pytest.mark.parametrize("missing", ["id", *STRUCTURE, "a"])
def test_an_object_without_a_required_column_is_an_error(missing: str) -> None:
    found = {"id": "1", EVENT: "", INSTRUMENT: "", INSTANCE: "", "a": ""}
    del found[missing]
    with pytest.raises(IncompleteExportError, match=f"A row has no column {missing}"):
        list(RowShape("id", ("a",), STRUCTURE).rows([found], "A row"))


def test_repeats_are_read_even_when_the_server_did_not_report_them() -> None:
    found = {"id": "1", INSTRUMENT: "form", INSTANCE: "2"}
    assert list(RowShape("id", (), ()).rows([found], "A row")) == [a_row("1", "", "form", "2")]


def test_a_table_keeps_every_value_as_text() -> None:
    frame = frame_of([a_row("001", "", "", "", "1e5"), a_row("NA", "", "", "", "")], RowShape("id", ("a",), ()))
    assert frame[["record", "a"]].to_numpy().tolist() == [["001", "1e5"], ["NA", ""]]
