"""Tests of the due rule: which report is awaited, what a timer does, and which reports are late."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.errors import ConfigurationError
from consent.runs.due import (
    all_reported,
    awaited_monday,
    is_reported,
    is_stuck,
    late,
    late_monday,
    next_step,
    shown_state,
)
from consent.runs.ledger.record import LeaseRecord, RunRecord, scheduled_id
from consent.runs.ledger.sqlite import SqliteLedger
from consent.studies.catalog import Studies
from consent.studies.model import StudyConfig
from tests.support.builders import a_study

A_WEEK = timedelta(days=7)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

MONDAY = date(2025, 3, 10)  # the day after the clocks of Toronto were put forward
DUE = datetime(2025, 3, 10, 11, 0, tzinfo=UTC)
NOON = datetime(2025, 3, 10, 16, 0, tzinfo=UTC)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


STUDY = replace(a_study(), time_zone="America/Toronto", not_before=time(7))
OWN_ID = scheduled_id(STUDY.key, MONDAY, sandbox=False)


def a_run(**changes: Any) -> RunRecord:
    """The scheduled run of the Monday, requested when it was due and not started."""
    usual = RunRecord(OWN_ID, STUDY.key, "monday", MONDAY, requested_at=DUE, queued_at=DUE)
    return replace(usual, **changes)


def a_request(**changes: Any) -> RunRecord:
    """A run of the same Monday that a person requested a minute before noon."""
    asked_at = NOON - MINUTE
    return a_run(**{"run_id": "a-study.asked", "trigger": "http", "queued_at": asked_at, **changes})


def a_report(**changes: Any) -> RunRecord:
    """The scheduled run, with its report delivered an hour before noon."""
    return a_run(**{"state": "delivered", "cutoff": MONDAY, "finished_at": NOON - HOUR, **changes})


def a_lease(ends_in: timedelta, run_id: str = OWN_ID) -> LeaseRecord:
    """A lease on the study that expires so long after noon."""
    return LeaseRecord(STUDY.key, run_id, 1, "a process", NOON + ends_in)


def step(*records: RunRecord, lease: LeaseRecord | None = None, now: datetime = NOON) -> str:
    """What the timer does, by default at noon."""
    return next_step(STUDY, records, lease, now, sandbox=False)


def found_late(*records: RunRecord, first_seen: datetime = LONG_AGO, now: datetime, study: StudyConfig = STUDY) -> bool:
    """Whether a report is late."""
    return late_monday(study, records, first_seen, now, sandbox=False) is not None


def awaited(
    *records: RunRecord, now: datetime = NOON, study: StudyConfig = STUDY, first_seen: datetime = LONG_AGO
) -> date:
    return awaited_monday(study, records, first_seen, now, sandbox=False)


LAST_WEEKS = a_report(run_id="a-study.2025-03-03", monday=MONDAY - A_WEEK, cutoff=MONDAY - A_WEEK)


@pytest.mark.parametrize(
    ("record", "now", "expected"),
    [
        pytest.param(LAST_WEEKS, NOON, MONDAY, id="due"),
        pytest.param(LAST_WEEKS, DUE - SECOND, MONDAY, id="not due yet"),
        pytest.param(a_report(), NOON, MONDAY + A_WEEK, id="delivered"),
    ],
)
def test_a_report_is_awaited_until_it_is_delivered(record: RunRecord, now: datetime, expected: date) -> None:
    assert awaited(record, now=now) == expected


@pytest.mark.parametrize(
    ("start", "first"),
    [("2026-11-30", "2026-11-30"), ("2026-12-01", "2026-12-07"), ("2026-12-06", "2026-12-07")],
)
def test_before_the_study_starts_its_first_monday_is_awaited(start: str, first: str) -> None:
    study = replace(STUDY, start_date=date.fromisoformat(start))

    assert awaited(now=datetime(2026, 11, 1, tzinfo=UTC), study=study) == date.fromisoformat(first)


instants = st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


# Whether a Monday's report is there


@pytest.mark.parametrize(
    "changes", [{}, {"state": "unchanged"}, {"run_id": "a-study.asked", "trigger": "http"}], ids=str
)
def test_a_delivered_report_is_the_report_of_its_monday(changes: dict[str, Any]) -> None:
    assert is_reported([a_report(**changes)], MONDAY, sandbox=False)


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


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([], "record", id="no run"),
        pytest.param([LAST_WEEKS], "record", id="only the report of the last Monday"),
        pytest.param([a_report()], "leave", id="delivered"),
        pytest.param([a_run(state="refused"), a_report(run_id="a-study.asked")], "leave", id="delivered on request"),
        pytest.param([a_run(queued_at=NOON - MINUTE)], "leave", id="queued"),
        pytest.param([a_run(queued_at=NOON - HOUR)], "leave", id="its message was lost"),
        pytest.param([a_run(state="failed", finished_at=NOON - MINUTE)], "reopen", id="failed"),
        pytest.param([a_request(as_of=MONDAY)], "leave", id="requested as of the Monday"),
    ],
)
def test_a_timer_records_or_reopens_only_what_is_missing(records: list[RunRecord], expected: str) -> None:
    assert step(*records) == expected


@pytest.mark.parametrize(("after", "expected"), [(0, "record"), (1, "leave")])
def test_a_study_reports_from_its_first_day_on(after: int, expected: str) -> None:
    study = replace(STUDY, start_date=MONDAY + timedelta(days=after))

    assert next_step(study, [], None, NOON, sandbox=False) == expected


def test_an_expired_lease_delays_nothing() -> None:
    assert step(lease=a_lease(-SECOND)) == "record"


@pytest.mark.parametrize(
    ("finished_at", "expected"),
    [
        (NOON - MINUTE, "leave"),
        (NOON - 2 * HOUR + SECOND, "leave"),
        (NOON - 2 * HOUR, "reopen"),
        (NOON + 5 * MINUTE, "leave"),  # by a clock that is a little fast
        (NOON + 6 * MINUTE, "reopen"),  # by one that is wrong
        (None, "reopen"),
    ],
)
def test_a_refused_run_rests_for_two_hours(finished_at: datetime | None, expected: str) -> None:
    assert step(a_run(state="refused", finished_at=finished_at)) == expected


@pytest.mark.parametrize("own", [[], [a_run(state="failed", finished_at=NOON - HOUR)]], ids=["none", "failed"])
def test_a_timer_waits_for_a_request_that_delivers_the_same_report(own: list[RunRecord]) -> None:
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
def test_a_timer_does_not_wait_for_other_requests(changes: dict[str, Any]) -> None:
    assert step(a_request(**changes)) == "record"


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
def test_without_signs_of_life_a_missing_report_is_queued(records: list[RunRecord]) -> None:
    silent = [replace(run, queued_at=LONG_AGO, started_at=None, finished_at=LONG_AGO, cutoff=None) for run in records]
    stuck = any(is_stuck(run, None, NOON) for run in silent)

    assert stuck or step(*silent) != "leave"


# Stuck runs


@pytest.mark.parametrize(
    ("changes", "stuck"),
    [
        ({"queued_at": NOON - 15 * MINUTE}, True),
        ({"queued_at": NOON - 15 * MINUTE + SECOND}, False),
        ({"queued_at": NOON - HOUR, "started_at": NOON - MINUTE}, False),
        ({"queued_at": NOON - HOUR, "started_at": NOON - HOUR}, True),
        ({"queued_at": NOON + 5 * MINUTE}, False),
        ({"queued_at": NOON + 6 * MINUTE}, True),  # a clock was wrong, so this is no sign of life
        ({"queued_at": NOON - HOUR, "state": "running"}, True),
        ({"queued_at": NOON - HOUR, "state": "refused"}, False),
        ({"queued_at": NOON - HOUR, "state": "delivered"}, False),
    ],
)
def test_an_open_run_is_stuck_after_fifteen_silent_minutes(changes: dict[str, Any], stuck: bool) -> None:
    assert is_stuck(a_run(**changes), None, NOON) == stuck


@pytest.mark.parametrize(
    ("ends_in", "stuck"),
    [
        (MINUTE, False),  # in progress
        (-MINUTE, False),  # the queue may retry it
        (-15 * MINUTE, True),
        (HOUR, True),  # written with a wrong clock
    ],
)
def test_a_lease_is_a_sign_of_life_until_fifteen_minutes_after_it_expired(ends_in: timedelta, stuck: bool) -> None:
    assert is_stuck(a_run(queued_at=NOON - HOUR), a_lease(ends_in), NOON) == stuck


def test_a_run_that_waits_for_another_is_not_stuck() -> None:
    assert not is_stuck(a_run(queued_at=NOON - HOUR), a_lease(MINUTE, "a-study.asked"), NOON)


@pytest.mark.parametrize(
    ("state", "lease", "shown"),
    [
        pytest.param("requested", None, "requested", id="not started"),
        pytest.param("failed", a_lease(MINUTE), "failed", id="ended"),
        pytest.param("running", a_lease(MINUTE), "running", id="in progress"),
        pytest.param("running", None, "lost", id="no lease"),
        pytest.param("running", a_lease(-SECOND), "lost", id="expired"),
        pytest.param("running", a_lease(HOUR), "lost", id="by a wrong clock"),
        pytest.param("running", a_lease(MINUTE, "a-study.asked"), "lost", id="of another run"),
    ],
)
def test_a_running_run_without_its_lease_is_shown_as_lost(state: str, lease: LeaseRecord | None, shown: str) -> None:
    assert shown_state(a_run(state=state), lease, NOON) == shown


# Which reports are late


@pytest.mark.parametrize(("after", "expected"), [(5 * HOUR, False), (5 * HOUR + SECOND, True)])
def test_a_report_is_late_five_hours_after_it_was_due(after: timedelta, expected: bool) -> None:
    assert found_late(LAST_WEEKS, now=DUE + after) == expected


@pytest.mark.parametrize(
    ("report", "after", "expected"),
    [
        pytest.param(a_report(), 6 * HOUR, False, id="delivered"),
        pytest.param(a_report(finished_at=DUE + 9 * HOUR), 10 * HOUR, False, id="delivered late"),
        pytest.param(a_report(), HOUR, False, id="without the last Monday's"),
        pytest.param(a_report(sandbox=True), 6 * HOUR, True, id="sandbox"),
    ],
)
def test_a_delivered_report_is_not_late(report: RunRecord, after: timedelta, expected: bool) -> None:
    assert found_late(report, now=DUE + after) == expected


@pytest.mark.parametrize("after", [timedelta(0), HOUR, 5 * HOUR])
def test_a_report_stays_late_on_the_next_monday_morning(after: timedelta) -> None:
    assert found_late(now=DUE + after)


@pytest.mark.parametrize(
    ("first_seen", "after", "expected"),
    [
        pytest.param(DUE, 6 * HOUR, True, id="before it was due"),
        pytest.param(DUE + SECOND, 6 * HOUR, False, id="after it was due"),
        pytest.param(DUE + SECOND, A_WEEK + 6 * HOUR, True, id="its second Monday"),
        pytest.param(DUE - 48 * HOUR, HOUR, False, id="its first Monday morning"),
        pytest.param(NOON + 52 * A_WEEK, 6 * HOUR, True, id="by a wrong clock"),
    ],
)
def test_a_study_is_on_time_until_it_was_due_once(first_seen: datetime, after: timedelta, expected: bool) -> None:
    assert found_late(first_seen=first_seen, now=DUE + after) == expected


@pytest.mark.parametrize(("start", "expected"), [(MONDAY, True), (MONDAY + timedelta(days=1), False)])
def test_no_report_is_late_before_the_study_begins(start: date, expected: bool) -> None:
    assert found_late(study=replace(STUDY, start_date=start), now=DUE + 6 * HOUR) == expected


# All studies

CHILDREN = replace(STUDY, key="children")
BROKEN = {"broken": ConfigurationError("The study file cannot be read.", "Correct it.")}


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> SqliteLedger:
    """Both studies are old; ``a-study`` has its report."""
    ledger = SqliteLedger(tmp_path / "runs.sqlite")
    for study in (STUDY, CHILDREN):
        ledger.first_seen(study.key, LONG_AGO)
    ledger.add(a_report())
    return ledger


@pytest.mark.parametrize(
    ("records", "failed", "expected"),
    [
        pytest.param([a_report(run_id="children.1", study="children")], {}, (), id="every report"),
        pytest.param([a_run(run_id="children.1", study="children")], {}, ("children",), id="one open"),
        pytest.param([], BROKEN, ("broken", "children"), id="a broken study file"),
    ],
)
def test_late_studies_are_listed(
    ledger: SqliteLedger, records: list[RunRecord], failed: dict[str, ConfigurationError], expected: tuple[str, ...]
) -> None:
    for record in records:
        ledger.add(record)
    studies = Studies((STUDY, CHILDREN), failed)

    assert late(ledger, studies, DUE + 6 * HOUR, sandbox=False) == expected
    assert all_reported(ledger, studies, DUE + 6 * HOUR, sandbox=False) == (not expected)


def test_a_study_that_was_never_seen_before_is_not_late(tmp_path: Path) -> None:
    studies = Studies((STUDY,), {})

    assert late(SqliteLedger(tmp_path / "runs.sqlite"), studies, DUE + 6 * HOUR, sandbox=False) == ()


def test_not_all_is_reported_while_a_report_is_due_but_not_late(ledger: SqliteLedger) -> None:
    assert not all_reported(ledger, Studies((STUDY, CHILDREN), {}), DUE, sandbox=False)


def test_all_is_reported_though_a_study_has_not_started(ledger: SqliteLedger) -> None:
    later = replace(CHILDREN, start_date=date(2027, 1, 1))

    assert all_reported(ledger, Studies((STUDY, later), {}), DUE, sandbox=False)
