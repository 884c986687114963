"""Tests of a run as readers see it: its document, its current state, its outcome in words."""

import json
from dataclasses import fields
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from consent.errors import INTERNAL, KINDS
from consent.files import StoredFile
from consent.runs.ledger.record import LeaseRecord, RunRecord, WeekCounts
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.status import REASONS, ShownRun, outcome, run_document, shown_runs
from tests.support.run_builders import NOW, a_report, a_run

WEEKS = WeekCounts(date(2023, 9, 11), 1, (417, 3), {"rider a": (416, 2)}, {})
NOT_SHOWN = {"queued_at", "tries", "has_groups", "week_counts", "version"}
VERSIONS = {"redcap_version", "study_sha256", "app_version"}


def test_the_document_of_a_requested_run() -> None:
    east = datetime(2026, 11, 17, 2, 0, 0, 123456, tzinfo=timezone(timedelta(hours=13)))
    record = a_run(run_id="adults.1", trigger="http", as_of=date(2026, 11, 9), dry_run=True, requested_at=east)

    assert run_document(ShownRun(record, "requested")) == {
        "run_id": "adults.1",
        "study": "adults",
        "state": "requested",
        "reason": "",
        "what": "",
        "fix": "",
        "remarks": [],
        "trigger": "http",
        "monday": "2026-11-16",
        "as_of": "2026-11-09",
        "cutoff": None,
        "dry_run": True,
        "accept_drop": False,
        "sandbox": False,
        "attempt": 0,
        "requested_at": "2026-11-16T13:00:00Z",
        "started_at": None,
        "finished_at": None,
        "counts": None,
        "set_id": "",
        "files": [],
        "versions": {"app": "", "redcap": "", "study_sha256": ""},
    }


def test_the_document_of_a_report_has_its_totals_files_and_versions() -> None:
    files = (StoredFile("/Adults.csv", "a" * 64, 10, "rev1"),)
    record = a_report(files=files, app_version="0.2.0", redcap_version="14.5.5", study_sha256="b" * 64)

    document = run_document(ShownRun(record, "delivered"))

    assert (document["counts"], document["files"], document["versions"]) == (
        {"participants": 1000, "consented": 800, "taking_part": 790, "records_listed": 1000, "records_received": 1000},
        [{"path": "/Adults.csv", "size": 10, "content_hash": "a" * 64, "rev": "rev1"}],
        {"app": "0.2.0", "redcap": "14.5.5", "study_sha256": "b" * 64},
    )


def test_the_document_has_every_field_of_a_record_but_no_weekly_counts() -> None:
    document = run_document(ShownRun(a_report(week_counts=WEEKS), "delivered"))

    assert document.keys() - {"versions"} == {field.name for field in fields(RunRecord)} - NOT_SHOWN - VERSIONS
    assert (json.loads(json.dumps(document)), "417" in json.dumps(document)) == (document, False)


@pytest.mark.parametrize(("minutes", "state"), [(5, "running"), (-5, "lost")])
def test_a_run_without_a_live_lease_is_lost(tmp_path: Path, minutes: float, state: str) -> None:
    ledger = SqliteLedger(tmp_path / "runs.sqlite")
    ledger.add(a_run(state="running", attempt=1, started_at=NOW))
    ledger.put_lease(LeaseRecord("adults", a_run().run_id, 1, "here", NOW + timedelta(minutes=minutes)))

    assert [run.state for run in shown_runs(ledger, ledger.runs(), NOW)] == [state]


class EndsMeanwhile(SqliteLedger):
    """A ledger in which a run ends just before its lease is read."""

    def lease_of(self, study: str) -> LeaseRecord | None:
        self.write(a_run(state="delivered", version=self.runs()[0].version))
        return super().lease_of(study)


def test_a_run_that_ends_between_two_readings_is_not_lost(tmp_path: Path) -> None:
    ledger = EndsMeanwhile(tmp_path / "runs.sqlite")
    ledger.add(a_run(state="running", started_at=NOW))

    assert [run.state for run in shown_runs(ledger, ledger.runs(), NOW)] == ["delivered"]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (ShownRun(a_report(), "delivered"), "800 of 1,000 consented"),
        (
            ShownRun(a_run(reason="source-unavailable", attempt=3), "requested"),
            "REDCap could not be reached; attempt 3",
        ),
        (ShownRun(a_run(state="running", sandbox=True), "lost"), "cut off before its end; sandbox"),
        (ShownRun(a_run(reason="a code of a newer version"), "failed"), "a code of a newer version"),
        (ShownRun(a_run(), "requested"), ""),
    ],
    ids=["delivered", "retried", "lost", "an unknown code", "nothing to say"],
)
def test_the_outcome_in_words(run: ShownRun, words: str) -> None:
    assert outcome(run) == words


def test_every_error_code_has_words() -> None:
    assert {kind.code for kind in (*KINDS.values(), INTERNAL)} <= REASONS.keys()
