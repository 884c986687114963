"""What an examination of a study's set-up found, and the document that says so to a script.

Pure. Prints nothing (``lines.py``), and examines nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from consent.errors import ConsentReportError, DictionaryError, StudyFileError

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


_SENTENCE_END = re.compile(r"(?<=[.?!]) (?=[A-Z])")
_OF_A_RUN = re.compile(r"Nothing was .*|(Then r|R)un again\.")  # what a check has no use for


def what_and_fix(message: str) -> tuple[str, str]:
    """What a message says happened, and what it says to do (empty where it says both in one breath)."""
    first, *rest = _SENTENCE_END.split(message)
    advice = " ".join(sentence for sentence in rest if not _OF_A_RUN.fullmatch(sentence))
    if not advice and " must " not in first:
        first, advice = _apart_at_last_colon(first)
    return first.removesuffix("."), as_sentence(advice)


def as_sentence(text: str) -> str:
    """The text with a capital and a full stop, if it is not empty."""
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _apart_at_last_colon(sentence: str) -> tuple[str, str]:
    """Head and tail of a sentence at its last colon that stands in no parentheses."""
    depth = 0
    for position in range(len(sentence) - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(sentence[position], 0)
        if depth == 0 and sentence.startswith(": ", position):
            return sentence[:position], sentence[position + 2 :]
    return sentence, ""


T = TypeVar("T")


class FindingCollector:
    """The findings so far, to which those about one subject are added; ``about`` turns to another subject."""

    def __init__(self, subject: str = "", study: str = "", findings: dict[Finding, None] | None = None) -> None:
        self._subject = subject
        self._study = study
        self._findings: dict[Finding, None] = {} if findings is None else findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything noted about any subject, in order, each once."""
        return tuple(self._findings)

    def about(self, subject: str, study: str = "") -> "FindingCollector":
        """The same notes, for findings about this subject."""
        return FindingCollector(subject, study, self._findings)

    def ok(self, what: str) -> None:
        """This is as it should be."""
        self.add("ok", what)

    def warning(self, what: str, fix: str) -> None:
        """A run works, but a person should look."""
        self.add("warning", what, fix)

    def problem(self, what: str, fix: str) -> None:
        """A run would fail, or its report be wrong."""
        self.add("problem", what, fix)

    def unknown(self, what: str, fix: str = "") -> None:
        """This cannot be seen from here, or was not examined."""
        self.add("unknown", what, fix)

    def add(self, state: State, what: str, fix: str = "") -> None:
        """Note a finding of any kind."""
        self._findings[Finding(self._subject, state, what, fix, self._study)] = None

    def attempt(self, ask: Callable[[], T], *, state: State = "problem", fix: str = "") -> T | None:
        """Give what ``ask`` gives; one of our errors is noted instead, each of its problems apart.

        fix: what to do where the error does not say it.
        """
        try:
            return ask()
        except (StudyFileError, DictionaryError) as error:
            for problem in error.problems:
                self.add(state, str(problem), fix or "Correct the study file.")
        except ConsentReportError as error:
            for problem in error.problems:
                what, advice = what_and_fix(str(problem))
                self.add(state, what, advice or fix)
        return None

    def succeeds(self, act: Callable[[], object]) -> bool:
        """Whether ``act`` went well; one of our errors is noted as a problem."""

        def done() -> bool:
            act()
            return True

        return self.attempt(done) or False
