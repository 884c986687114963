"""Tests of a comparison: changes of the data are separate from the effect of the rules, and everything adds up."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.cli.compare.comparison import Comparison, Effect, build_comparison
from consent.cli.compare.old_pipeline import CONSENT, OldReport
from consent.cli.compare.output import comparison_document, reason_texts, summary_sentences
from consent.cli.compare.reasons import BothCounts, count_by_both_rules
from consent.counting.consents import Counting
from tests.support.builders import a_counting, a_period, a_row, as_rows
from tests.support.odd_registries import PLAIN_STUDY, odd_countings, odd_rows

Rows = list[dict[str, str]]

COUNTING = a_counting(period=a_period("2023-09-24"))
REFUSED = a_row("2", consent_obtained="2")
SAME_DATA = "Counted by the old rule, the export gives exactly the old report."
AGAIN = a_row("1", consent_date="2023-09-20")


def a_report(cells: dict[tuple[int, str], int], weeks: int = 2) -> OldReport:
    """Return an old report of consents and one rider with these numbers, and 0 elsewhere."""
    return OldReport((CONSENT, "rider a"), weeks, Counter(cells))


def both_counts(*rows: dict[str, str], counting: Counting = COUNTING) -> BothCounts:
    return count_by_both_rules(as_rows(rows), counting)


def a_comparison(*rows: dict[str, str], more: dict[tuple[int, str], int] | None = None) -> Comparison:
    """Compare these rows with their count by the old rule, changed in some cells."""
    found = both_counts(*rows)
    return build_comparison(a_report({**(found.old + Counter(more or {}))}), found, COUNTING.study, COUNTING.period)


def summary(comparison: Comparison) -> str:
    return " ".join(summary_sentences(comparison))


@given(rows=odd_rows(), counting=odd_countings([PLAIN_STUDY]), reported=st.lists(st.integers(0, 9), min_size=8))
def test_old_report_data_and_rules_add_up_to_the_current_number(
    rows: Rows, counting: Counting, reported: list[int]
) -> None:
    weeks = len(counting.period.weeks)
    report = a_report({(n // 2, (CONSENT, "rider a")[n % 2]): reported[n] for n in range(2 * weeks)}, weeks)
    comparison = build_comparison(report, both_counts(*rows, counting=counting), counting.study, counting.period)
    assert [n.old_report + n.data_changed + sum(rule.n for rule in n.rules) for n in comparison.everything] == [
        n.now for n in comparison.everything
    ]


def test_a_difference_without_a_rule_is_a_bug() -> None:
    found = both_counts(a_row())
    with pytest.raises(AssertionError, match="2 differences are not explained"):
        build_comparison(a_report({}), replace(found, old=Counter({(0, CONSENT): 7})), COUNTING.study, COUNTING.period)


def test_totals_are_the_sums_of_the_weeks() -> None:
    consents, _ = a_comparison(a_row(), AGAIN, REFUSED, more={(0, CONSENT): 1}).totals
    assert (consents.old_report, consents.data_changed, consents.old_rule, consents.now) == (3, -1, 2, 1)


def test_a_rule_has_an_effect_on_consents_and_on_riders() -> None:
    assert a_comparison(a_row(), AGAIN, REFUSED).effects() == {
        "another_row": (Effect(0, -1), Effect(0, -1)),
        "declined": (Effect(), Effect(0, -1)),
    }


def test_a_rule_that_moves_people_has_two_effects() -> None:
    assert a_comparison(a_row(rider_a="0"), AGAIN).effects()["other_week"] == (Effect(), Effect(1, -1))


@pytest.mark.parametrize(
    ("rows", "more", "sentences"),
    [
        ([a_row()], {}, ["0 of 6.", SAME_DATA]),
        ([a_row(), REFUSED], {}, ["2 of 6.", f"{SAME_DATA} The rules below explain every difference."]),
        ([a_row()], {(0, CONSENT): 1}, ["because the data changed: 2 (column 'Data', data_changed)."]),
    ],
)
def test_the_summary_says_what_differs_and_why(
    rows: Rows, more: dict[tuple[int, str], int], sentences: list[str]
) -> None:
    found = summary(a_comparison(*rows, more=more))
    assert [sentence for sentence in sentences if sentence not in found] == []


@pytest.mark.parametrize(("dates", "words"), [(["soon"], "1 date in field"), (["soon", "?"], "2 dates in field")])
def test_the_summary_counts_the_dates_at_which_the_old_pipeline_stopped(dates: list[str], words: str) -> None:
    rows = [a_row(str(n), consent_date=text) for n, text in enumerate(dates)]
    assert f"it could not read {words} consent_date" in summary(a_comparison(*rows))


def test_a_number_has_every_reason_and_the_other_week() -> None:
    comparison = a_comparison(a_row(rider_a="0"), AGAIN, more={(1, "rider a"): 2})
    *_, last = comparison.numbers
    assert reason_texts(last) == ["−2 data_changed", "−1 other_week (to 11–17 Sep 2023)"]


def test_several_other_weeks_are_not_named() -> None:
    counting = a_counting(period=a_period("2023-10-01"))
    days = {"1": "2023-09-20", "2": "2023-09-27"}
    rows = [row for who, day in days.items() for row in (a_row(who, rider_a="0"), a_row(who, consent_date=day))]
    found = both_counts(*rows, counting=counting)
    comparison = build_comparison(a_report({}, weeks=3), found, counting.study, counting.period)
    assert reason_texts(comparison.numbers[1]) == ["+2 other_week"]


def test_the_document_has_every_number_with_its_rules() -> None:
    document = comparison_document(a_comparison(a_row(rider_a="0"), AGAIN))
    assert document["weeks"][3] == {
        "week": "2023-09-18",
        "column": "rider a",
        "old_report": 1,
        "data_changed": 0,
        "old_rule": 1,
        "now": 0,
        "rules": [{"rule": "other_week", "n": -1, "other_week": "2023-09-11"}],
    }


def test_the_document_has_the_effect_of_each_rule() -> None:
    document = comparison_document(a_comparison(a_row(), REFUSED))
    assert document["rules"]["declined"]["riders"] == {"more": 0, "fewer": -1}
