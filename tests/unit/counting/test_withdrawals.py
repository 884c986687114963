"""Tests of withdrawals: who has withdrawn at the cut-off, to what extent, and which records to review."""

import pytest

from consent.counting.consents import Counting
from consent.counting.summary import Withdrawals
from consent.redcap.arrivals import EVENT, INSTANCE
from tests.support.builders import (
    CONSENT,
    a_counting,
    a_period,
    a_row,
    a_study,
    participants_of,
    summary_of,
)

FLAG = '[withdrawal]\nflag = "left"\ncodes = ["1", "2"]\n'
DATE = '[withdrawal]\ndate = "left_on"\n'
BOTH = FLAG + 'date = "left_on"\n'
EXTENT = 'extent = "how_far"\n'
LABELS = 'extent_labels = { 1 = "No further contact", 9 = "No further use" }\n'
ENDS = 'ends = ["9"]\n'


def a_counting_of(withdrawal: str, *, cutoff: str = "2023-10-01", exported_on: str = "2023-10-05") -> Counting:
    return a_counting(a_study(more=withdrawal), a_period(cutoff, exported_on=exported_on))


def left(**values: str) -> dict[str, str]:
    """A participant who agreed on 12 September, with these withdrawal fields."""
    return a_row(**{"left": "", "left_on": "", "how_far": "", **values})


def agreed_on(day: str, instance: str, **values: str) -> dict[str, str]:
    return left(consent_date=day, **values) | {INSTANCE: instance}


def withdrawals_of(*rows: dict[str, str], rules: str = BOTH + EXTENT + LABELS + ENDS) -> Withdrawals:
    found = summary_of(*rows, counting=a_counting_of(rules)).withdrawals
    assert found is not None
    return found


def has_withdrawn(*rows: dict[str, str], rules: str = BOTH) -> bool:
    return bool(participants_of(*rows, counting=a_counting_of(rules))["withdrawn"].iloc[0])


def codes_of(*rows: dict[str, str], rules: str = BOTH) -> set[str]:
    """Return the quality codes of the only participant in these rows."""
    return set(summary_of(*rows, counting=a_counting_of(rules)).quality)


# Who has withdrawn


@pytest.mark.parametrize(
    ("flag", "day", "withdrawn"),
    [
        ("", "", False),
        ("1", "", True),
        ("1", "2023-09-20", True),
        ("", "2023-09-20", True),
        ("", "2023-10-01", True),
        ("", "2023-10-02", False),  # after the cut-off
        ("1", "2023-10-02", False),
        ("1", "2023-10-06", True),  # after the export
        ("1", "soon", True),
    ],
)
def test_a_flag_or_a_date_means_withdrawn(flag: str, day: str, withdrawn: bool) -> None:
    assert has_withdrawn(left(left=flag, left_on=day)) == withdrawn


@pytest.mark.parametrize(("box", "withdrawn"), [("1", True), ("0", False), ("", False)])
def test_one_box_of_a_checkbox_may_be_the_flag(box: str, withdrawn: bool) -> None:
    rules = FLAG.replace('"left"', '"left(7)"').replace('["1", "2"]', '["1"]')
    assert has_withdrawn(a_row(left___7=box), rules=rules) == withdrawn


@pytest.mark.parametrize(("day", "withdrawn"), [("2023-09-12", True), ("2023-09-11", False)])
def test_a_withdrawal_on_the_day_of_the_consent_counts(day: str, withdrawn: bool) -> None:
    assert has_withdrawn(left(left_on=day)) == withdrawn


@pytest.mark.parametrize(
    ("again", "withdrawn"), [("2023-09-21", False), ("2023-09-20", True), ("2023-09-19", True), ("2023-10-02", True)]
)
def test_a_later_agreement_revokes_a_withdrawal(again: str, withdrawn: bool) -> None:
    rows = [agreed_on("2023-09-12", "1", left="1", left_on="2023-09-20"), agreed_on(again, "2")]
    assert has_withdrawn(*rows) == withdrawn


def test_a_later_agreement_does_not_revoke_a_flag_without_a_date() -> None:
    rows = [agreed_on("2023-09-12", "1", left="1"), agreed_on("2023-09-20", "2")]
    assert has_withdrawn(*rows)


def test_a_withdrawal_may_have_its_own_event() -> None:
    apart = left(consent_date="", consent_obtained="", rider_a="", left_on="2023-09-20") | {EVENT: "closing"}
    assert has_withdrawn(left(), apart)


def test_a_survey_timestamp_of_a_withdrawal_is_converted() -> None:
    study = a_study(
        consents='time_zone = "Pacific/Auckland"\n' + "[withdrawal]\ndate = 'leaving_timestamp'\n" + CONSENT
    )
    row = a_row(consent_date="2023-09-19", leaving_timestamp="2023-09-20 02:00:00")  # still the 19th in Toronto
    assert participants_of(row, counting=a_counting(study))["withdrawn"].iloc[0]


# Its effects


def test_a_withdrawal_is_not_subtracted_from_the_consented() -> None:
    summary = summary_of(left(left_on="2023-09-20"), counting=a_counting_of(BOTH))
    assert (summary.participants.consented, summary.weeks[0].consented, summary.taking_part) == (1, 1, 0)


@pytest.mark.parametrize("decision", ["2", "0", ""])
def test_only_those_who_consented_are_among_the_withdrawals(decision: str) -> None:
    assert withdrawals_of(left(consent_obtained=decision, left="1")).total == 0


def test_withdrawals_are_counted_by_extent_in_the_order_of_the_study_file() -> None:
    extents = ["", "7", "9", "1", "9"]
    found = withdrawals_of(*(left(left="1", how_far=extent) | {"record": str(n)} for n, extent in enumerate(extents)))
    assert (list(found.by_extent.items()), found.total) == ([("1", 1), ("9", 2), ("7", 1), ("", 1)], 5)


@pytest.mark.parametrize(("values", "undated"), [({"left": "1"}, 1), ({"left": "1", "left_on": "2023-09-20"}, 0)])
def test_undated_withdrawals_are_counted(values: dict[str, str], undated: int) -> None:
    assert withdrawals_of(left(**values)).undated == undated


@pytest.mark.parametrize(
    ("first", "second", "extent"),
    [
        ({"left_on": "2023-09-20", "how_far": "1"}, {"left_on": "2023-09-22", "how_far": "9"}, "9"),
        ({"left_on": "2023-09-22", "how_far": "1"}, {"left_on": "2023-09-20", "how_far": "9"}, "1"),
        ({"left_on": "2023-09-20", "how_far": "1"}, {"left_on": "2023-09-22"}, ""),
        ({"left_on": "2023-09-20"}, {"how_far": "9"}, "9"),
        ({"left_on": "2023-09-20", "how_far": "1"}, {"how_far": "9"}, "1"),
        ({"left": "1", "how_far": "1"}, {"how_far": "9"}, "9"),
    ],
)
def test_the_latest_withdrawal_gives_the_extent(first: dict[str, str], second: dict[str, str], extent: str) -> None:
    rows = [agreed_on("2023-09-12", "1", **first), agreed_on("2023-09-12", "2", **second)]
    assert {code for code, n in withdrawals_of(*rows).by_extent.items() if n} == {extent}


@pytest.mark.parametrize("extent", ["", "1", "9", "x"])
@pytest.mark.parametrize("ends", [ENDS, ""])
def test_an_extent_ends_taking_part_as_the_summary_says(extent: str, ends: str) -> None:
    summary = summary_of(left(left="1", how_far=extent), counting=a_counting_of(BOTH + EXTENT + LABELS + ends))
    assert summary.withdrawals is not None
    assert summary.withdrawals.ends_taking_part(extent) == (summary.taking_part == 0)


# Records to review


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({"left": "1", "left_on": "2023-09-20"}, set()),
        ({"left": "1"}, {"withdrawal_undated"}),
        ({"left_on": "soon"}, {"withdrawal_undated"}),
        ({"left": "1", "left_on": "2023-10-02"}, set()),  # after the cut-off
        ({"left_on": "2023-09-11"}, {"withdrawal_before_consent"}),
        ({"left_on": "2023-09-12"}, set()),  # the day of the consent
        ({"left_on": "2023-09-20", "consent_obtained": "2", "rider_a": ""}, {"withdrawal_without_consent"}),
        ({"left_on": "2023-09-20", "consent_date": ""}, {"no_date"}),  # agreed, and nobody wrote when
    ],
)
def test_quality_codes_of_a_withdrawal(values: dict[str, str], codes: set[str]) -> None:
    assert codes_of(left(**values)) == codes


def test_a_withdrawal_between_two_consents_is_not_reviewed() -> None:
    assert codes_of(agreed_on("2023-09-12", "1", left_on="2023-09-14"), agreed_on("2023-09-20", "2")) == set()


@pytest.mark.parametrize(
    ("known", "codes"),
    [
        (LABELS + ENDS, {"unknown_code"}),
        (LABELS, {"unknown_code"}),
        (ENDS, {"unknown_code"}),
        ("", set()),  # the study file names none, so none is unknown
    ],
)
def test_an_extent_that_the_study_file_does_not_name_is_unknown(known: str, codes: set[str]) -> None:
    assert codes_of(left(left_on="2023-09-20", how_far="7"), rules=BOTH + EXTENT + known) == codes
