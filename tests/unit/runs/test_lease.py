"""Tests of the lease: one run of a study at a time, and a run that lost its lease stops before its next write."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from consent.errors import LeaseLostError, RunInProgressError, RunTooLongError
from consent.runs.lease import Lease, acquire_lease
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.sqlite import SqliteLedger
from tests.support.run_builders import NOW, Clock, a_run, later


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> RunLedger:
    return SqliteLedger(tmp_path / "runs.sqlite")


def acquired(ledger: RunLedger, clock: Clock, *, holder: str = "one") -> Lease:
    return acquire_lease(ledger, "adults", "adults.2026-11-16", 1, holder, clock)


def end_of(ledger: RunLedger) -> timedelta:
    """How long after the clock's first instant the lease ends."""
    lease = ledger.lease_of("adults")
    assert lease is not None
    return lease.expires_at - NOW


def taken_over(ledger: RunLedger) -> tuple[Lease, Lease]:
    """A lease that expired, and the one of the run that took over."""
    return acquired(ledger, Clock()), acquired(ledger, later(minutes=11), holder="two")


def test_a_lease_lasts_ten_minutes(ledger: RunLedger) -> None:
    acquired(ledger, Clock())

    assert end_of(ledger) == timedelta(minutes=10)


@pytest.mark.parametrize(("started_at", "since"), [(None, ""), (NOW, r" \(since 13:00 UTC\)")])
def test_a_second_run_of_a_study_is_refused_also_if_it_is_the_same_run(
    ledger: RunLedger, started_at: datetime | None, since: str
) -> None:
    ledger.add(replace(a_run(), state="running", started_at=started_at))
    acquired(ledger, Clock())

    with pytest.raises(
        RunInProgressError, match=rf"Another run of 'adults' is in progress{since}\. Wait .* 10 minutes"
    ):
        acquired(ledger, Clock(), holder="two")


@pytest.mark.parametrize(
    ("held_at", "asked_at"),
    [
        pytest.param(Clock(), later(minutes=10), id="expired"),
        pytest.param(later(hours=6), Clock(), id="written with a wrong clock"),
    ],
)
def test_a_lease_that_is_not_live_is_taken_over(ledger: RunLedger, held_at: Clock, asked_at: Clock) -> None:
    acquired(ledger, held_at)

    assert acquired(ledger, asked_at, holder="two")


def test_a_lease_of_a_clock_a_little_ahead_is_respected(ledger: RunLedger) -> None:
    acquired(ledger, later(minutes=4))

    with pytest.raises(RunInProgressError):
        acquired(ledger, Clock(), holder="two")


def test_a_released_lease_can_be_acquired_at_once(ledger: RunLedger) -> None:
    acquired(ledger, Clock()).release()

    assert acquired(ledger, Clock(), holder="two")


@pytest.mark.parametrize("minutes", [7, 12])  # also after it expired, if nobody took over
def test_renewing_extends_the_lease_to_ten_minutes(ledger: RunLedger, minutes: int) -> None:
    clock = Clock()
    lease = acquired(ledger, clock)
    clock.forward(minutes=minutes)

    lease.renew()

    assert end_of(ledger) == timedelta(minutes=minutes + 10)


@pytest.mark.parametrize(("seconds", "minutes"), [(59, 10), (60, 11)])
def test_keep_alive_renews_once_a_minute(ledger: RunLedger, seconds: int, minutes: int) -> None:
    clock = Clock()
    lease = acquired(ledger, clock)
    clock.forward(seconds=seconds)

    lease.keep_alive()

    assert end_of(ledger) == timedelta(minutes=minutes)


def test_only_a_renewal_before_a_write_is_remembered_as_one(ledger: RunLedger) -> None:
    lease = acquired(ledger, Clock())
    lease.keep_alive()
    lease.confirm()
    before = lease.may_have_written
    lease.renew()

    assert (before, lease.may_have_written) == (False, True)


@pytest.mark.parametrize("released", [True, False])
def test_a_run_that_lost_its_lease_is_stopped(ledger: RunLedger, released: bool) -> None:
    first, second = taken_over(ledger)
    if released:
        second.release()

    with pytest.raises(LeaseLostError, match="Another run of 'adults' took over"):
        first.renew()


def test_releasing_a_lost_lease_leaves_the_other_run_its_own(ledger: RunLedger) -> None:
    first, second = taken_over(ledger)

    first.release()

    second.renew()


def test_a_run_stops_after_25_minutes(ledger: RunLedger) -> None:
    clock = Clock()
    lease = acquired(ledger, clock)
    for _ in range(24):  # it renews its lease, as a run does
        clock.forward(minutes=1)
        lease.keep_alive()
    clock.forward(minutes=1)

    with pytest.raises(RunTooLongError, match="more than 25 minutes"):
        lease.keep_alive()
