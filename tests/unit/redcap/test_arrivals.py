"""Which rows there are, which have arrived, and that no batch ever splits a record."""

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.errors import IncompleteExportError
from consent.redcap.arrivals import (
    ReceivedRows,
    Row,
    RowShape,
    ensure_no_repeated_rows,
    frame_of,
    hash_of,
    missing_records,
    missing_rows,
    record_batches,
)

EVENTS = "redcap_event_name"
REPEATS = ("redcap_repeat_instrument", "redcap_repeat_instance")
SIMILAR_IDS = ["1", "01", "001", " 1", "1 ", "1-1", "11", "1e5", "100000", "a", "A", "é", "e\u0301", "a,b", 'a"b', ""]


def a_row(record: str = "1", event: str = "", instrument: str = "", instance: str = "", *values: str) -> Row:
    return (record, event, instrument, instance, *values)


def batches_of(rows: list[Row], size: int) -> list[list[Row]]:
    """The rows in batches of whole records, read again as often as rows of one record come apart."""
    arrivals = ReceivedRows()
    batches = list(record_batches(rows, arrivals, size=size))
    if apart := arrivals.split_records():
        return list(record_batches(rows, ReceivedRows(), held_back=apart, size=size))
    return batches


ROWS = st.lists(
    st.builds(a_row, st.sampled_from("abcdef"), st.sampled_from("xyz"), st.just(""), st.sampled_from("123"))
)
SIZES = st.integers(min_value=1, max_value=12)


@settings(deadline=None)
@given(ROWS, SIZES)
def test_no_batch_splits_a_record(rows: list[Row], size: int) -> None:
    records_by_batch = [{row[0] for row in batch} for batch in batches_of(rows, size)]
    assert Counter(chain.from_iterable(records_by_batch)) == Counter({row[0] for row in rows})


@settings(deadline=None)
@given(ROWS, SIZES)
def test_every_row_is_in_exactly_one_batch(rows: list[Row], size: int) -> None:
    assert Counter(chain.from_iterable(batches_of(rows, size))) == Counter(rows)


@settings(deadline=None)
@given(ROWS, ROWS)
def test_what_is_missing_is_what_is_listed_and_did_not_arrive(listed: list[Row], arrived: list[Row]) -> None:
    missing = missing_rows(ReceivedRows.of(listed), ReceivedRows.of(arrived))
    assert set(missing.tolist()) == {hash_of(*row) for row in {*listed} - {*arrived}}


def test_rows_of_a_record_keep_their_order_when_they_are_gathered() -> None:
    rows = [a_row("1", "x"), a_row("2"), a_row("1", "y"), a_row("3"), a_row("1", "z")]
    assert batches_of(rows, 100) == [[rows[1], rows[3], rows[0], rows[2], rows[4]]]


def test_a_batch_is_handed_on_before_the_next_rows_are_read() -> None:
    rows = iter([a_row("1"), a_row("2"), a_row("3"), a_row("4")])
    next(record_batches(rows, ReceivedRows(), size=1))
    assert next(rows) == a_row("3")


@pytest.mark.parametrize("other", SIMILAR_IDS[1:])
def test_similar_ids_are_different_records(other: str) -> None:
    assert ReceivedRows.of([a_row("1"), a_row(other)]).record_count == 2


def test_every_one_of_many_similar_ids_is_a_record() -> None:
    assert ReceivedRows.of(map(a_row, SIMILAR_IDS)).record_count == len(SIMILAR_IDS)


@pytest.mark.parametrize(
    "other",
    [a_row("1", "x2"), a_row("1", "x", "2"), a_row("1x"), a_row("1", "", "x"), a_row("1", "", "", "x")],
)
def test_event_form_and_instance_are_not_mistaken_for_one_another(other: Row) -> None:
    assert missing_rows(ReceivedRows.of([a_row("1", "x")]), ReceivedRows.of([other])).size == 1


def test_values_do_not_make_another_row() -> None:
    assert missing_rows(ReceivedRows.of([a_row("1")]), ReceivedRows.of([a_row("1", "", "", "", "agreed")])).size == 0


def test_everything_is_missing_when_nothing_arrived() -> None:
    assert missing_rows(ReceivedRows.of([a_row("1"), a_row("2")]), ReceivedRows()).size == 2


def test_nothing_is_missing_when_nothing_is_listed() -> None:
    assert missing_rows(ReceivedRows(), ReceivedRows.of([a_row("1")])).size == 0


def test_a_record_is_missing_only_when_none_of_its_rows_arrived() -> None:
    listed = ReceivedRows.of([a_row("1", "x"), a_row("1", "y"), a_row("2", "x")])
    assert missing_records(listed, ReceivedRows.of([a_row("1", "y")])).tolist() == [hash_of("2")]


def test_a_record_with_damaged_letters_still_has_a_name() -> None:
    assert hash_of("\ud83d") != hash_of("?")


def test_a_row_that_arrived_twice_is_refused_without_saying_whose_it_is() -> None:
    with pytest.raises(IncompleteExportError, match=r"holds 1 row more than once") as caught:
        ensure_no_repeated_rows(ReceivedRows.of([a_row("CANARY"), a_row("CANARY"), a_row("2")]), "The export")
    assert "CANARY" not in str(caught.value)


def test_rows_that_arrived_once_pass() -> None:
    ensure_no_repeated_rows(ReceivedRows.of([a_row("1", "x"), a_row("1", "y"), a_row("2")]), "The export")


def test_a_row_that_came_in_two_answers_is_found() -> None:
    arrivals = ReceivedRows.of([a_row("1")])
    arrivals.add(ReceivedRows.of([a_row("1")]))
    assert arrivals.repeated_rows() == 1


def test_arrivals_remember_no_record_id() -> None:
    assert "CANARY" not in repr(ReceivedRows.of([a_row("CANARY")]))


def test_an_object_becomes_a_row_in_the_shapes_order() -> None:
    shape = RowShape("study_no", ("b", "a"), (EVENTS, *REPEATS))
    found = {"a": "1", "study_no": "7", "b": "2", EVENTS: "e", REPEATS[0]: "f", REPEATS[1]: "3", "more": "x"}
    assert shape.reader()(found) == ("7", "e", "f", "3", "2", "1")


@pytest.mark.parametrize("values", [(), ("a",), ("a", "b")])
def test_a_shape_may_have_any_number_of_values(values: tuple[str, ...]) -> None:
    row = RowShape("id", values, ()).reader()({"id": "1", "a": "2", "b": "3"})
    assert row == a_row("1", "", "", "", *("2", "3")[: len(values)])


@pytest.mark.parametrize("missing", ["id", EVENTS, *REPEATS, "a"])
def test_an_object_without_an_expected_column_is_no_row(missing: str) -> None:
    found = {"id": "1", EVENTS: "", REPEATS[0]: "", REPEATS[1]: "", "a": ""}
    del found[missing]
    with pytest.raises(KeyError, match=missing):
        RowShape("id", ("a",), (EVENTS, *REPEATS)).reader()(found)


def test_repeats_are_told_apart_though_nobody_said_that_there_would_be_any() -> None:
    found = {"id": "1", REPEATS[0]: "form", REPEATS[1]: "2"}
    assert RowShape("id", (), ()).reader()(found) == a_row("1", "", "form", "2")


def test_a_table_keeps_every_value_as_the_text_that_came() -> None:
    frame = frame_of([a_row("001", "", "", "", "1e5"), a_row("NA", "", "", "", "")], RowShape("id", ("a",), ()))
    assert frame[["record", "a"]].to_numpy().tolist() == [["001", "1e5"], ["NA", ""]]
