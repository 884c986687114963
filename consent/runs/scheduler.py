"""Which runs to queue: those that are due, those that a person requests, and those that got stuck.

A run is recorded before its message is queued. If anything fails in between, a later timer finds the record and queues
it again.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from consent.errors import BadMessageError, log_text
from consent.runs.due import is_stuck, next_step
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import LeaseRecord, RunRecord, Trigger, is_run_id, repeated_id, scheduled_id
from consent.runs.request import RunRequest
from consent.studies.model import StudyConfig
from consent.studies.schedule import latest_monday

_LOOK_BACK = timedelta(days=60)  # older runs are not open any more

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QueuedRun:
    """The run of a request, and the message to queue for it; None if it is queued or running already."""

    record: RunRecord
    message: str | None


def message_for(run_id: str) -> str:
    """Return the queue message of a run."""
    return json.dumps({"run_id": run_id})


def run_id_in(message: str) -> str:
    """Return the id of the run that a queue message names; raises BadMessageError if it names none."""
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        document = None
    run_id = document.get("run_id") if isinstance(document, dict) else None
    if not isinstance(run_id, str) or not is_run_id(run_id):
        raise BadMessageError(
            "A message in the queue names no run.",
            "Find out what else writes to the queue; request runs with POST /api/runs.",
        )
    return run_id


def queue_due(
    ledger: RunLedger, studies: Sequence[StudyConfig], *, trigger: Trigger, now: datetime, sandbox: bool
) -> list[str]:
    """Record every run that is due, and return the messages to queue, also those of stuck runs.

    An error in one study is logged, because raising it would lose the messages of the others. It is raised if there is
    no message at all.
    """
    tasks = [(study.key, partial(_due_messages, ledger, study, trigger, now, sandbox=sandbox)) for study in studies]
    tasks.append(("unknown", partial(_orphaned_runs, ledger, {study.key for study in studies}, now)))
    messages: list[str] = []
    failed: list[Exception] = []
    for study, task in tasks:
        try:
            messages += task()
        except Exception as error:
            logger.error("event=timer_failed study=%s %s", study, log_text(error))
            failed.append(error)
    if failed and not messages:
        raise failed[0]
    return messages


def new_record(
    run_id: str, study: StudyConfig, request: RunRequest, trigger: Trigger, now: datetime, *, sandbox: bool
) -> RunRecord:
    """Return the record of a run that a person requests now."""
    return RunRecord(
        run_id=run_id,
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
    ledger: RunLedger,
    study: StudyConfig,
    request: RunRequest,
    now: datetime,
    *,
    sandbox: bool,
    trigger: Trigger = "http",
) -> QueuedRun:
    """Record a run that a person requests over HTTP; an equal open run is returned instead.

    The id follows from the request and the equal run before it. So of equal requests at the same moment, one adds the
    run, and the others find it in its place.
    """
    ledger.first_seen(study.key, now)
    request = replace(request, study=study.key)
    previous = ""
    for record in ledger.runs(study.key, since=now - _LOOK_BACK):
        if record.request != request or record.sandbox != sandbox or not _is_queueable(record):
            continue
        if record.is_open:
            again = _queued_again(ledger, record, ledger.lease_of(study.key), now)
            return QueuedRun(again or record, next(iter(_messages(trigger, [again])), None))
        if record.trigger in ("http", "page"):
            previous = previous or record.run_id
    while True:
        run_id = repeated_id(request, previous, sandbox=sandbox)
        added = ledger.add(new_record(run_id, study, request, trigger, now, sandbox=sandbox))
        found = added or ledger.read(run_id)
        if found is not None and found.is_open:
            return QueuedRun(found, next(iter(_messages(trigger, [added])), None))
        previous = run_id  # that run has ended


def _due_messages(
    ledger: RunLedger, study: StudyConfig, trigger: Trigger, now: datetime, *, sandbox: bool
) -> list[str]:
    ledger.first_seen(study.key, now)
    records = ledger.runs(study.key, since=now - _LOOK_BACK)
    lease = ledger.lease_of(study.key)
    queued = [_queued_again(ledger, record, lease, now) for record in records if _is_queueable(record)]
    step = next_step(study, records, lease, now, sandbox=sandbox)
    monday = latest_monday(study, now)
    run_id = scheduled_id(study.key, monday, sandbox=sandbox)
    if step == "record":
        scheduled = RunRecord(run_id, study.key, trigger, monday, requested_at=now, queued_at=now, sandbox=sandbox)
        queued.append(ledger.add(scheduled))
    if step == "reopen":
        queued += [_reopened(ledger, record, now) for record in records if record.run_id == run_id]
    return _messages(trigger, queued)


def _orphaned_runs(ledger: RunLedger, known: set[str], now: datetime) -> list[str]:
    """Queue stuck runs of studies that can no longer be used once more: then they are refused and closed."""
    records = [record for record in ledger.runs(since=now - _LOOK_BACK) if record.is_open and _is_queueable(record)]
    orphaned = [record for record in records if record.study not in known]
    queued = [_queued_again(ledger, record, ledger.lease_of(record.study), now) for record in orphaned]
    return _messages("timer", queued)


def _messages(trigger: str, queued: Sequence[RunRecord | None]) -> list[str]:
    records = [record for record in queued if record]
    for record in records:
        logger.info("event=run_queued study=%s run=%s trigger=%s", record.study, record.run_id, trigger)
    return [message_for(record.run_id) for record in records]


def _queued_again(ledger: RunLedger, record: RunRecord, lease: LeaseRecord | None, now: datetime) -> RunRecord | None:
    """Return the record, to be queued again; None unless it is stuck, or if another process queued it."""
    if not is_stuck(record, lease, now):
        return None
    return ledger.put_record(replace(record, state="requested", queued_at=now, tries=0))


def _reopened(ledger: RunLedger, record: RunRecord, now: datetime) -> RunRecord | None:
    fresh = replace(record, state="requested", requested_at=now, queued_at=now, tries=0, finished_at=None)
    return ledger.put_record(replace(fresh, reason="", what="", fix=""))


def _is_queueable(record: RunRecord) -> bool:
    """Whether a run may be queued: one of the command line is not, because the person who started it retries."""
    return record.trigger != "command line"
