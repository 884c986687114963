"""Keeps a run's claim on its study alive while it works, and stops the run once the claim is another's.

Renews before every write, and otherwise once a minute. Knows neither REDCap nor the folder.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from consent.errors import LeaseLostError, RunInProgressError, RunTooLongError
from consent.runs.ledger.record import LEASE_LENGTH, LeaseRecord
from consent.runs.ledger.store import RunLedger

LONGEST_RUN = timedelta(minutes=25)  # the platform ends a run after 35, without a word
BEAT = timedelta(minutes=1)


class KeepAlive(Protocol):
    """Is felt by a run at every step; raises once the run must stop."""

    def keep_alive(self) -> None:
        """Another piece of work is done, or about to begin."""

    def renew(self) -> None:
        """Something is about to be written: make sure that this run may."""


class NoLease:
    """The pulse of a run that writes to no shared place, so that nothing need be claimed."""

    def keep_alive(self) -> None:
        """Go on."""

    def renew(self) -> None:
        """Go on."""


class Lease:
    """A claim that this process holds; made by ``take_claim``.

    may_have_written: something was about to be written under it.
    """

    def __init__(self, ledger: RunLedger, lease: LeaseRecord, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._lease = lease
        self._now = now
        self._began_at = self._renewed_at = now()
        self.may_have_written = False

    def keep_alive(self) -> None:
        """Renew the claim if it was renewed more than a minute ago.

        Raises ``ClaimLostError``, ``RunTooLongError``, or what the ledger raises.
        """
        if self._now() - self._renewed_at >= BEAT:
            self._renew()

    def renew(self) -> None:
        """Hold the claim for another ten minutes; raises as ``beat`` does."""
        self._renew()
        self.may_have_written = True

    def confirm(self) -> None:
        """Make sure that nobody took over during the last write; raises as ``beat`` does."""
        self._renew()

    def _renew(self) -> None:
        now = self._now()
        if now - self._began_at >= LONGEST_RUN:
            raise RunTooLongError(
                f"The run took more than {LONGEST_RUN // timedelta(minutes=1)} minutes and ended itself before its "
                "next write. It is tried again, and mends whatever was begun. If it happens again, look in the log for "
                "what takes so long."
            )
        renewed = self._ledger.put_lease(replace(self._lease, expires_at=now + LEASE_LENGTH))
        if renewed is None:
            raise LeaseLostError(
                f"Another run of '{self._lease.study}' has taken over from this one, which was silent for too long. "
                "This one writes nothing any more."
            )
        self._lease, self._renewed_at = renewed, now

    def release(self) -> None:
        """Let the next run begin at once; raises what the ledger raises."""
        self._ledger.drop_lease(self._lease)


def acquire_lease(
    ledger: RunLedger, study: str, run_id: str, attempt: int, holder: str, now: Callable[[], datetime]
) -> Lease:
    """Claim a study for a run.

    Raises:
        BusyError: another run is at work on it.
    """
    standing = ledger.lease_of(study)
    if standing is None or not standing.is_live(now()):
        version = standing.version if standing else ""
        taken = ledger.put_lease(LeaseRecord(study, run_id, attempt, holder, now() + LEASE_LENGTH, version))
        if taken is not None:
            return Lease(ledger, taken, now)
    raise RunInProgressError(
        f"Another run of '{study}' is at work. Wait until it has ended; one that was cut off lets go within "
        f"{LEASE_LENGTH // timedelta(minutes=1)} minutes."
    )
