"""Print in the terminal: progress and messages on stderr, the result of a run and the run history on stdout.

Colours and progress bars appear only in a terminal. Text from outside, such as a label, a record id or a file name, is
printed by ``printable``: it may hold the terminal's control sequences.
"""

import argparse
import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as ProgressBar
from rich.table import Column, Table
from rich.text import Text

from consent.cli.command_line import with_commands
from consent.counting.summary import ConsentSummary, WeekCount
from consent.dates import date_range, short_day
from consent.files import to_json
from consent.reports.headline import export_words, headline, progress
from consent.reports.wording import REASONS
from consent.runs.pipeline import RunResult
from consent.runs.progress import Progress
from consent.runs.status import TRIGGERS, ShownRun, outcome

LAST_WEEKS = 8
WEEK_COLUMNS = 29  # width of the week and its consents
LONGEST_NAME = 28  # a longer name is wrapped
_Row = tuple[str, int, str]


def printable(text: str, kept: str = "") -> str:
    """Return a text with an escape such as ``\\x1b`` for each control, invisible or line-breaking character.

    kept: characters to keep, such as the line ends of our own text.
    """
    return "".join(mark if mark.isprintable() or mark in kept else _visible(mark) for mark in text)


def _visible(mark: str) -> str:
    return " " if unicodedata.category(mark) == "Zs" else repr(mark)[1:-1]


def print_json(value: object, options: argparse.Namespace | None = None) -> None:
    """Print a value as JSON on stdout; what is not printable is escaped.

    options: of the command line; the commands in the texts are then written so that they can be pasted.
    """
    plain = to_json(value) if options is None else _pasteable(to_json(value), options)
    text = json.dumps(plain, ensure_ascii=False, indent=2)
    marks = (mark if mark.isprintable() or mark == "\n" else json.dumps(mark)[1:-1] for mark in text)
    sys.stdout.write("".join(marks) + "\n")


def _pasteable(value: Any, options: argparse.Namespace) -> Any:
    if isinstance(value, dict):
        return {key: _pasteable(one, options) for key, one in value.items()}
    if isinstance(value, list):
        return [_pasteable(one, options) for one in value]
    return with_commands(value, options.settings, options.study) if isinstance(value, str) else value


class Screen(Progress):
    """The terminal of one command; also receives the progress of a run."""

    def __init__(self, out: Console | None = None, messages: Console | None = None) -> None:
        self.out = out or Console(highlight=False, markup=False, emoji=False)
        self.messages = messages or Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._progress: ProgressBar | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Show progress during the block: a bar in a terminal, otherwise a line per stage."""
        if not self.messages.is_terminal:
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn())
        try:
            with ProgressBar(*columns, console=self.messages, transient=True) as self._progress:
                yield
        finally:
            self._progress = None

    def stage(self, what: str) -> None:
        if self._progress is None:
            self.messages.print(f"{what} ...")
            return
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        self._progress.add_task(what, total=None)

    def records(self, received: int, listed: int) -> None:
        self._advance(f"Receiving records of {listed:,}", received, listed)

    def file(self, done: int, total: int, path: str) -> None:
        self._advance("Delivering files", done, total)

    def _advance(self, what: str, done: int, total: int) -> None:
        if self._progress is None:
            if done >= total:
                self.messages.print(f"{what}: {done:,} of {total:,}")
        elif self._progress.task_ids:
            self._progress.update(self._progress.task_ids[-1], description=what, completed=done, total=total)

    def problem(self, message: str) -> None:
        """Print what went wrong, on stderr."""
        self.messages.print(Text(printable(message, "\n"), style="bold red"), soft_wrap=True)

    def say(self, *lines: str) -> None:
        """Print lines of the result, unwrapped."""
        for line in lines:
            self.out.print(printable(line, "\n"), soft_wrap=True)

    def report(self, result: RunResult) -> None:
        """Print the headline, the last weeks, the totals, the records to review, the files and a closing sentence."""
        summary = result.summary
        period, width = summary.period, self.out.width
        days = f"as of {short_day(period.cutoff)} ({export_words(summary.source)} {short_day(period.exported_on)})"
        self.out.print(Text(f"\n{printable(summary.study.title)}, {days}", style="bold"))
        for sentence in headline(summary):
            self.out.print(Text(printable(sentence)))
        self._section("Weeks", _weeks_table(summary, width))
        if marked := progress(summary.weeks[-1], period):
            self.out.print(f"* {marked}")
        if summary.riders and not _rider_widths(summary, width):
            heading = "Optional consents (riders): agreed, of all who consented"
            self._section(heading, _plain_table(_riders(summary)))
        self._section("Participants", _plain_table(_participants(summary)))
        if summary.quality:
            rows = ((code, n, REASONS[code]) for code, n in summary.quality.items())
            self._section("Records to review", _plain_table(rows))
        self.out.print()
        self.say(*map(printable, _deliveries(result)))
        for note in (*summary.notes, *result.remarks):
            self.out.print(f"Note: {printable(note)}", markup=False)
        self.out.print()
        self.out.print(Text(printable(closing_sentence(result)), style="bold"), soft_wrap=not self.out.is_terminal)

    def _section(self, heading: str, table: Table) -> None:
        self.out.print(Text(f"\n{heading}", style="bold"), table, sep="\n")


def closing_sentence(result: RunResult) -> str:
    """Return the outcome of a run in one sentence."""
    summary = result.summary
    complete = [week for week in summary.weeks if week.complete]
    latest = f" ({complete[-1].consented:,} in the week {_span(complete[-1])})" if complete else ""
    files = len(result.delivery.files) if result.delivery else len(result.plan.steps)
    done = {
        "delivered": f"{files} files delivered to {result.place}",
        "unchanged": f"{result.place} has this report already, nothing was written",
        "archived": f"stored only in the archive of {result.place}, which has a newer report",
        "planned": f"a dry run, nothing was written to {result.place}",
        "written": f"{files} files written to {result.place}",
    }[result.state]
    return (
        f"{summary.study.title}, as of {short_day(summary.period.cutoff)}: {summary.participants.consented:,} consented"
        f"{latest}; {done}; report set {result.plan.set_id}."
    )


def _rider_widths(summary: ConsentSummary, width: int) -> list[int]:
    """Return the widths of the riders' columns in the table of weeks; none if they do not all fit unbroken."""
    widths = [max(map(cell_len, (f"{rider.agreed:,}", *printable(rider.label).split()))) for rider in summary.riders]
    return widths if WEEK_COLUMNS + sum(widths) + len(widths) <= width else []


def _weeks_table(summary: ConsentSummary, width: int) -> Table:
    widths = _rider_widths(summary, width)
    riders = summary.riders if widths else ()
    columns = [Column("Week", no_wrap=True), Column("Consents", justify="right", no_wrap=True)]
    columns += [Column(printable(r.label), justify="right", width=n) for r, n in zip(riders, widths, strict=True)]
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for week in summary.weeks[-LAST_WEEKS:]:
        counts = (f"{week.riders[rider.key]:,}" for rider in riders)
        table.add_row(_span(week) + ("" if week.complete else " *"), f"{week.consented:,}", *counts)
    totals = (f"{rider.agreed:,}" for rider in riders)
    table.add_row("Total", f"{summary.participants.consented:,}", *totals, style="bold")
    return table


def _participants(summary: ConsentSummary) -> Iterator[_Row]:
    people, source = summary.participants, summary.source
    yield "Consented", people.consented, f"still taking part {summary.taking_part:,}"
    yield "Declined", people.declined, ""
    yield "Pending", people.pending, f"open {people.pending_open:,}, not started {people.pending_not_started:,}"
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in people.not_counted.items())
    yield "Not counted", sum(people.not_counted.values()), reasons
    listed = source.records_listed
    received = "records in the file" if listed is None else f"of {listed:,} records received from REDCap"
    yield "Total", people.total, f"{source.records_received:,} {received}"
    yield from (("Left out", n, reason) for reason, n in summary.left_out.items())
    if summary.study.only:
        yield "Outside", summary.outside, "not in this study"
    if summary.working_copies:
        yield "Copies", summary.working_copies, "working copies of double data entry, not counted"


def _riders(summary: ConsentSummary) -> Iterator[_Row]:
    for rider in summary.riders:
        declined = f"{rider.declined:,}" if rider.can_decline else "not recorded"
        others = f"declined {declined}, not answered {rider.not_answered:,}, not offered {rider.not_offered:,}"
        yield rider.label, rider.agreed, others


def _plain_table(rows: Iterable[_Row]) -> Table:
    columns = (
        Column(max_width=LONGEST_NAME, overflow="fold"),
        Column(justify="right", no_wrap=True),
        Column(overflow="fold"),
    )
    table = Table(*columns, box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for name, n, text in rows:
        table.add_row(printable(name), f"{n:,}", printable(text), style="bold" if name == "Total" else None)
    return table


def _deliveries(result: RunResult) -> Iterator[str]:
    if result.delivery is None:
        yield f"Planned for {result.place}:"
        for step in result.plan.steps:
            yield f"  {step.action:8}{step.path}"
        return
    yield f"In {result.place}:"
    for stored in result.delivery.files:
        yield f"  {stored.path}  ({stored.size:,} bytes)"


def _span(week: WeekCount) -> str:
    return date_range(week.first_day, week.last_day)


def show_runs(runs: Sequence[ShownRun], out: Console, settings: Path | None = None, study: str | None = None) -> None:
    """Print the runs in this order, as a table or, in a narrow terminal, as one block each; then why the first failed.

    settings, study: for a command in the reason, if they were given.
    """
    several = len({run.record.study for run in runs}) > 1
    rows = [_run_cells(run, several=several) for run in runs]
    table = Table(*(Column(name, no_wrap=True) for name in rows[0]), box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*row.values())
    if out.measure(table, options=out.options.update(max_width=1000)).maximum <= out.width:
        out.print(table)
    else:
        columns = (Column(style="dim", no_wrap=True), Column(overflow="fold"))
        stacked = Table(*columns, box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        for number, row in enumerate(rows):
            if number:
                stacked.add_row()
            for name, text in row.items():
                stacked.add_row(name, text)
        out.print(stacked)
    latest = runs[0]
    if latest.state in ("refused", "failed"):
        named = study or (latest.record.study if several else None)
        reason = with_commands(printable(f"{latest.record.what} {latest.record.fix}", "\n"), settings, named)
        out.print(f"\nLatest run: {reason}", soft_wrap=not out.is_terminal)


def _run_cells(run: ShownRun, *, several: bool) -> dict[str, str]:
    """Return the cells of a run by their headings, with its study if there are several."""
    record = run.record
    at = record.requested_at.astimezone()
    zone = at.tzname() or ""  # on Windows a long name
    cells = {
        "Cut-off": record.cutoff.isoformat() if record.cutoff else "",
        "Requested": f"{at:%Y-%m-%d %H:%M} {zone if len(zone) <= 5 else f'UTC{at:%z}'}",
        "By": TRIGGERS[record.trigger],
        "State": run.state,
        "Outcome": outcome(run),
        "Run": record.run_id,
    }
    study = {"Study": record.study} if several else {}
    return {name: printable(text) for name, text in (study | cells).items()}
