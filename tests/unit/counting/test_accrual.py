"""Claims about recruitment: its rate, the approved number that must not be passed, and the table for a renewal."""

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
    """So many people who consented on the Monday of each week."""
    days = [START + timedelta(weeks=week) for week, number in enumerate(consents) for _ in range(number)]
    return [a_row(str(n), consent_date=day.isoformat()) for n, day in enumerate(days)]


def rate_after(*consents: int, days_over: int = 0) -> float | None:
    """The recent rate at the end of these weeks, or so many days later."""
    cutoff = START + timedelta(weeks=len(consents), days=days_over - 1)
    counting = a_counting_for(TARGET, cutoff=f"{cutoff}", exported_on=f"{cutoff + timedelta(days=1)}")
    return accrual_of(*in_weeks(*consents), counting=counting).recent_per_week


# The rate


@pytest.mark.parametrize(
    ("consents", "rate"),
    [
        ((4, 4, 4), None),
        ((1, 2, 3, 4), 2.5),
        ((3, *(0,) * 12), 0.0),
        ((90, *(2,) * 12), 2.0),
        ((90, 13, *(1,) * 11), 2.0),
    ],
)
def test_the_recent_rate_is_the_mean_of_up_to_twelve_complete_weeks(
    consents: tuple[int, ...], rate: float | None
) -> None:
    assert rate_after(*consents) == rate


def test_the_running_week_is_not_in_the_rate() -> None:
    counting = a_counting_for(TARGET, cutoff="2023-10-09", exported_on="2023-10-09")

    assert accrual_of(*in_weeks(1, 1, 1, 1, 40), counting=counting).recent_per_week == 1


@pytest.mark.parametrize(
    ("cutoff", "needed"),
    [
        ("2023-10-01", 96 / 39),  # 39 weeks to 30 June 2024
        ("2024-06-15", 48.0),
        ("2024-06-16", 48.0),
        ("2024-06-17", 96.0),
        ("2024-06-23", 96.0),
        ("2024-06-24", None),
        ("2024-06-30", None),
        ("2024-07-01", None),
    ],
)
def test_the_needed_rate_is_what_is_missing_by_the_complete_weeks_left(cutoff: str, needed: float | None) -> None:
    counting = a_counting_for(TARGET, cutoff=cutoff, exported_on=cutoff)

    assert accrual_of(*in_weeks(4), counting=counting).needed_per_week == needed


def test_nothing_is_needed_once_the_target_is_reached() -> None:
    counting = a_counting_for(TARGET.replace("100", "3"))

    assert accrual_of(*in_weeks(4), counting=counting).needed_per_week == 0


def test_nothing_is_needed_after_the_target_date_if_the_target_is_reached() -> None:
    counting = a_counting_for(TARGET.replace("100", "4"), cutoff="2024-07-07", exported_on="2024-07-07")
    found = accrual_of(*in_weeks(4), counting=counting)

    assert (found.needed_per_week, found.no_rate_because) == (0, None)


@pytest.mark.parametrize(
    ("cutoff", "words"),
    [
        ("2024-06-23", None),
        ("2024-06-24", "less than a week left"),
        ("2024-06-30", "less than a week left"),
        ("2024-07-01", "target date has passed"),
        ("2025-07-01", "target date has passed"),
    ],
)
def test_it_is_said_why_no_needed_rate_can_be_given(cutoff: str, words: str | None) -> None:
    counting = a_counting_for(TARGET, cutoff=cutoff, exported_on=cutoff)

    assert accrual_of(*in_weeks(4), counting=counting).no_rate_because == words


def test_without_a_target_date_no_rate_is_needed() -> None:
    found = accrual_of(*in_weeks(4), counting=a_counting_for("[accrual]\ntarget = 100\n"))

    assert (found.needed_per_week, found.no_rate_because) == (None, None)


# The approved number


@pytest.mark.parametrize(
    ("values", "agreed"),
    [
        ({}, 1),
        ({"consent_date": ""}, 1),
        ({"consent_date": "soon"}, 1),
        ({"consent_date": "2023-09-01"}, 1),
        ({"consent_date": "2203-09-12"}, 1),  # on a day still to come
        ({"consent_date": "2023-10-01"}, 1),
        ({"consent_date": "2023-10-02"}, 0),  # after the cut-off
        ({"consent_date": "Consent not completed"}, 0),
        ({"consent_obtained": "2"}, 0),
        ({"consent_obtained": "0"}, 0),
        ({"consent_obtained": "9"}, 0),
        ({"consent_obtained": "", "consent_date": ""}, 0),
    ],
)
def test_who_agreed_by_the_cutoff_or_on_no_usable_date_counts_against_the_approved_number(
    values: dict[str, str], agreed: int
) -> None:
    assert accrual_of(a_row(**values), counting=a_counting_for(APPROVED)).agreed == agreed


def test_a_report_as_of_an_earlier_day_warns_only_of_what_was_agreed_by_then() -> None:
    rows = in_weeks(4, 4, 4)
    as_of = a_counting_for(APPROVED, cutoff="2023-09-17", exported_on="2023-10-02")
    now = a_counting_for(APPROVED)

    assert [accrual_of(*rows, counting=counting).agreed for counting in (as_of, now)] == [4, 12]
    assert accrual_of(*rows, counting=as_of).warning == ""


def test_an_earlier_agreement_counts_though_another_came_after_the_cutoff() -> None:
    rows = [a_row(), a_row(consent_date="2023-10-02") | {INSTANCE: "2"}]

    assert accrual_of(*rows, counting=a_counting_for(APPROVED)).agreed == 1


def test_whoever_agreed_once_and_refused_later_still_counts_against_it() -> None:
    rows = [a_row(), a_row(consent_date="2023-09-20", consent_obtained="2") | {INSTANCE: "2"}]

    assert accrual_of(*rows, counting=a_counting_for(APPROVED)).agreed == 1


@pytest.mark.parametrize(("status", "agreed"), [("2", 1), ("1", 0), ("", 0)])
def test_a_form_that_was_never_certified_is_no_agreement(status: str, agreed: int) -> None:
    study = a_study(consents=CONSENT + 'form_complete = "consent_complete"\n', more=APPROVED)

    assert accrual_of(a_row(consent_complete=status), counting=a_counting(study)).agreed == agreed


def test_records_left_out_count_against_nothing() -> None:
    apart = '[[leave_out]]\nreason = "test"\nid_pattern = "T"\n'

    assert accrual_of(a_row("T"), counting=a_counting_for(APPROVED + apart)).agreed == 0


@pytest.mark.parametrize(
    ("number", "warning"),
    [
        (8, ""),
        (9, "9 of the 10 approved participants have agreed. Only 1 more may agree."),
        (10, "All 10 approved participants have agreed. Ask the ethics board before anyone else agrees."),
        (12, "12 have agreed, 2 more than the 10 approved. Tell the ethics board."),
    ],
)
def test_the_report_warns_before_the_approved_number_is_passed(number: int, warning: str) -> None:
    assert accrual_of(*in_weeks(number), counting=a_counting_for(APPROVED)).warning == warning


def test_without_an_approved_number_there_is_no_warning() -> None:
    assert accrual_of(*in_weeks(200), counting=a_counting_for(TARGET)).warning == ""


# The table for a renewal


def renewal_of(*rows: dict[str, str], more: str = "", cutoff: str = "2023-10-01") -> dict[str, RenewalRow]:
    """The rows of the table by their labels."""
    counting = a_counting_for(APPROVAL + more, cutoff=cutoff, exported_on="2023-10-05")
    return {row.label: row for row in summary_of(*rows, counting=counting).renewal or ()}


def columns(row: RenewalRow) -> tuple[int | None, int]:
    return row.since_approval, row.since_start


@pytest.mark.parametrize("accrual", [TARGET, APPROVED, ""])
def test_without_a_date_of_approval_there_is_no_table(accrual: str) -> None:
    assert summary_of(a_row(), counting=a_counting_for(accrual)).renewal is None


@pytest.mark.parametrize(("day", "since"), [("2023-09-17", 0), ("2023-09-18", 1), ("2023-10-01", 1)])
def test_a_consent_on_the_day_of_the_approval_or_later_is_since_then(day: str, since: int) -> None:
    assert columns(renewal_of(a_row(consent_date=day))["Consented"]) == (since, 1)


def test_the_first_consent_dates_a_decision_and_not_a_later_one() -> None:
    rows = [a_row(), a_row(consent_date="2023-09-20") | {INSTANCE: "2"}]

    assert columns(renewal_of(*rows)["Consented"]) == (0, 1)


@pytest.mark.parametrize(
    ("day", "since"), [("2023-09-20", 1), ("2023-09-12", 0), ("", 0), ("soon", 0), ("2023-10-02", 0)]
)
def test_a_refusal_is_since_the_approval_only_if_a_date_says_so(day: str, since: int) -> None:
    assert columns(renewal_of(a_row(consent_obtained="2", consent_date=day))["Declined"]) == (since, 1)


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ({"consent_obtained": "0"}, "Not yet decided"),
        ({"consent_obtained": "", "consent_date": ""}, "Not yet decided"),
        ({"consent_date": ""}, "Not counted"),
    ],
)
def test_what_nobody_dated_is_counted_since_the_start_alone(values: dict[str, str], label: str) -> None:
    assert columns(renewal_of(a_row(**values))[label]) == (None, 1)


def test_the_consented_are_told_by_what_became_of_them() -> None:
    rows = [a_row(str(n), consent_date="2023-09-20", left_on="") for n in range(4)]
    rows[1]["left_on"] = "2023-09-25"
    refused = a_row("2", consent_date="2023-09-25", consent_obtained="2", left_on="") | {INSTANCE: "2"}

    found = renewal_of(*rows, refused, more=WITHDRAWAL)

    assert {label: columns(row) for label, row in found.items() if label.startswith("–")} == {
        "– still taking part": (2, 2),
        "– withdrawn from taking part": (1, 1),
        "– refused later": (1, 1),
    }


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ({"left_on": "2023-09-17"}, (0, 1)),
        ({"left_on": "2023-09-18"}, (1, 1)),
        ({"left_on": "2023-10-01"}, (1, 1)),
        ({"left_on": "2023-10-02"}, (0, 0)),  # after the cut-off
        ({"left": "1"}, (0, 1)),
        ({"left": "1", "left_on": "soon"}, (0, 1)),
    ],
)
def test_a_withdrawal_is_since_the_approval_by_its_own_date(values: dict[str, str], numbers: tuple[int, int]) -> None:
    row = a_row(**{"consent_date": "2023-09-12", "left": "", "left_on": "", **values})
    found = renewal_of(row, more=WITHDRAWAL + 'flag = "left"\ncodes = ["1"]\n')

    assert columns(found["– withdrawn from taking part"]) == numbers


def test_withdrawals_that_no_field_dates_are_counted_since_the_start_alone() -> None:
    found = renewal_of(a_row(left="1"), more='[withdrawal]\nflag = "left"\ncodes = ["1"]\n')

    assert columns(found["– withdrawn from taking part"]) == (None, 1)


@pytest.mark.parametrize(
    ("day", "numbers"), [("2023-09-17", (0, 1)), ("2023-09-18", (1, 1)), ("", (0, 1)), ("2203-09-20", (0, 1))]
)
def test_a_later_refusal_is_since_the_approval_by_its_own_date(day: str, numbers: tuple[int, int]) -> None:
    refusal = a_row(consent_obtained="2", consent_date=day) | {INSTANCE: "2"}

    assert columns(renewal_of(a_row(), refusal)["– refused later"]) == numbers


def test_the_first_of_several_later_refusals_dates_it() -> None:
    days = ["2023-09-17", "2023-09-25", ""]
    refusals = [a_row(consent_obtained="2", consent_date=day) | {INSTANCE: f"{n}"} for n, day in enumerate(days, 2)]

    assert columns(renewal_of(a_row(), *refusals)["– refused later"]) == (0, 1)


def test_without_rules_for_withdrawal_the_table_has_no_line_for_it() -> None:
    assert "– withdrawn from taking part" not in renewal_of(a_row())


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


@settings(deadline=None, max_examples=40)
@given(rows=odd_rows(), counting=odd_countings(studies=(FULL_STUDY,)))
def test_what_became_of_the_consented_adds_up_since_the_start(rows: Rows, counting: Counting) -> None:
    table = table_of(summary_of(*rows, counting=counting))

    assert table["Consented"][1] == sum(number for label, (_, number) in table.items() if label.startswith("–"))


@settings(deadline=None, max_examples=40)
@given(rows=odd_rows(), counting=odd_countings(studies=(FULL_STUDY,)))
def test_nothing_is_more_since_the_approval_than_since_the_start(rows: Rows, counting: Counting) -> None:
    table = table_of(summary_of(*rows, counting=counting))

    assert all((since or 0) <= number for since, number in table.values())


@settings(deadline=None, max_examples=40)
@given(rows=odd_rows(), counting=odd_countings(studies=(FULL_STUDY,)))
def test_whoever_consented_is_among_those_who_agreed(rows: Rows, counting: Counting) -> None:
    summary = summary_of(*rows, counting=counting)

    assert (
        summary.participants.consented
        <= (summary.accrual.agreed if summary.accrual else 0)
        <= (summary.participants.total)
    )
