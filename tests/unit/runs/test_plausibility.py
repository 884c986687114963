"""Tests of the plausibility check: which reports a person must accept first, and what the error says."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.counting.summary import ConsentSummary, Participants
from consent.errors import ImplausibleDropError
from consent.runs.ledger.record import RunCounts, RunRecord
from consent.runs.plausibility import check_drop
from tests.support.builders import a_row, a_study, summary_of

DELIVERED_AT = datetime(2023, 9, 25, 11, 0, tzinfo=UTC)
OF_ONE = summary_of(a_row())


def a_last(*, participants: int = 1000, consented: int = 900, **changes: Any) -> RunRecord:
    """The record of a report delivered a week before, by default with the same study file and with groups."""
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
        study=replace(OF_ONE.study, max_drop=max_drop),
        period=replace(OF_ONE.period, cutoff=date.fromisoformat(cutoff)),
        participants=Participants(consented, participants - consented, 0, 0, {}),
    )


def check(
    summary: ConsentSummary, last: RunRecord | None, *, has_groups: bool = True, accept_drop: bool = False
) -> tuple[str, ...]:
    """The remarks on a report, by default with groups and not accepted by a person."""
    return check_drop(summary, has_groups, [last] if last else [], accept_drop=accept_drop)


def refusal_of(summary: ConsentSummary, last: RunRecord | None, *, has_groups: bool = True) -> ImplausibleDropError:
    """The error of a report that is not delivered."""
    with pytest.raises(ImplausibleDropError) as caught:
        check(summary, last, has_groups=has_groups)
    return caught.value


# A report with lower numbers


@pytest.mark.parametrize(
    ("last", "max_drop", "allowed", "too_low"),
    [
        ((1000, 0), 0.02, (980, 0), (979, 0)),
        ((1000, 1000), 0.02, (1000, 980), (1000, 979)),
        ((5, 0), 0.02, (0, 0), None),
        ((6, 6), 0.02, None, (0, 0)),
        ((1000, 900), 0.0, (995, 900), (994, 900)),
    ],
    ids=str,
)
def test_a_small_drop_is_delivered_with_a_remark_and_a_large_one_refused(
    last: tuple[int, int], max_drop: float, allowed: tuple[int, int] | None, too_low: tuple[int, int] | None
) -> None:
    before = a_last(participants=last[0], consented=last[1])
    if allowed:
        (remark,) = check(a_summary(*allowed, max_drop=max_drop), before)
        assert "dropped by" in remark
    if too_low:
        assert refusal_of(a_summary(*too_low, max_drop=max_drop), before).code == "shrunk"


def test_every_number_that_dropped_has_a_remark_with_both_numbers_and_both_days() -> None:
    assert check(a_summary(997, 899), a_last()) == (
        "Participants dropped by 3: from 1,000 as of 2023-09-25 to 997 as of 2023-10-02.",
        "Consented participants dropped by 1: from 900 as of 2023-09-25 to 899 as of 2023-10-02.",
    )


@pytest.mark.parametrize("now", [(1000, 900), (1500, 1200)])
def test_a_report_without_a_drop_needs_no_remark(now: tuple[int, int]) -> None:
    assert check(a_summary(*now), a_last()) == ()


@pytest.mark.parametrize(("last", "max_drop", "drop"), [(100, 0.29, 29), (1000, 0.07, 70), (700, 0.01, 7)])
def test_a_drop_of_exactly_the_fraction_is_delivered(last: int, max_drop: float, drop: int) -> None:
    (remark,) = check(a_summary(last - drop, 0, max_drop=max_drop), a_last(participants=last, consented=0))

    assert remark.startswith(f"Participants dropped by {drop}:")


def test_the_error_names_every_number_and_says_how_to_fix_or_accept_it() -> None:
    error = refusal_of(a_summary(600, 590), a_last())

    assert error.what == (
        "Participants dropped by 400: from 1,000 as of 2023-09-25 to 600 as of 2023-10-02. "
        "Consented participants dropped by 310: from 900 as of 2023-09-25 to 590 as of 2023-10-02."
    )
    assert [way in error.fix for way in ("Check in REDCap", "--accept-drop", '"accept_drop": true')] == [True] * 3


def test_the_error_says_that_the_study_file_changed() -> None:
    assert "study file changed" in refusal_of(a_summary(600, 500), a_last(study_sha256="another")).what


def test_an_accepted_drop_is_delivered_with_its_numbers() -> None:
    assert check(a_summary(600, 900), a_last(), accept_drop=True) == (
        "Participants dropped by 400: from 1,000 as of 2023-09-25 to 600 as of 2023-10-02.",
        "The person who requested the run accepted this.",
    )


@settings(deadline=None)
@given(st.integers(0, 5000), st.integers(0, 5000), st.sampled_from([0.0, 0.02, 0.5, 0.99]))
def test_a_report_that_a_person_accepts_is_never_refused(before: int, after: int, max_drop: float) -> None:
    remarks = check(a_summary(after, 0, max_drop=max_drop), a_last(participants=before, consented=0), accept_drop=True)

    assert bool(remarks) == (after < before)


# Many small drops


def weekly(*numbers: int) -> list[RunRecord]:
    """The delivered reports of so many weeks, newest first."""
    days = [date(2022, 12, 26) + timedelta(weeks=n) for n in range(len(numbers))]
    return [
        a_last(participants=number, consented=0, cutoff=day, monday=day)
        for number, day in reversed(list(zip(numbers, days, strict=True)))
    ]


def test_small_drops_add_up_to_a_large_one_that_names_the_higher_report() -> None:
    with pytest.raises(ImplausibleDropError) as caught:
        check_drop(a_summary(979, 0), True, weekly(990, 1000, 990, 985), accept_drop=False)

    assert caught.value.what == (
        "Participants dropped by 21 since the highest of the last 26 reports: from 1,000 as of 2023-01-02 "
        "to 979 as of 2023-10-02."
    )


@settings(deadline=None)
@given(st.lists(st.integers(960, 1000), min_size=1, max_size=40), st.integers(900, 1000), st.integers(0, 39))
def test_a_report_is_refused_if_it_is_far_below_any_of_the_last_26_since_a_person_accepted_one(
    numbers: list[int], now: int, accepted: int
) -> None:
    reports = weekly(*numbers)
    if accepted < len(reports):
        reports[accepted] = replace(reports[accepted], accept_drop=True)
    highest = max(run.counts.participants for run in reports[: min(26, accepted + 1)] if run.counts)

    if highest - now > max(5, highest // 50):
        with pytest.raises(ImplausibleDropError):
            check_drop(a_summary(now, 0), True, reports, accept_drop=False)
    else:
        assert len(check_drop(a_summary(now, 0), True, reports, accept_drop=False)) == (now < numbers[-1])


def test_reports_of_one_monday_count_as_one() -> None:
    often = [replace(run, monday=date(2023, 9, 25)) for run in weekly(*[1000, *[985] * 30])]

    with pytest.raises(ImplausibleDropError):
        check_drop(a_summary(975, 0), True, often, accept_drop=False)


# A report as of an earlier day


def test_an_earlier_day_may_have_fewer_consents() -> None:
    assert check(a_summary(1000, 300, cutoff="2023-09-18"), a_last()) == ()


@pytest.mark.parametrize(("participants", "cutoff"), [(600, "2023-09-18"), (1000, "2023-09-25")])
def test_fewer_participants_or_the_same_day_are_refused(participants: int, cutoff: str) -> None:
    assert refusal_of(a_summary(participants, 300, cutoff=cutoff), a_last()).code == "shrunk"


# A report of one site


@pytest.mark.parametrize("changes", [{}, {"counts": None}, {"study_sha256": "another"}], ids=str)
def test_a_report_without_the_groups_of_the_last_is_refused(changes: dict[str, Any]) -> None:
    error = refusal_of(a_summary(), a_last(**changes), has_groups=False)

    assert (error.code, "sees only that site" in error.what, "study file" in error.what) == (
        "groups-vanished",
        True,
        False,
    )
    assert [way in error.fix for way in ("User Rights in REDCap", "--accept-drop")] == [True, True]


def test_missing_groups_explain_a_drop_which_is_named_too() -> None:
    error = refusal_of(a_summary(600, 590), a_last(), has_groups=False)

    assert (error.code, "from 1,000 as of" in error.what) == ("groups-vanished", True)


def test_missing_groups_that_were_accepted_are_a_remark() -> None:
    first, *_ = check(a_summary(), a_last(), has_groups=False, accept_drop=True)

    assert "no longer sends the data access groups" in first


@pytest.mark.parametrize(("had_groups", "has_groups"), [(False, False), (None, False), (False, True)])
def test_a_project_that_had_no_groups_misses_none(had_groups: bool | None, has_groups: bool) -> None:
    assert check(a_summary(), a_last(has_groups=had_groups), has_groups=has_groups) == ()


# Nothing to compare with


def test_the_first_report_names_the_total_to_compare_with_redcap() -> None:
    summary = replace(a_summary(1000, 900), left_out={"test record": 30}, outside=4)

    (remark,) = check(summary, None)

    assert remark.startswith("Not compared: the run history has no earlier report")
    assert "1,034 records: compare this with the number that REDCap shows" in remark


def test_a_last_report_without_counts_is_not_compared() -> None:
    (remark,) = check(a_summary(10, 5), a_last(counts=None))

    assert remark.startswith("The counts of the last report, as of 2023-09-25, were purged")
