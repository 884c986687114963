"""Tests of the overview of a study: the latest report, the next report, and the runs."""

from datetime import timedelta
from pathlib import Path

import pytest

from consent.app.overview import RUNS_SHOWN, StudyOverview, overview_of
from consent.runs.ledger.record import LeaseRecord, RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from tests.support.page_builders import a_page_study, page_counts
from tests.support.run_builders import MONDAY, NOW, a_report, a_run

ADULTS = a_page_study()
WEEK = timedelta(days=7)
AFTERNOON = NOW + timedelta(hours=8)  # after the grace period


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> SqliteLedger:
    """The study was first seen a month ago."""
    ledger = SqliteLedger(tmp_path / "runs.sqlite")
    ledger.first_seen("adults", NOW - timedelta(days=30))
    return ledger


def overview_after(ledger: SqliteLedger, *records: RunRecord, sandbox: bool = False) -> StudyOverview:
    """The overview on Monday afternoon, after these runs."""
    for record in records:
        ledger.add(record)
    return overview_of(ledger, ADULTS, AFTERNOON, sandbox=sandbox)


def last_weeks_report(**changes: object) -> RunRecord:
    usual = {"monday": MONDAY - WEEK, "requested_at": NOW - WEEK, "finished_at": NOW - WEEK}
    return a_report(**usual | changes)


def test_the_latest_report_comes_with_its_weekly_counts(ledger: SqliteLedger) -> None:
    now = page_counts(1, 2, 3)

    report = overview_after(ledger, a_report(week_counts=now), last_weeks_report()).report

    assert report is not None
    assert (report.cutoff, report.week_counts) == (MONDAY, now)


def test_without_any_run_there_is_no_report(ledger: SqliteLedger) -> None:
    overview = overview_after(ledger)

    assert (overview.report, overview.runs) == (None, ())


@pytest.mark.parametrize(
    ("records", "expected"),
    [([], "late"), ([a_run()], "late"), ([last_weeks_report()], "late"), ([a_report()], "on time")],
    ids=["no run", "unfinished", "only the week before", "delivered"],
)
def test_on_monday_afternoon_a_study_without_its_report_is_late(
    ledger: SqliteLedger, records: list[RunRecord], expected: str
) -> None:
    assert overview_after(ledger, *records).timeliness == expected


def test_on_monday_morning_a_report_is_due(ledger: SqliteLedger) -> None:
    ledger.add(last_weeks_report())

    assert overview_of(ledger, ADULTS, NOW, sandbox=False).timeliness == "due"


def test_after_a_report_the_next_one_is_awaited(ledger: SqliteLedger) -> None:
    overview = overview_after(ledger, a_report())

    assert (overview.awaited, overview.is_due) == (MONDAY + WEEK, False)


def test_a_study_seen_after_its_monday_was_due_awaits_the_next_one(tmp_path: Path) -> None:
    overview = overview_after(SqliteLedger(tmp_path / "new.sqlite"))

    assert (overview.awaited, overview.timeliness) == (MONDAY + WEEK, "on time")


def test_the_latest_runs_are_shown_newest_first(ledger: SqliteLedger) -> None:
    many = [a_run(run_id=f"adults.{n}", requested_at=NOW - n * WEEK) for n in range(RUNS_SHOWN + 3)]

    overview = overview_after(ledger, *many)

    assert [run.record.run_id for run in overview.runs] == [f"adults.{n}" for n in range(RUNS_SHOWN)]
    assert overview.run_count == RUNS_SHOWN + 3


@pytest.mark.parametrize(("minutes", "state"), [(9, "running"), (-9, "lost")])
def test_a_run_is_in_progress_while_its_lease_is_live(ledger: SqliteLedger, minutes: int, state: str) -> None:
    expires_at = AFTERNOON + timedelta(minutes=minutes)
    ledger.put_lease(LeaseRecord("adults", "adults.2026-11-16", 1, "me", expires_at))

    assert overview_after(ledger, a_run(state="running")).runs[0].state == state


def test_a_sandbox_ignores_real_reports(ledger: SqliteLedger) -> None:
    assert overview_after(ledger, a_report(), sandbox=True).report is None
