"""What was found, as lines for a terminal: by subject, a line for what is fine, the fix under what is not.

Decides nothing about what was found.
"""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING

from consent.cli.check.findings import Checkup, Finding, NextReport, State, grouped
from consent.dates import short_day, weekday_of

if TYPE_CHECKING:
    from rich.console import Console

_LABELS: dict[State, str] = {"ok": "ok", "warning": "warning", "problem": "PROBLEM", "unknown": "not seen"}
_STYLES: dict[State, str] = {"ok": "green", "warning": "yellow", "problem": "bold red", "unknown": "cyan"}
_INDENT = 11  # columns: two, the longest label, and one more

Line = tuple[str, str, str]
"""The beginning of a line, the style of that beginning (as rich names it), and the rest."""


def show_checkup(checkup: Checkup, out: "Console") -> None:
    """Print every finding, in colours where the terminal shows them."""
    from rich.text import Text

    for beginning, style, rest in checkup_lines(checkup, out.width):
        out.print(Text(beginning, style=style) + Text(rest), soft_wrap=True)


def checkup_lines(checkup: Checkup, width: int) -> Iterator[Line]:
    """Every finding, and last of all the verdict and when the next reports are due."""
    for subject, study, findings in grouped(checkup.findings):
        yield f"{subject} ({study})" if study else subject, "bold", ""
        for n, finding in enumerate(findings):
            following = findings[n + 1] if n + 1 < len(findings) else None
            yield from _lines_of(finding, following, width)
        yield "", "", ""
    verdict = textwrap.wrap(f"{_verdict(checkup)} {_due(checkup.next_reports)}".strip(), width)
    yield from ((line, "bold", "") for line in verdict)


def _lines_of(finding: Finding, following: Finding | None, width: int) -> Iterator[Line]:
    """One that has the same fix as the next leaves it to that one to say it."""
    room = max(width - _INDENT, 20)
    for n, text in enumerate(textwrap.wrap(finding.what, room, break_on_hyphens=False)):
        label = _LABELS[finding.state] if n == 0 else ""
        yield f"  {label:<{_INDENT - 2}}", _STYLES[finding.state], text
    shared = following is not None and (following.state, following.fix) == (finding.state, finding.fix)
    if finding.fix and not shared:
        for n, text in enumerate(textwrap.wrap(finding.fix, room - 3, break_on_hyphens=False)):
            yield " " * _INDENT, "", ("-> " if n == 0 else "   ") + text


def _verdict(checkup: Checkup) -> str:
    counts = ((checkup.count("problem"), "problem"), (checkup.count("warning"), "warning"))
    named = ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n)
    if not checkup.would_run:
        return f"Not ready: {named}."
    return f"Ready: a run would work{f' ({named})' if named else ''}."


def _due(reports: Sequence[NextReport]) -> str:
    """When the next reports are due; which study is meant is said only where there are several."""
    many = len(reports) > 1
    return " ".join(f"Next report{f' of {report.study}' if many else ''} due {_instant(report)}." for report in reports)


def _instant(report: NextReport) -> str:
    local, utc = report.local, report.due_at.astimezone(UTC)
    other_day = "" if utc.date() == local.date() else f"{short_day(utc.date())}, "
    day = f"{weekday_of(local.date())} {short_day(local.date())}"
    return f"{day}, {local:%H:%M} in {report.time_zone} ({other_day}{utc:%H:%M} UTC)"
