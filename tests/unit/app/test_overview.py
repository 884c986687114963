"""Claims about what is gathered for the page: which report stands, what is awaited, and which runs are told."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from consent.app.overview import overview_of, overviews_of
from consent.app.page import RUNS_SHOWN, StudyOverview, UnusableStudy
from consent.errors import ConfigurationError
from consent.runs.ledger.record import LeaseRecord, RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.studies.catalog import Studies
from tests.support.page_builders import a_page_study, page_counts
from tests.support.run_builders import MONDAY, NOW, a_report, a_run

ADULTS = a_page_study()
WEEK = timedelta(days=7)
AFTERNOON = NOW + timedelta(hours=8)  # beyond the grace


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> SqliteLedger:
    """The study was first seen a month ago."""
    ledger = SqliteLedger(tmp_path / "runs.sqlite")
    ledger.first_seen("adults", NOW - timedelta(days=30))
    return ledger


def seen(ledger: SqliteLedger, *records: RunRecord, sandbox: bool = False) -> StudyOverview:
    """What the page is told of the adults on Monday afternoon, after these runs."""
    for record in records:
        ledger.add(record)
    return overview_of(ledger, ADULTS, AFTERNOON, sandbox=sandbox)


def a_week_before(**changes: object) -> RunRecord:
    usual = {"monday": MONDAY - WEEK, "requested_at": NOW - WEEK, "finished_at": NOW - WEEK}
    return a_report(**usual | changes)


def test_the_report_comes_with_its_weekly_counts(ledger: SqliteLedger) -> None:
    report = seen(ledger, a_report(week_counts=page_counts(1, 2, 3))).report

    assert report is not None
    assert report.week_counts == page_counts(1, 2, 3)


def test_the_report_before_it_is_told_too(ledger: SqliteLedger) -> None:
    overview = seen(ledger, a_report(), a_week_before())

    assert [found.cutoff for found in (overview.report, overview.before) if found] == [MONDAY, MONDAY - WEEK]


def test_the_report_before_it_comes_with_its_weekly_counts_too(ledger: SqliteLedger) -> None:
    before = seen(ledger, a_report(), a_week_before(week_counts=page_counts(1, 2))).before

    assert before is not None
    assert before.week_counts == page_counts(1, 2)


def test_without_any_run_there_is_no_report(ledger: SqliteLedger) -> None:
    overview = seen(ledger)

    assert (overview.report, overview.before, overview.runs) == (None, None, ())


@pytest.mark.parametrize(
    ("records", "standing"),
    [([], "late"), ([a_run()], "late"), ([a_week_before()], "late"), ([a_report()], "on time")],
    ids=["no run", "unfinished", "only the week before", "delivered"],
)
def test_on_monday_afternoon_a_study_is_late_without_its_report(
    ledger: SqliteLedger, records: list[RunRecord], standing: str
) -> None:
    assert seen(ledger, *records).standing == standing


def test_on_monday_morning_a_report_is_due(ledger: SqliteLedger) -> None:
    ledger.add(a_week_before())

    assert overview_of(ledger, ADULTS, NOW, sandbox=False).standing == "due"


def test_a_delivered_report_has_the_next_one_awaited(ledger: SqliteLedger) -> None:
    overview = seen(ledger, a_report())

    assert (overview.awaited, overview.is_due) == (MONDAY + WEEK, False)


def test_runs_are_told_newest_first(ledger: SqliteLedger) -> None:
    overview = seen(ledger, a_week_before(), a_report())

    assert [run.record.monday for run in overview.runs] == [MONDAY, MONDAY - WEEK]


def test_of_a_long_history_the_newest_are_told(ledger: SqliteLedger) -> None:
    many = [a_run(run_id=f"adults.{n}", requested_at=NOW - n * WEEK) for n in range(RUNS_SHOWN + 3)]

    overview = seen(ledger, *many)

    assert (len(overview.runs), overview.runs_in_all) == (RUNS_SHOWN, RUNS_SHOWN + 3)


def test_a_run_whose_process_died_is_told_as_lost(ledger: SqliteLedger) -> None:
    assert seen(ledger, a_run(state="running")).runs[0].state == "lost"


def test_a_run_at_work_is_told_as_such(ledger: SqliteLedger) -> None:
    ledger.put_lease(LeaseRecord("adults", "adults.2026-11-16", 1, "me", AFTERNOON + timedelta(minutes=9)))

    assert seen(ledger, a_run(state="running")).runs[0].state == "running"


def test_reports_of_a_trial_stand_apart(ledger: SqliteLedger) -> None:
    assert seen(ledger, a_report(), sandbox=True).report is None


def test_studies_come_by_key_with_those_that_cannot_be_used(ledger: SqliteLedger) -> None:
    failed: Mapping[str, ConfigurationError] = {"broken": ConfigurationError("It cannot be read. Correct it.")}
    studies = Studies((replace(ADULTS, key="children"), ADULTS), failed)

    found = overviews_of(ledger, studies, NOW, sandbox=False)

    assert (found[1], [one.study.key for one in found if isinstance(one, StudyOverview)]) == (
        UnusableStudy("broken", "It cannot be read. Correct it."),
        ["adults", "children"],
    )
