"""Tests of the sentences that open and close a report."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from consent.counting.period import WeekChange
from consent.counting.summary import Changes, ConsentSummary
from consent.reports.headline import headline, next_report, totals_sentence, week_sentence
from tests.support.builders import a_counting, a_period, a_row, a_study, summary_of
from tests.support.sample_summaries import a_full_summary, an_empty_summary

SINCE = date(2026, 11, 16)
SAME_REPORT = Changes(since=SINCE, first=False, new_consents=0, weeks=(), rules_changed=())


def changed(**differences: Any) -> ConsentSummary:
    """The full report of Monday 23 November 2026 after that of the 16th, with these differences."""
    return replace(a_full_summary(), taking_part=793, accrual=None, changes=replace(SAME_REPORT, **differences))


def a_change(first_day: str, before: int, now: int) -> WeekChange:
    day = date.fromisoformat(first_day)
    return WeekChange(day, day + timedelta(days=6), before, now)


def next_report_after(exported_on: str = "2026-11-23", more: str = "") -> str:
    """What a report exported on that day says of the next one; ``more`` is added to its study file."""
    counting = a_counting(a_study(more=more), a_period("2023-10-01", exported_on=exported_on))
    return next_report(summary_of(a_row(), counting=counting))


# What is new


def test_the_headline_gives_what_is_new_and_the_totals() -> None:
    assert headline(changed(new_consents=7)) == (
        "7 more consents than in the last report (as of 16 Nov).",
        "5 new consents in the week of 16–22 Nov (5 the week before; 12-week average 4.6).",
        "2 so far in the week of 23–29 Nov (in progress, 1 of 7 days).",
        "805 people have consented; 793 are still taking part.",
    )


@pytest.mark.parametrize(
    ("complete_weeks", "compared"),
    [
        ([4], ""),
        ([3, 4], " (3 the week before)"),
        ([1, 1, 4], " (1 the week before)"),
        ([1, 1, 1, 4], " (1 the week before; 4-week average 1.8)"),
        ([90, *[7] * 10, 3, 4], " (3 the week before; 12-week average 6.4)"),
    ],
)
def test_a_week_is_compared_as_far_as_there_are_complete_weeks(complete_weeks: list[int], compared: str) -> None:
    assert week_sentence("16–22 Nov", complete_weeks) == f"4 new consents in the week of 16–22 Nov{compared}."


def test_one_is_singular() -> None:
    assert (week_sentence("16–22 Nov", [1]), totals_sentence(1, 1)) == (
        "1 new consent in the week of 16–22 Nov.",
        "1 person has consented; 1 is still taking part.",
    )


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (1234, "1,234 more consents than in the last report (as of 16 Nov)."),
        (1, "1 more consent than in the last report (as of 16 Nov)."),
        (0, "As many consents as in the last report (as of 16 Nov)."),
        (-2, "2 fewer consents than in the last report (as of 16 Nov)."),
    ],
)
def test_consents_are_compared_with_the_last_report(number: int, sentence: str) -> None:
    assert headline(changed(new_consents=number))[0] == sentence


def test_a_last_report_of_another_year_is_named_with_its_year() -> None:
    assert "(as of 28 Dec 2025)" in headline(changed(since=date(2025, 12, 28)))[0]


def test_the_first_report_says_so() -> None:
    assert headline(changed(since=None, first=True))[0] == "This is the first report."


@pytest.mark.parametrize("changes", [None, replace(SAME_REPORT, since=None)])
def test_without_the_last_report_nothing_is_compared(changes: Changes | None) -> None:
    found = headline(replace(a_full_summary(), changes=changes))[0]

    assert found == "The last report is not available here, so changes are not shown."


def test_corrected_weeks_are_named() -> None:
    weeks = (a_change("2026-10-12", 3, 2), a_change("2026-11-02", 4, 6))

    assert headline(changed(weeks=weeks))[-1] == "Earlier weeks with a new count: 12–18 Oct −1, 2–8 Nov +2."


def test_of_many_corrected_weeks_the_last_are_named() -> None:
    weeks = tuple(a_change(f"2026-{month:02}-02", 1, 2) for month in range(1, 6))

    assert headline(changed(weeks=weeks))[-1].endswith(": 2–8 Mar +1, 2–8 Apr +1, 2–8 May +1 and 2 more.")


def test_changed_rules_are_named() -> None:
    assert (
        "riders[rider a], counting version"
        in headline(changed(rules_changed=("riders[rider a]", "counting version")))[-1]
    )


def test_a_warning_about_the_approved_number_comes_last() -> None:
    summary = a_full_summary()

    assert summary.accrual
    assert headline(summary)[-1] == summary.accrual.warning != ""


def test_a_registry_in_its_first_week_has_the_running_week_alone() -> None:
    assert headline(an_empty_summary())[1:] == (
        "0 so far in the week of 11–17 Sep (in progress, 1 of 7 days).",
        "0 people have consented; 0 are still taking part.",
    )


@pytest.mark.parametrize(
    ("cutoff", "exported_on", "marked"),
    [
        ("2023-09-13", "2023-09-13", "1 so far in the week of 11–17 Sep (in progress, 3 of 7 days)."),
        ("2023-09-17", "2023-09-17", "1 so far in the week of 11–17 Sep (in progress, its last day)."),
        ("2023-09-13", "2023-09-14", "1 so far in the week of 11–17 Sep (counted to 13 Sep, 3 of 7 days)."),
        ("2023-09-17", "2023-09-18", "1 new consent in the week of 11–17 Sep."),
    ],
)
def test_an_incomplete_week_says_how_far_it_is_counted(cutoff: str, exported_on: str, marked: str) -> None:
    counting = a_counting(period=a_period(cutoff, exported_on=exported_on))

    assert headline(summary_of(a_row(), counting=counting))[1] == marked


# The next report


@pytest.mark.parametrize(
    ("exported_on", "monday"),
    [
        ("2026-11-23", "Monday 30 November 2026"),
        ("2026-11-29", "Monday 30 November 2026"),
        ("2026-12-28", "Monday 4 January 2027"),
    ],
)
def test_the_next_report_comes_on_the_first_monday_after_the_export(exported_on: str, monday: str) -> None:
    assert next_report_after(exported_on).startswith(f"Next report: {monday}. ")


@pytest.mark.parametrize(("not_before", "hour"), [("07:00", "noon"), ("06:30", "11:30"), ("19:00", "00:00 on Tuesday")])
def test_a_report_is_expected_until_the_hour_of_the_alarm(not_before: str, hour: str) -> None:
    found = next_report_after(more=f'[schedule]\nnot_before = "{not_before}"\n')

    assert found.endswith(f"If it is not here by {hour}, tell registry office.")


def test_a_report_made_from_a_file_announces_no_next_one() -> None:
    summary = an_empty_summary()

    assert next_report(replace(summary, source=replace(summary.source, records_listed=None))) == ""
