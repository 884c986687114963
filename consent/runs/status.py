"""A run as readers see it: its document, and its outcome in words. Both give totals, never weekly counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consent.errors import INTERNAL, KINDS
from consent.files import to_json
from consent.runs.due import shown_state
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import RunRecord

TRIGGERS = {
    "monday": "Monday timer",
    "catch_up": "daily timer",
    "http": "HTTP",
    "page": "Run now",
    "command line": "command line",
}

REASONS = {kind.code: kind.title for kind in (*KINDS.values(), INTERNAL)} | {
    "shrunk": "Much lower than the last report",
    "groups-vanished": "The token seems to see one site only",
    "archived": "in the archive only: a newer report exists",
    "dry-run": "dry run, nothing was written",
    "lost": "Cut off, and not retried",
    "stopped": "Stopped by a person or the machine",
}
"""A record's ``reason`` in words."""

_SHOWN = (
    *("run_id", "study", "state", "reason", "what", "fix", "remarks", "trigger", "monday", "as_of", "cutoff"),
    *("dry_run", "accept_drop", "sandbox", "attempt", "requested_at", "started_at", "finished_at"),
    *("counts", "set_id", "files"),
)


@dataclass(frozen=True)
class ShownRun:
    """A run and its current state, which may be ``lost`` while the record still has ``running``."""

    record: RunRecord
    state: str


def shown_runs(ledger: RunLedger, records: Iterable[RunRecord], now: datetime) -> list[ShownRun]:
    """Return the runs with their current states.

    A record that seems lost is read again: the run may have ended since the first reading.
    """
    shown = []
    for record in records:
        lease = ledger.lease_of(record.study) if record.state == "running" else None
        is_lost = shown_state(record, lease, now) == "lost"
        current = (ledger.read(record.run_id) or record) if is_lost else record
        shown.append(ShownRun(current, shown_state(current, lease, now)))
    return shown


def run_document(run: ShownRun) -> dict[str, Any]:
    """Return a run as plain JSON values; instants are UTC, to the second."""
    record = run.record
    document = {name: to_json(getattr(record, name)) for name in _SHOWN}
    versions = {"app": record.app_version, "redcap": record.redcap_version, "study_sha256": record.study_sha256}
    return {**document, "state": run.state, "versions": versions}


def outcome(run: ShownRun) -> str:
    """Return how a run ended: counts, reason, attempts; empty if there is nothing to say."""
    record = run.record
    parts = [
        "cut off before its end" if run.state == "lost" else "",
        f"{record.counts.consented:,} of {record.counts.participants:,} consented" if record.counts else "",
        REASONS.get(record.reason, record.reason),
        f"attempt {record.attempt}" if record.attempt > 1 else "",
        "sandbox" if record.sandbox else "",
    ]
    return "; ".join(part for part in parts if part)
