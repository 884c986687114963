"""Where an examination notes what it finds, so that one failure does not keep it from going on.

Decides nothing about what is examined, and prints nothing.
"""

from collections.abc import Callable
from typing import TypeVar

from consent.errors import ConsentReportError, DictionaryError, SettingsError, StudyFileError
from consent.setup.check.advice import what_and_fix
from consent.setup.check.findings import Finding, State

T = TypeVar("T")


class Notes:
    """The findings so far, to which those about one subject are added; ``about`` turns to another subject."""

    def __init__(self, subject: str = "", study: str = "", findings: dict[Finding, None] | None = None) -> None:
        self._subject = subject
        self._study = study
        self._findings: dict[Finding, None] = {} if findings is None else findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything noted about any subject, in order, each once."""
        return tuple(self._findings)

    def about(self, subject: str, study: str = "") -> "Notes":
        """The same notes, for findings about this subject."""
        return Notes(subject, study, self._findings)

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
                self.add(state, problem, fix or "Correct the study file.")
        except ConsentReportError as error:
            for message in error.problems if isinstance(error, SettingsError) else (str(error),):
                what, advice = what_and_fix(message)
                self.add(state, what, advice or fix)
        return None

    def succeeds(self, act: Callable[[], object]) -> bool:
        """Whether ``act`` went well; one of our errors is noted as a problem."""

        def done() -> bool:
            act()
            return True

        return self.attempt(done) or False
