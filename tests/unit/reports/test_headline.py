"""Claims about the sentences that a report opens and closes with, and about days in words."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from consent.counting.summary import Changes, ConsentSummary, WeekChange
from consent.dates import long_day, short_day, span
from consent.reports.headline import headline, next_report
from tests.support.builders import a_counting, a_period, a_row, a_study, summary_of
from tests.support.sample_summaries import a_full_summary, an_empty_summary, an_ordinary_summary

SINCE = date(2026, 11, 16)
SAME_REPORT = Changes(since=SINCE, first=False, new_consents=0, weeks=(), rules_changed=())


def changed(**differences: Any) -> ConsentSummary:
    """The ordinary report of Monday 23 November 2026 after that of the 16th, with these differences."""
    return replace(an_ordinary_summary(), taking_part=793, changes=replace(SAME_REPORT, **differences))


def a_change(first_day: str, before: int, now: int) -> WeekChange:
    day = date.fromisoformat(first_day)
    return WeekChange(day, date.fromordinal(day.toordinal() + 6), before, now)


def the_end_of_a_report(*, exported_on: str = "2026-11-23", more: str = "") -> str:
    """What a report exported on that day says of the next one; ``more`` is added to its study file."""
    counting = a_counting(a_study(more=more), a_period("2023-10-01", exported_on=exported_on))
    return next_report(summary_of(a_row(), counting=counting))


# What is new


def test_the_headline_says_what_is_new_and_what_it_adds_up_to() -> None:
    assert headline(changed(new_consents=7)) == (
        "Since the last report (16 Nov): +7.",
        "Week 16–22 Nov: 5.",
        "Week 23–29 Nov, in progress, 1 of 7 days: 2.",
        "In all 805; taking part now 793.",
    )


@pytest.mark.parametrize(("number", "said"), [(1234, "+1,234"), (0, "0"), (-2, "−2")])
def test_what_is_new_carries_its_sign(number: int, said: str) -> None:
    assert headline(changed(new_consents=number))[0] == f"Since the last report (16 Nov): {said}."


def test_a_last_report_of_another_year_is_named_with_its_year() -> None:
    assert "(28 Dec 2025)" in headline(changed(since=date(2025, 12, 28)))[0]


def test_the_first_report_says_so() -> None:
    assert headline(changed(since=None, first=True))[0] == "This is the first report."


@pytest.mark.parametrize("changes", [None, replace(SAME_REPORT, since=None)])
def test_a_report_made_apart_from_the_others_says_that_nothing_is_compared(changes: Changes | None) -> None:
    told = headline(replace(an_ordinary_summary(), changes=changes))[0]

    assert told == "The last report is not known here, so nothing is compared with it."


def test_corrected_weeks_are_named() -> None:
    weeks = (a_change("2026-10-12", 3, 2), a_change("2026-11-02", 4, 6))

    assert headline(changed(weeks=weeks))[-1] == "Earlier weeks counted anew: 12–18 Oct −1, 2–8 Nov +2."


def test_of_many_corrected_weeks_the_last_are_named() -> None:
    weeks = tuple(a_change(f"2026-{month:02}-02", 1, 2) for month in range(1, 6))

    assert headline(changed(weeks=weeks))[-1] == (
        "Earlier weeks counted anew: 2–8 Mar +1, 2–8 Apr +1, 2–8 May +1 and 2 more."
    )


def test_changed_rules_are_named_and_explained() -> None:
    told = headline(changed(rules_changed=("riders[rider a]", "counting version")))[-1]

    assert told == (
        "Counting rules changed: riders[rider a], counting version; differences are not corrections of data."
    )


def test_a_warning_that_the_approved_number_is_near_is_among_what_a_reader_sees_first() -> None:
    summary = a_full_summary()

    assert headline(summary)[-1] == "820 of the 850 approved participants have agreed: only 30 more may."


def test_far_from_the_approved_number_there_is_no_warning() -> None:
    counting = a_counting(a_study(more="[accrual]\napproved = 30\n"))

    assert headline(summary_of(a_row(), counting=counting))[-1] == "In all 1; taking part now 1."


def test_a_registry_in_its_first_week_has_the_running_week_alone() -> None:
    assert headline(an_empty_summary())[1:] == (
        "Week 11–17 Sep, in progress, 1 of 7 days: 0.",
        "In all 0; taking part now 0.",
    )


def test_without_a_running_week_none_is_said_to_be() -> None:
    counting = a_counting(period=a_period("2023-09-17", exported_on="2023-09-18"))

    assert headline(summary_of(a_row(), counting=counting))[1] == "Week 11–17 Sep: 1."


@pytest.mark.parametrize(
    ("cutoff", "exported_on", "marked"),
    [
        ("2023-09-13", "2023-09-13", "in progress, 3 of 7 days"),
        ("2023-09-17", "2023-09-17", "in progress, its last day"),
        ("2023-09-13", "2023-09-14", "counted to 13 Sep, 3 of 7 days"),
        ("2023-09-13", "2026-11-23", "counted to 13 Sep, 3 of 7 days"),
    ],
)
def test_a_week_of_which_not_every_day_is_counted_and_over_says_so(cutoff: str, exported_on: str, marked: str) -> None:
    counting = a_counting(period=a_period(cutoff, exported_on=exported_on))

    assert headline(summary_of(a_row(), counting=counting))[1] == f"Week 11–17 Sep, {marked}: 1."


# The next report


@pytest.mark.parametrize(
    ("exported_on", "monday"),
    [
        ("2026-11-23", "Monday 30 November 2026"),
        ("2026-11-24", "Monday 30 November 2026"),
        ("2026-11-29", "Monday 30 November 2026"),
        ("2026-12-28", "Monday 4 January 2027"),
    ],
)
def test_the_next_report_comes_on_the_first_monday_after_the_export(exported_on: str, monday: str) -> None:
    assert the_end_of_a_report(exported_on=exported_on).startswith(f"Next report: {monday}. ")


@pytest.mark.parametrize(
    ("not_before", "hour"),
    [
        ("07:00", "noon"),
        ("06:30", "11:30"),
        ("09:15", "14:15"),
        ("20:00", "01:00 on Tuesday"),
        ("19:00", "00:00 on Tuesday"),
    ],
)
def test_a_report_is_awaited_until_the_hour_of_the_alarm(not_before: str, hour: str) -> None:
    told = the_end_of_a_report(more=f'[schedule]\nnot_before = "{not_before}"\n')

    assert told.endswith(f"If it is not here by {hour}, tell registry office.")


def test_a_report_made_by_hand_from_a_file_announces_no_next_one() -> None:
    summary = an_ordinary_summary()

    assert next_report(replace(summary, source=replace(summary.source, records_listed=None))) == ""


# Days in words


def test_a_day_is_written_in_words() -> None:
    assert (long_day(SINCE), short_day(SINCE)) == ("Monday 16 November 2026", "16 Nov 2026")


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-11-16", "2026-11-22", "16–22 Nov"),
        ("2026-09-28", "2026-10-04", "28 Sep–4 Oct"),
        ("2025-12-29", "2026-01-04", "29 Dec 2025–4 Jan"),
        ("2025-11-17", "2025-11-23", "17–23 Nov 2025"),
        ("2025-09-29", "2025-10-05", "29 Sep–5 Oct 2025"),
    ],
)
def test_the_year_that_a_reader_is_in_goes_without_saying(first: str, last: str, said: str) -> None:
    assert span(date.fromisoformat(first), date.fromisoformat(last), seen_from=SINCE) == said


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-11-16", "2026-11-22", "16–22 Nov 2026"),
        ("2026-09-28", "2026-10-04", "28 Sep–4 Oct 2026"),
        ("2025-12-29", "2026-01-04", "29 Dec 2025–4 Jan 2026"),
    ],
)
def test_a_span_of_days_names_what_its_ends_do_not_share_once_more(first: str, last: str, said: str) -> None:
    assert span(date.fromisoformat(first), date.fromisoformat(last)) == said
