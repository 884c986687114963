"""Tests of the days of a report: its weeks, its cut-off, and today in the study's time zone."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.counting.period import ReportPeriod, choose_period
from consent.dates import day_in
from consent.errors import CutoffError
from tests.support.builders import a_period

START = date(2023, 9, 11)
TORONTO = "America/Toronto"
NOON = datetime(2023, 10, 2, 16, 0, tzinfo=UTC)

periods = st.builds(
    lambda start, cutoff_after, exported_after: ReportPeriod(
        start,
        start + timedelta(days=cutoff_after),
        start + timedelta(days=cutoff_after + exported_after),
    ),
    st.dates(date(1990, 1, 1), date(2090, 1, 1)),
    st.integers(0, 2000),
    st.integers(0, 30),
)


# Weeks


@pytest.mark.parametrize(
    ("cutoff", "weeks"),
    [("2023-09-11", 1), ("2023-09-17", 1), ("2023-09-18", 2), ("2023-09-24", 2), ("2024-09-09", 53)],
)
def test_weeks_run_through_the_week_of_the_cutoff(cutoff: str, weeks: int) -> None:
    assert len(a_period(cutoff).weeks) == weeks


def test_weeks_count_from_the_studys_first_day_on_any_weekday() -> None:
    week = a_period("2023-09-30", start="2023-09-13").weeks[1]
    assert (week.first_day, week.last_day) == (date(2023, 9, 20), date(2023, 9, 26))


@pytest.mark.parametrize(
    ("cutoff", "exported_on", "complete"),
    [
        ("2023-09-24", "2023-09-25", [True, True]),
        ("2023-09-24", "2023-09-24", [True, False]),  # its last day is not over
        ("2023-09-23", "2023-09-30", [True, False]),  # its last day is not counted
        ("2023-09-17", "2023-09-17", [False]),
        ("2023-09-17", "2023-09-18", [True]),
    ],
)
def test_a_week_is_complete_when_its_last_day_is_counted_and_over(
    cutoff: str, exported_on: str, complete: list[bool]
) -> None:
    assert [week.complete for week in a_period(cutoff, exported_on=exported_on).weeks] == complete


@given(periods)
def test_weeks_follow_each_other_without_a_gap(period: ReportPeriod) -> None:
    firsts = [week.first_day for week in period.weeks]
    assert firsts == [period.start + n * timedelta(days=7) for n in range(len(firsts))]


# Today in the study's time zone


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2023, 10, 2, 3, 59, 59, tzinfo=UTC), date(2023, 10, 1)),
        (datetime(2023, 10, 2, 4, 0, tzinfo=UTC), date(2023, 10, 2)),
        (datetime(2024, 1, 15, 4, 59, 59, tzinfo=UTC), date(2024, 1, 14)),
        (datetime(2024, 1, 15, 5, 0, tzinfo=UTC), date(2024, 1, 15)),
        (datetime(2023, 10, 2, 9, 0, tzinfo=timezone(timedelta(hours=12))), date(2023, 10, 1)),
    ],
)
def test_a_day_starts_at_midnight_in_the_studys_time_zone(instant: datetime, day: date) -> None:
    assert day_in(TORONTO, instant) == day


def test_an_instant_without_a_time_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        day_in(TORONTO, datetime(2023, 10, 2))  # noqa: DTZ001 - the mistake that is meant


# The cut-off


def test_the_default_cutoff_is_today() -> None:
    period = choose_period(start=START, time_zone=TORONTO, now=NOON, as_of=None)
    assert period == ReportPeriod(START, cutoff=date(2023, 10, 2), exported_on=date(2023, 10, 2))


@pytest.mark.parametrize("as_of", [START, date(2023, 9, 30), date(2023, 10, 2)])
def test_an_earlier_cutoff_keeps_the_day_of_the_export(as_of: date) -> None:
    period = choose_period(start=START, time_zone=TORONTO, now=NOON, as_of=as_of)
    assert period == ReportPeriod(START, cutoff=as_of, exported_on=date(2023, 10, 2))


def test_a_cutoff_after_today_in_the_studys_time_zone_is_refused() -> None:
    late_evening = datetime(2023, 10, 3, 2, 0, tzinfo=UTC)
    with pytest.raises(CutoffError, match="2023-10-03 is in the future: today is 2023-10-02 in America/Toronto"):
        choose_period(start=START, time_zone=TORONTO, now=late_evening, as_of=date(2023, 10, 3))


def test_a_cutoff_before_the_study_is_refused() -> None:
    with pytest.raises(CutoffError, match="2023-09-10 is before the study's first day, 2023-09-11"):
        choose_period(start=START, time_zone=TORONTO, now=NOON, as_of=date(2023, 9, 10))
