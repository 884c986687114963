"""Claims about what readers are told of a run."""

import json
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from consent.files import StoredFile
from consent.runs.due import shown_state
from consent.runs.ledger.record import LeaseRecord, RunRecord, WeekCounts
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.status import run_document, with_leases
from tests.support.run_builders import NOW, a_report, a_run

WEEKS = WeekCounts(date(2023, 9, 11), 1, (417, 3), {"rider a": (416, 2)}, {})
NOT_TOLD = {"queued_at", "has_groups", "week_counts", "version"}
TOLD_TOGETHER = {"redcap_version", "study_sha256", "app_version"}


def a_lease(record: RunRecord, *, minutes: float) -> LeaseRecord:
    return LeaseRecord(record.study, record.run_id, record.attempt, "here", NOW + timedelta(minutes=minutes))


def test_a_run_that_was_just_asked_for_is_told() -> None:
    record = a_run(run_id="adults.20261116T130000Z-3f9a0b", trigger="http", as_of=date(2026, 11, 9), dry_run=True)

    assert run_document(record, None, NOW) == {
        "run_id": "adults.20261116T130000Z-3f9a0b",
        "study": "adults",
        "state": "requested",
        "reason": "",
        "message": "",
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


def test_a_delivered_report_is_told_with_its_totals() -> None:
    document = run_document(a_report(), None, NOW)

    assert (document["state"], document["cutoff"], document["counts"]) == (
        "delivered",
        "2026-11-16",
        {"participants": 1000, "consented": 800, "taking_part": 790, "records_listed": 1000, "records_received": 1000},
    )


def test_a_delivered_file_is_told_with_its_hash_and_revision() -> None:
    record = a_report(files=(StoredFile("/Adults.csv", "a" * 64, 10, "rev1"),))

    assert run_document(record, None, NOW)["files"] == [
        {"path": "/Adults.csv", "size": 10, "content_hash": "a" * 64, "rev": "rev1"}
    ]


def test_the_versions_that_made_a_report_are_told() -> None:
    record = a_report(app_version="0.2.0", redcap_version="14.5.5", study_sha256="b" * 64)

    assert run_document(record, None, NOW)["versions"] == {
        "app": "0.2.0",
        "redcap": "14.5.5",
        "study_sha256": "b" * 64,
    }


@pytest.mark.parametrize(("minutes", "state"), [(5, "running"), (-5, "lost")])
def test_a_run_whose_lease_ran_out_is_lost(minutes: float, state: str) -> None:
    record = a_run(state="running", attempt=1, started_at=NOW)

    assert run_document(record, a_lease(record, minutes=minutes), NOW)["state"] == state


def test_counts_by_week_are_never_told() -> None:
    assert "417" not in json.dumps(run_document(a_report(week_counts=WEEKS), None, NOW))


def test_everything_else_that_a_record_holds_is_told() -> None:
    kept = {field.name for field in fields(RunRecord)}

    assert run_document(a_report(), None, NOW).keys() - {"versions"} == kept - NOT_TOLD - TOLD_TOGETHER


def test_instants_are_told_in_utc_to_the_second() -> None:
    east = datetime(2026, 11, 17, 2, 0, 0, 123456, tzinfo=timezone(timedelta(hours=13)))

    assert run_document(replace(a_run(), requested_at=east), None, NOW)["requested_at"] == "2026-11-16T13:00:00Z"


def test_what_is_told_is_plain_json() -> None:
    document = run_document(a_report(finished_at=datetime(2026, 11, 16, tzinfo=UTC)), None, NOW)

    assert json.loads(json.dumps(document)) == document


class EndsMeanwhile(SqliteLedger):
    """A ledger in which a run ends just as its claim is asked for."""

    def lease_of(self, study: str) -> LeaseRecord | None:
        """End the run, then find no claim."""
        running = self.read(a_run().run_id)
        assert running is not None
        self.write(replace(running, state="delivered"))
        return super().lease_of(study)


def test_a_run_that_ends_while_it_is_looked_up_is_not_told_as_lost(tmp_path: Path) -> None:
    ledger = EndsMeanwhile(tmp_path / "runs.sqlite")
    ledger.add(a_run(state="running", started_at=NOW))

    [(record, lease)] = with_leases(ledger, ledger.runs(), NOW)

    assert shown_state(record, lease, NOW) == "delivered"
