"""Tests of the scheduler: due, requested and stuck runs are queued, and nothing is queued twice."""

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.errors import BadMessageError, LedgerUnavailableError
from consent.runs.due import REST_AFTER_REFUSAL, late
from consent.runs.lease import LONGEST_RUN
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import LeaseRecord, RunRecord, State
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.request import RunRequest
from consent.runs.scheduler import QueuedRun, message_for, queue_due, request_run, run_id_in
from consent.studies.catalog import Studies
from consent.studies.model import StudyConfig
from consent.studies.parser import parse_study
from consent.studies.schedule import due_at
from tests.support.builders import CONSENT, STUDY
from tests.support.run_builders import MONDAY, NOW, Clock, a_report, a_run, kept, later

SCHEDULED = "adults.2026-11-16"
OPEN = {"state": "running", "attempt": 1, "started_at": NOW}


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> RunLedger:
    return SqliteLedger(tmp_path / "runs.sqlite")


def a_named_study(key: str = "adults") -> StudyConfig:
    """A study of that key, with its own title."""
    return parse_study(STUDY.replace("OBRI Consent Summary", key) + CONSENT, key)


def queued(ledger: RunLedger, clock: Clock, *keys: str, **how: Any) -> list[str]:
    """The ids of the runs that a timer queues."""
    studies = [a_named_study(key) for key in keys or ("adults",)]
    messages = queue_due(ledger, studies, trigger="monday", now=clock(), sandbox=how.get("sandbox", False))
    return [run_id_in(message) for message in messages]


def requested(ledger: RunLedger, clock: Clock, **wanted: Any) -> QueuedRun:
    return request_run(ledger, a_named_study(), RunRequest(**wanted), clock(), sandbox=False)


# A timer


def test_a_study_that_is_due_is_recorded_and_queued(ledger: RunLedger) -> None:
    assert queued(ledger, Clock(), "adults", "children") == [SCHEDULED, "children.2026-11-16"]
    assert (kept(ledger).state, kept(ledger).queued_at) == ("requested", NOW)


def test_a_study_may_be_called_unknown(ledger: RunLedger) -> None:
    assert queued(ledger, Clock(), "unknown") == ["unknown.2026-11-16"]


def test_the_first_sight_of_a_study_is_stored(ledger: RunLedger) -> None:
    queued(ledger, Clock())

    assert ledger.first_seen("adults", NOW + timedelta(days=3)) == NOW


def test_a_run_whose_message_was_lost_is_queued_again_under_its_own_id(ledger: RunLedger) -> None:
    assert [queued(ledger, later(minutes=m)) for m in (0, 10, 16, 20)] == [[SCHEDULED], [], [SCHEDULED], []]
    assert len(ledger.runs("adults")) == 1


def test_a_run_that_died_is_queued_again_long_after_its_lease_expired(ledger: RunLedger) -> None:
    ledger.add(a_run(**OPEN))
    ledger.put_lease(LeaseRecord("adults", SCHEDULED, 1, "dead", NOW + timedelta(minutes=10)))

    assert [queued(ledger, later(minutes=m)) for m in (9, 20, 26)] == [[], [], [SCHEDULED]]


def test_a_study_with_a_live_lease_is_left_alone(ledger: RunLedger) -> None:
    ledger.put_lease(LeaseRecord("adults", "adults.other", 1, "busy", NOW + timedelta(minutes=10)))

    assert queued(ledger, Clock()) == []


@pytest.mark.parametrize("changes", [{}, {"run_id": "adults.20261116T120500Z-1", "trigger": "http"}], ids=str)
def test_a_delivered_monday_is_left_alone(ledger: RunLedger, changes: dict[str, Any]) -> None:
    ledger.add(a_report(**changes))

    assert queued(ledger, later(hours=1)) == []


def test_a_failed_monday_is_reopened_without_its_error(ledger: RunLedger) -> None:
    ledger.add(
        a_run(state="failed", reason="source-down", what="Down.", fix="Wait.", finished_at=NOW, attempt=10, tries=10)
    )

    assert queued(ledger, later(hours=1)) == [SCHEDULED]
    assert replace(kept(ledger), version="") == a_run(
        requested_at=later(hours=1).now, queued_at=later(hours=1).now, attempt=10
    )


def test_sandbox_runs_and_real_runs_are_separate(ledger: RunLedger) -> None:
    ledger.add(a_report())

    assert queued(ledger, Clock(), sandbox=True) == ["adults.sandbox-2026-11-16"]


class Unreadable(SqliteLedger):
    """A ledger that cannot be read for the study ``adults``, nor as a whole."""

    def runs(self, study: str | None = None, **since: Any) -> list[RunRecord]:
        if study in (None, "adults"):
            raise LedgerUnavailableError("The run history cannot be reached.")
        return super().runs(study, **since)


def test_an_error_in_one_study_does_not_lose_the_messages_of_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Unreadable(tmp_path / "runs.sqlite")

    assert queued(ledger, Clock(), "adults", "children") == ["children.2026-11-16"]
    assert "event=timer_failed study=adults error=ledger-unavailable" in caplog.text


def test_without_any_message_the_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailableError):
        queued(Unreadable(tmp_path / "runs.sqlite"), Clock(), "adults")


def test_a_stuck_run_is_queued_again_though_its_study_is_gone(ledger: RunLedger) -> None:
    ledger.add(a_report())
    ledger.add(a_run(study="gone"))

    assert queued(ledger, later(minutes=16)) == ["gone.2026-11-16"]


@pytest.mark.parametrize("study", ["adults", "gone"])
def test_a_run_of_the_command_line_is_never_queued(ledger: RunLedger, study: str) -> None:
    ledger.add(a_report())
    ledger.add(a_run(run_id=f"{study}.1", study=study, trigger="command line", **OPEN))

    assert queued(ledger, later(hours=2)) == []


# A refusal, hour by hour


def a_day(
    ledger: RunLedger, study: StudyConfig, outcomes: Iterator[State], length: timedelta
) -> tuple[list[datetime], bool]:
    """Fire the timer every full hour from the due instant on; return when runs started, and whether it was ever late.

    length: of each run.
    """
    due, studies = due_at(study, MONDAY), Studies((study,), {})
    ledger.first_seen(study.key, due - timedelta(days=1))
    started, was_late = [], False
    for hour in range(24):
        now = due + timedelta(minutes=-due.minute % 60, hours=hour)
        for message in queue_due(ledger, [study], trigger="monday", now=now, sandbox=False):
            started.append(now)
            record = kept(ledger, run_id_in(message))
            was_late |= late(ledger, studies, now + length, sandbox=False) != ()
            ended = replace(record, state=next(outcomes), attempt=len(started), finished_at=now + length, cutoff=MONDAY)
            ledger.write(ended)
        was_late |= late(ledger, studies, now + timedelta(minutes=59), sandbox=False) != ()
    return started, was_late


STUDIES = st.builds(
    lambda zone, not_before: replace(a_named_study(), time_zone=zone, not_before=not_before),
    st.sampled_from(["America/Toronto", "Asia/Kathmandu", "Australia/Adelaide", "Pacific/Kiritimati"]),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)


@settings(deadline=None, max_examples=20)
@given(STUDIES, st.timedeltas(timedelta(0), LONGEST_RUN))
def test_one_refusal_makes_no_report_late_but_a_permanent_one_does_and_rests_before_each_retry(
    study: StudyConfig, length: timedelta
) -> None:
    once: Iterator[State] = iter(["refused", "delivered"])
    always: Iterator[State] = itertools.repeat("refused")
    with tempfile.TemporaryDirectory() as folder:
        ledgers = [SqliteLedger(Path(folder, name)) for name in ("once", "always")]
        healed, refused = (a_day(ledgers[n], study, outcomes, length) for n, outcomes in enumerate((once, always)))

    assert (len(healed[0]), healed[1], refused[1]) == (2, False, True)
    assert all(after - before >= length + REST_AFTER_REFUSAL for before, after in itertools.pairwise(refused[0]))


# A request


def test_a_request_is_recorded_and_queued(ledger: RunLedger) -> None:
    found = requested(ledger, Clock(), as_of=date(2026, 3, 1), dry_run=True, accept_drop=True)

    run_id = found.record.run_id
    assert found == QueuedRun(kept(ledger, run_id), message_for(run_id))
    assert (found.record.request, found.record.trigger, found.record.monday) == (
        RunRequest("adults", date(2026, 3, 1), dry_run=True, accept_drop=True),
        "http",
        MONDAY,
    )


def test_an_equal_request_returns_the_open_run(ledger: RunLedger) -> None:
    first = requested(ledger, Clock())

    assert requested(ledger, later(minutes=1)) == QueuedRun(first.record, None)


def test_a_request_returns_the_open_scheduled_run(ledger: RunLedger) -> None:
    queued(ledger, Clock())

    assert requested(ledger, later(minutes=1)).record.run_id == SCHEDULED


@pytest.mark.parametrize("wanted", [{"as_of": date(2026, 3, 1)}, {"dry_run": True}, {"accept_drop": True}], ids=str)
def test_a_different_request_is_another_run(ledger: RunLedger, wanted: dict[str, Any]) -> None:
    requested(ledger, Clock())

    assert requested(ledger, Clock(), **wanted).message is not None


def test_a_request_for_a_stuck_run_queues_it_again(ledger: RunLedger) -> None:
    first = requested(ledger, Clock())

    again = requested(ledger, later(minutes=16))

    assert (again.record.run_id, again.message) == (first.record.run_id, first.message)


def test_a_request_after_the_run_has_ended_is_a_new_run(ledger: RunLedger) -> None:
    ledger.add(a_report())
    found = []
    for days in (0, 1, 100, 101):  # after a hundred days the earlier requests are not looked at
        found.append(requested(ledger, later(days=days)))
        ledger.write(replace(found[-1].record, state="failed"))

    assert len({run.record.run_id for run in found} | {SCHEDULED}) == 5
    assert [run.message for run in found] == [message_for(run.record.run_id) for run in found]


# Messages


@pytest.mark.parametrize(
    "message",
    [
        "",
        "adults.2026-11-16",
        "[]",
        '{"run_id": 3}',
        '{"run_id": "../../x"}',
        '{"run_id": "adults"}',
        "[" * 100_000,
        message_for("a." + "1" * 300),
    ],
    ids=["empty", "no JSON", "a list", "a number", "a path", "a study", "nested too deep", "too long"],
)
def test_a_message_that_names_no_run_is_refused(message: str) -> None:
    with pytest.raises(BadMessageError):
        run_id_in(message)
