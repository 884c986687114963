"""What a check of the set-up found."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import partialmethod
from itertools import groupby
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

    findings: tuple[Finding, ...]
    next_reports: tuple[NextReport, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing was found that would make a run fail."""
        return not self.count("problem")

    def count(self, state: State) -> int:
        return sum(finding.state == state for finding in self.findings)

    def grouped(self) -> Iterator[tuple[str, str, list[Finding]]]:
        """Yield subject, study and findings of each group, in the order of the groups' first findings."""
        places: dict[tuple[str, str], int] = {}
        ordered = sorted(self.findings, key=lambda each: places.setdefault((each.subject, each.study), len(places)))
        for (subject, study), group in groupby(ordered, lambda each: (each.subject, each.study)):
            yield subject, study, list(group)


class FindingCollector:
    """Collects findings about one subject, each once; ``about`` adds another subject to the same list."""

    def __init__(self, subject: str = "", study: str = "", findings: dict[Finding, None] | None = None) -> None:
        self._subject, self._study = subject, study
        self._findings: dict[Finding, None] = {} if findings is None else findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings about any subject, in order."""
        return tuple(self._findings)

    def about(self, subject: str, study: str = "") -> "FindingCollector":
        """Return a collector for another subject."""
        return FindingCollector(subject, study, self._findings)

    def add(self, state: State, what: str, fix: str = "") -> None:
        """Add a finding; ``ok``, ``warning``, ``problem`` and ``unknown`` are short for each state."""
        self._findings[Finding(self._subject, state, what, fix, self._study)] = None

    ok = partialmethod(add, "ok")
    warning = partialmethod(add, "warning")
    problem = partialmethod(add, "problem")
    unknown = partialmethod(add, "unknown")

    def add_problems(self, problems: Iterable[Problem], state: State = "problem") -> None:
        for problem in problems:
            self.add(state, problem.what, problem.fix)

    def attempt(self, act: Callable[[], T], *, state: State = "problem") -> T | None:
        """Return the result of ``act``; add each problem of one of our errors as a finding and return None."""
        try:
            return act()
        except ConsentReportError as error:
            self.add_problems(error.problems, state)
        return None

    def succeeds(self, act: Callable[[], None]) -> bool:
        """Return whether ``act`` succeeds; add the problems of one of our errors."""

        def succeed() -> bool:
            act()
            return True

        return self.attempt(succeed) or False
