"""Claims about what is put into the queue: what is due, what was asked for, what got stuck, and nothing twice."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from consent.errors import BadMessageError, LedgerUnavailableError
from consent.runs.ledger.record import LeaseRecord, RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.ledger.store import RunLedger
from consent.runs.request import RunRequest
from consent.runs.scheduler import QueuedRun, message_for, queue_due, request_run, run_id_in
from consent.studies.model import StudyConfig
from consent.studies.parser import parse_study
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
    """The ids of the runs that a timer puts into the queue."""
    studies = [a_named_study(key) for key in keys or ("adults",)]
    messages = queue_due(ledger, studies, trigger="monday", now=clock(), sandbox=how.get("sandbox", False))
    return [run_id_in(message) for message in messages]


def asked(ledger: RunLedger, clock: Clock, nonce: str = "1", **wish: Any) -> QueuedRun:
    """What comes of asking for a run of the study ``adults``."""
    return request_run(ledger, a_named_study(), RunRequest(**wish), clock(), sandbox=False, nonce=nonce)


def test_a_study_whose_monday_has_come_is_recorded_and_queued(ledger: RunLedger) -> None:
    assert (queued(ledger, Clock()), kept(ledger).state) == ([SCHEDULED], "requested")


def test_the_record_is_there_before_the_message(ledger: RunLedger) -> None:
    queue_due(ledger, [a_named_study()], trigger="monday", now=NOW, sandbox=False)

    assert kept(ledger).queued_at == NOW


def test_an_hour_later_it_is_not_queued_twice(ledger: RunLedger) -> None:
    queued(ledger, Clock())

    assert queued(ledger, later(minutes=10)) == []


def test_a_record_whose_message_was_lost_is_queued_again_under_its_own_id(ledger: RunLedger) -> None:
    queued(ledger, Clock())

    assert (queued(ledger, later(minutes=16)), len(ledger.runs("adults"))) == ([SCHEDULED], 1)


def test_queueing_again_is_itself_not_repeated_at_once(ledger: RunLedger) -> None:
    queued(ledger, Clock())
    queued(ledger, later(minutes=16))

    assert queued(ledger, later(minutes=20)) == []


def test_a_run_that_died_is_queued_again_once_its_lease_is_long_over(ledger: RunLedger) -> None:
    ledger.add(a_run(**OPEN))
    ledger.put_lease(LeaseRecord("adults", SCHEDULED, 1, "dead", NOW + timedelta(minutes=10)))

    assert [queued(ledger, later(minutes=m)) for m in (9, 20, 26)] == [[], [], [SCHEDULED]]


def test_a_study_at_work_is_left_alone(ledger: RunLedger) -> None:
    ledger.put_lease(LeaseRecord("adults", "adults.other", 1, "busy", NOW + timedelta(minutes=10)))

    assert queued(ledger, Clock()) == []


def test_a_delivered_monday_is_left_alone(ledger: RunLedger) -> None:
    ledger.add(a_report())

    assert queued(ledger, later(hours=1)) == []


def test_a_report_that_a_person_had_made_that_monday_is_enough(ledger: RunLedger) -> None:
    ledger.add(a_report(run_id="adults.20261116T120500Z-1", trigger="http"))

    assert queued(ledger, later(hours=1)) == []


def test_a_failed_monday_is_opened_again(ledger: RunLedger) -> None:
    ledger.add(a_run(state="failed", reason="source-unavailable", finished_at=NOW, attempt=10))

    assert (queued(ledger, later(hours=1)), kept(ledger).state) == ([SCHEDULED], "requested")


def test_opening_again_keeps_how_often_it_was_tried(ledger: RunLedger) -> None:
    ledger.add(a_run(state="failed", finished_at=NOW, attempt=10))

    queued(ledger, later(hours=1))

    assert (kept(ledger).attempt, kept(ledger).finished_at) == (10, None)


@pytest.mark.parametrize(("hours", "expected"), [(5, []), (6, [SCHEDULED])])
def test_a_refused_monday_rests_for_six_hours(ledger: RunLedger, hours: int, expected: list[str]) -> None:
    ledger.add(a_run(state="refused", reason="source-refused", finished_at=NOW))

    assert queued(ledger, later(hours=hours)) == expected


def test_opening_again_forgets_why_it_failed_before(ledger: RunLedger) -> None:
    ledger.add(a_run(state="failed", reason="source-refused", message="Renew the token.", finished_at=NOW))

    queued(ledger, later(hours=1))

    assert (kept(ledger).reason, kept(ledger).message) == ("", "")


def test_every_study_is_queued(ledger: RunLedger) -> None:
    assert queued(ledger, Clock(), "adults", "children") == [SCHEDULED, "children.2026-11-16"]


def test_runs_of_a_stand_in_and_real_ones_do_not_meet(ledger: RunLedger) -> None:
    ledger.add(a_report(sandbox=True))

    assert queued(ledger, Clock()) == [SCHEDULED]


def test_a_run_of_the_stand_in_has_an_id_of_its_own(ledger: RunLedger) -> None:
    assert queued(ledger, Clock(), sandbox=True) == ["adults.sandbox-2026-11-16"]


def test_the_first_look_at_a_study_is_remembered(ledger: RunLedger) -> None:
    queued(ledger, Clock())

    assert ledger.first_seen("adults", NOW + timedelta(days=3)) == NOW


class Unreadable(SqliteLedger):
    """A ledger that cannot be read for the study ``adults``, nor as a whole."""

    def runs(self, study: str | None = None, **since: Any) -> list[RunRecord]:
        """Fail, or give what there is."""
        if study in (None, "adults"):
            raise LedgerUnavailableError("The record of runs cannot be reached.")
        return super().runs(study, **since)


def test_a_study_that_cannot_be_looked_up_costs_only_itself(tmp_path: Path) -> None:
    ledger = Unreadable(tmp_path / "runs.sqlite")

    assert queued(ledger, Clock(), "adults", "children") == ["children.2026-11-16"]


def test_if_a_study_cannot_be_looked_up_and_nothing_is_queued_the_timer_fails(tmp_path: Path) -> None:
    ledger = Unreadable(tmp_path / "runs.sqlite")

    with pytest.raises(LedgerUnavailableError, match="cannot be reached"):
        queued(ledger, Clock(), "adults")


def test_a_run_asked_for_is_recorded_and_queued(ledger: RunLedger) -> None:
    found = asked(ledger, Clock(), nonce="1a2b")

    assert (found.record.run_id, found.message) == (
        "adults.20261116T130000Z-1a2b",
        message_for("adults.20261116T130000Z-1a2b"),
    )


def test_what_was_asked_for_is_recorded(ledger: RunLedger) -> None:
    record = asked(ledger, Clock(), as_of=date(2026, 3, 1), dry_run=True, accept_drop=True).record

    assert (record.as_of, record.dry_run, record.accept_drop, record.monday) == (date(2026, 3, 1), True, True, MONDAY)


def test_an_equal_request_is_answered_with_the_open_run(ledger: RunLedger) -> None:
    first = asked(ledger, Clock(), nonce="1")

    assert asked(ledger, later(minutes=1), nonce="2") == QueuedRun(first.record, None)


def test_asking_while_the_scheduled_run_is_open_is_answered_with_that_one(ledger: RunLedger) -> None:
    queued(ledger, Clock())

    assert asked(ledger, later(minutes=1)).record.run_id == SCHEDULED


@pytest.mark.parametrize("wish", [{"as_of": date(2026, 3, 1)}, {"dry_run": True}, {"accept_drop": True}])
def test_another_wish_is_another_run(ledger: RunLedger, wish: dict[str, Any]) -> None:
    asked(ledger, Clock(), nonce="1")

    assert asked(ledger, Clock(), nonce="2", **wish).message is not None


def test_asking_for_a_run_that_got_stuck_queues_it_again(ledger: RunLedger) -> None:
    first = asked(ledger, Clock(), nonce="1")

    again = asked(ledger, later(minutes=16), nonce="2")

    assert (again.record.run_id, again.message) == (first.record.run_id, first.message)


def test_asking_after_the_run_has_ended_is_a_new_run(ledger: RunLedger) -> None:
    ledger.add(a_report())

    assert asked(ledger, later(minutes=1)).record.run_id != SCHEDULED


def test_a_run_asked_for_that_got_stuck_is_queued_again_by_the_timer(ledger: RunLedger) -> None:
    ledger.add(a_report())
    run_id = asked(ledger, Clock(), dry_run=True).record.run_id

    assert queued(ledger, later(minutes=16)) == [run_id]


def test_a_run_of_the_command_line_is_never_queued(ledger: RunLedger) -> None:
    ledger.add(a_report())
    ledger.add(a_run(run_id="adults.20261116T130000Z-1", trigger="command line", **OPEN))

    assert queued(ledger, later(hours=2)) == []


def test_a_run_that_got_stuck_is_queued_again_though_its_study_is_gone(ledger: RunLedger) -> None:
    ledger.add(a_report())
    ledger.add(a_run(study="gone"))

    assert queued(ledger, later(minutes=16)) == ["gone.2026-11-16"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "adults.2026-11-16",
        "[]",
        "null",
        "{}",
        '{"run_id": 3}',
        '{"run_id": ""}',
        '{"run_id": "../../x"}',
        '{"run_id": "adults"}',
        "[" * 100_000,
        json.dumps({"run_id": "a." + "1" * 300}),
    ],
)
def test_a_message_that_names_no_run_is_refused(message: str) -> None:
    with pytest.raises(BadMessageError, match="names no run"):
        run_id_in(message)


def test_a_message_names_its_run() -> None:
    assert run_id_in(message_for(SCHEDULED)) == SCHEDULED
