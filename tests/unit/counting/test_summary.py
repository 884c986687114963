"""Claims about the numbers of one report: complete, adding up, and each in its place."""

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given, settings

from consent.counting.consents import Counting
from consent.counting.summary import ConsentSummary, Source, WeekCount, summarise
from consent.counting.tally import Tally
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
    """Two who consented, and one of everybody else."""
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


def counted_apart(summary: ConsentSummary) -> int:
    return sum(summary.left_out.values()) + summary.outside


def in_order(found: Mapping[str, int], *order: str) -> bool:
    """Whether the keys that were found stand in this order."""
    return list(found) == [key for key in order if key in found]


@settings(deadline=None, max_examples=25)
@given(rows=odd_rows(), counting=odd_countings())
def test_the_classes_add_up_to_every_record_but_those_counted_apart(rows: Rows, counting: Counting) -> None:
    summary = summary_of(*rows, counting=counting)

    assert summary.participants.total + counted_apart(summary) == len({row[RECORD] for row in rows})


@settings(deadline=None, max_examples=25)
@given(rows=odd_rows(), counting=odd_countings())
def test_the_weeks_add_up_to_the_total(rows: Rows, counting: Counting) -> None:
    summary = summary_of(*rows, counting=counting)

    assert sum(week.consented for week in summary.weeks) == summary.participants.consented


@settings(deadline=None, max_examples=25)
@given(rows=odd_rows(), counting=odd_countings())
def test_each_riders_weeks_add_up_to_its_total(rows: Rows, counting: Counting) -> None:
    summary = summary_of(*rows, counting=counting)
    in_weeks = {key: sum(week.riders[key] for week in summary.weeks) for key in summary.weeks[0].riders}

    assert in_weeks == {rider.key: rider.agreed for rider in summary.riders}


@settings(deadline=None, max_examples=25)
@given(rows=odd_rows(), counting=odd_countings())
def test_a_rider_was_offered_or_not_to_all_who_consented(rows: Rows, counting: Counting) -> None:
    summary = summary_of(*rows, counting=counting)

    assert {rider.offered + rider.not_offered for rider in summary.riders} == {summary.participants.consented}


def test_every_class_has_its_own_number() -> None:
    found = one_of_each_class().participants

    assert (found.consented, found.declined, found.pending_open, found.pending_not_started) == (2, 1, 1, 1)


def test_every_reason_not_to_count_has_its_own_number() -> None:
    reasons = ["unknown_code", "no_date", "unreadable_date", "before_start", "future_date", "after_cutoff"]

    assert one_of_each_class().participants.not_counted == dict.fromkeys(reasons, 1)


def test_the_reasons_stand_in_the_order_of_the_rules() -> None:
    reasons = ["unknown_code", "no_date", "unreadable_date", "before_start", "future_date", "after_cutoff"]

    assert in_order(one_of_each_class().participants.not_counted, *reasons)


def test_the_total_is_the_sum_of_the_classes() -> None:
    assert one_of_each_class().participants.total == 11


def test_quality_holds_only_what_was_found() -> None:
    assert summary_of(a_row(consent_date="")).quality == {"no_date": 1}


def test_those_after_the_cutoff_are_nobodys_mistake() -> None:
    assert "after_cutoff" not in one_of_each_class().quality


def test_records_left_out_and_outside_are_in_no_class() -> None:
    counting = a_counting(a_study(more=LEAVE_OUT + ONLY))
    rows = [a_row("1", cohort="ibd"), a_row("T1", cohort="ibd"), a_row("2", cohort="other"), a_row("3", cohort="")]

    summary = summary_of(*rows, counting=counting)

    assert (summary.participants.total, summary.left_out["test record"], summary.outside) == (1, 1, 2)


def test_every_reason_to_leave_out_is_listed_even_when_nobody_was() -> None:
    assert summary_of(a_row(), counting=a_counting(a_study(more=LEAVE_OUT))).left_out == {"test record": 0, "moved": 0}


def test_an_empty_week_counts_nobody() -> None:
    week = summary_of(a_row(consent_date="2023-09-12")).weeks[1]

    assert week == WeekCount(date(2023, 9, 18), date(2023, 9, 24), True, 0, {"rider a": 0})


def test_a_running_week_is_marked() -> None:
    summary = summary_of(a_row(), counting=a_counting(period=a_period("2023-09-20")))

    assert [week.complete for week in summary.weeks] == [True, False]


def test_riders_keep_the_order_of_the_study_file() -> None:
    summary = summary_of(a_row(rider_b="0"), counting=a_counting(TWO_RIDERS))

    assert [rider.key for rider in summary.riders] == ["rider a", "rider b"]


@pytest.mark.parametrize(
    ("values", "offered"),
    [({"rider_a": "1"}, 1), ({"rider_a": "0"}, 1), ({"rider_a": ""}, 1), ({"consent_date": ""}, 0)],
)
def test_a_rider_is_offered_to_those_who_consented_whatever_they_answered(values: dict[str, str], offered: int) -> None:
    assert summary_of(a_row(**values)).riders[0].offered == offered


def test_a_later_refusal_is_not_taken_from_the_consented() -> None:
    refused = {"consent_date": "2023-09-20", "consent_obtained": "2", "redcap_repeat_instance": "2"}
    summary = summary_of(a_row("1"), a_row("1", **refused), a_row("2"))

    assert (summary.participants.consented, summary.taking_part) == (2, 1)


def test_a_registry_without_anybody_has_weeks_of_nobody() -> None:
    summary = summarise(Tally(), a_study(), a_period("2023-09-24"), Source("16.1.3", 14, 0, 0))

    assert [week.consented for week in summary.weeks] == [0, 0]


def test_an_earlier_cutoff_counts_the_same_data_up_to_that_day() -> None:
    rows = [a_row("1", consent_date="2023-09-12"), a_row("2", consent_date="2023-09-20")]
    as_of = a_counting(period=a_period("2023-09-17", exported_on="2023-10-05"))

    assert summary_of(*rows, counting=as_of).participants.not_counted == {"after_cutoff": 1}
