"""What readers are told of a run: its record as plain JSON values, for the HTTP routes and ``consent runs --json``.

Tells totals only, never counts by week, and nothing that the record does not hold.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from consent.due import shown_state
from consent.ledger import Claim, RunLedger, RunRecord


def with_claims(ledger: RunLedger, records: Iterable[RunRecord], now: datetime) -> list[tuple[RunRecord, Claim | None]]:
    """Each record with the claim on its study, by which a run at work is told from one that was lost.

    A record that seems to be of a lost run is read once more: the run may have ended since the first reading.
    """
    found = []
    for record in records:
        claim = ledger.claim_of(record.study) if record.state == "running" else None
        if shown_state(record, claim, now) == "lost":
            record = ledger.read(record.run_id) or record  # noqa: PLW2901 - the newer reading of the same record
        found.append((record, claim))
    return found


def run_document(record: RunRecord, claim: Claim | None, now: datetime) -> dict[str, Any]:
    """One run: what was asked for, how far it is or how it ended, and which files it left.

    claim: the one on its study, which tells a run at work from one that was ``lost``. Instants are UTC, to the second.
    """
    return {
        "run_id": record.run_id,
        "study": record.study,
        "state": shown_state(record, claim, now),
        "reason": record.reason,
        "message": record.message,
        "remarks": list(record.remarks),
        "trigger": record.trigger,
        "monday": record.monday.isoformat(),
        "as_of": record.as_of.isoformat() if record.as_of else None,
        "cutoff": record.cutoff.isoformat() if record.cutoff else None,
        "dry_run": record.dry_run,
        "accept_fall": record.accept_fall,
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
