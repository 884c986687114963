"""The history of runs as a person reads it in a terminal: a line a run, newest first, its reason in words.

Reads no ledger and decides no state: both are handed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

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

_WHEN = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class ShownRun:
    """A run and its state as of now, which may be ``lost`` where the record still says running."""

    record: RunRecord
    state: str


def show_runs(runs: Sequence[ShownRun], out: Console) -> None:
    """Print the runs in the order given, and in full why the first of them is no report, if so."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("Asked for (UTC)", "Study", "By", "Monday", "State"):
        table.add_column(heading, no_wrap=heading != "Study", overflow="fold")
    table.add_column("What came of it", overflow="fold")
    for run in runs:
        table.add_row(*_cells(run))
    out.print(table)
    latest = runs[0]
    if latest.state in ("refused", "failed"):
        out.print(f"\nThe latest: {latest.record.message}", soft_wrap=not out.is_terminal)


def _cells(run: ShownRun) -> tuple[str, ...]:
    record = run.record
    return (
        f"{record.requested_at:{_WHEN}}",
        record.study,
        TRIGGERS[record.trigger],
        record.monday.isoformat(),
        run.state,
        _outcome(run),
    )


def _outcome(run: ShownRun) -> str:
    record = run.record
    told = [
        "cut off before its end" if run.state == "lost" else "",
        f"{record.counts.consented:,} of {record.counts.participants:,} consented" if record.counts else "",
        REASONS.get(record.reason, record.reason),
        f"attempt {record.attempt}" if record.attempt > 1 else "",
        "sandbox" if record.sandbox else "",
    ]
    return "; ".join(part for part in told if part)
