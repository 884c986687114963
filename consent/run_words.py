"""What became of a run, in a reader's words: for the terminal and for the page.

Pure. Decides no state and looks nothing up: both are handed in.
"""

from dataclasses import dataclass

from consent.ledger import RunRecord

TRIGGERS = {"monday": "Monday timer", "catch_up": "daily timer", "http": "HTTP", "command line": "command line"}

REASONS = {
    "archived": "in the archive alone: a newer report stands",
    "bad-message": "its message named no run",
    "busy": "another run was at work",
    "claim-lost": "another run took over",
    "configuration": "something must be set up first",
    "cutoff": "that day cannot be reported",
    "delivery-refused": "the folder refused",
    "delivery-unavailable": "the folder could not be reached",
    "delivery-unverified": "the folder held something else than was sent",
    "dry-run": "dry run, nothing was written",
    "fallen": "lower than it should be",
    "fault": "the program failed",
    "groups-vanished": "the token seems to see one site only",
    "incomplete-export": "part of the registry did not arrive",
    "ledger-refused": "the record of runs could not be used",
    "ledger-unavailable": "the record of runs could not be reached",
    "lost": "cut off, and not tried again",
    "secrets-refused": "Key Vault refused",
    "secrets-unavailable": "Key Vault could not be reached",
    "shrunk": "much lower than the last report",
    "source-data": "what REDCap sent could not be trusted",
    "source-refused": "REDCap refused",
    "source-unavailable": "REDCap could not be reached",
    "study-not-chosen": "nobody said which study",
    "stopped": "stopped by a person or the machine",
    "too-long": "took too long",
    "unknown-study": "no such study",
}
"""The one word that the record keeps of why a run is no report (yet), in a reader's words."""


@dataclass(frozen=True)
class ShownRun:
    """A run and its state as of now, which may be ``lost`` where the record still says running."""

    record: RunRecord
    state: str


def outcome(run: ShownRun) -> str:
    """What came of it, or why nothing has: counts, reason, attempts; empty where there is nothing to say."""
    record = run.record
    told = [
        "cut off before its end" if run.state == "lost" else "",
        f"{record.counts.consented:,} of {record.counts.participants:,} consented" if record.counts else "",
        REASONS.get(record.reason, record.reason),
        f"attempt {record.attempt}" if record.attempt > 1 else "",
        "sandbox" if record.sandbox else "",
    ]
    return "; ".join(part for part in told if part)
