"""The result of a check, for the terminal and for scripts."""

import textwrap
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from consent.cli.check.findings import Checkup, Finding, NextReport, State
from consent.cli.command_line import with_commands
from consent.cli.console import printable
from consent.dates import short_day, weekday_of
from consent.files import to_json

_STYLES: dict[State, str] = {"ok": "green", "warning": "yellow", "problem": "bold red", "unknown": "cyan"}
_INDENT = 11  # columns: two, the longest state, and two

Line = tuple[str, str, str]
"""The start of a line, the style of that start (as rich names it), and the rest."""


def checkup_document(checkup: Checkup) -> dict[str, Any]:
    """Return the result as plain JSON values: ``state`` is ``ready`` or ``not ready``; ``local`` has its UTC offset."""
    reports = [to_json(report) | {"local": report.local.isoformat()} for report in checkup.next_reports]
    return {"state": "ready" if checkup.ready else "not ready", **to_json(checkup), "next_reports": reports}


def show_checkup(checkup: Checkup, out: Console, settings: Path | None) -> None:
    """Print every finding, in colours where the terminal shows them; ``settings``: the folder for the commands."""
    for start, style, rest in checkup_lines(checkup, out.width, settings):
        out.print(Text(start, style=style) + Text(rest), soft_wrap=True)


def checkup_lines(checkup: Checkup, width: int, settings: Path | None = None) -> Iterator[Line]:
    """Yield the findings by subject, each fix under its problem; then the verdict and the next reports."""
    for (subject, study), findings in checkup.grouped().items():
        yield f"{subject} ({study})" if study else subject, "bold", ""
        for finding, following in zip(findings, [*findings[1:], None], strict=True):
            yield from _finding_lines(finding, following, width, settings)
        yield "", "", ""
    due = (_due(report, named=len(checkup.next_reports) > 1) for report in checkup.next_reports)
    for line in textwrap.wrap(" ".join([_verdict(checkup), *due]), width):
        yield line, "bold", ""


def _finding_lines(finding: Finding, following: Finding | None, width: int, settings: Path | None) -> Iterator[Line]:
    """Yield the lines of a finding; a fix that the next finding shares is printed there."""
    room = max(width - _INDENT, 20)
    label = finding.state.upper() if finding.state == "problem" else finding.state
    for text in textwrap.wrap(printable(finding.what, "\n"), room, break_on_hyphens=False):
        yield f"  {label:<{_INDENT - 2}}", _STYLES[finding.state], text
        label = ""
    shared = following is not None and (following.state, following.fix) == (finding.state, finding.fix)
    if finding.fix and not shared:
        fix = with_commands(printable(finding.fix, "\n"), settings, finding.study or None, "\u00a0")  # in one piece
        lines = textwrap.wrap(fix, room - 3, break_on_hyphens=False, break_long_words=False)
        for n, text in enumerate(lines):
            yield " " * _INDENT, "", ("-> " if n == 0 else "   ") + text.replace("\u00a0", " ")


def _verdict(checkup: Checkup) -> str:
    states: tuple[State, ...] = ("problem", "warning")
    named = ", ".join(f"{n} {state}{'s' if n > 1 else ''}" for state in states if (n := checkup.count(state)))
    if not checkup.ready:
        return f"Not ready: {named}."
    return f"Ready: a run would work{f' ({named})' if named else ''}."


def _due(report: NextReport, *, named: bool) -> str:
    local, utc = report.local, report.due_at.astimezone(UTC)
    other_day = "" if utc.date() == local.date() else f"{short_day(utc.date())}, "
    when = f"{weekday_of(local.date())} {short_day(local.date())}, {local:%H:%M} in {report.time_zone}"
    return f"Next report{f' of {report.study}' if named else ''} due {when} ({other_day}{utc:%H:%M} UTC)."
