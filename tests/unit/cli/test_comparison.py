"""Claims about an old report beside today's: the data's changes are told apart from the rules', and all adds up."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.cli.compare.comparison import Comparison, Effect, build_comparison, effects
from consent.cli.compare.old_pipeline import CONSENT, OldReport
from consent.cli.compare.output import comparison_document, reasons_of, verdict
from consent.cli.compare.reasons import Compared, compare_rows
from consent.counting.consents import Counting
from tests.support.builders import a_counting, a_period, a_row, rows_frame
from tests.support.odd_registries import PLAIN_STUDY, odd_countings, odd_rows

Rows = list[dict[str, str]]

COUNTING = a_counting(period=a_period("2023-09-24"))
REFUSED = a_row("2", consent_obtained="2")
AGAIN = a_row("1", consent_date="2023-09-20")


def a_report(cells: dict[tuple[int, str], int], weeks: int = 2) -> OldReport:
    """An old report of consents and one rider that has these numbers, and 0 elsewhere."""
    return OldReport((CONSENT, "rider a"), weeks, Counter(cells))


def compared(*rows: dict[str, str], counting: Counting = COUNTING) -> Compared:
    """What both rules make of these rows."""
    return compare_rows(rows_frame(rows), counting)


def a_comparison(*rows: dict[str, str], more: dict[tuple[int, str], int] | None = None) -> Comparison:
    """These rows beside what the old rule made of them, and so many more in some cells."""
    found = compared(*rows)
    return build_comparison(a_report({**(found.old + Counter(more or {}))}), found, COUNTING.study, COUNTING.period)


def said(comparison: Comparison) -> str:
    """The verdict."""
    return " ".join(verdict(comparison))


@settings(deadline=None, max_examples=50)
@given(rows=odd_rows(), counting=odd_countings([PLAIN_STUDY]), reported=st.lists(st.integers(0, 9), min_size=8))
def test_the_old_number_the_data_and_the_rules_add_up_to_todays(
    rows: Rows, counting: Counting, reported: list[int]
) -> None:
    weeks = len(counting.period.weeks)
    report = a_report({(n // 2, (CONSENT, "rider a")[n % 2]): reported[n] for n in range(2 * weeks)}, weeks)

    comparison = build_comparison(report, compared(*rows, counting=counting), counting.study, counting.period)

    assert [n.reported + n.data_changed + sum(n.reasons.values()) for n in comparison.everything] == [
        n.now for n in comparison.everything
    ]


def test_a_number_that_nobody_can_explain_is_a_fault_of_the_program() -> None:
    found = compared(a_row())

    with pytest.raises(AssertionError, match="2 differences are not explained"):
        build_comparison(a_report({}), replace(found, old=Counter({(0, CONSENT): 7})), COUNTING.study, COUNTING.period)


def test_totals_are_the_sums_of_the_weeks() -> None:
    consents, _ = a_comparison(a_row(), AGAIN, REFUSED, more={(0, CONSENT): 1}).totals

    assert (consents.reported, consents.data_changed, consents.old, consents.now) == (3, -1, 2, 1)


def test_a_rule_is_told_by_what_it_did_to_consents_and_to_riders() -> None:
    assert effects(a_comparison(a_row(), AGAIN, REFUSED)) == {
        "another_row": (Effect(0, -1), Effect(0, -1)),
        "declined": (Effect(), Effect(0, -1)),
    }


def test_a_rule_that_moves_people_tells_both_ways() -> None:
    assert effects(a_comparison(a_row(rider_a="0"), AGAIN))["other_week"] == (Effect(), Effect(1, -1))


def test_equal_reports_are_said_to_be() -> None:
    assert said(a_comparison(a_row())) == (
        "All 6 numbers in the old report are the same today. Counted by the old rule, this export gives the old "
        "report to the last number."
    )


def test_differences_by_the_rules_alone_are_said_to_be_explained() -> None:
    assert said(a_comparison(a_row(), REFUSED)) == (
        "2 of the 6 numbers in the old report differ today. Counted by the old rule, this export gives the old report "
        "to the last number. The rules below explain every difference."
    )


def test_changed_data_are_said_to_be_no_rules_doing() -> None:
    assert "this export gives 2 other numbers than the old report: the data changed" in said(
        a_comparison(a_row(), more={(0, CONSENT): 1})
    )


@pytest.mark.parametrize(
    ("dates", "words"),
    [(["soon"], "it could not read a date in field consent_date"), (["soon", "?"], "it could not read 2 dates in")],
)
def test_dates_at_which_the_old_pipeline_stopped_are_said(dates: list[str], words: str) -> None:
    rows = [a_row(str(n), consent_date=text) for n, text in enumerate(dates)]

    assert words in said(a_comparison(*rows))


def test_a_number_names_every_reason_and_where_people_went() -> None:
    comparison = a_comparison(a_row(rider_a="0"), AGAIN, more={(1, "rider a"): 2})
    *_, last = comparison.numbers

    assert reasons_of(last, comparison) == ["−2 data_changed", "−1 other_week (to 11–17 Sep 2023)"]


def test_several_other_weeks_are_not_named() -> None:
    counting = a_counting(period=a_period("2023-10-01"))
    days = {"1": "2023-09-20", "2": "2023-09-27"}
    rows = [row for who, day in days.items() for row in (a_row(who, rider_a="0"), a_row(who, consent_date=day))]
    found = compared(*rows, counting=counting)
    comparison = build_comparison(a_report({}, weeks=3), found, counting.study, counting.period)

    assert reasons_of(comparison.numbers[1], comparison) == ["+2 other_week"]


def test_the_document_has_every_number_with_its_rules() -> None:
    document = comparison_document(a_comparison(a_row(rider_a="0"), AGAIN))

    assert document["weeks"][3] == {
        "week": "2023-09-18",
        "column": "rider a",
        "old_report": 1,
        "data_changed": 0,
        "old_rule": 1,
        "rules": [{"rule": "other_week", "n": -1, "other_week": "2023-09-11"}],
        "now": 0,
    }


def test_the_document_tells_what_each_rule_did() -> None:
    document = comparison_document(a_comparison(a_row(), REFUSED))

    assert document["rules"]["declined"]["riders"] == {"more": 0, "fewer": -1}
