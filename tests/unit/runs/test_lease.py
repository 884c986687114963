"""Claims about the claim: one run of a study at a time, and one that lost it stops before its next write."""

from datetime import timedelta
from pathlib import Path

import pytest

from consent.errors import LeaseLostError, RunInProgressError, RunTooLongError
from consent.runs.lease import LONGEST_RUN, Lease, acquire_lease
from consent.runs.ledger.record import LEASE_LENGTH
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.ledger.store import RunLedger
from tests.support.run_builders import Clock


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> RunLedger:
    return SqliteLedger(tmp_path / "runs.sqlite")


def taken(ledger: RunLedger, clock: Clock, *, holder: str = "one", run_id: str = "adults.2026-11-16") -> Lease:
    """A claim on the study ``adults``."""
    return acquire_lease(ledger, "adults", run_id, 1, holder, clock)


def end_of(ledger: RunLedger) -> timedelta:
    """How far ahead of the clock's first instant the claim ends."""
    lease = ledger.lease_of("adults")
    assert lease is not None
    return lease.expires_at - Clock().now


def test_a_lease_lasts_ten_minutes(ledger: RunLedger) -> None:
    taken(ledger, Clock())

    assert end_of(ledger) == timedelta(minutes=10)


def test_a_second_run_of_a_study_is_told_that_it_is_busy(ledger: RunLedger) -> None:
    taken(ledger, Clock())

    with pytest.raises(RunInProgressError, match="Another run of 'adults' is at work"):
        taken(ledger, Clock(), holder="two", run_id="adults.2026-11-23")


def test_the_same_run_carried_out_twice_is_busy_too(ledger: RunLedger) -> None:
    taken(ledger, Clock())

    with pytest.raises(RunInProgressError, match="Another run of 'adults' is at work"):
        taken(ledger, Clock(), holder="two")


def test_another_study_can_be_leaseed_meanwhile(ledger: RunLedger) -> None:
    taken(ledger, Clock())

    assert acquire_lease(ledger, "children", "children.2026-11-16", 1, "two", Clock())


def test_a_lease_that_ran_out_can_be_taken_over(ledger: RunLedger) -> None:
    clock = Clock()
    taken(ledger, clock)
    clock.forward(minutes=10)

    assert taken(ledger, clock, holder="two")


def test_a_lease_of_a_clock_far_ahead_can_be_taken_over(ledger: RunLedger) -> None:
    ahead = Clock()
    ahead.forward(hours=6)
    taken(ledger, ahead)

    assert taken(ledger, Clock(), holder="two")


def test_a_lease_of_a_clock_a_little_ahead_is_respected(ledger: RunLedger) -> None:
    ahead = Clock()
    ahead.forward(minutes=4)
    taken(ledger, ahead)

    with pytest.raises(RunInProgressError, match="Another run of 'adults' is at work"):
        taken(ledger, Clock(), holder="two")


def test_a_lease_let_go_can_be_taken_at_once(ledger: RunLedger) -> None:
    taken(ledger, Clock()).release()

    assert taken(ledger, Clock(), holder="two")


def test_renewing_holds_the_lease_for_another_ten_minutes(ledger: RunLedger) -> None:
    clock = Clock()
    lease = taken(ledger, clock)
    clock.forward(minutes=7)

    lease.renew()

    assert end_of(ledger) == timedelta(minutes=17)


@pytest.mark.parametrize(("seconds", "minutes"), [(59, 10), (60, 11)])
def test_a_beat_renews_once_a_minute(ledger: RunLedger, seconds: int, minutes: int) -> None:
    clock = Clock()
    lease = taken(ledger, clock)
    clock.forward(seconds=seconds)

    lease.keep_alive()

    assert end_of(ledger) == timedelta(minutes=minutes)


def test_a_run_whose_lease_was_taken_over_is_stopped(ledger: RunLedger) -> None:
    clock = Clock()
    first = taken(ledger, clock)
    clock.forward(minutes=11)
    taken(ledger, clock, holder="two")

    with pytest.raises(LeaseLostError, match="has taken over from this one"):
        first.renew()


def test_a_run_whose_lease_was_taken_over_and_let_go_is_stopped_too(ledger: RunLedger) -> None:
    clock = Clock()
    first = taken(ledger, clock)
    clock.forward(minutes=11)
    taken(ledger, clock, holder="two").release()

    with pytest.raises(LeaseLostError, match="has taken over from this one"):
        first.renew()


def test_letting_go_of_a_lost_lease_leaves_the_other_run_its_own(ledger: RunLedger) -> None:
    clock = Clock()
    first = taken(ledger, clock)
    clock.forward(minutes=11)
    second = taken(ledger, clock, holder="two")

    first.release()

    second.renew()


def test_a_lease_that_ran_out_but_that_nobody_took_can_still_be_renewed(ledger: RunLedger) -> None:
    clock = Clock()
    lease = taken(ledger, clock)
    clock.forward(minutes=12)

    lease.renew()

    assert end_of(ledger) == timedelta(minutes=22)


def test_a_run_ends_itself_after_25_minutes(ledger: RunLedger) -> None:
    clock = Clock()
    lease = taken(ledger, clock)
    clock.forward(minutes=25)

    with pytest.raises(RunTooLongError, match="more than 25 minutes"):
        lease.keep_alive()


def test_a_lease_outlasts_the_longest_step() -> None:
    assert timedelta(minutes=5) < LEASE_LENGTH < LONGEST_RUN
