"""Which runs must be put into the queue: those that are due, those that a person asks for, those that got stuck.

Records first and hands the message to the caller, so that whatever breaks in between, a later look finds the record
and queues it again under its own id. Runs nothing.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from consent.errors import BadMessageError, RecordChangedError, log_text
from consent.runs.due import is_stuck, next_step
from consent.runs.ledger.record import LeaseRecord, RunRecord, Trigger, asked_id, is_run_id, scheduled_id
from consent.runs.ledger.store import RunLedger
from consent.runs.request import RunRequest
from consent.studies.model import StudyConfig
from consent.studies.schedule import latest_monday

LOOKED_BACK = timedelta(days=60)  # over which runs may still be open

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QueuedRun:
    """The run that answers a request, and the message to queue for it (None: one is under way)."""

    record: RunRecord
    message: str | None


def message_for(run_id: str) -> str:
    """The message that has a run carried out."""
    return json.dumps({"run_id": run_id})


def run_id_in(message: str) -> str:
    """The id of the run that a message asks for.

    Raises:
        BadMessageError: it is none of ours.
    """
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        document = None
    run_id = document.get("run_id") if isinstance(document, dict) else None
    if not isinstance(run_id, str) or not is_run_id(run_id):
        raise BadMessageError(
            "A message in the queue names no run, so nothing was run. Look who else writes to the queue; a run is "
            "asked for with POST /api/runs."
        )
    return run_id


def queue_due(
    ledger: RunLedger, studies: Sequence[StudyConfig], *, trigger: Trigger, now: datetime, sandbox: bool
) -> list[str]:
    """Record every run that is due, and give the messages to queue; also those of runs that got stuck.

    A study whose records cannot be read costs only itself: an error would lose the messages of the others. Raises what
    went wrong if there is no message at all and a study could not be looked at.
    """
    asking = {study.key: partial(_due_of, ledger, study, trigger, now, sandbox=sandbox) for study in studies}
    asking["unknown"] = partial(_orphaned_runs, ledger, {*asking}, now)
    messages: list[str] = []
    failed: list[Exception] = []
    for whose, ask in asking.items():
        try:
            messages += ask()
        except Exception as error:
            logger.error("event=timer_failed study=%s %s", whose, log_text(error))
            failed.append(error)
    if failed and not messages:
        raise failed[0]
    return messages


def new_record(
    study: StudyConfig, request: RunRequest, trigger: Trigger, now: datetime, *, sandbox: bool, nonce: str
) -> RunRecord:
    """Return the record of a run that a person requests now.

    nonce: makes the ids of runs requested within the same second different.
    """
    return RunRecord(
        run_id=asked_id(study.key, now, nonce),
        study=study.key,
        trigger=trigger,
        monday=latest_monday(study, now),
        requested_at=now,
        queued_at=now,
        sandbox=sandbox,
        as_of=request.as_of,
        dry_run=request.dry_run,
        accept_drop=request.accept_drop,
    )


def request_run(
    ledger: RunLedger, study: StudyConfig, request: RunRequest, now: datetime, *, sandbox: bool, nonce: str
) -> QueuedRun:
    """Record a run that a person requests over HTTP; an equal open run is returned instead.

    nonce: makes the ids of runs requested within the same second different.
    """
    ledger.first_seen(study.key, now)
    wanted = new_record(study, request, "http", now, sandbox=sandbox, nonce=nonce)
    for record in ledger.runs(study.key, since=now - LOOKED_BACK):
        is_same = record.request == wanted.request and record.sandbox == sandbox
        if record.is_open and is_same and not _is_beyond_the_queue(record):
            again = _queued_again(ledger, record, ledger.lease_of(study.key), now)
            return QueuedRun(again or record, message_for(record.run_id) if again else None)
    return QueuedRun(_added(ledger, wanted), message_for(wanted.run_id))


def _due_of(ledger: RunLedger, study: StudyConfig, trigger: Trigger, now: datetime, *, sandbox: bool) -> list[str]:
    ledger.first_seen(study.key, now)
    records = ledger.runs(study.key, since=now - LOOKED_BACK)
    lease = ledger.lease_of(study.key)
    queued = [_queued_again(ledger, record, lease, now) for record in records if not _is_beyond_the_queue(record)]
    step = next_step(study, records, lease, now, sandbox=sandbox)
    monday = latest_monday(study, now)
    run_id = scheduled_id(study.key, monday, sandbox=sandbox)
    if step == "record":
        scheduled = RunRecord(run_id, study.key, trigger, monday, requested_at=now, queued_at=now, sandbox=sandbox)
        queued.append(ledger.add(scheduled))
    if step == "reopen":
        queued += [_reopened(ledger, record, now) for record in records if record.run_id == run_id]
    found = [record.run_id for record in queued if record]
    logger.info("event=runs_queued study=%s runs=%s", study.key, ",".join(found) or "none")
    return [message_for(run_id) for run_id in found]


def _orphaned_runs(ledger: RunLedger, known: set[str], now: datetime) -> list[str]:
    """Runs that got stuck and whose study can no longer be used: tried once more, they are refused and closed."""
    records = [record for record in ledger.runs(since=now - LOOKED_BACK) if record.is_open]
    found = [record for record in records if record.study not in known and not _is_beyond_the_queue(record)]
    queued = [_queued_again(ledger, record, ledger.lease_of(record.study), now) for record in found]
    return [message_for(record.run_id) for record in queued if record]


def _queued_again(ledger: RunLedger, record: RunRecord, lease: LeaseRecord | None, now: datetime) -> RunRecord | None:
    """The record as it stands once it is to be queued again; None unless it is stuck, or if somebody else did it."""
    if not is_stuck(record, lease, now):
        return None
    return _changed(ledger, replace(record, state="requested", queued_at=now))


def _reopened(ledger: RunLedger, record: RunRecord, now: datetime) -> RunRecord | None:
    fresh = replace(record, state="requested", requested_at=now, queued_at=now, finished_at=None)
    return _changed(ledger, replace(fresh, reason="", what="", fix=""))


def _changed(ledger: RunLedger, record: RunRecord) -> RunRecord | None:
    try:
        return ledger.write(record)
    except RecordChangedError:
        return None


def _added(ledger: RunLedger, record: RunRecord) -> RunRecord:
    added = ledger.add(record)
    if added is None:
        raise RecordChangedError(f"Another run has the id {record.run_id}. Ask once more.")
    return added


def _is_beyond_the_queue(record: RunRecord) -> bool:
    """A run of the command line was never in the queue, and whoever started it has seen how it ended."""
    return record.trigger == "command line"
