"""Keeps a run's claim on its study alive while it works, and stops the run once the claim is another's.

Renews before every write, and otherwise once a minute. Knows neither REDCap nor the folder.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from consent.errors import BusyError, ClaimLostError, RunTooLongError
from consent.runs.ledger.record import CLAIM_LENGTH, Claim, RunLedger

LONGEST_RUN = timedelta(minutes=25)  # the platform ends a run after 35, without a word
BEAT = timedelta(minutes=1)


class Pulse(Protocol):
    """Is felt by a run at every step; raises once the run must stop."""

    def beat(self) -> None:
        """Another piece of work is done, or about to begin."""

    def renew(self) -> None:
        """Something is about to be written: make sure that this run may."""


class Unclaimed:
    """The pulse of a run that writes to no shared place, so that nothing need be claimed."""

    def beat(self) -> None:
        """Go on."""

    def renew(self) -> None:
        """Go on."""


class HeldClaim:
    """A claim that this process holds; made by ``take_claim``.

    may_have_written: something was about to be written under it.
    """

    def __init__(self, ledger: RunLedger, claim: Claim, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._claim = claim
        self._now = now
        self._began_at = self._renewed_at = now()
        self.may_have_written = False

    def beat(self) -> None:
        """Renew the claim if it was renewed more than a minute ago.

        Raises ``ClaimLostError``, ``RunTooLongError``, or what the ledger raises.
        """
        if self._now() - self._renewed_at >= BEAT:
            self._renew()

    def renew(self) -> None:
        """Hold the claim for another ten minutes; raises as ``beat`` does."""
        self._renew()
        self.may_have_written = True

    def prove(self) -> None:
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
        renewed = self._ledger.put_claim(replace(self._claim, expires_at=now + CLAIM_LENGTH))
        if renewed is None:
            raise ClaimLostError(
                f"Another run of '{self._claim.study}' has taken over from this one, which was silent for too long. "
                "This one writes nothing any more."
            )
        self._claim, self._renewed_at = renewed, now

    def release(self) -> None:
        """Let the next run begin at once; raises what the ledger raises."""
        self._ledger.drop_claim(self._claim)


def take_claim(
    ledger: RunLedger, study: str, run_id: str, attempt: int, holder: str, now: Callable[[], datetime]
) -> HeldClaim:
    """Claim a study for a run.

    Raises:
        BusyError: another run is at work on it.
    """
    standing = ledger.claim_of(study)
    if standing is None or not standing.is_live(now()):
        version = standing.version if standing else ""
        taken = ledger.put_claim(Claim(study, run_id, attempt, holder, now() + CLAIM_LENGTH, version))
        if taken is not None:
            return HeldClaim(ledger, taken, now)
    raise BusyError(
        f"Another run of '{study}' is at work. Wait until it has ended; one that was cut off lets go within "
        f"{CLAIM_LENGTH // timedelta(minutes=1)} minutes."
    )
