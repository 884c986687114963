"""Builders of runs, their records and their clock, each with defaults."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from consent.delivery.plan import Delivery, DeliveryPlan
from consent.delivery.report_set import ReportSet
from consent.files import StoredFile
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import RunCounts, RunRecord, scheduled_id
from consent.runs.pipeline import RunResult
from tests.support.builders import REPORT, a_destination, a_row, summary_of

MONDAY = date(2026, 11, 16)
NOW = datetime(2026, 11, 16, 13, 0, tzinfo=UTC)  # Monday 08:00 in Toronto
COUNTS = RunCounts(participants=1000, consented=800, records_listed=1000, records_received=1000, taking_part=790)


class Clock:
    """A clock that stands still between calls of ``forward``."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Move the clock: ``minutes=5``."""
        self.now += timedelta(**by)


def later(**by: float) -> Clock:
    """A clock that much ahead: ``minutes=5``."""
    clock = Clock()
    clock.forward(**by)
    return clock


def kept(ledger: RunLedger, run_id: str = "adults.2026-11-16") -> RunRecord:
    """The record with this id, which must exist."""
    record = ledger.read(run_id)
    assert record is not None
    return record


def a_run(**changes: Any) -> RunRecord:
    """The record of the scheduled run of a Monday, just requested; ``changes`` replace its fields."""
    study = changes.get("study", "adults")
    monday = changes.get("monday", MONDAY)
    run_id = scheduled_id(study, monday, sandbox=changes.get("sandbox", False))
    return replace(RunRecord(run_id, study, "monday", monday, requested_at=NOW, queued_at=NOW), **changes)


def a_report(**changes: Any) -> RunRecord:
    """The record of a run that delivered the report of its Monday."""
    given = {
        "state": "delivered",
        "attempt": 1,
        "started_at": NOW,
        "finished_at": NOW + timedelta(minutes=1),
        "cutoff": changes.get("monday", MONDAY),
        "counts": COUNTS,
        "has_groups": False,
        "set_id": "12345678",
    }
    return a_run(**given | changes)


def a_result(state: Any = "delivered", **changes: Any) -> RunResult:
    """The result of a run; ``changes`` replace its fields."""
    report = ReportSet(REPORT, a_destination())
    files = (StoredFile("/Adults.csv", "a" * 64, 10, "rev1"),)
    plan_state = "delivered" if state == "planned" else state
    result = RunResult(
        state=state,
        summary=summary_of(a_row()),
        plan=DeliveryPlan(plan_state, report, (), (), {}),
        delivery=None if state == "planned" else Delivery(plan_state, report.set_id, files),
        place="Dropbox folder /",
        sandbox=False,
    )
    return replace(result, **changes)
