"""Claims about Mondays: when a report is due, what a timer does about it, and when its absence is an alarm."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.runs.due import awaited_monday, is_late, is_reported, is_stuck, next_step, shown_state
from consent.runs.ledger.record import LeaseRecord, RunRecord, scheduled_id
from consent.studies.model import Schedule, StudyConfig
from consent.studies.schedule import due_at, latest_monday
from tests.support.builders import a_study

ZONES = sorted(available_timezones())
A_WEEK = timedelta(days=7)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

MONDAY = date(2025, 3, 10)  # the day after the clocks of Toronto were put forward
DUE = datetime(2025, 3, 10, 11, 0, tzinfo=UTC)
NOON = datetime(2025, 3, 10, 16, 0, tzinfo=UTC)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


def a_study_in(time_zone: str = "America/Toronto", not_before: str = "07:00", **changes: Any) -> StudyConfig:
    """A study whose reports are due at seven in Toronto, unless told otherwise."""
    return replace(a_study(), time_zone=time_zone, schedule=Schedule(time.fromisoformat(not_before)), **changes)


STUDY = a_study_in()
OWN_ID = scheduled_id(STUDY.key, MONDAY, sandbox=False)


def a_run(**changes: Any) -> RunRecord:
    """The scheduled run of the Monday, asked for when it was due and not yet begun, unless told otherwise."""
    usual = RunRecord(OWN_ID, STUDY.key, "monday", MONDAY, requested_at=DUE, queued_at=DUE)
    return replace(usual, **changes)


def a_request(**changes: Any) -> RunRecord:
    """A run of the same Monday that a person asked for a minute before noon."""
    asked_at = NOON - MINUTE
    return a_run(**{"run_id": "a-study.asked", "trigger": "http", "queued_at": asked_at, **changes})


def a_report(**changes: Any) -> RunRecord:
    """The scheduled run, with its report delivered an hour before noon."""
    return a_run(**{"state": "delivered", "cutoff": MONDAY, "finished_at": NOON - HOUR, **changes})


def a_lease(ends_in: timedelta, run_id: str = OWN_ID) -> LeaseRecord:
    """A claim on the study that ends so long after noon."""
    return LeaseRecord(STUDY.key, run_id, 1, "a process", NOON + ends_in)


def step(*records: RunRecord, lease: LeaseRecord | None = None, now: datetime = NOON) -> str:
    """What the timer does at noon, unless told otherwise."""
    return next_step(STUDY, records, lease, now, sandbox=False)


def late(*records: RunRecord, first_seen: datetime = LONG_AGO, now: datetime, study: StudyConfig = STUDY) -> bool:
    """Whether there is an alarm."""
    return is_late(study, records, first_seen, now, sandbox=False)


# When a Monday's report is due


@pytest.mark.parametrize(
    ("zone", "monday", "due"),
    [
        ("America/Toronto", "2025-01-06", "2025-01-06T12:00"),
        ("America/Toronto", "2025-03-10", "2025-03-10T11:00"),  # clocks forward the night before
        ("America/Toronto", "2025-10-27", "2025-10-27T11:00"),
        ("America/Toronto", "2025-11-03", "2025-11-03T12:00"),  # clocks back the night before
        ("Europe/Berlin", "2025-03-31", "2025-03-31T05:00"),  # forward
        ("Europe/Berlin", "2025-10-27", "2025-10-27T06:00"),  # back
        ("Pacific/Auckland", "2025-04-07", "2025-04-06T19:00"),  # back
        ("Pacific/Auckland", "2025-09-29", "2025-09-28T18:00"),  # forward
        ("Asia/Tokyo", "2025-07-07", "2025-07-06T22:00"),
        ("Asia/Kolkata", "2025-07-07", "2025-07-07T01:30"),
        ("Pacific/Honolulu", "2025-07-07", "2025-07-07T17:00"),
        ("Pacific/Kiritimati", "2025-07-07", "2025-07-06T17:00"),
        ("Pacific/Pago_Pago", "2025-07-07", "2025-07-07T18:00"),
    ],
)
def test_a_report_is_due_at_seven_by_the_clocks_of_its_study(zone: str, monday: str, due: str) -> None:
    assert due_at(a_study_in(zone), date.fromisoformat(monday)) == datetime.fromisoformat(f"{due}Z")


@pytest.mark.parametrize(
    ("zone", "monday", "not_before", "due"),
    [
        ("Europe/Istanbul", "2014-03-31", "03:00", "2014-03-31T01:00"),  # from 3 to 4 on this Monday
        ("Europe/Istanbul", "2014-03-31", "03:30", "2014-03-31T01:00"),
        ("Europe/Istanbul", "2014-03-31", "03:59", "2014-03-31T01:00"),
        ("Europe/Istanbul", "2014-03-31", "04:00", "2014-03-31T01:00"),
        ("Europe/Istanbul", "2014-03-31", "04:01", "2014-03-31T01:01"),
        ("Asia/Tehran", "2021-03-22", "00:00", "2021-03-21T20:30"),  # from midnight to 1
        ("Asia/Tehran", "2021-03-22", "00:30", "2021-03-21T20:30"),
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
    assert latest_monday(STUDY, now) == monday


def awaited(*records: RunRecord, now: datetime = NOON, study: StudyConfig = STUDY) -> date:
    return awaited_monday(study, records, now, sandbox=False)


def test_a_report_that_is_due_and_has_not_come_is_awaited() -> None:
    assert awaited() == MONDAY


def test_once_it_came_the_next_one_is_awaited() -> None:
    assert awaited(a_report()) == MONDAY + A_WEEK


def test_before_its_hour_the_report_of_that_monday_is_awaited() -> None:
    assert awaited(a_report(monday=MONDAY - A_WEEK, cutoff=MONDAY - A_WEEK), now=DUE - SECOND) == MONDAY


@pytest.mark.parametrize(
    ("start", "first"),
    [("2026-11-30", "2026-11-30"), ("2026-12-01", "2026-12-07"), ("2026-12-06", "2026-12-07")],
)
def test_of_a_study_that_has_not_begun_the_first_monday_is_awaited(start: str, first: str) -> None:
    study = replace(STUDY, start_date=date.fromisoformat(start))

    assert awaited(now=datetime(2026, 11, 1, tzinfo=UTC), study=study) == date.fromisoformat(first)


def test_a_monday_comes_to_the_east_while_it_is_sunday_in_greenwich() -> None:
    assert latest_monday(a_study_in("Pacific/Auckland"), datetime(2025, 9, 28, 18, 0, tzinfo=UTC)) == date(2025, 9, 29)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="an instant needs a time zone"):
        latest_monday(STUDY, datetime(2025, 3, 10, 16, 0))  # noqa: DTZ001 - the mistake that is meant


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

    assert shown >= datetime.combine(monday, study.schedule.not_before)


@pytest.mark.parametrize("not_before", ["00:00", "07:00", "17:00", "23:30"])
@pytest.mark.parametrize("monday", [date(2025, 1, 6), date(2025, 7, 7)], ids=["winter", "summer"])
def test_a_tick_each_hour_from_sunday_to_tuesday_meets_any_hour_of_every_zone_within_the_hour(
    monday: date, not_before: str
) -> None:
    due = {zone: due_at(a_study_in(zone, not_before), monday) for zone in ZONES}
    ticks = [datetime(monday.year, monday.month, monday.day, tzinfo=UTC) + n * HOUR for n in range(-24, 48)]

    assert [zone for zone in ZONES if not any(due[zone] <= tick < due[zone] + HOUR for tick in ticks)] == []


# Whether a Monday's report is there


def test_a_delivered_report_is_the_report_of_its_monday() -> None:
    assert is_reported([a_report()], MONDAY, sandbox=False)


def test_a_report_that_stood_there_already_is_the_report_of_its_monday() -> None:
    assert is_reported([a_report(state="unchanged")], MONDAY, sandbox=False)


def test_a_report_that_a_person_asked_for_is_the_report_of_its_monday() -> None:
    assert is_reported([a_report(run_id="a-study.asked", trigger="http")], MONDAY, sandbox=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "running"},
        {"state": "failed"},
        {"state": "refused"},
        {"state": "unchanged", "dry_run": True},
        {"reason": "archived"},
        {"monday": MONDAY - A_WEEK},
        {"cutoff": MONDAY - timedelta(days=1)},
        {"cutoff": None},
        {"sandbox": True},
    ],
    ids=str,
)
def test_no_other_run_is_the_report_of_its_monday(changes: dict[str, Any]) -> None:
    assert not is_reported([a_report(**changes)], MONDAY, sandbox=False)


def test_a_sandbox_has_reports_of_its_own() -> None:
    assert is_reported([a_report(sandbox=True)], MONDAY, sandbox=True)


# What a timer does


def test_a_monday_without_a_run_gets_one() -> None:
    assert step() == "record"


def test_last_mondays_report_does_not_stand_for_this_one() -> None:
    assert step(a_report(run_id="a-study.2025-03-03", monday=MONDAY - A_WEEK)) == "record"


def test_a_monday_with_its_report_is_left_alone() -> None:
    assert step(a_report()) == "leave"


def test_a_report_by_hand_after_a_refusal_ends_the_matter() -> None:
    assert step(a_run(state="refused", finished_at=DUE), a_report(run_id="a-study.asked")) == "leave"


def test_a_monday_before_the_study_begins_is_left_alone() -> None:
    study = a_study_in(start_date=MONDAY + timedelta(days=1))

    assert next_step(study, [], None, NOON, sandbox=False) == "leave"


def test_a_study_that_begins_on_a_monday_reports_on_it() -> None:
    assert next_step(a_study_in(start_date=MONDAY), [], None, NOON, sandbox=False) == "record"


@pytest.mark.parametrize("run_id", [OWN_ID, "a-study.asked"])
def test_a_study_with_a_run_at_work_is_left_alone(run_id: str) -> None:
    assert step(a_run(state="failed"), lease=a_lease(MINUTE, run_id)) == "leave"


def test_a_lease_that_ran_out_holds_nothing_up() -> None:
    assert step(lease=a_lease(-SECOND)) == "record"


def test_a_run_that_waits_its_turn_is_left_alone() -> None:
    assert step(a_run(queued_at=NOON - MINUTE)) == "leave"


def test_a_run_whose_message_was_lost_is_not_recorded_a_second_time() -> None:
    assert step(a_run(queued_at=NOON - HOUR)) == "leave"


def test_a_run_that_failed_is_opened_again() -> None:
    assert step(a_run(state="failed", finished_at=NOON - MINUTE)) == "reopen"


@pytest.mark.parametrize(
    ("finished_at", "expected"),
    [
        (NOON - MINUTE, "leave"),
        (NOON - 6 * HOUR + SECOND, "leave"),
        (NOON - 6 * HOUR, "reopen"),
        (NOON + 5 * MINUTE, "leave"),  # by a clock that is a little fast
        (NOON + 6 * MINUTE, "reopen"),  # by one that is wrong
        (None, "reopen"),
    ],
)
def test_a_refused_run_rests_for_six_hours(finished_at: datetime | None, expected: str) -> None:
    assert step(a_run(state="refused", finished_at=finished_at)) == expected


@pytest.mark.parametrize("own", [[], [a_run(state="failed", finished_at=NOON - HOUR)]], ids=["none", "failed"])
def test_a_request_under_way_that_delivers_the_same_report_is_waited_for(own: list[RunRecord]) -> None:
    assert step(*own, a_request()) == "leave"


@pytest.mark.parametrize(
    "changes",
    [
        {"dry_run": True},
        {"as_of": MONDAY - timedelta(days=1)},
        {"monday": MONDAY - A_WEEK},
        {"sandbox": True},
        {"queued_at": NOON - HOUR},
        {"state": "failed"},
    ],
    ids=str,
)
def test_a_request_that_does_not_deliver_this_report_is_not_waited_for(changes: dict[str, Any]) -> None:
    assert step(a_request(**changes)) == "record"


def test_a_request_as_of_the_monday_is_waited_for() -> None:
    assert step(a_request(as_of=MONDAY)) == "leave"


def test_a_sandbox_has_a_scheduled_run_of_its_own() -> None:
    assert next_step(STUDY, [a_run(state="failed")], None, NOON, sandbox=True) == "record"


runs = st.builds(
    a_run,
    run_id=st.sampled_from([OWN_ID, "a-study.asked", "a-study.2025-03-03"]),
    monday=st.sampled_from([MONDAY, MONDAY - A_WEEK]),
    state=st.sampled_from(["requested", "running", "delivered", "unchanged", "refused", "failed"]),
    queued_at=instants,
    started_at=st.none() | instants,
    finished_at=st.none() | instants,
    cutoff=st.none() | st.just(MONDAY),
    sandbox=st.booleans(),
)


@settings(deadline=None)
@given(st.lists(runs, max_size=4, unique_by=lambda run: run.run_id), st.timedeltas(SECOND, 15 * MINUTE))
def test_a_study_with_a_live_lease_is_left_alone_whatever_its_runs(records: list[RunRecord], left: timedelta) -> None:
    assert step(*records, lease=a_lease(left)) == "leave"


@settings(deadline=None)
@given(st.lists(runs, max_size=4, unique_by=lambda run: run.run_id))
def test_a_scheduled_run_is_recorded_once(records: list[RunRecord]) -> None:
    assert step(*records, a_run(run_id=OWN_ID)) != "record"


@settings(deadline=None)
@given(st.lists(runs, max_size=4, unique_by=lambda run: run.run_id))
def test_an_hour_after_everybody_fell_silent_a_missing_report_is_asked_for(records: list[RunRecord]) -> None:
    silent = [replace(run, queued_at=LONG_AGO, started_at=None, finished_at=LONG_AGO, cutoff=None) for run in records]
    stuck = any(is_stuck(run, None, NOON) for run in silent)

    assert stuck or step(*silent) != "leave"


# Runs that nobody is at work on


@pytest.mark.parametrize(
    ("changes", "stranded"),
    [
        ({"queued_at": NOON - 15 * MINUTE}, True),
        ({"queued_at": NOON - 15 * MINUTE + SECOND}, False),
        ({"queued_at": NOON - HOUR, "started_at": NOON - MINUTE}, False),
        ({"queued_at": NOON - HOUR, "started_at": NOON - HOUR}, True),
        ({"queued_at": NOON + 5 * MINUTE}, False),
        ({"queued_at": NOON + 6 * MINUTE}, True),  # a clock was wrong, so nothing was heard
        ({"queued_at": NOON - HOUR, "state": "running"}, True),
        ({"queued_at": NOON - HOUR, "state": "refused"}, False),
        ({"queued_at": NOON - HOUR, "state": "delivered"}, False),
    ],
)
def test_an_open_run_is_stranded_after_a_quarter_of_an_hours_silence(changes: dict[str, Any], stranded: bool) -> None:
    assert is_stuck(a_run(**changes), None, NOON) == stranded


@pytest.mark.parametrize(
    ("ends_in", "stranded"),
    [
        (MINUTE, False),  # at work
        (-MINUTE, False),  # it may be tried again yet
        (-15 * MINUTE, True),
        (HOUR, True),  # nobody claims that far ahead: a clock was wrong
    ],
)
def test_a_lease_is_a_sign_of_life_until_a_quarter_of_an_hour_after_its_end(ends_in: timedelta, stranded: bool) -> None:
    assert is_stuck(a_run(queued_at=NOON - HOUR), a_lease(ends_in), NOON) == stranded


def test_a_run_that_waits_for_another_is_not_stranded() -> None:
    assert not is_stuck(a_run(queued_at=NOON - HOUR), a_lease(MINUTE, "a-study.asked"), NOON)


@pytest.mark.parametrize("state", ["requested", "delivered", "unchanged", "refused", "failed"])
def test_a_run_that_is_not_at_work_is_shown_as_it_is_stored(state: str) -> None:
    assert shown_state(a_run(state=state), None, NOON) == state


def test_a_run_at_work_is_shown_as_running() -> None:
    assert shown_state(a_run(state="running"), a_lease(MINUTE), NOON) == "running"


@pytest.mark.parametrize(
    "lease",
    [None, a_lease(-SECOND), a_lease(HOUR), a_lease(MINUTE, "a-study.asked")],
    ids=["no claim", "ran out", "by a wrong clock", "of another run"],
)
def test_a_run_that_was_cut_off_is_shown_as_lost(lease: LeaseRecord | None) -> None:
    assert shown_state(a_run(state="running"), lease, NOON) == "lost"


# When silence is an alarm


@pytest.mark.parametrize(("after", "expected"), [(5 * HOUR, False), (5 * HOUR + SECOND, True)])
def test_a_report_is_late_five_hours_after_it_was_due(after: timedelta, expected: bool) -> None:
    before = a_report(run_id="a-study.2025-03-03", monday=MONDAY - A_WEEK, cutoff=MONDAY - A_WEEK)

    assert late(before, now=DUE + after) == expected


def test_a_report_that_came_is_not_late() -> None:
    assert not late(a_report(), now=DUE + 6 * HOUR)


def test_a_report_that_came_late_ends_the_alarm() -> None:
    assert not late(a_report(finished_at=DUE + 9 * HOUR), now=DUE + 10 * HOUR)


@pytest.mark.parametrize("after", [timedelta(0), HOUR, 5 * HOUR])
def test_an_alarm_does_not_fall_silent_each_monday_morning(after: timedelta) -> None:
    assert late(now=DUE + after)


def test_this_mondays_report_makes_up_for_the_last() -> None:
    assert not late(a_report(), now=DUE + HOUR)


def test_a_report_that_came_to_a_sandbox_is_late_all_the_same() -> None:
    assert late(a_report(sandbox=True), now=DUE + 6 * HOUR)


@pytest.mark.parametrize(
    ("first_seen", "expected"), [(DUE - SECOND, True), (DUE, True), (DUE + SECOND, False), (DUE + 6 * HOUR, False)]
)
def test_a_study_is_on_time_until_it_was_due_once(first_seen: datetime, expected: bool) -> None:
    assert late(first_seen=first_seen, now=DUE + 6 * HOUR) == expected


def test_a_study_that_missed_its_first_monday_is_late_on_its_second() -> None:
    assert late(first_seen=DUE + SECOND, now=DUE + A_WEEK + 6 * HOUR)


def test_a_study_first_seen_this_week_is_on_time_on_its_first_monday_morning() -> None:
    assert not late(first_seen=DUE - timedelta(days=2), now=DUE + HOUR)


def test_a_wrong_clock_at_the_first_sight_does_not_silence_the_alarm_for_good() -> None:
    assert late(first_seen=NOON + 365 * timedelta(days=1), now=DUE + 6 * HOUR)


@pytest.mark.parametrize(("start", "expected"), [(MONDAY, True), (MONDAY + timedelta(days=1), False)])
def test_no_report_is_late_before_the_study_begins(start: date, expected: bool) -> None:
    assert late(study=a_study_in(start_date=start), now=DUE + 6 * HOUR) == expected
