"""Claims about carrying out a run: what is recorded, what the queue tries again, and what it must not."""

import logging
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from consent.errors import (
    BadMessageError,
    ConsentReportError,
    ImplausibleDropError,
    LeaseLostError,
    LedgerUnavailableError,
    RunInProgressError,
    SourceRefusedError,
    SourceUnavailableError,
)
from consent.runs.lease import KeepAlive
from consent.runs.ledger.record import LeaseRecord, RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.ledger.store import RunLedger
from consent.runs.pipeline import RunResult
from consent.runs.scheduler import message_for, queue_due
from consent.runs.worker import Perform, execute_message, mark_failed, run_at_once
from consent.studies.fingerprints import rule_fingerprints
from tests.support.run_builders import NOW, Clock, a_report, a_result, a_run, kept, later

SCHEDULED = "adults.2026-11-16"
DOWN = SourceUnavailableError("REDCap is down. Wait.")
REFUSED = SourceRefusedError("REDCap refused the token. Renew it.")
FALLEN = ImplausibleDropError("shrunk", "1,000 before, 10 now.", "Look in REDCap.")


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> RunLedger:
    ledger = SqliteLedger(tmp_path / "runs.sqlite")
    ledger.add(a_run())
    return ledger


def performing(result: RunResult | None = None) -> Perform:
    """A run that goes well."""
    return lambda record, lease: result or a_result()


def failing(error: BaseException) -> Perform:
    """A run that does not."""

    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        raise error

    return perform


def execute(ledger: RunLedger, perform: Perform, *, clock: Clock | None = None, run_id: str = SCHEDULED) -> RunRecord:
    """Deliver the message of a run."""
    return execute_message(message_for(run_id), ledger, perform, now=clock or Clock(), holder="me")


def failed(ledger: RunLedger, error: BaseException, **how: Clock) -> RunRecord:
    """The record after its run failed."""
    with pytest.raises(type(error)):
        execute(ledger, failing(error), **how)
    return kept(ledger)


def test_while_it_is_carried_out_the_record_says_running(ledger: RunLedger) -> None:
    seen: list[str] = []

    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        seen.append(kept(ledger).state)
        return a_result()

    execute(ledger, perform)

    assert seen == ["running"]


def test_while_it_is_carried_out_the_study_is_leaseed(ledger: RunLedger) -> None:
    seen: list[LeaseRecord | None] = []

    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        seen.append(ledger.lease_of("adults"))
        return a_result()

    execute(ledger, perform)

    assert [(lease.run_id, lease.attempt, lease.holder) for lease in seen if lease] == [(SCHEDULED, 1, "me")]


@pytest.mark.parametrize(
    ("came_of_it", "state", "reason", "is_report"),
    [
        ("delivered", "delivered", "", True),
        ("unchanged", "unchanged", "", True),
        ("archived", "delivered", "archived", False),
        ("planned", "unchanged", "dry-run", False),
    ],
)
def test_what_came_of_a_run_is_recorded(
    ledger: RunLedger, came_of_it: str, state: str, reason: str, is_report: bool
) -> None:
    ledger.write(replace(kept(ledger), dry_run=came_of_it == "planned"))

    record = execute(ledger, performing(a_result(came_of_it)))

    assert (record.state, record.reason, record.is_report) == (state, reason, is_report)


def test_totals_files_and_set_are_recorded(ledger: RunLedger) -> None:
    result = a_result(has_groups=True, remarks=("First report.",))

    record = execute(ledger, performing(result))

    assert (record.set_id, record.files, record.has_groups, record.remarks) == (
        result.plan.set_id,
        result.delivery.files if result.delivery else (),
        True,
        ("First report.",),
    )


def test_the_weeks_of_a_report_are_kept_with_it(ledger: RunLedger) -> None:
    result = a_result()
    execute(ledger, performing(result))

    weeks = kept(ledger).week_counts

    assert weeks is not None
    assert (weeks.first_day, len(weeks.consented), sum(weeks.consented)) == (
        result.summary.period.start,
        len(result.summary.weeks),
        result.summary.participants.consented,
    )


def test_the_rules_of_a_report_are_kept_with_its_weeks(ledger: RunLedger) -> None:
    result = a_result()
    execute(ledger, performing(result))

    weeks = kept(ledger).week_counts

    assert weeks is not None
    assert weeks.rules == rule_fingerprints(result.summary.study)


def test_afterwards_the_study_is_free(ledger: RunLedger) -> None:
    execute(ledger, performing())

    assert ledger.lease_of("adults") is None


def test_a_message_that_comes_twice_changes_nothing(ledger: RunLedger) -> None:
    execute(ledger, performing())
    before = kept(ledger)

    execute(ledger, failing(AssertionError("it must not run again")))

    assert kept(ledger) == before


def test_while_another_run_is_at_work_the_message_goes_back_to_the_queue(ledger: RunLedger) -> None:
    ledger.put_lease(LeaseRecord("adults", "adults.other", 1, "other", NOW + timedelta(minutes=10)))

    with pytest.raises(RunInProgressError, match="Another run of 'adults' is at work"):
        execute(ledger, performing())


def test_a_run_that_found_another_at_work_is_still_open_and_untried(ledger: RunLedger) -> None:
    ledger.put_lease(LeaseRecord("adults", "adults.other", 1, "other", NOW + timedelta(minutes=10)))

    with pytest.raises(RunInProgressError, match="is at work"):
        execute(ledger, performing())

    assert (kept(ledger).state, kept(ledger).attempt) == ("requested", 0)


def test_a_run_whose_process_died_is_taken_up_again(ledger: RunLedger) -> None:
    ledger.write(replace(kept(ledger), state="running", attempt=1, started_at=NOW))
    ledger.put_lease(LeaseRecord("adults", SCHEDULED, 1, "dead", NOW + timedelta(minutes=10)))

    record = execute(ledger, performing(), clock=later(minutes=11))

    assert (record.state, record.attempt) == ("delivered", 2)


def test_a_passing_failure_is_raised_so_that_the_queue_tries_again(ledger: RunLedger) -> None:
    with pytest.raises(SourceUnavailableError, match="REDCap is down"):
        execute(ledger, failing(DOWN))


def test_a_passing_failure_leaves_the_run_open_and_says_why(ledger: RunLedger) -> None:
    record = failed(ledger, DOWN, clock=later(minutes=3))

    assert (record.state, record.reason, record.message, record.queued_at) == (
        "requested",
        "source-unavailable",
        "REDCap is down. Wait.",
        later(minutes=3).now,
    )


def test_after_a_failure_the_study_is_free(ledger: RunLedger) -> None:
    failed(ledger, DOWN)

    assert ledger.lease_of("adults") is None


def test_the_next_attempt_is_counted(ledger: RunLedger) -> None:
    failed(ledger, DOWN)

    assert execute(ledger, performing()).attempt == 2


def test_success_clears_the_reason_of_an_earlier_failure(ledger: RunLedger) -> None:
    failed(ledger, DOWN)
    execute(ledger, performing())

    assert (kept(ledger).reason, kept(ledger).message) == ("", "")


@pytest.mark.parametrize(("error", "reason"), [(REFUSED, "source-refused"), (FALLEN, "shrunk")])
def test_a_refusal_closes_the_run(ledger: RunLedger, error: Exception, reason: str) -> None:
    record = failed(ledger, error)

    assert (record.state, record.reason, record.finished_at) == ("refused", reason, NOW)


def test_a_refusal_is_raised_only_once(ledger: RunLedger) -> None:
    failed(ledger, REFUSED)

    assert execute(ledger, failing(AssertionError("it must not run again"))).state == "refused"


def test_a_fault_in_the_program_is_recorded_without_its_own_words(ledger: RunLedger) -> None:
    record = failed(ledger, KeyError("000417"))

    assert (record.state, record.reason, "000417" in record.message) == ("requested", "fault", False)


def test_a_run_that_was_stopped_from_outside_is_tried_again(ledger: RunLedger) -> None:
    assert (failed(ledger, SystemExit(1)).state, kept(ledger).reason) == ("requested", "stopped")


def test_a_run_that_lost_its_lease_leaves_the_record_to_the_other(ledger: RunLedger) -> None:
    record = failed(ledger, LeaseLostError("Another run has taken over."))

    assert (record.state, record.reason) == ("running", "")


def overtaken(ledger: RunLedger, *, wrote: bool) -> Perform:
    """A run that freezes in its last write, while another run of the study takes over and lets go again."""

    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        before_write = lease.renew if wrote else lease.keep_alive
        before_write()
        lease = ledger.lease_of("adults")
        assert lease is not None
        ledger.drop_lease(lease)
        return a_result()

    return perform


def test_a_run_that_was_overtaken_in_its_last_write_does_not_say_delivered(ledger: RunLedger) -> None:
    with pytest.raises(LeaseLostError, match="taken over"):
        execute(ledger, overtaken(ledger, wrote=True))

    assert kept(ledger).state == "running"


@pytest.mark.parametrize(("wrote", "runs"), [(True, 2), (False, 1)])
def test_after_a_write_that_may_have_fallen_into_anothers_set_one_more_run_is_asked_for(
    ledger: RunLedger, wrote: bool, runs: int
) -> None:
    with pytest.raises(LeaseLostError, match="taken over"):
        execute(ledger, overtaken(ledger, wrote=wrote))

    assert len(ledger.runs("adults")) == runs


def test_the_run_that_is_asked_for_to_mend_the_set_is_queued_by_the_next_timer(ledger: RunLedger) -> None:
    with pytest.raises(LeaseLostError, match="taken over"):
        execute(ledger, overtaken(ledger, wrote=True))
    mending = [run.run_id for run in ledger.runs("adults") if run.run_id != SCHEDULED]

    messages = queue_due(ledger, [], trigger="monday", now=later(minutes=16).now, sandbox=False)

    assert {message_for(run_id) for run_id in mending} <= {*messages}


def test_a_run_that_another_ended_meanwhile_does_not_overwrite_its_record(ledger: RunLedger) -> None:
    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        ledger.write(replace(kept(ledger), state="delivered", set_id="theirs"))
        return a_result()

    with pytest.raises(RunInProgressError, match="changed by somebody else"):
        execute(ledger, perform)

    assert kept(ledger).set_id == "theirs"


def test_a_run_nobody_recorded_is_refused(ledger: RunLedger) -> None:
    with pytest.raises(BadMessageError, match="nobody recorded"):
        execute(ledger, performing(), run_id="adults.2020-01-06")


class Forgetful(SqliteLedger):
    """A ledger that is out of reach for the end of a run."""

    def write(self, record: RunRecord) -> RunRecord:
        """Keep what happens before the end."""
        if record.state != "running":
            raise LedgerUnavailableError("The record of runs cannot be reached.")
        return super().write(record)


def test_a_run_whose_end_could_not_be_recorded_is_tried_again(tmp_path: Path) -> None:
    ledger = Forgetful(tmp_path / "runs.sqlite")
    ledger.add(a_run())

    with pytest.raises(LedgerUnavailableError, match="cannot be reached"):
        execute(ledger, performing())

    assert execute(SqliteLedger(tmp_path / "runs.sqlite"), performing(a_result("unchanged"))).state == "unchanged"


def test_every_line_of_a_run_names_it(ledger: RunLedger, caplog: pytest.LogCaptureFixture) -> None:
    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        logging.getLogger("dropbox").warning("100%% of %s", "something")
        return a_result()

    with caplog.at_level(logging.INFO):
        execute(ledger, perform)

    assert [SCHEDULED in line for line in caplog.messages] == [True] * len(caplog.messages)
    assert any("100% of something" in line for line in caplog.messages)


def test_a_message_given_up_closes_its_run_and_keeps_the_reason(ledger: RunLedger) -> None:
    failed(ledger, DOWN)

    mark_failed(message_for(SCHEDULED), ledger, now=later(hours=1))

    assert (kept(ledger).state, kept(ledger).reason, kept(ledger).finished_at) == (
        "failed",
        "source-unavailable",
        later(hours=1).now,
    )


def test_a_run_whose_every_process_died_is_closed_as_lost(ledger: RunLedger) -> None:
    ledger.write(replace(kept(ledger), state="running", attempt=10))

    mark_failed(message_for(SCHEDULED), ledger, now=Clock())

    assert (kept(ledger).state, kept(ledger).reason) == ("failed", "lost")


def test_a_run_cut_off_after_an_earlier_failure_is_closed_as_lost_and_not_for_that_failure(ledger: RunLedger) -> None:
    failed(ledger, DOWN)
    ledger.write(replace(kept(ledger), state="running", attempt=2))

    mark_failed(message_for(SCHEDULED), ledger, now=later(hours=1))

    assert (kept(ledger).reason, kept(ledger).message) == ("lost", "")


def test_giving_up_leaves_a_run_at_work_alone(ledger: RunLedger) -> None:
    ledger.put_lease(LeaseRecord("adults", SCHEDULED, 1, "me", NOW + timedelta(minutes=10)))

    mark_failed(message_for(SCHEDULED), ledger, now=Clock())

    assert kept(ledger).state == "requested"


def test_giving_up_leaves_a_run_that_has_ended_alone(ledger: RunLedger) -> None:
    execute(ledger, performing())

    mark_failed(message_for(SCHEDULED), ledger, now=Clock())

    assert kept(ledger).state == "delivered"


@pytest.mark.parametrize("message", ["", "[]", message_for("adults.2020-01-06")])
def test_giving_up_a_message_of_no_run_is_done_with(ledger: RunLedger, message: str) -> None:
    assert mark_failed(message, ledger, now=Clock()) is None


def at_once(ledger: RunLedger, perform: Perform) -> RunResult:
    """Run without a queue."""
    asked = a_run(run_id="adults.20261116T130000Z-1", trigger="command line")
    return run_at_once(asked, ledger, perform, now=Clock(), holder="me")


AT_ONCE = "adults.20261116T130000Z-1"


def test_a_run_without_a_queue_is_recorded_when_it_ends(ledger: RunLedger) -> None:
    at_once(ledger, performing())

    assert (kept(ledger, AT_ONCE).state, kept(ledger, AT_ONCE).attempt) == ("delivered", 1)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (DOWN, "failed"),
        (REFUSED, "refused"),
        (KeyError("x"), "failed"),
        (KeyboardInterrupt(), "failed"),
        (LeaseLostError("taken over"), "failed"),
    ],
)
def test_a_run_without_a_queue_is_closed_whatever_it_fails_of(
    ledger: RunLedger, error: BaseException, state: str
) -> None:
    with pytest.raises(type(error)):
        at_once(ledger, failing(error))

    assert (kept(ledger, AT_ONCE).state, ledger.lease_of("adults")) == (state, None)


def test_a_run_without_a_queue_records_nothing_while_another_is_at_work(ledger: RunLedger) -> None:
    ledger.put_lease(LeaseRecord("adults", SCHEDULED, 1, "other", NOW + timedelta(minutes=10)))

    with pytest.raises(RunInProgressError, match="is at work"):
        at_once(ledger, performing())

    assert ledger.read(AT_ONCE) is None


def test_the_last_report_is_that_of_the_newest_cut_off(ledger: RunLedger) -> None:
    ledger.add(a_report(run_id="adults.2026-11-09", cutoff=date(2023, 9, 1)))
    execute(ledger, performing())

    last = ledger.last_report("adults", sandbox=False)

    assert last is not None
    assert last.run_id == SCHEDULED


def test_an_error_that_cannot_be_recorded_is_still_raised(tmp_path: Path) -> None:
    ledger = Forgetful(tmp_path / "runs.sqlite")
    ledger.add(a_run())

    with pytest.raises(ConsentReportError, match="REDCap refused"):
        execute(ledger, failing(REFUSED))
