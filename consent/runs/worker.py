"""One recorded run: acquire its lease, execute it, record how it ended.

The queue delivers a message again after an error, so a retryable error leaves the run open. ``job`` is the run itself.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from consent.config.settings import Settings
from consent.dates import utc_now
from consent.errors import (
    BadMessageError,
    ConfigurationError,
    ConsentReportError,
    LeaseLostError,
    Problem,
    RecordChangedError,
    error_code,
    kind_of,
    log_text,
    public_problem,
)
from consent.runs.lease import KeepAlive, Lease, acquire_lease
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import RunRecord, asked_id
from consent.runs.log_context import log_context
from consent.runs.scheduler import run_id_in
from consent.runs.services import open_services
from consent.studies.catalog import choose_study, load_studies
from consent.version import __version__

if TYPE_CHECKING:
    from consent.runs.pipeline import Render, RunResult
    from consent.runs.progress import Progress

Perform = Callable[[RunRecord, KeepAlive], "RunResult"]
Clock = Callable[[], datetime]

logger = logging.getLogger(__name__)


def job(
    settings: Settings,
    ledger: RunLedger,
    *,
    now: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    progress: "Progress | None" = None,
    render: "Render | None" = None,
) -> Perform:
    """Return the function that makes and delivers the report of a record; ``clock`` (seconds) is for time limits."""

    def perform(record: RunRecord, lease: KeepAlive) -> "RunResult":
        from consent.reports.render import render_reports
        from consent.runs.pipeline import run_report

        study = choose_study(load_studies(settings), record.study)
        past = partial(ledger.last_reports, study.key, sandbox=record.sandbox)
        with open_services(study, settings, now=now, sleep=sleep, clock=clock, keep_alive=lease.keep_alive) as services:
            if services.sandbox != record.sandbox:
                raise ConfigurationError(
                    "DROPBOX_SANDBOX_URL was set or removed after this run was requested.", "Request the run again."
                )
            render_files = render or render_reports
            return run_report(
                study, services, record.request, past=past, lease=lease, progress=progress, render=render_files
            )

    return perform


def execute_message(message: str, ledger: RunLedger, perform: Perform, *, now: Clock, holder: str) -> RunRecord:
    """Execute the run that a queue message names, and return its record; an ended run is not executed again.

    A retryable error leaves the run open. Any other error closes it and is raised once, for the platform's log.

    Args:
        holder: names this process among all that may execute the run.

    Raises:
        BadMessageError: the message names no recorded run.
        RunInProgressError: another run of the study is in progress.
        ConsentReportError: this run failed.
    """
    run_id = run_id_in(message)
    record = ledger.read(run_id)
    if record is None:
        raise BadMessageError(f"A queue message names run {run_id}, which is not recorded.", "Request the run again.")
    if not record.is_open:
        logger.info("event=message_ignored run=%s state=%s", run_id, record.state)
        return record
    with _leased(ledger, record, now, holder) as lease:
        started = ledger.write(_started(record, now()))
        return _execute(ledger, started, lease, perform, now, queued=True)[0]


def run_at_once(record: RunRecord, ledger: RunLedger, perform: Perform, *, now: Clock, holder: str) -> "RunResult":
    """Record and execute a run that is in no queue: every error closes it.

    Raises:
        RunInProgressError: another run of the study is in progress; nothing was recorded.
        ConsentReportError: the run failed.
    """
    with _leased(ledger, record, now, holder) as lease:
        started = ledger.add(_started(record, now()))
        if started is None:
            raise RecordChangedError(f"A run {record.run_id} already exists.", "Run again.")
        return _execute(ledger, started, lease, perform, now, queued=False)[1]


def mark_failed(message: str, ledger: RunLedger, *, now: Clock) -> RunRecord | None:
    """Close the run whose message the queue no longer delivers, unless it has ended or its study's lease is live.

    Returns its record, if there is one. A later timer reopens the run if its report is still due.
    """
    try:
        run_id = run_id_in(message)
        record = ledger.read(run_id)
    except BadMessageError as error:
        logger.error("event=run_failed state=unknown %s", log_text(error))
        return None
    if record is None or not record.is_open:
        logger.warning("event=message_ignored run=%s state=%s", run_id, record.state if record else "unknown")
        return record
    lease = ledger.lease_of(record.study)
    if lease is not None and lease.is_live(now()):
        logger.warning("event=message_ignored run=%s state=%s lease=%s", run_id, record.state, lease.run_id)
        return record
    if record.state == "running" or not record.reason:
        record = replace(record, reason="lost", what="", fix="")
    closed = ledger.write(replace(record, state="failed", finished_at=now()))
    with log_context(run_id, closed.attempt):
        logger.error("event=run_failed state=failed error=%s %s", closed.reason, closed.what)
    return closed


@contextlib.contextmanager
def _leased(ledger: RunLedger, record: RunRecord, now: Clock, holder: str) -> Iterator[Lease]:
    attempt = record.attempt + 1
    lease = acquire_lease(ledger, record.study, record.run_id, attempt, holder, now)
    with log_context(record.run_id, attempt):
        try:
            yield lease
        finally:
            try:
                lease.release()
            except ConsentReportError as error:  # then it expires
                logger.warning("event=lease_release_failed %s", log_text(error))


def _execute(
    ledger: RunLedger, record: RunRecord, lease: Lease, perform: Perform, now: Clock, *, queued: bool
) -> "tuple[RunRecord, RunResult]":
    started_at = now()
    logger.info("event=run_started")
    try:
        result = perform(record, lease)
        lease.confirm()
        ended = ledger.write(_succeeded(record, result, now()))
    except LeaseLostError as error:
        logger.error("event=lease_lost %s", log_text(error))
        if queued:  # the record now belongs to the other run
            _request_repair(ledger, record, lease, now())
        else:
            _record_failure(ledger, _failed(record, error, now(), queued=False))
        raise
    except BaseException as error:
        failed = _failed(record, error, now(), queued=queued)
        event = "attempt_failed" if failed.is_open else "run_failed"
        text = log_text(error) if isinstance(error, Exception) else f"error={failed.reason} {failed.what}"
        logger.error("event=%s state=%s %s", event, failed.state, text)
        _record_failure(ledger, failed)
        raise
    logger.info("event=run_finished state=%s seconds=%.1f", ended.state, (now() - started_at).total_seconds())
    return ended, result


def _request_repair(ledger: RunLedger, record: RunRecord, lease: Lease, now: datetime) -> None:
    """Record another run if this one's last write may have landed in the other run's set; a timer queues it."""
    if lease.may_have_written:
        run_id = asked_id(record.study, now, f"{record.attempt}-again")
        repair = RunRecord(run_id, record.study, record.trigger, record.monday, now, now, record.sandbox)
        with contextlib.suppress(ConsentReportError):
            ledger.add(replace(repair, as_of=record.as_of, accept_drop=record.accept_drop))


def _record_failure(ledger: RunLedger, record: RunRecord) -> None:
    """Record a failure if possible; the caller raises the failure itself."""
    try:
        ledger.write(record)
    except Exception as error:
        logger.warning("event=failure_not_recorded %s", log_text(error))


def _started(record: RunRecord, now: datetime) -> RunRecord:
    counted = replace(record, attempt=record.attempt + 1, tries=record.tries + 1)
    return replace(counted, state="running", started_at=now, app_version=__version__)


def _failed(record: RunRecord, error: BaseException, now: datetime, *, queued: bool) -> RunRecord:
    if isinstance(error, Exception):
        retryable, reason, problem = kind_of(error).retryable, error_code(error), public_problem(error)
    else:  # Ctrl-C, or a signal to the process
        retryable, reason, problem = True, "stopped", Problem("The run was stopped by a person or by the machine.")
    explained = replace(record, reason=reason, what=problem.what, fix=problem.fix)
    if retryable and queued:
        return replace(explained, state="requested", queued_at=now)
    return replace(explained, state="failed" if retryable else "refused", finished_at=now)


def _succeeded(record: RunRecord, result: "RunResult", now: datetime) -> RunRecord:
    from consent.runs.changes import totals_of, weeks_of

    summary = result.summary
    return replace(
        record,
        state="unchanged" if result.state in ("unchanged", "planned") else "delivered",
        reason={"archived": "archived", "planned": "dry-run"}.get(result.state, ""),
        what="",
        fix="",
        finished_at=now,
        cutoff=summary.period.cutoff,
        counts=totals_of(summary),
        has_groups=result.has_groups,
        set_id=result.plan.set_id,
        files=result.delivery.files if result.delivery else (),
        remarks=result.remarks,
        redcap_version=summary.source.redcap_version or "",
        study_sha256=summary.study.sha256,
        week_counts=None if result.state == "planned" else weeks_of(summary),
    )
