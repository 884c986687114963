"""Tests of recruitment: its rate, the approved number, and the renewal table."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings

from consent.counting.consents import Counting
from consent.counting.summary import Accrual, ConsentSummary, RenewalRow
from consent.redcap.arrivals import INSTANCE
from tests.support.builders import CONSENT, a_counting, a_period, a_row, a_study, summary_of
from tests.support.odd_registries import FULL_STUDY, odd_countings, odd_rows

Rows = list[dict[str, str]]

START = date(2023, 9, 11)
TARGET = "[accrual]\ntarget = 100\ntarget_date = 2024-06-30\n"
APPROVED = "[accrual]\napproved = 10\n"
APPROVAL = "[accrual]\napproval_date = 2023-09-18\n"
WITHDRAWAL = '[withdrawal]\ndate = "left_on"\n'


def a_counting_for(accrual: str, *, cutoff: str = "2023-10-01", exported_on: str = "2023-10-02") -> Counting:
    return a_counting(a_study(more=accrual), a_period(cutoff, exported_on=exported_on))


def accrual_of(*rows: dict[str, str], counting: Counting) -> Accrual:
    found = summary_of(*rows, counting=counting).accrual
    assert found is not None
    return found


def in_weeks(*consents: int) -> Rows:
    """People who consented on the Monday of each week, this many per week."""
    days = [START + timedelta(weeks=week) for week, number in enumerate(consents) for _ in range(number)]
    return [a_row(str(n), consent_date=day.isoformat()) for n, day in enumerate(days)]


def rate_after(*consents: int) -> float | None:
    """The recent rate at the end of these weeks."""
    cutoff = START + timedelta(weeks=len(consents), days=-1)
    counting = a_counting_for(TARGET, cutoff=f"{cutoff}", exported_on=f"{cutoff + timedelta(days=1)}")
    return accrual_of(*in_weeks(*consents), counting=counting).recent_per_week


# The rate


@pytest.mark.parametrize(
    ("consents", "rate"),
    [
        ((4, 4, 4), None),
        ((1, 2, 3, 4), 2.5),
        ((90, 13, *(1,) * 11), 2.0),
    ],
)
def test_the_recent_rate_is_the_mean_of_up_to_twelve_complete_weeks(
    consents: tuple[int, ...], rate: float | None
) -> None:
    assert rate_after(*consents) == rate


def test_the_current_week_is_not_in_the_rate() -> None:
    counting = a_counting_for(TARGET, cutoff="2023-10-09", exported_on="2023-10-09")
    assert accrual_of(*in_weeks(1, 1, 1, 1, 40), counting=counting).recent_per_week == 1


@pytest.mark.parametrize(
    ("cutoff", "needed"),
    [
        ("2023-10-01", 96 / 39),  # 39 weeks to 30 June 2024
        ("2024-06-15", 48.0),
        ("2024-06-23", 96.0),
        ("2024-06-24", None),
    ],
)
def test_the_needed_rate_is_the_missing_consents_per_complete_week_left(cutoff: str, needed: float | None) -> None:
    counting = a_counting_for(TARGET, cutoff=cutoff, exported_on=cutoff)
    assert accrual_of(*in_weeks(4), counting=counting).needed_per_week == needed


def test_nothing_is_needed_once_the_target_is_reached() -> None:
    counting = a_counting_for(TARGET.replace("100", "3"))
    assert accrual_of(*in_weeks(4), counting=counting).needed_per_week == 0


@pytest.mark.parametrize(
    ("cutoff", "words"),
    [
        ("2024-06-23", None),
        ("2024-06-24", "less than a week left"),
        ("2024-07-01", "target date has passed"),
    ],
)
def test_the_reason_for_no_needed_rate_is_given(cutoff: str, words: str | None) -> None:
    counting = a_counting_for(TARGET, cutoff=cutoff, exported_on=cutoff)
    assert accrual_of(*in_weeks(4), counting=counting).no_rate_because == words


# The approved number


@pytest.mark.parametrize(
    ("values", "agreed"),
    [
        ({}, 1),
        ({"consent_date": ""}, 1),
        ({"consent_date": "2203-09-12"}, 1),  # a future day
        ({"consent_date": "2023-10-01"}, 1),
        ({"consent_date": "2023-10-02"}, 0),  # after the cut-off
        ({"consent_date": "Consent not completed"}, 0),
        ({"consent_obtained": "2"}, 0),
    ],
)
def test_agreements_by_the_cutoff_or_without_a_usable_date_count_against_the_approved_number(
    values: dict[str, str], agreed: int
) -> None:
    assert accrual_of(a_row(**values), counting=a_counting_for(APPROVED)).agreed == agreed


def test_an_as_of_report_counts_only_what_was_agreed_by_then() -> None:
    rows = in_weeks(4, 4, 4)
    as_of = a_counting_for(APPROVED, cutoff="2023-09-17", exported_on="2023-10-02")
    now = a_counting_for(APPROVED)

    assert [accrual_of(*rows, counting=counting).agreed for counting in (as_of, now)] == [4, 12]
    assert accrual_of(*rows, counting=as_of).warning == ""


def test_an_earlier_agreement_counts_despite_one_after_the_cutoff() -> None:
    rows = [a_row(), a_row(consent_date="2023-10-02") | {INSTANCE: "2"}]
    assert accrual_of(*rows, counting=a_counting_for(APPROVED)).agreed == 1


@pytest.mark.parametrize(("status", "agreed"), [("2", 1), ("1", 0), ("", 0)])
def test_a_form_that_is_not_certified_is_no_agreement(status: str, agreed: int) -> None:
    study = a_study(consents=CONSENT + 'form_complete = "consent_complete"\n', more=APPROVED)
    assert accrual_of(a_row(consent_complete=status), counting=a_counting(study)).agreed == agreed


@pytest.mark.parametrize(
    ("number", "warning"),
    [
        (8, ""),
        (9, "9 of the 10 approved participants have agreed. Only 1 more may agree."),
        (10, "All 10 approved participants have agreed. Ask the ethics board before anyone else agrees."),
        (12, "12 have agreed, 2 above the 10 approved. Notify the ethics board."),
    ],
)
def test_the_report_warns_before_the_approved_number_is_passed(number: int, warning: str) -> None:
    assert accrual_of(*in_weeks(number), counting=a_counting_for(APPROVED)).warning == warning


# The renewal table


def renewal_of(*rows: dict[str, str], more: str = "", cutoff: str = "2023-10-01") -> dict[str, RenewalRow]:
    """Return the rows of the table by label."""
    counting = a_counting_for(APPROVAL + more, cutoff=cutoff, exported_on="2023-10-05")
    return {row.label: row for row in summary_of(*rows, counting=counting).renewal or ()}


def columns(row: RenewalRow) -> tuple[int | None, int]:
    return row.since_approval, row.since_start


@pytest.mark.parametrize("accrual", [TARGET, APPROVED, ""])
def test_without_an_approval_date_there_is_no_table(accrual: str) -> None:
    assert summary_of(a_row(), counting=a_counting_for(accrual)).renewal is None


@pytest.mark.parametrize(("day", "since"), [("2023-09-17", 0), ("2023-09-18", 1), ("2023-10-01", 1)])
def test_a_consent_on_the_approval_day_or_later_is_since_the_approval(day: str, since: int) -> None:
    assert columns(renewal_of(a_row(consent_date=day))["Consented"]) == (since, 1)


def test_the_first_consent_dates_a_decision() -> None:
    rows = [a_row(), a_row(consent_date="2023-09-20") | {INSTANCE: "2"}]
    assert columns(renewal_of(*rows)["Consented"]) == (0, 1)


@pytest.mark.parametrize(
    ("day", "since"), [("2023-09-20", 1), ("2023-09-12", 0), ("", 0), ("soon", 0), ("2023-10-02", 0)]
)
def test_an_undated_refusal_is_not_since_the_approval(day: str, since: int) -> None:
    assert columns(renewal_of(a_row(consent_obtained="2", consent_date=day))["Declined"]) == (since, 1)


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ({"consent_obtained": "0"}, "Not yet decided"),
        ({"consent_date": ""}, "Not counted"),
    ],
)
def test_undated_classes_are_counted_since_the_start_only(values: dict[str, str], label: str) -> None:
    assert columns(renewal_of(a_row(**values))[label]) == (None, 1)


def test_the_consented_are_split_by_outcome() -> None:
    rows = [a_row(str(n), consent_date="2023-09-20", left_on="") for n in range(4)]
    rows[1]["left_on"] = "2023-09-25"
    refused = a_row("2", consent_date="2023-09-25", consent_obtained="2", left_on="") | {INSTANCE: "2"}

    found = renewal_of(*rows, refused, more=WITHDRAWAL)

    assert {label: columns(row) for label, row in found.items() if label[0] in "–WR"} == {
        "– still taking part": (2, 2),
        "Withdrawn (by day of withdrawal)": (1, 1),
        "Refused later (by day of refusal)": (1, 1),
    }


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ({"left_on": "2023-09-17"}, (0, 1)),
        ({"left_on": "2023-09-18"}, (1, 1)),
        ({"left_on": "2023-10-02"}, (0, 0)),  # after the cut-off
        ({"left": "1"}, (0, 1)),
    ],
)
def test_a_withdrawal_is_since_the_approval_by_its_own_date(values: dict[str, str], numbers: tuple[int, int]) -> None:
    row = a_row(**{"consent_date": "2023-09-12", "left": "", "left_on": "", **values})
    found = renewal_of(row, more=WITHDRAWAL + 'flag = "left"\ncodes = ["1"]\n')
    assert columns(found["Withdrawn (by day of withdrawal)"]) == numbers


def test_withdrawals_without_a_date_field_are_counted_since_the_start_only() -> None:
    found = renewal_of(a_row(left="1"), more='[withdrawal]\nflag = "left"\ncodes = ["1"]\n')
    assert columns(found["Withdrawn (by day of withdrawal)"]) == (None, 1)


@pytest.mark.parametrize(
    ("day", "numbers"), [("2023-09-17", (0, 1)), ("2023-09-18", (1, 1)), ("", (0, 1)), ("2203-09-20", (0, 1))]
)
def test_a_later_refusal_is_since_the_approval_by_its_own_date(day: str, numbers: tuple[int, int]) -> None:
    refusal = a_row(consent_obtained="2", consent_date=day) | {INSTANCE: "2"}
    assert columns(renewal_of(a_row(), refusal)["Refused later (by day of refusal)"]) == numbers


def test_without_withdrawal_rules_the_table_has_no_line_for_withdrawals() -> None:
    assert "Withdrawn (by day of withdrawal)" not in renewal_of(a_row())


def test_the_first_of_several_later_refusals_dates_it() -> None:
    days = ["2023-09-17", "2023-09-25", ""]
    refusals = [a_row(consent_obtained="2", consent_date=day) | {INSTANCE: f"{n}"} for n, day in enumerate(days, 2)]
    assert columns(renewal_of(a_row(), *refusals)["Refused later (by day of refusal)"]) == (0, 1)


def table_of(summary: ConsentSummary) -> dict[str, tuple[int | None, int]]:
    return {row.label: columns(row) for row in summary.renewal or ()}


@settings(deadline=None, max_examples=40)
@given(rows=odd_rows(), counting=odd_countings(studies=(FULL_STUDY,)))
def test_the_table_adds_up_to_the_report(rows: Rows, counting: Counting) -> None:
    summary = summary_of(*rows, counting=counting)
    since_start = {label: number for label, (_, number) in table_of(summary).items()}
    people = summary.participants

    assert [since_start[label] for label in ("Consented", "Declined", "Not yet decided", "Total")] == [
        people.consented,
        people.declined,
        people.pending,
        people.total,
    ]
