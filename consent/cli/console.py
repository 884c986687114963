"""What a person sees in the terminal: progress while it runs, then the headline, the last weeks, the totals and one
closing sentence.

Progress and messages go to stderr, results to stdout. Colours and bars appear only where a terminal shows them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from consent.counting.summary import ConsentSummary, WeekCount
from consent.dates import date_range, short_day
from consent.reports.headline import headline, progress
from consent.reports.wording import REASONS
from consent.runs.pipeline import RunResult
from consent.runs.status import TRIGGERS, ShownRun, outcome

LAST_WEEKS = 8
WEEK_COLUMNS = 29  # what the week and its consents take of a line


class Screen:
    """Shows one run; also told how it is getting on (see ``run.Watcher``)."""

    def __init__(self, out: Console | None = None, messages: Console | None = None) -> None:
        self.out = out or Console(highlight=False, markup=False, emoji=False)
        self.messages = messages or Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._progress: Progress | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Show progress while the block runs: a bar in a terminal, a line per stage elsewhere."""
        if not self.messages.is_terminal:
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn())
        try:
            with Progress(*columns, console=self.messages, transient=True) as self._progress:
                yield
        finally:
            self._progress = None

    def stage(self, what: str) -> None:
        """A new stage begins."""
        if self._progress is None:
            self.messages.print(f"{what} ...")
            return
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        self._progress.add_task(what, total=None)

    def records(self, received: int, listed: int) -> None:
        """So many records were received of those listed."""
        self._advance(f"Receiving records of {listed:,}", received, listed)

    def file(self, done: int, total: int, path: str) -> None:
        """So many files are stored of those to be written."""
        self._advance("Delivering files", done, total)

    def _advance(self, what: str, done: int, total: int) -> None:
        if self._progress is None:
            if done >= total:
                self.messages.print(f"{what}: {done:,} of {total:,}")
        elif self._progress.task_ids:
            self._progress.update(self._progress.task_ids[-1], description=what, completed=done, total=total)

    def problem(self, message: str) -> None:
        """Say what went wrong."""
        self.messages.print(Text(message, style="bold red"), soft_wrap=True)

    def say(self, sentence: str) -> None:
        """Say something that was asked for."""
        self.out.print(sentence, soft_wrap=True)

    def report(self, result: RunResult) -> None:
        """The headline, the last weeks, the totals, what to look at, what was delivered, and the closing sentence."""
        summary = result.summary
        period, width = summary.period, self.out.width
        self.out.print()
        days = f"as of {short_day(period.cutoff)} (exported {short_day(period.exported_on)})"
        self.out.print(Text(f"{summary.study.title}, {days}", style="bold"))
        for sentence in headline(summary):
            self.out.print(Text(sentence))
        self._section("Weeks", _weeks_table(summary, width))
        if marked := progress(summary.weeks[-1], period):
            self.out.print(f"* {marked}")
        if summary.riders and not _riders_fit(summary, width):
            self._section("Optional consents (riders): agreed, of all who consented", _riders_table(summary))
        self._section("Participants", _participants_table(summary))
        if summary.quality:
            self._section("To look at", _quality_table(summary))
        self.out.print()
        for line in _deliveries(result):
            self.out.print(line, soft_wrap=True)
        for note in (*summary.notes, *result.remarks):
            self.out.print(f"Note: {note}", markup=False)
        self.out.print()
        self.out.print(Text(closing_sentence(result), style="bold"), soft_wrap=not self.out.is_terminal)

    def _section(self, heading: str, table: Table) -> None:
        self.out.print()
        self.out.print(Text(heading, style="bold"))
        self.out.print(table)


def closing_sentence(result: RunResult) -> str:
    """What a person wants to know, in one sentence."""
    summary = result.summary
    complete = [week for week in summary.weeks if week.complete]
    latest = f" ({complete[-1].consented:,} in the week {_span(complete[-1])})" if complete else ""
    files = len(result.delivery.files) if result.delivery else len(result.plan.steps)
    what_happened = {
        "delivered": f"{files} files delivered to {result.place}",
        "unchanged": f"{result.place} already held this report, nothing was written",
        "archived": f"kept in the archive of {result.place} alone, because a newer report was delivered there",
        "planned": f"a dry run, nothing was written to {result.place}",
        "written": f"{files} files written to {result.place}",
    }[result.state]
    return (
        f"{summary.study.title}, as of {short_day(summary.period.cutoff)}: {summary.participants.consented:,} consented"
        f"{latest}; {what_happened}; set {result.plan.set_id}."
    )


def _rider_width(summary: ConsentSummary) -> int:
    """Characters that each rider's column needs: for its longest number, or the longest word of its name."""
    return max((len(text) for r in summary.riders for text in (f"{r.agreed:,}", *r.key.split())), default=0)


def _riders_fit(summary: ConsentSummary, width: int) -> bool:
    """Whether the weeks' table has room for a column per rider: at 80 columns, eight with numbers below 100,000."""
    return WEEK_COLUMNS + len(summary.riders) * (_rider_width(summary) + 1) <= width


def _weeks_table(summary: ConsentSummary, width: int) -> Table:
    riders = summary.riders if _riders_fit(summary, width) else ()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Week", no_wrap=True)
    table.add_column("Consents", justify="right", no_wrap=True)
    for rider in riders:
        table.add_column(rider.key, justify="right", width=_rider_width(summary))
    for week in summary.weeks[-LAST_WEEKS:]:
        counts = (f"{week.riders[rider.key]:,}" for rider in riders)
        table.add_row(_span(week) + ("" if week.complete else " *"), f"{week.consented:,}", *counts)
    totals = (f"{rider.agreed:,}" for rider in riders)
    table.add_row("Total", f"{summary.participants.consented:,}", *totals, style="bold")
    return table


def _participants_table(summary: ConsentSummary) -> Table:
    table = _plain_table()
    people = summary.participants
    table.add_row("Consented", f"{people.consented:,}", f"taking part now {summary.taking_part:,}")
    table.add_row("Declined", f"{people.declined:,}", "")
    open_and_not = f"open {people.pending_open:,}, not started {people.pending_not_started:,}"
    table.add_row("Pending", f"{people.pending:,}", open_and_not)
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in people.not_counted.items())
    table.add_row("Not counted", f"{sum(people.not_counted.values()):,}", reasons)
    table.add_row("Total", f"{people.total:,}", _of_listed(summary), style="bold")
    for reason, n in summary.left_out.items():
        table.add_row("Left out", f"{n:,}", reason)
    if summary.study.only:
        table.add_row("Outside", f"{summary.outside:,}", "not in this study")
    return table


def _of_listed(summary: ConsentSummary) -> str:
    source = summary.source
    if source.records_listed is None:
        return f"{source.records_received:,} records in the file"
    return f"{source.records_received:,} records received of {source.records_listed:,} listed by REDCap"


def _riders_table(summary: ConsentSummary) -> Table:
    table = _plain_table()
    for rider in summary.riders:
        declined = f"{rider.declined:,}" if rider.can_decline else "not recorded"
        others = f"declined {declined}, not answered {rider.not_answered:,}, not offered {rider.not_offered:,}"
        table.add_row(rider.key, f"{rider.agreed:,}", others)
    return table


def _quality_table(summary: ConsentSummary) -> Table:
    table = _plain_table()
    for code, n in summary.quality.items():
        table.add_row(code, f"{n:,}", REASONS[code])
    return table


def _plain_table() -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _deliveries(result: RunResult) -> Iterator[str]:
    if result.delivery is None:
        yield f"Would be done in {result.place}:"
        for step in result.plan.steps:
            yield f"  {step.action:8}{step.path}"
        return
    yield f"In {result.place}:"
    for stored in result.delivery.files:
        yield f"  {stored.path}  ({stored.size:,} bytes)"


def _span(week: WeekCount) -> str:
    return date_range(week.first_day, week.last_day)


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
        out.print(f"\nThe latest: {latest.record.what} {latest.record.fix}", soft_wrap=not out.is_terminal)


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
