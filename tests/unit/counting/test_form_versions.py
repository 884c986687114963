"""Tests of form versions: who is due to consent again, and who was offered a rider."""

import pytest
from hypothesis import given, settings

from consent.counting.consents import Counting
from consent.counting.summary import ConsentSummary, VersionCount
from consent.redcap.arrivals import EVENT, INSTANCE, INSTRUMENT, RECORD
from tests.support.builders import RIDER, a_counting, a_row, a_study, participants_of, summary_of
from tests.support.odd_registries import FULL_STUDY, odd_countings, odd_rows

Rows = list[dict[str, str]]

VERSION = '[version]\nfield = "version"\naccepted = ["2.0", "2.1"]\n'
IN_TWO = RIDER + 'offered_in = ["2.0", "2.1"]\n'
BOX_IN_TWO = IN_TWO.replace('"rider_a"', '"extras(7)"')


def signed(version: str, record: str = "1", **values: str) -> dict[str, str]:
    """A participant who agreed on 12 September 2023 on this form version."""
    return a_row(record, version=version, **values)


def signed_again(version: str, day: str = "2023-09-20", **values: str) -> dict[str, str]:
    return signed(version, consent_date=day, **values) | {INSTANCE: "2"}


def summary_by_version(*rows: dict[str, str], riders: str = IN_TWO) -> ConsentSummary:
    return summary_of(*rows, counting=a_counting(a_study(riders=riders, more=VERSION)))


def versions_of(*rows: dict[str, str]) -> tuple[VersionCount, ...]:
    found = summary_by_version(*rows).versions
    assert found is not None
    return found


def answer_of(*rows: dict[str, str], riders: str = IN_TWO) -> str:
    """Return the rider's answer of the only participant in these rows."""
    counting = a_counting(a_study(riders=riders, more=VERSION))
    return str(participants_of(*rows, counting=counting)["rider:rider a"].iloc[0])


# Who is due to consent again


def test_versions_are_sorted_as_in_the_study_file_then_by_name_then_blank() -> None:
    versions = ["1.1", "", "2.1", "1.0", "2.0", "2.0", " 2.0 "]
    assert versions_of(*(signed(version, str(n)) for n, version in enumerate(versions))) == (
        VersionCount("2.0", True, 3),
        VersionCount("2.1", True, 1),
        VersionCount("1.0", False, 1),
        VersionCount("1.1", False, 1),
        VersionCount("", False, 1),
    )


@pytest.mark.parametrize(("version", "due"), [("1.0", 1), ("2.0", 0), ("", 0)])
def test_a_new_consent_is_due_on_a_version_that_is_not_accepted(version: str, due: int) -> None:
    assert summary_by_version(signed(version)).reconsent_due == due


@pytest.mark.parametrize("refused", [{"consent_obtained": "2"}, {"consent_obtained": "0"}, {"consent_date": ""}])
def test_only_those_taking_part_have_a_version(refused: dict[str, str]) -> None:
    assert sum(count.taking_part for count in versions_of(signed("1.0", **refused))) == 0


@pytest.mark.parametrize(("later", "due"), [("2023-09-20", 0), ("2023-09-11", 1), ("2023-10-02", 1), ("", 1)])
def test_the_latest_agreed_consent_gives_the_version(later: str, due: int) -> None:
    assert summary_by_version(signed("1.0"), signed_again("2.0", later)).reconsent_due == due


@settings(deadline=None, max_examples=40)
@given(rows=odd_rows(), counting=odd_countings(studies=(FULL_STUDY,)))
def test_the_versions_add_up_to_those_taking_part(rows: Rows, counting: Counting) -> None:
    summary = summary_of(*rows, counting=counting)
    assert sum(count.taking_part for count in (summary.versions or ())) == (summary.taking_part)


# Who was offered a rider


@pytest.mark.parametrize(
    ("version", "value", "answer"),
    [
        ("2.0", "1", "agreed"),
        ("2.1", "0", "declined"),
        ("2.0", "", "not_answered"),
        ("1.0", "", "not_offered"),
        ("1.0", "1", "not_offered"),
        ("", "1", "not_offered"),
    ],
)
def test_a_rider_is_offered_only_in_the_versions_that_have_it(version: str, value: str, answer: str) -> None:
    assert answer_of(signed(version, rider_a=value)) == answer


def test_an_unticked_box_of_a_version_without_the_rider_is_no_answer() -> None:
    assert answer_of(signed("1.0", extras___7="0"), riders=BOX_IN_TWO) == "not_offered"


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        (("2.0", "1"), ("1.0", ""), "agreed"),  # the later form does not have the rider
        (("2.0", "1"), ("2.1", "0"), "declined"),
        (("1.0", "1"), ("2.0", "0"), "declined"),
        (("1.0", "1"), ("1.1", "1"), "not_offered"),
    ],
)
def test_a_rider_comes_from_the_latest_consent_on_a_version_that_has_it(
    first: tuple[str, str], second: tuple[str, str], answer: str
) -> None:
    rows = [signed(first[0], rider_a=first[1]), signed_again(second[0], rider_a=second[1])]
    assert answer_of(*rows) == answer


def test_uptake_is_the_share_of_those_offered_the_rider() -> None:
    rows = [signed("2.0", "1"), signed("2.0", "2", rider_a="0"), signed("1.0", "3"), signed("", "4")]
    rider = summary_by_version(*rows).riders[0]
    assert (rider.agreed, rider.declined, rider.not_offered, rider.offered, rider.uptake) == (1, 1, 2, 2, 0.5)


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ([signed("2.0")], {}),
        ([signed("1.0", rider_a="")], {}),
        ([signed("1.0")], {"rider_without_consent": 1}),
        ([signed("")], {"rider_without_consent": 1}),
        ([signed("1.0"), signed_again("2.0", rider_a="")], {}),
        ([signed("2.0", consent_date="")], {"no_date": 1}),
    ],
)
def test_a_rider_agreed_to_on_a_version_without_it_is_reviewed(rows: Rows, codes: dict[str, int]) -> None:
    assert summary_by_version(*rows).quality == codes


@pytest.mark.parametrize(
    ("beside", "version"),
    [
        ({}, "2.0"),
        ({EVENT: "another"}, ""),
        ({INSTRUMENT: "other", INSTANCE: "1"}, ""),
        ({RECORD: "2"}, ""),
    ],
)
def test_a_consent_on_a_repeating_form_has_the_version_of_the_row_beside_it(
    beside: dict[str, str], version: str
) -> None:
    consent = signed("") | {INSTRUMENT: "consent", INSTANCE: "1", EVENT: "start"}
    base = dict.fromkeys(consent, "") | {RECORD: "1", EVENT: "start", "version": "2.0"} | beside
    participants = participants_of(consent, base, counting=a_counting(a_study(riders=IN_TWO, more=VERSION)))
    assert participants.loc["1", "version"] == version
