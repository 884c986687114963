"""Errors that an operator can act on: what failed, one fix, and what each kind of error means.

Each message is written where its error is raised. ``what`` and ``fix`` contain no token, response body, name or record
id; every front end prints them. Any other exception is a bug. Only its location is logged: its message may quote data.
"""

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """What is wrong and how to fix it, a sentence each."""

    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.fix}".rstrip()


class ConsentReportError(Exception):
    """An error with a fix that an operator can apply."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what, fix)
        self.what = what
        self.fix = fix
        self.problems: tuple[Problem, ...] = (Problem(what, fix),)

    def __str__(self) -> str:
        return str(Problem(self.what, self.fix))


class ConfigurationError(ConsentReportError):
    """A setting, the study file or a command's argument must be changed first."""


class ListedError(ConfigurationError):
    """Several problems, reported together under one heading."""

    heading = ""

    def __init__(self, problems: Iterable[Problem], heading: str | None = None) -> None:
        super().__init__(self.heading if heading is None else heading)
        self.problems = tuple(problems)
        self.args = (self.problems, self.what)

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  - {problem}" for problem in self.problems)])


class StudyFileError(ListedError):
    """The study file cannot be used."""


class DictionaryError(ListedError):
    """The study file names fields, events or codes that this REDCap project does not have."""


class SettingsError(ListedError):
    """Settings or secrets are missing or malformed; their values are never shown."""

    heading = "These settings must be changed first:"


class CutoffError(ConfigurationError):
    """The requested cut-off is in the future, or before the study began."""


class UnknownStudyError(ConfigurationError):
    """No study file has the given key."""


class StudyNotChosenError(UnknownStudyError):
    """There are several studies and none was named."""


class MissingDependencyError(ConfigurationError):
    """A program or Python version that the command needs is missing."""


class BadRequestError(ListedError):
    """An HTTP request cannot be used."""

    heading = "The request cannot be used:"


class NoSignInError(ConsentReportError):
    """The page for people who sign in is not set up."""


class NotSignedInError(ConsentReportError):
    """The platform signed nobody in."""


class ForeignRequestError(ConsentReportError):
    """A form was not sent by the page of this app."""


class UnknownRunError(ConsentReportError):
    """No run has the given id."""


class SecretsUnavailableError(ConsentReportError):
    """Key Vault could not be reached; the same run may work later."""


class SecretsRefusedError(ConsentReportError):
    """Key Vault refused to return a secret; somebody must grant a right."""


class SourceUnavailableError(ConsentReportError):
    """REDCap could not be reached or was overloaded; the same run may work later."""


class SourceRefusedError(ConsentReportError):
    """REDCap refused the token or the request; a person must act."""


class SourceDataError(ConsentReportError):
    """REDCap's response or an export file must not become a report."""


class IncompleteExportError(SourceDataError):
    """Part of the registry did not arrive, or arrived twice."""


class ImplausibleDropError(ConsentReportError):
    """The report is much lower than the last one, or covers one site only; a person must look and may accept it.

    code: ``shrunk`` or ``groups-vanished``.
    """

    def __init__(self, code: str, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.args = (code, what, fix)
        self.code = code


class DeliveryUnavailableError(ConsentReportError):
    """The destination could not be reached; the same run may work later."""


class DeliveryRefusedError(ConsentReportError):
    """The destination refused the files; a person must act."""


class DeliveryUnverifiedError(ConsentReportError):
    """The stored file does not match the upload."""


class AppUnavailableError(ConsentReportError):
    """The function app does not respond to ``consent request``."""


class LedgerUnavailableError(ConsentReportError):
    """The run history could not be reached; the same run may work later."""


class LedgerRefusedError(ConsentReportError):
    """The run history cannot be read or written; a person must act."""


class RunInProgressError(ConsentReportError):
    """Another run of the same study is in progress; the same run may work later."""


class LeaseLostError(RunInProgressError):
    """Another run took over the lease, so this one stopped before its next write."""


class RecordChangedError(RunInProgressError):
    """Another process changed this run's record after it was read."""


class RunTooLongError(ConsentReportError):
    """The run exceeded its time limit and stopped; it is retried."""


class BadMessageError(ConsentReportError):
    """A queue message does not name a recorded run."""


@dataclass(frozen=True)
class ErrorKind:
    """What an error means: its stable code, its HTTP status, and whether the same run may succeed later by itself."""

    code: str
    status: int
    retryable: bool
    title: str


KINDS: Mapping[type[Exception], ErrorKind] = {
    BadMessageError: ErrorKind("bad-message", 400, False, "The message names no run"),
    BadRequestError: ErrorKind("bad-request", 400, False, "The request cannot be used"),
    CutoffError: ErrorKind("cutoff", 400, False, "That day cannot be reported"),
    StudyNotChosenError: ErrorKind("study-not-chosen", 400, False, "No study was chosen"),
    NotSignedInError: ErrorKind("not-signed-in", 401, False, "Nobody is signed in"),
    ForeignRequestError: ErrorKind("foreign-request", 403, False, "The request is not from the page"),
    NoSignInError: ErrorKind("no-sign-in", 404, False, "The page has no sign-in"),
    UnknownRunError: ErrorKind("unknown-run", 404, False, "There is no such run"),
    UnknownStudyError: ErrorKind("unknown-study", 404, False, "There is no such study"),
    RunInProgressError: ErrorKind("run-in-progress", 409, True, "Another run is in progress"),
    LeaseLostError: ErrorKind("lease-lost", 409, True, "Another run took over"),
    ImplausibleDropError: ErrorKind("implausible-drop", 409, False, "The report is lower than expected"),
    ConfigurationError: ErrorKind("configuration", 500, False, "The configuration must be changed first"),
    LedgerRefusedError: ErrorKind("ledger-refused", 500, False, "The run history cannot be used"),
    DeliveryRefusedError: ErrorKind("delivery-refused", 502, False, "The folder refused the report"),
    DeliveryUnverifiedError: ErrorKind("delivery-unverified", 502, True, "A stored file does not match the upload"),
    IncompleteExportError: ErrorKind("incomplete-export", 502, True, "Part of the registry did not arrive"),
    SecretsRefusedError: ErrorKind("secrets-refused", 502, False, "Key Vault refused"),
    SourceDataError: ErrorKind("source-data", 502, True, "REDCap's data cannot be used"),
    SourceRefusedError: ErrorKind("source-refused", 502, False, "REDCap refused"),
    AppUnavailableError: ErrorKind("app-unavailable", 503, False, "The app does not respond"),
    DeliveryUnavailableError: ErrorKind("delivery-unavailable", 503, True, "The folder could not be reached"),
    LedgerUnavailableError: ErrorKind("ledger-unavailable", 503, True, "The run history could not be reached"),
    SecretsUnavailableError: ErrorKind("secrets-unavailable", 503, True, "Key Vault could not be reached"),
    SourceUnavailableError: ErrorKind("source-unavailable", 503, True, "REDCap could not be reached"),
    RunTooLongError: ErrorKind("too-long", 504, True, "The run took too long"),
}
"""The one table of errors; a class without an entry has the entry of its base class."""

INTERNAL = ErrorKind("internal-error", 500, True, "Internal error")


def kind_of(error: Exception) -> ErrorKind:
    """Return what an error means; any exception that is not one of ours is an internal error."""
    return next((KINDS[cause] for cause in type(error).__mro__ if cause in KINDS), INTERNAL)


def error_code(error: Exception) -> str:
    """Return the stable code that the run history and every front end show."""
    return error.code if isinstance(error, ImplausibleDropError) else kind_of(error).code


def public_problem(error: Exception) -> Problem:
    """Return what may be stored and shown of an error; an internal error's own message is withheld."""
    if not isinstance(error, ConsentReportError):
        return Problem("Internal error.", "See the log of the run.")
    return Problem(str(error)) if isinstance(error, ListedError) else Problem(error.what, error.fix)


def error_document(error: Exception) -> dict[str, Any]:
    """Return an error as plain JSON values: ``code``, ``what``, ``fix``, and ``problems`` where there are several."""
    if not isinstance(error, ListedError):
        return {"code": error_code(error), **public_problem(error)._asdict()}
    problems = [problem._asdict() for problem in error.problems]
    return {"code": error_code(error), "what": error.what, "fix": error.fix, "problems": problems}


def log_text(error: Exception) -> str:
    """Return an error as the end of a log line: ``error=CODE`` and its message.

    Any other exception is shown by the files, lines and functions it and its causes went through, oldest first.
    """
    if isinstance(error, ConsentReportError):
        return f"error={error_code(error)} {error}"
    steps: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        frames = "".join(traceback.format_tb(cause.__traceback__))
        steps.insert(0, f"{frames}{type(cause).__qualname__} (its message is withheld: it may quote data)")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return f"error={INTERNAL.code}\n" + "\nwhich led to\n".join(steps)
