"""Tests of the numbers of one report: complete, adding up, and each in its place."""

from datetime import date

import pytest
from hypothesis import given, settings

from consent.counting.consents import Counting
from consent.counting.summarise import summarise
from consent.counting.summary import ConsentSummary, Source, WeekCount
from consent.counting.tally import Tally
from consent.errors import SourceDataError
from consent.redcap.arrivals import RECORD
from tests.support.builders import RIDER, a_counting, a_period, a_row, a_study, summary_of
from tests.support.odd_registries import odd_countings, odd_rows

Rows = list[dict[str, str]]

TWO_RIDERS = a_study(riders=RIDER + RIDER.replace("rider a", "rider b").replace("rider_a", "rider_b"))
LEAVE_OUT = """
[[leave_out]]
reason = "test record"
id_pattern = "T.*"
[[leave_out]]
reason = "moved"
id_pattern = "M.*"
"""
ONLY = "[only]\nfield = 'cohort'\ncodes = ['ibd']\n"


def one_of_each_class() -> ConsentSummary:
    """Two consented participants, and one of every other class."""
    counting = a_counting(period=a_period("2023-10-01", exported_on="2023-10-05"))
    return summary_of(
        a_row("1"),
        a_row("2", consent_date="2023-09-20", rider_a="0"),
        a_row("3", consent_obtained="2"),
        a_row("4", consent_obtained="0"),
        a_row("5", consent_obtained="", consent_date="", rider_a=""),
        a_row("6", consent_date=""),
        a_row("7", consent_date="soon"),
        a_row("8", consent_date="2023-09-01"),
        a_row("9", consent_date="2023-10-06"),
        a_row("10", consent_date="2023-10-03"),
        a_row("11", consent_obtained="9"),
        counting=counting,
    )


def excluded(summary: ConsentSummary) -> int:
    return sum(summary.left_out.values()) + summary.outside + summary.working_copies


@settings(deadline=None, max_examples=25)
@given(rows=odd_rows(), counting=odd_countings())
def test_the_classes_and_the_excluded_records_add_up_to_every_record(rows: Rows, counting: Counting) -> None:
    summary = summary_of(*rows, counting=counting)
    assert summary.participants.total + excluded(summary) == len({row[RECORD] for row in rows})


def test_working_copies_are_counted_apart() -> None:
    summary = summary_of(a_row("1--1"), a_row("1--2", rider_a="7"), a_row("1"), a_row("2--1"))
    assert (summary.working_copies, summary.participants.total, summary.quality) == (3, 1, {})


@pytest.mark.parametrize("more", [[], ["T1"]])
def test_working_copies_without_a_merged_record_are_no_registry(more: list[str]) -> None:
    rows = [a_row(record) for record in ("1--1", "1--2", *more)]
    with pytest.raises(SourceDataError, match="All 2 records are working copies"):
        summary_of(*rows, counting=a_counting(a_study(more=LEAVE_OUT)))


def test_every_class_has_its_own_number() -> None:
    found = one_of_each_class().participants

    reasons = ["unknown_code", "no_date", "unreadable_date", "before_start", "future_date", "after_cutoff"]
    assert (found.consented, found.declined, found.pending_open, found.pending_not_started) == (2, 1, 1, 1)
    assert list(found.not_counted.items()) == [(reason, 1) for reason in reasons]
    assert found.total == 11


def test_quality_holds_only_what_was_found() -> None:
    assert summary_of(a_row(consent_date="")).quality == {"no_date": 1}


def test_a_consent_after_the_cutoff_is_not_reviewed() -> None:
    assert "after_cutoff" not in one_of_each_class().quality


def test_records_left_out_and_outside_are_in_no_class() -> None:
    counting = a_counting(a_study(more=LEAVE_OUT + ONLY))
    rows = [a_row("1", cohort="ibd"), a_row("T1", cohort="ibd"), a_row("2", cohort="other"), a_row("3", cohort="")]

    summary = summary_of(*rows, counting=counting)

    assert (summary.participants.total, summary.left_out["test record"], summary.outside) == (1, 1, 2)


def test_every_leave_out_reason_is_listed_even_without_records() -> None:
    assert summary_of(a_row(), counting=a_counting(a_study(more=LEAVE_OUT))).left_out == {"test record": 0, "moved": 0}


def test_an_empty_week_is_listed() -> None:
    week = summary_of(a_row(consent_date="2023-09-12")).weeks[1]
    assert week == WeekCount(date(2023, 9, 18), date(2023, 9, 24), True, 0, {"rider a": 0})


def test_riders_keep_the_order_of_the_study_file() -> None:
    summary = summary_of(a_row(rider_b="0"), counting=a_counting(TWO_RIDERS))
    assert [rider.key for rider in summary.riders] == ["rider a", "rider b"]


def test_a_later_refusal_is_not_taken_from_the_consented() -> None:
    refused = {"consent_date": "2023-09-20", "consent_obtained": "2", "redcap_repeat_instance": "2"}
    summary = summary_of(a_row("1"), a_row("1", **refused), a_row("2"))
    assert (summary.participants.consented, summary.taking_part) == (2, 1)


def test_an_empty_registry_has_empty_weeks() -> None:
    summary = summarise(Tally(), a_study(), a_period("2023-09-24"), Source("16.1.3", 14, 0, 0))
    assert [week.consented for week in summary.weeks] == [0, 0]
