"""What an examination of a study's set-up found, and the document that says so to a script.

Pure. Prints nothing (``lines.py``), and examines nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Literal
from zoneinfo import ZoneInfo

State = Literal["ok", "warning", "problem", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found out about a subject, and what to do about it.

    state: ``problem`` (a run would fail, or its report be wrong), ``warning`` (a run works, but look), ``unknown``
    (cannot be seen from here, or was not examined), ``ok``. study: its key, empty where it is about all of them.
    """

    subject: str
    state: State
    what: str
    fix: str = ""
    study: str = ""


@dataclass(frozen=True)
class NextReport:
    """When a study's next Monday report is due: an instant (UTC), and the zone whose clocks say so."""

    study: str
    monday: date
    due_at: datetime
    time_zone: str

    @property
    def local(self) -> datetime:
        """The same instant by the clocks where the study is."""
        return self.due_at.astimezone(ZoneInfo(self.time_zone))


@dataclass(frozen=True)
class Checkup:
    """Everything that was found, in the order in which a person should read it."""

    findings: tuple[Finding, ...]
    next_reports: tuple[NextReport, ...] = ()

    @property
    def would_run(self) -> bool:
        """Whether nothing was found that would make a run fail."""
        return not self.count("problem")

    def count(self, state: State) -> int:
        """How many findings are of this kind."""
        return sum(finding.state == state for finding in self.findings)


def grouped(findings: Iterable[Finding]) -> Iterator[tuple[str, str, list[Finding]]]:
    """Subject, study and findings of each group; the groups in the order of their first finding."""
    places: dict[tuple[str, str], int] = {}
    ordered = sorted(findings, key=lambda finding: places.setdefault((finding.subject, finding.study), len(places)))
    for (subject, study), group in groupby(ordered, lambda finding: (finding.subject, finding.study)):
        yield subject, study, list(group)


def checkup_document(checkup: Checkup) -> dict[str, Any]:
    """The outcome for a script: ``state`` is ``ready`` or ``not ready``; instants in ISO 8601."""
    return {
        "state": "ready" if checkup.would_run else "not ready",
        "findings": [asdict(finding) for finding in checkup.findings],
        "next_reports": [
            {
                "study": report.study,
                "monday": report.monday.isoformat(),
                "due_at": report.due_at.isoformat(),
                "local": report.local.isoformat(),
                "time_zone": report.time_zone,
            }
            for report in checkup.next_reports
        ],
    }
