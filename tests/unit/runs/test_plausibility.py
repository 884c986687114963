"""Claims about the guard: which reports wait for a person's word, and what that person is told."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.counting.summary import ConsentSummary, Participants
from consent.errors import ImplausibleDropError
from consent.runs.ledger.record import RunCounts, RunRecord
from consent.runs.plausibility import check_drop
from consent.studies.model import Guard
from tests.support.builders import a_row, a_study, summary_of

DELIVERED_AT = datetime(2023, 9, 25, 11, 0, tzinfo=UTC)
OF_ONE = summary_of(a_row())


def a_last(*, participants: int = 1000, consented: int = 900, **changes: Any) -> RunRecord:
    """The record of a report delivered a week before, by the same study file and with groups, unless told otherwise."""
    usual = RunRecord(
        run_id="a-study.2023-09-25",
        study="a-study",
        trigger="monday",
        monday=date(2023, 9, 25),
        requested_at=DELIVERED_AT,
        queued_at=DELIVERED_AT,
        state="delivered",
        cutoff=date(2023, 9, 25),
        counts=RunCounts(participants, consented, participants, participants, consented),
        has_groups=True,
        study_sha256=a_study().sha256,
    )
    return replace(usual, **changes)


def a_summary(
    participants: int = 1000, consented: int = 900, *, max_drop: float = 0.02, cutoff: str = "2023-10-02"
) -> ConsentSummary:
    """The numbers of a report of this Monday."""
    return replace(
        OF_ONE,
        study=replace(OF_ONE.study, guard=Guard(max_drop)),
        period=replace(OF_ONE.period, cutoff=date.fromisoformat(cutoff)),
        participants=Participants(consented, participants - consented, 0, 0, {}),
    )


def check(
    summary: ConsentSummary, last: RunRecord | None, *, has_groups: bool = True, accept_drop: bool = False
) -> tuple[str, ...]:
    """The guard's remarks on a report with groups that nobody has accepted, unless told otherwise."""
    return check_drop(summary, has_groups, last, accept_drop=accept_drop)


def refusal_of(summary: ConsentSummary, last: RunRecord | None, *, has_groups: bool = True) -> ImplausibleDropError:
    """What the person is told of a report that is held back."""
    with pytest.raises(ImplausibleDropError, match="The report of 'a-study' was not delivered") as caught:
        check(summary, last, has_groups=has_groups)
    return caught.value


# A report that fell


@pytest.mark.parametrize(
    ("last", "now"),
    [
        ({"participants": 1000, "consented": 0}, (979, 0)),
        ({"participants": 1000, "consented": 1000}, (1000, 979)),
        ({"participants": 250, "consented": 0}, (244, 0)),
        ({"participants": 6, "consented": 6}, (0, 0)),
    ],
    ids=str,
)
def test_a_large_fall_is_held_back_as_shrunk(last: dict[str, int], now: tuple[int, int]) -> None:
    assert refusal_of(a_summary(*now), a_last(**last)).reason == "shrunk"


@pytest.mark.parametrize(
    ("last", "now"),
    [
        ({"participants": 1000, "consented": 0}, (980, 0)),
        ({"participants": 1000, "consented": 1000}, (1000, 980)),
        ({"participants": 250, "consented": 0}, (245, 0)),
        ({"participants": 5, "consented": 0}, (0, 0)),
    ],
    ids=str,
)
def test_a_small_fall_is_delivered_with_a_remark(last: dict[str, int], now: tuple[int, int]) -> None:
    (remark,) = check(a_summary(*now), a_last(**last))

    assert "fell by" in remark


def test_the_remark_names_both_numbers_and_both_days() -> None:
    assert check(a_summary(997, 900), a_last()) == (
        "Participants fell by 3: from 1,000 as of 2023-09-25 to 997 as of 2023-10-02.",
    )


def test_each_number_that_fell_has_a_remark_of_its_own() -> None:
    assert [remark.partition(" fell")[0] for remark in check(a_summary(999, 899), a_last())] == [
        "Participants",
        "Consented participants",
    ]


@pytest.mark.parametrize("now", [(1000, 900), (1001, 900), (1500, 1200)])
def test_a_report_that_did_not_fall_needs_no_remark(now: tuple[int, int]) -> None:
    assert check(a_summary(*now), a_last()) == ()


def test_a_study_without_patience_holds_back_all_but_five() -> None:
    assert refusal_of(a_summary(994, 900, max_drop=0.0), a_last()).reason == "shrunk"


@pytest.mark.parametrize(("last", "max_drop", "fall"), [(100, 0.29, 29), (1000, 0.07, 70), (700, 0.01, 7)])
def test_a_fall_of_just_the_fraction_is_delivered(last: int, max_drop: float, fall: int) -> None:
    (remark,) = check(a_summary(last - fall, 0, max_drop=max_drop), a_last(participants=last, consented=0))

    assert remark.startswith(f"Participants fell by {fall}:")


def test_the_refusal_names_both_numbers_and_both_days() -> None:
    assert "Participants fell by 400: from 1,000 as of 2023-09-25 to 600 as of 2023-10-02." in str(
        refusal_of(a_summary(600, 590), a_last(consented=590))
    )


def test_the_refusal_names_every_number_that_fell_too_far() -> None:
    assert "Consented participants fell by 310: from 900 as of 2023-09-25 to 590" in str(
        refusal_of(a_summary(600, 590), a_last())
    )


@pytest.mark.parametrize("way", ["Look in REDCap", "--accept-drop", '"accept_drop": true'])
def test_the_refusal_says_what_to_do(way: str) -> None:
    assert way in str(refusal_of(a_summary(600, 500), a_last()))


def test_the_refusal_says_when_the_study_file_has_changed() -> None:
    assert "The study file has changed" in str(refusal_of(a_summary(600, 500), a_last(study_sha256="another")))


def test_the_refusal_does_not_suspect_a_study_file_that_is_the_same() -> None:
    assert "study file" not in str(refusal_of(a_summary(600, 500), a_last()))


def test_a_fall_that_was_accepted_is_delivered_with_its_numbers() -> None:
    assert check(a_summary(600, 900), a_last(), accept_drop=True) == (
        "Participants fell by 400: from 1,000 as of 2023-09-25 to 600 as of 2023-10-02.",
        "This was accepted by the person who asked for the run.",
    )


def test_nothing_is_accepted_where_nothing_fell() -> None:
    assert check(a_summary(), a_last(), accept_drop=True) == ()


@settings(deadline=None)
@given(st.integers(0, 5000), st.integers(0, 5000), st.sampled_from([0.0, 0.02, 0.5, 0.99]))
def test_a_report_that_a_person_accepts_is_never_held_back(before: int, after: int, max_drop: float) -> None:
    remarks = check(a_summary(after, 0, max_drop=max_drop), a_last(participants=before, consented=0), accept_drop=True)

    assert bool(remarks) == (after < before)


# A report as of an earlier day


def test_an_earlier_day_has_fewer_consents_without_a_word() -> None:
    assert check(a_summary(1000, 300, cutoff="2023-09-18"), a_last()) == ()


def test_an_earlier_day_is_held_back_when_the_participants_are_fewer() -> None:
    assert refusal_of(a_summary(600, 300, cutoff="2023-09-18"), a_last()).reason == "shrunk"


def test_the_same_day_is_compared_by_its_consents_too() -> None:
    assert refusal_of(a_summary(1000, 300, cutoff="2023-09-25"), a_last()).reason == "shrunk"


# A report of one site


def test_a_report_that_lost_its_groups_is_held_back() -> None:
    assert refusal_of(a_summary(), a_last(), has_groups=False).reason == "groups-vanished"


def test_the_refusal_says_that_the_user_may_see_one_site_alone() -> None:
    assert "the token's user was put into a group and now sees the records of that one site" in str(
        refusal_of(a_summary(), a_last(), has_groups=False)
    )


@pytest.mark.parametrize("way", ["User Rights in REDCap", "--accept-drop", '"accept_drop": true'])
def test_the_refusal_says_how_to_see_every_site_again(way: str) -> None:
    assert way in str(refusal_of(a_summary(), a_last(), has_groups=False))


def test_lost_groups_alone_are_no_matter_of_the_study_file() -> None:
    assert "study file" not in str(refusal_of(a_summary(), a_last(study_sha256="another"), has_groups=False))


def test_lost_groups_explain_a_fall_which_is_named_beside_them() -> None:
    refusal = refusal_of(a_summary(600, 590), a_last(), has_groups=False)

    assert (refusal.reason, "from 1,000 as of" in str(refusal)) == ("groups-vanished", True)


def test_lost_groups_are_noticed_when_the_counts_are_no_longer_kept() -> None:
    assert refusal_of(a_summary(), a_last(counts=None), has_groups=False).reason == "groups-vanished"


def test_lost_groups_that_were_accepted_are_a_remark() -> None:
    first, *_ = check(a_summary(), a_last(), has_groups=False, accept_drop=True)

    assert "REDCap told the data access group of each record, and now it no longer does" in first


@pytest.mark.parametrize("had_groups", [False, None])
def test_a_project_that_had_no_groups_has_none_to_lose(had_groups: bool | None) -> None:
    assert check(a_summary(), a_last(has_groups=had_groups), has_groups=False) == ()


def test_a_project_that_gained_groups_is_delivered() -> None:
    assert check(a_summary(), a_last(has_groups=False)) == ()


# Nothing to compare with


def test_the_first_report_names_the_total_to_compare_with_redcap() -> None:
    (remark,) = check(a_summary(1234, 900), None)

    assert remark == (
        "This is the first report of the study, so there is none to compare it with. It is made of 1,234 records: "
        "compare this with the number that REDCap shows to a user who is in no data access group."
    )


def test_the_total_to_compare_includes_the_records_that_are_not_counted() -> None:
    summary = replace(a_summary(1000, 900), left_out={"test record": 30}, outside=4)

    assert "It is made of 1,034 records" in check(summary, None)[0]


def test_a_last_report_without_counts_is_like_none_and_says_so() -> None:
    (remark,) = check(a_summary(10, 5), a_last(counts=None))

    assert remark.startswith("The counts of the last report, as of 2023-09-25, are no longer kept")
