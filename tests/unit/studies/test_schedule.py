"""Tests of the schedule of a study: when each Monday's report is due."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.studies.model import StudyConfig
from consent.studies.schedule import due_at, latest_monday
from tests.support.builders import a_study

ZONES = sorted(available_timezones())
A_WEEK = timedelta(days=7)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
MONDAY = date(2025, 3, 10)  # the day after the clocks of Toronto were put forward
DUE = datetime(2025, 3, 10, 11, 0, tzinfo=UTC)


def a_study_in(time_zone: str = "America/Toronto", not_before: str = "07:00") -> StudyConfig:
    return replace(a_study(), time_zone=time_zone, not_before=time.fromisoformat(not_before))


@pytest.mark.parametrize(
    ("zone", "monday", "due"),
    [
        ("America/Toronto", "2025-03-10", "2025-03-10T11:00"),  # clocks forward the night before
        ("America/Toronto", "2025-11-03", "2025-11-03T12:00"),  # clocks back the night before
        ("Europe/Berlin", "2025-03-31", "2025-03-31T05:00"),  # forward
        ("Europe/Berlin", "2025-10-27", "2025-10-27T06:00"),  # back
        ("Pacific/Kiritimati", "2025-07-07", "2025-07-06T17:00"),
        ("Pacific/Pago_Pago", "2025-07-07", "2025-07-07T18:00"),
    ],
)
def test_a_report_is_due_at_seven_in_the_time_zone_of_its_study(zone: str, monday: str, due: str) -> None:
    assert due_at(a_study_in(zone), date.fromisoformat(monday)) == datetime.fromisoformat(f"{due}Z")


@pytest.mark.parametrize(
    ("zone", "monday", "not_before", "due"),
    [
        ("Europe/Istanbul", "2014-03-31", "03:00", "2014-03-31T01:00"),  # from 3 to 4 on this Monday
        ("Europe/Istanbul", "2014-03-31", "03:59", "2014-03-31T01:00"),
        ("Europe/Istanbul", "2014-03-31", "04:01", "2014-03-31T01:01"),
        ("Asia/Tehran", "2021-03-22", "00:00", "2021-03-21T20:30"),  # from midnight to 1
        ("Africa/Sao_Tome", "2018-01-01", "01:20", "2018-01-01T01:00"),  # from 1 to 2, for good
    ],
)
def test_a_time_that_the_clocks_skip_is_due_when_they_change(zone: str, monday: str, not_before: str, due: str) -> None:
    assert due_at(a_study_in(zone, not_before), date.fromisoformat(monday)) == datetime.fromisoformat(f"{due}Z")


@pytest.mark.parametrize(
    ("zone", "monday", "not_before", "due"),
    [
        ("Asia/Jerusalem", "2001-09-24", "00:30", "2001-09-23T21:30"),  # from 1 back to midnight
        ("Antarctica/Vostok", "2023-12-18", "01:00", "2023-12-17T18:00"),  # from 2 back to midnight, for good
        ("Asia/Tehran", "2020-09-21", "00:00", "2020-09-20T20:30"),  # from midnight back to 11 on Sunday
    ],
)
def test_a_time_that_the_clocks_repeat_is_due_the_first_time(zone: str, monday: str, not_before: str, due: str) -> None:
    assert due_at(a_study_in(zone, not_before), date.fromisoformat(monday)) == datetime.fromisoformat(f"{due}Z")


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        (DUE - SECOND, MONDAY - A_WEEK),
        (DUE, MONDAY),
        (DUE + timedelta(days=6, hours=23, minutes=59), MONDAY),
        (DUE + A_WEEK, MONDAY + A_WEEK),
    ],
)
def test_the_latest_monday_is_the_last_that_became_due(now: datetime, monday: date) -> None:
    assert latest_monday(a_study_in(), now) == monday


def test_in_the_east_monday_starts_while_it_is_sunday_in_utc() -> None:
    assert latest_monday(a_study_in("Pacific/Auckland"), datetime(2025, 9, 28, 18, 0, tzinfo=UTC)) == date(2025, 9, 29)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="an instant needs a time zone"):
        latest_monday(a_study_in(), datetime(2025, 3, 10, 16, 0))  # noqa: DTZ001 - the mistake that is meant


studies = st.builds(
    a_study_in, st.sampled_from(ZONES), st.times().map(lambda found: f"{found.hour:02}:{found.minute:02}")
)
instants = st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as asked
mondays = st.integers(0, 3200).map(lambda weeks: date(1975, 1, 6) + weeks * A_WEEK)


@settings(deadline=None)
@given(studies, instants)
def test_the_latest_monday_is_a_monday(study: StudyConfig, now: datetime) -> None:
    assert latest_monday(study, now).weekday() == 0


@settings(deadline=None)
@given(studies, instants)
def test_the_latest_monday_is_due_and_the_next_is_not(study: StudyConfig, now: datetime) -> None:
    monday = latest_monday(study, now)
    assert due_at(study, monday) <= now < due_at(study, monday + A_WEEK)


@settings(deadline=None)
@given(studies, mondays)
def test_a_monday_is_the_latest_from_the_instant_it_is_due(study: StudyConfig, monday: date) -> None:
    due = due_at(study, monday)
    assert (latest_monday(study, due - SECOND), latest_monday(study, due)) == (monday - A_WEEK, monday)


@settings(deadline=None)
@given(studies, mondays)
def test_no_clock_shows_an_earlier_time_when_a_report_is_due(study: StudyConfig, monday: date) -> None:
    shown = due_at(study, monday).astimezone(ZoneInfo(study.time_zone)).replace(tzinfo=None)
    assert shown >= datetime.combine(monday, study.not_before)


@pytest.mark.parametrize("not_before", ["00:00", "07:00", "17:00", "23:30"])
@pytest.mark.parametrize("monday", [date(2025, 1, 6), date(2025, 7, 7)], ids=["winter", "summer"])
def test_an_hourly_timer_from_sunday_to_tuesday_fires_within_an_hour_in_every_zone(
    monday: date, not_before: str
) -> None:
    due = {zone: due_at(a_study_in(zone, not_before), monday) for zone in ZONES}
    timers = [datetime(monday.year, monday.month, monday.day, tzinfo=UTC) + n * HOUR for n in range(-24, 48)]
    assert [zone for zone in ZONES if not any(due[zone] <= timer < due[zone] + HOUR for timer in timers)] == []
