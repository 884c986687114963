"""The result of a check, for the terminal and for scripts."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consent.cli.check.findings import Checkup, Finding, NextReport, State
from consent.cli.parser import with_commands
from consent.dates import short_day, weekday_of
from consent.files import to_json

if TYPE_CHECKING:
    from rich.console import Console

_LABELS: dict[State, str] = {"ok": "ok", "warning": "warning", "problem": "PROBLEM", "unknown": "unknown"}
_STYLES: dict[State, str] = {"ok": "green", "warning": "yellow", "problem": "bold red", "unknown": "cyan"}
_INDENT = 11  # columns: two, the longest label, and two

Line = tuple[str, str, str]
"""The start of a line, the style of that start (as rich names it), and the rest."""


def checkup_document(checkup: Checkup) -> dict[str, Any]:
    """Return the result as plain JSON values: ``state`` is ``ready`` or ``not ready``; ``local`` has its UTC offset."""
    document: dict[str, Any] = {"state": "ready" if checkup.ready else "not ready", **to_json(checkup)}
    for shown, report in zip(document["next_reports"], checkup.next_reports, strict=True):
        shown["local"] = report.local.isoformat()
    return document


def show_checkup(checkup: Checkup, out: "Console", settings: Path | None) -> None:
    """Print every finding, in colours where the terminal shows them; ``settings``: the folder for the commands."""
    from rich.text import Text

    for start, style, rest in checkup_lines(checkup, out.width, settings):
        out.print(Text(start, style=style) + Text(rest), soft_wrap=True)


def checkup_lines(checkup: Checkup, width: int, settings: Path | None = None) -> Iterator[Line]:
    """Yield the findings by subject, each fix under its problem; then the verdict and the next reports."""
    for subject, study, findings in checkup.grouped():
        yield f"{subject} ({study})" if study else subject, "bold", ""
        for finding, following in zip(findings, [*findings[1:], None], strict=True):
            yield from _finding_lines(finding, following, width, settings)
        yield "", "", ""
    for line in textwrap.wrap(f"{_verdict(checkup)} {_due(checkup.next_reports)}".strip(), width):
        yield line, "bold", ""


def _finding_lines(finding: Finding, following: Finding | None, width: int, settings: Path | None) -> Iterator[Line]:
    """Yield the lines of a finding; a fix that the next finding shares is printed there."""
    room = max(width - _INDENT, 20)
    for n, text in enumerate(textwrap.wrap(finding.what, room, break_on_hyphens=False)):
        label = _LABELS[finding.state] if n == 0 else ""
        yield f"  {label:<{_INDENT - 2}}", _STYLES[finding.state], text
    shared = following is not None and (following.state, following.fix) == (finding.state, finding.fix)
    if finding.fix and not shared:
        fix = with_commands(finding.fix, settings)
        whole = re.sub("'uv run [^']+'", lambda match: match[0].replace(" ", "\u00a0"), fix)  # to paste in one piece
        lines = textwrap.wrap(whole, room - 3, break_on_hyphens=False, break_long_words=False)
        for n, text in enumerate(lines):
            yield " " * _INDENT, "", ("-> " if n == 0 else "   ") + text.replace("\u00a0", " ")


def _verdict(checkup: Checkup) -> str:
    counts = ((checkup.count("problem"), "problem"), (checkup.count("warning"), "warning"))
    named = ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n)
    if not checkup.ready:
        return f"Not ready: {named}."
    return f"Ready: a run would work{f' ({named})' if named else ''}."


def _due(reports: Sequence[NextReport]) -> str:
    """Return when the next reports are due; each names its study if there are several."""
    many = len(reports) > 1
    return " ".join(f"Next report{f' of {report.study}' if many else ''} due {_instant(report)}." for report in reports)


def _instant(report: NextReport) -> str:
    local, utc = report.local, report.due_at.astimezone(UTC)
    other_day = "" if utc.date() == local.date() else f"{short_day(utc.date())}, "
    day = f"{weekday_of(local.date())} {short_day(local.date())}"
    return f"{day}, {local:%H:%M} in {report.time_zone} ({other_day}{utc:%H:%M} UTC)"
