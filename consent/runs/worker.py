"""Carries out one recorded run under its claim, and records what came of it.

Knows the queue's rule alone: what is raised is tried again. What a run does is handed in (``job`` makes the real one).
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
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
from consent.runs.ledger.record import RunRecord, asked_id
from consent.runs.ledger.store import RunLedger
from consent.runs.log_context import naming_run
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
    """The real job: find the study, open what it needs, and report; its limits go by ``clock`` (seconds)."""

    def perform(record: RunRecord, lease: KeepAlive) -> "RunResult":
        from consent.reports.render import render_reports
        from consent.runs.changes import PastReports
        from consent.runs.pipeline import run_report

        study = choose_study(load_studies(settings), record.study)
        past = PastReports.of(ledger, study.key, sandbox=record.sandbox)
        with open_services(study, settings, now=now, sleep=sleep, clock=clock, keep_alive=lease.keep_alive) as services:
            if services.sandbox != record.sandbox:
                raise ConfigurationError(
                    "DROPBOX_SANDBOX_URL was set or removed after this run was requested.", "Request the run again."
                )
            return run_report(
                study,
                services,
                record.request,
                past=past,
                lease=lease,
                progress=progress,
                render=render or render_reports,
            )

    return perform


def execute_message(message: str, ledger: RunLedger, perform: Perform, *, now: Clock, holder: str) -> RunRecord:
    """Carry out the run that a message asks for; raising has the queue deliver the message again.

    Returns the record once the run has ended, also if that was before. A passing failure leaves the run open. A refusal
    closes it and is raised once, so that somebody hears of it; the message that then comes again finds it closed.

    Args:
        holder: names this process among all that may carry out the run.

    Raises:
        BadMessageError: it names no run that was recorded.
        BusyError: another run of the study is at work.
        ConsentReportError: this run did not succeed.
    """
    run_id = run_id_in(message)
    record = ledger.read(run_id)
    if record is None:
        raise BadMessageError(f"A message asks for run {run_id}, which nobody recorded. Nothing was run.")
    if not record.is_open:
        logger.info("event=message_ignored run=%s state=%s", run_id, record.state)
        return record
    with _leaseed(ledger, record, now, holder) as lease:
        begun = ledger.write(_begun(record, now()))
        return _carried_out(ledger, begun, lease, perform, now, tried_again=True)[0]


def run_at_once(record: RunRecord, ledger: RunLedger, perform: Perform, *, now: Clock, holder: str) -> "RunResult":
    """Record and carry out a run with no queue behind it: whatever it fails of, it is closed.

    Raises:
        BusyError: another run of the study is at work; nothing was recorded.
        ConsentReportError: the run did not succeed.
    """
    with _leaseed(ledger, record, now, holder) as lease:
        begun = ledger.add(_begun(record, now()))
        if begun is None:
            raise RecordChangedError(f"There is a run {record.run_id} already. Run again.")
        return _carried_out(ledger, begun, lease, perform, now, tried_again=False)[1]


def mark_failed(message: str, ledger: RunLedger, *, now: Clock) -> RunRecord | None:
    """Close the run whose message the queue has given up, unless it has ended or is at work.

    Returns its record, if there is one. A later timer opens it again if its report is still due.
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
    closed = replace(record, state="failed", finished_at=now())
    logger.error(
        "event=run_failed run=%s state=failed attempt=%s error=%s %s",
        run_id,
        record.attempt,
        closed.reason,
        closed.what,
    )
    return ledger.write(closed)


@contextlib.contextmanager
def _leaseed(ledger: RunLedger, record: RunRecord, now: Clock, holder: str) -> Iterator[Lease]:
    attempt = record.attempt + 1
    lease = acquire_lease(ledger, record.study, record.run_id, attempt, holder, now)
    with naming_run(record.run_id, attempt):
        try:
            yield lease
        finally:
            _release(lease)


def _release(lease: Lease) -> None:
    try:
        lease.release()
    except ConsentReportError as error:
        logger.warning("event=lease_not_released %s", log_text(error))


def _begun(record: RunRecord, now: datetime) -> RunRecord:
    return replace(record, state="running", attempt=record.attempt + 1, started_at=now, app_version=__version__)


def _carried_out(
    ledger: RunLedger, record: RunRecord, lease: Lease, perform: Perform, now: Clock, *, tried_again: bool
) -> "tuple[RunRecord, RunResult]":
    try:
        result = perform(record, lease)
        lease.confirm()
        ended = ledger.write(_ended_well(record, result, now()))
    except LeaseLostError as error:
        logger.error("event=lease_lost %s", log_text(error))
        if tried_again:
            _ask_for_another_look(ledger, record, lease, now())
        else:
            _record_failure(ledger, _failed(record, error, now(), tried_again=False))
        raise
    except BaseException as error:
        failed = _failed(record, error, now(), tried_again=tried_again)
        text = log_text(error) if isinstance(error, Exception) else f"error={failed.reason} {failed.what}"
        logger.error("event=run_failed state=%s %s", failed.state, text)
        _record_failure(ledger, failed)
        raise
    seconds = (now() - (record.started_at or now())).total_seconds()
    logger.info("event=run_finished state=%s seconds=%.1f", ended.state, seconds)
    return ended, result


def _ask_for_another_look(ledger: RunLedger, record: RunRecord, lease: Lease, now: datetime) -> None:
    """Record a run that mends the set, should this one's last write have fallen into the other's; a timer queues it."""
    if lease.may_have_written:
        run_id = asked_id(record.study, now, f"{record.attempt}-again")
        fresh = RunRecord(run_id, record.study, record.trigger, record.monday, now, now, record.sandbox)
        with contextlib.suppress(ConsentReportError):
            ledger.add(replace(fresh, as_of=record.as_of, accept_drop=record.accept_drop))


def _record_failure(ledger: RunLedger, record: RunRecord) -> None:
    """Keep what can be kept; the failure itself is raised by the caller, whatever becomes of its record."""
    try:
        ledger.write(record)
    except Exception as error:
        logger.warning("event=failure_not_recorded %s", log_text(error))


def _failed(record: RunRecord, error: BaseException, now: datetime, *, tried_again: bool) -> RunRecord:
    if not isinstance(error, Exception):  # Ctrl-C, or the program is told to end
        retryable, reason, problem = True, "stopped", Problem("The run was stopped by a person or by the machine.")
    else:
        retryable, reason, problem = kind_of(error).retryable, error_code(error), public_problem(error)
    told = replace(record, reason=reason, what=problem.what, fix=problem.fix)
    if retryable and tried_again:
        return replace(told, state="requested", queued_at=now)
    return replace(told, state="failed" if retryable else "refused", finished_at=now)


def _ended_well(record: RunRecord, result: "RunResult", now: datetime) -> RunRecord:
    from consent.runs.changes import totals_of, weeks_of

    summary = result.summary
    reasons = {"archived": "archived", "planned": "dry-run"}
    return replace(
        record,
        state="unchanged" if result.state in ("unchanged", "planned") else "delivered",
        reason=reasons.get(result.state, ""),
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
