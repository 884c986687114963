"""The lease of a run on its study: acquired before the run, renewed while it works, lost if another run takes over.

A run renews it before every write, and otherwise once a minute.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from consent.errors import LeaseLostError, RunInProgressError, RunTooLongError
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import LEASE_LENGTH, LeaseRecord

LONGEST_RUN = timedelta(minutes=25)  # Azure ends an invocation after 35 minutes, without a warning
RENEW_AFTER = timedelta(minutes=1)

_MINUTE = timedelta(minutes=1)


class KeepAlive:
    """Called by a run at every step; an error that it raises ends the run. This one is for a run without a lease."""

    def keep_alive(self) -> None:
        """A step of the run is done."""

    def renew(self) -> None:
        """The run is about to write."""


class Lease(KeepAlive):
    """A lease that this process holds; every method raises LeaseLostError, RunTooLongError or an error of the ledger.

    may_have_written: the run was about to write something.
    """

    def __init__(self, ledger: RunLedger, lease: LeaseRecord, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._lease = lease
        self._now = now
        self._acquired_at = self._renewed_at = now()
        self.may_have_written = False

    def keep_alive(self) -> None:
        """Renew the lease if the last renewal is more than a minute ago."""
        if self._now() - self._renewed_at >= RENEW_AFTER:
            self.confirm()

    def renew(self) -> None:
        """Renew the lease before a write."""
        self.confirm()
        self.may_have_written = True

    def confirm(self) -> None:
        """Renew the lease; after a write this shows that no other run took over meanwhile."""
        now = self._now()
        if now - self._acquired_at >= LONGEST_RUN:
            raise RunTooLongError(
                f"The run took more than {LONGEST_RUN // _MINUTE} minutes and stopped before its next write.",
                "Wait: it is retried. If this happens again, look in the log for the step that takes so long.",
            )
        renewed = self._ledger.put_lease(replace(self._lease, expires_at=now + LEASE_LENGTH))
        if renewed is None:
            raise LeaseLostError(
                f"Another run of '{self._lease.study}' took over, because this run did not renew its lease in time.",
                "Wait for the other run.",
            )
        self._lease, self._renewed_at = renewed, now

    def release(self) -> None:
        self._ledger.drop_lease(self._lease)


def acquire_lease(
    ledger: RunLedger, study: str, run_id: str, attempt: int, holder: str, now: Callable[[], datetime]
) -> Lease:
    """Acquire the lease on a study for a run; raises RunInProgressError while another run holds it."""
    current = ledger.lease_of(study)
    if current is None or not current.is_live(now()):
        version = current.version if current else ""
        acquired = ledger.put_lease(LeaseRecord(study, run_id, attempt, holder, now() + LEASE_LENGTH, version))
        if acquired is not None:
            return Lease(ledger, acquired, now)
    other = current and ledger.read(current.run_id)
    since = f" (since {other.started_at:%H:%M} UTC)" if other and other.is_open and other.started_at else ""
    raise RunInProgressError(
        f"Another run of '{study}' is in progress{since}.",
        f"Wait until it ends. If its process died, its lease expires within {LEASE_LENGTH // _MINUTE} minutes.",
    )
