"""What a check of the set-up found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partialmethod
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo

from consent.errors import ConsentReportError, Problem

State = Literal["ok", "warning", "problem", "unknown"]
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One finding about a subject, and its fix.

    state: ``problem`` (a run would fail, or its report be wrong), ``warning`` (a run works), ``unknown`` (not checked),
    ``ok``. study: its key; empty if the finding is about all studies.
    """

    subject: str
    state: State
    what: str
    fix: str = ""
    study: str = ""


@dataclass(frozen=True)
class NextReport:
    """When the next Monday report of a study is due (UTC), and the study's time zone."""

    study: str
    monday: date
    due_at: datetime
    time_zone: str

    @property
    def local(self) -> datetime:
        """The same instant in the study's time zone."""
        return self.due_at.astimezone(ZoneInfo(self.time_zone))


@dataclass(frozen=True)
class Checkup:
    """All findings, in the order they were made."""

    findings: Sequence[Finding]
    next_reports: Sequence[NextReport] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing was found that would make a run fail."""
        return not self.count("problem")

    def count(self, state: State) -> int:
        """Return the number of findings in this state."""
        return sum(finding.state == state for finding in self.findings)

    def grouped(self) -> dict[tuple[str, str], list[Finding]]:
        """Return the findings by subject and study, in the order of the groups' first findings."""
        groups: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            groups.setdefault((finding.subject, finding.study), []).append(finding)
        return groups


@dataclass(frozen=True)
class FindingCollector:
    """Collects findings about one subject, each once; ``about`` adds another subject to the same list."""

    subject: str = ""
    study: str = ""
    findings: list[Finding] = field(default_factory=list)

    def about(self, subject: str, study: str = "") -> "FindingCollector":
        """Return a collector for another subject."""
        return replace(self, subject=subject, study=study)

    def add(self, state: State, what: str, fix: str = "") -> None:
        """Add a finding; ``ok``, ``warning``, ``problem`` and ``unknown`` are short for each state."""
        finding = Finding(self.subject, state, what, fix, self.study)
        if finding not in self.findings:
            self.findings.append(finding)

    ok = partialmethod(add, "ok")
    warning = partialmethod(add, "warning")
    problem = partialmethod(add, "problem")
    unknown = partialmethod(add, "unknown")

    def add_problems(self, problems: Iterable[Problem], state: State = "problem") -> None:
        """Add each problem of an error."""
        for problem in problems:
            self.add(state, *problem)

    def attempt(self, act: Callable[[], T], *, state: State = "problem") -> T | None:
        """Return the result of ``act``; add each problem of one of our errors as a finding and return None."""
        try:
            return act()
        except ConsentReportError as error:
            self.add_problems(error.problems, state)
        return None

    def succeeds(self, act: Callable[[], object]) -> bool:
        """Return whether ``act`` succeeds; add the problems of one of our errors."""
        return self.attempt(lambda: (act(),)) is not None
