"""Tests of the worker: what is recorded of a run, what the queue retries, and what it must not."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consent.errors import (
    BadMessageError,
    ConsentReportError,
    ImplausibleDropError,
    LeaseLostError,
    LedgerUnavailableError,
    RecordChangedError,
    RunInProgressError,
    SourceRefusedError,
    SourceUnavailableError,
)
from consent.runs.changes import weeks_of
from consent.runs.lease import KeepAlive
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import LeaseRecord, RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.pipeline import RunResult
from consent.runs.scheduler import message_for, queue_due
from consent.runs.worker import Perform, execute_message, mark_failed, run_at_once
from tests.support.run_builders import NOW, Clock, a_result, a_run, kept, later

SCHEDULED = "adults.2026-11-16"
AT_ONCE = "adults.20261116T130000Z-1"
DOWN = SourceUnavailableError("REDCap is down.", "Wait.")
REFUSED = SourceRefusedError("REDCap refused the token.", "Renew it.")
DROPPED = ImplausibleDropError("shrunk", "1,000 before, 10 now.", "Look in REDCap.")


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> RunLedger:
    ledger = SqliteLedger(tmp_path / "runs.sqlite")
    ledger.add(a_run())
    return ledger


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    make = logging.getLogRecordFactory()
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, logger="consent.runs.worker")  # which the command line silences
    yield caplog
    logging.setLogRecordFactory(make)


def performing(result: RunResult | None = None) -> Perform:
    """A run that succeeds."""
    return lambda record, lease: result or a_result()


def failing(error: BaseException) -> Perform:
    """A run that fails."""

    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        raise error

    return perform


def overtaken(ledger: RunLedger, *, wrote: bool) -> Perform:
    """A run that freezes in its last step, while another run of the study takes over and ends."""

    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        before_step = lease.renew if wrote else lease.keep_alive
        before_step()
        current = ledger.lease_of("adults")
        assert current is not None
        ledger.drop_lease(current)
        return a_result()

    return perform


def execute(ledger: RunLedger, perform: Perform, *, clock: Clock | None = None, run_id: str = SCHEDULED) -> RunRecord:
    """Deliver the message of a run."""
    return execute_message(message_for(run_id), ledger, perform, now=clock or Clock(), holder="me")


def failed(ledger: RunLedger, error: BaseException, **how: Clock) -> RunRecord:
    """The record after its run failed."""
    with pytest.raises(type(error)):
        execute(ledger, failing(error), **how)
    return kept(ledger)


def execute_at_once(ledger: RunLedger, perform: Perform) -> RunResult:
    """Run without a queue."""
    return run_at_once(a_run(run_id=AT_ONCE, trigger="command line"), ledger, perform, now=Clock(), holder="me")


def hold_lease(ledger: RunLedger, run_id: str = "adults.other") -> None:
    ledger.put_lease(LeaseRecord("adults", run_id, 1, "other", NOW + timedelta(minutes=10)))


def events(log: pytest.LogCaptureFixture) -> list[str]:
    return re.findall(r"event=(\w+)", log.text)


# A run that succeeds


def test_during_a_run_its_record_says_running_and_its_study_is_leased(ledger: RunLedger) -> None:
    seen: list[tuple[str, LeaseRecord | None]] = []

    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        seen.append((kept(ledger).state, ledger.lease_of("adults")))
        return a_result()

    execute(ledger, perform)

    ((state, lease),) = seen
    assert lease is not None
    assert (state, lease.run_id, lease.attempt, lease.holder) == ("running", SCHEDULED, 1, "me")
    assert ledger.lease_of("adults") is None


@pytest.mark.parametrize(
    ("result", "state", "reason", "is_report"),
    [
        ("delivered", "delivered", "", True),
        ("unchanged", "unchanged", "", True),
        ("archived", "delivered", "archived", False),
        ("planned", "unchanged", "dry-run", False),
    ],
)
def test_the_end_of_a_run_is_recorded(ledger: RunLedger, result: str, state: str, reason: str, is_report: bool) -> None:
    ledger.write(replace(kept(ledger), dry_run=result == "planned"))

    record = execute(ledger, performing(a_result(result)))

    assert (record.state, record.reason, record.is_report) == (state, reason, is_report)
    assert (kept(ledger).week_counts is None) == (result == "planned")


def test_the_numbers_and_files_of_a_report_are_recorded(ledger: RunLedger) -> None:
    result = a_result(has_groups=True, remarks=("First report.",))

    execute(ledger, performing(result))
    record = kept(ledger)

    assert result.delivery is not None
    assert record.counts is not None
    assert (record.set_id, record.files, record.has_groups, record.remarks, record.week_counts) == (
        result.plan.set_id,
        result.delivery.files,
        True,
        ("First report.",),
        weeks_of(result.summary),
    )
    assert record.counts.consented == result.summary.participants.consented


def test_a_message_that_comes_twice_changes_nothing(ledger: RunLedger) -> None:
    execute(ledger, performing())
    before = kept(ledger)

    execute(ledger, failing(AssertionError("it must not run again")))

    assert kept(ledger) == before


def test_while_another_run_is_in_progress_the_run_stays_open_and_untried(ledger: RunLedger) -> None:
    hold_lease(ledger)

    with pytest.raises(RunInProgressError, match="'adults'"):
        execute(ledger, performing())

    assert (kept(ledger).state, kept(ledger).attempt) == ("requested", 0)


def test_a_run_whose_process_died_is_executed_again(ledger: RunLedger) -> None:
    ledger.write(replace(kept(ledger), state="running", attempt=1, started_at=NOW))
    hold_lease(ledger, SCHEDULED)

    record = execute(ledger, performing(), clock=later(minutes=11))

    assert (record.state, record.attempt) == ("delivered", 2)


def test_a_run_that_is_not_recorded_is_refused(ledger: RunLedger) -> None:
    with pytest.raises(BadMessageError, match=r"adults\.2020-01-06"):
        execute(ledger, performing(), run_id="adults.2020-01-06")


def test_every_line_of_a_run_names_it(ledger: RunLedger, log: pytest.LogCaptureFixture) -> None:
    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        logging.getLogger("dropbox").warning("100%% of %s", "something")
        return a_result()

    execute(ledger, perform)

    assert [line.startswith(f"run={SCHEDULED} study=adults attempt=1 ") for line in log.messages] == [True] * 3
    assert events(log) == ["run_started", "run_finished"]


# A run that fails


def test_a_retryable_error_leaves_the_run_open_and_the_study_free(
    ledger: RunLedger, log: pytest.LogCaptureFixture
) -> None:
    record = failed(ledger, DOWN, clock=later(minutes=3))

    assert (record.state, record.reason, record.what, record.fix, record.queued_at) == (
        "requested",
        "source-unavailable",
        "REDCap is down.",
        "Wait.",
        later(minutes=3).now,
    )
    assert (ledger.lease_of("adults"), events(log)) == (None, ["run_started", "attempt_failed"])


def test_a_success_clears_the_error_of_an_earlier_attempt(ledger: RunLedger) -> None:
    failed(ledger, DOWN)
    execute(ledger, performing())

    record = kept(ledger)

    assert (record.attempt, record.tries, record.reason, record.what, record.fix) == (2, 2, "", "", "")


@pytest.mark.parametrize(("error", "reason"), [(REFUSED, "source-refused"), (DROPPED, "shrunk")])
def test_a_refusal_closes_the_run_and_is_raised_once(
    ledger: RunLedger, error: Exception, reason: str, log: pytest.LogCaptureFixture
) -> None:
    record = failed(ledger, error)

    assert (record.state, record.reason, record.finished_at) == ("refused", reason, NOW)
    assert f"event=run_failed state=refused error={reason} " in log.text
    assert execute(ledger, failing(AssertionError("it must not run again"))).state == "refused"


def test_an_internal_error_is_recorded_without_its_own_words(ledger: RunLedger, log: pytest.LogCaptureFixture) -> None:
    record = failed(ledger, KeyError("000417"))

    assert (record.state, record.reason) == ("requested", "internal-error")
    assert "000417" not in f"{record} {log.text}"


def test_a_stopped_run_is_retried(ledger: RunLedger) -> None:
    assert (failed(ledger, SystemExit(1)).state, kept(ledger).reason) == ("requested", "stopped")


class NoEnd(SqliteLedger):
    """A ledger that cannot be reached at the end of a run."""

    def write(self, record: RunRecord) -> RunRecord:
        if record.state != "running":
            raise LedgerUnavailableError("The run history cannot be reached.")
        return super().write(record)


def test_a_run_whose_end_cannot_be_recorded_is_retried(tmp_path: Path) -> None:
    ledger = NoEnd(tmp_path / "runs.sqlite")
    ledger.add(a_run())

    with pytest.raises(LedgerUnavailableError):
        execute(ledger, performing())

    assert execute(SqliteLedger(tmp_path / "runs.sqlite"), performing(a_result("unchanged"))).state == "unchanged"


def test_an_error_that_cannot_be_recorded_is_still_raised(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    ledger = NoEnd(tmp_path / "runs.sqlite")
    ledger.add(a_run())

    with pytest.raises(ConsentReportError, match="REDCap refused"):
        execute(ledger, failing(REFUSED))

    assert events(log) == ["run_started", "run_failed", "failure_not_recorded"]


class NoRelease(SqliteLedger):
    """A ledger in which no lease can be released."""

    def drop_lease(self, lease: LeaseRecord) -> None:
        raise LedgerUnavailableError("The run history cannot be reached.")


def test_a_lease_that_cannot_be_released_does_not_spoil_the_run(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    ledger = NoRelease(tmp_path / "runs.sqlite")
    ledger.add(a_run())

    assert execute(ledger, performing()).state == "delivered"
    assert events(log)[-1] == "lease_release_failed"


# A run that lost its lease


@pytest.mark.parametrize(("wrote", "runs"), [(True, 2), (False, 1)])
def test_a_run_that_was_overtaken_is_not_delivered_and_its_last_write_is_repaired(
    ledger: RunLedger, wrote: bool, runs: int, log: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(LeaseLostError):
        execute(ledger, overtaken(ledger, wrote=wrote))

    assert (kept(ledger).state, kept(ledger).reason) == ("running", "")
    assert (len(ledger.runs("adults")), events(log)) == (runs, ["run_started", "lease_lost"])


def test_the_next_timer_queues_the_repair(ledger: RunLedger) -> None:
    with pytest.raises(LeaseLostError):
        execute(ledger, overtaken(ledger, wrote=True))
    (repair,) = [run.run_id for run in ledger.runs("adults") if run.run_id != SCHEDULED]

    messages = queue_due(ledger, [], trigger="monday", now=later(minutes=16).now, sandbox=False)

    assert message_for(repair) in messages


def test_a_run_that_another_process_ended_keeps_that_end(ledger: RunLedger) -> None:
    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        ledger.write(replace(kept(ledger), state="delivered", set_id="theirs"))
        return a_result()

    with pytest.raises(RecordChangedError):
        execute(ledger, perform)

    assert kept(ledger).set_id == "theirs"


# A message that the queue no longer delivers


def test_a_run_after_its_last_retry_is_closed_with_its_error(ledger: RunLedger, log: pytest.LogCaptureFixture) -> None:
    failed(ledger, DOWN)

    mark_failed(message_for(SCHEDULED), ledger, now=later(hours=1))

    record = kept(ledger)
    assert (record.state, record.reason, record.what) == ("failed", "source-unavailable", "REDCap is down.")
    assert record.finished_at == later(hours=1).now
    assert f"run={SCHEDULED} study=adults attempt=1 event=run_failed state=failed error=source-unavailable" in log.text


@pytest.mark.parametrize("before", [[], [DOWN]], ids=["never failed", "failed before"])
def test_a_run_whose_process_died_is_closed_as_lost(ledger: RunLedger, before: list[Exception]) -> None:
    for error in before:
        failed(ledger, error)
    ledger.write(replace(kept(ledger), state="running", attempt=10))

    mark_failed(message_for(SCHEDULED), ledger, now=Clock())

    assert (kept(ledger).state, kept(ledger).reason, kept(ledger).what) == ("failed", "lost", "")


@pytest.mark.parametrize(("ended", "state"), [(False, "requested"), (True, "delivered")])
def test_a_run_in_progress_or_ended_is_not_closed(ledger: RunLedger, ended: bool, state: str) -> None:
    execute(ledger, performing()) if ended else hold_lease(ledger, SCHEDULED)

    mark_failed(message_for(SCHEDULED), ledger, now=Clock())

    assert kept(ledger).state == state


@pytest.mark.parametrize(("message", "event"), [("[]", "run_failed"), (message_for("adults.x"), "message_ignored")])
def test_a_message_without_a_run_is_logged(
    ledger: RunLedger, message: str, event: str, log: pytest.LogCaptureFixture
) -> None:
    assert (mark_failed(message, ledger, now=Clock()), events(log)) == (None, [event])


# A run without a queue


def test_a_run_without_a_queue_is_recorded_at_its_end(ledger: RunLedger) -> None:
    execute_at_once(ledger, performing())

    assert (kept(ledger, AT_ONCE).state, kept(ledger, AT_ONCE).attempt) == ("delivered", 1)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (DOWN, "failed"),
        (REFUSED, "refused"),
        (KeyError("x"), "failed"),
        (KeyboardInterrupt(), "failed"),
        (LeaseLostError("Another run took over."), "failed"),
    ],
)
def test_every_error_closes_a_run_without_a_queue(ledger: RunLedger, error: Any, state: str) -> None:
    with pytest.raises(type(error)):
        execute_at_once(ledger, failing(error))

    assert (kept(ledger, AT_ONCE).state, ledger.lease_of("adults")) == (state, None)


def test_a_run_without_a_queue_records_nothing_while_another_is_in_progress(ledger: RunLedger) -> None:
    hold_lease(ledger)

    with pytest.raises(RunInProgressError):
        execute_at_once(ledger, performing())

    assert ledger.read(AT_ONCE) is None
