"""What readers are told of a run: its record as plain JSON values, for the HTTP routes and ``consent runs --json``.

Tells totals only, never counts by week, and nothing that the record does not hold.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consent.runs.due import shown_state
from consent.runs.ledger.record import LeaseRecord, RunRecord
from consent.runs.ledger.store import RunLedger


def with_leases(
    ledger: RunLedger, records: Iterable[RunRecord], now: datetime
) -> list[tuple[RunRecord, LeaseRecord | None]]:
    """Each record with the claim on its study, by which a run at work is told from one that was lost.

    A record that seems to be of a lost run is read once more: the run may have ended since the first reading.
    """
    found = []
    for record in records:
        lease = ledger.lease_of(record.study) if record.state == "running" else None
        if shown_state(record, lease, now) == "lost":
            record = ledger.read(record.run_id) or record  # noqa: PLW2901 - the newer reading of the same record
        found.append((record, lease))
    return found


def run_document(record: RunRecord, lease: LeaseRecord | None, now: datetime) -> dict[str, Any]:
    """One run: what was asked for, how far it is or how it ended, and which files it left.

    claim: the one on its study, which tells a run at work from one that was ``lost``. Instants are UTC, to the second.
    """
    return {
        "run_id": record.run_id,
        "study": record.study,
        "state": shown_state(record, lease, now),
        "reason": record.reason,
        "what": record.what,
        "fix": record.fix,
        "remarks": list(record.remarks),
        "trigger": record.trigger,
        "monday": record.monday.isoformat(),
        "as_of": record.as_of.isoformat() if record.as_of else None,
        "cutoff": record.cutoff.isoformat() if record.cutoff else None,
        "dry_run": record.dry_run,
        "accept_drop": record.accept_drop,
        "sandbox": record.sandbox,
        "attempt": record.attempt,
        "requested_at": _shown(record.requested_at),
        "started_at": _shown(record.started_at),
        "finished_at": _shown(record.finished_at),
        "counts": _counts(record),
        "set_id": record.set_id,
        "files": _files(record),
        "versions": {
            "app": record.app_version,
            "redcap": record.redcap_version,
            "study_sha256": record.study_sha256,
        },
    }


def _counts(record: RunRecord) -> dict[str, int | None] | None:
    if record.counts is None:
        return None
    return {
        "participants": record.counts.participants,
        "consented": record.counts.consented,
        "taking_part": record.counts.taking_part,
        "records_listed": record.counts.records_listed,
        "records_received": record.counts.records_received,
    }


def _files(record: RunRecord) -> list[dict[str, str | int]]:
    return [
        {"path": file.path, "size": file.size, "content_hash": file.content_hash, "rev": file.rev}
        for file in record.files
    ]


def _shown(instant: datetime | None) -> str | None:
    return None if instant is None else f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


TRIGGERS = {"monday": "Monday timer", "catch_up": "daily timer", "http": "HTTP", "command line": "command line"}

REASONS = {
    "archived": "in the archive alone: a newer report stands",
    "bad-message": "its message named no run",
    "busy": "another run was at work",
    "claim-lost": "another run took over",
    "configuration": "something must be set up first",
    "cutoff": "that day cannot be reported",
    "delivery-refused": "the folder refused",
    "delivery-unavailable": "the folder could not be reached",
    "delivery-unverified": "the folder held something else than was sent",
    "dry-run": "dry run, nothing was written",
    "fallen": "lower than it should be",
    "fault": "the program failed",
    "groups-vanished": "the token seems to see one site only",
    "incomplete-export": "part of the registry did not arrive",
    "ledger-refused": "the record of runs could not be used",
    "ledger-unavailable": "the record of runs could not be reached",
    "lost": "cut off, and not tried again",
    "secrets-refused": "Key Vault refused",
    "secrets-unavailable": "Key Vault could not be reached",
    "shrunk": "much lower than the last report",
    "source-data": "what REDCap sent could not be trusted",
    "source-refused": "REDCap refused",
    "source-unavailable": "REDCap could not be reached",
    "study-not-chosen": "nobody said which study",
    "stopped": "stopped by a person or the machine",
    "too-long": "took too long",
    "unknown-study": "no such study",
}
"""The one word that the record keeps of why a run is no report (yet), in a reader's words."""


@dataclass(frozen=True)
class ShownRun:
    """A run and its state as of now, which may be ``lost`` where the record still says running."""

    record: RunRecord
    state: str


def outcome(run: ShownRun) -> str:
    """What came of it, or why nothing has: counts, reason, attempts; empty where there is nothing to say."""
    record = run.record
    told = [
        "cut off before its end" if run.state == "lost" else "",
        f"{record.counts.consented:,} of {record.counts.participants:,} consented" if record.counts else "",
        REASONS.get(record.reason, record.reason),
        f"attempt {record.attempt}" if record.attempt > 1 else "",
        "sandbox" if record.sandbox else "",
    ]
    return "; ".join(part for part in told if part)
