"""The history of runs as a person reads it in a terminal: a line a run, newest first, its reason in words.

Reads no ledger and decides no state: both are handed in.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from consent.run_words import TRIGGERS, ShownRun, outcome

_WHEN = "%Y-%m-%d %H:%M"


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
        outcome(run),
    )
