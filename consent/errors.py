"""What can go wrong, sorted by what the operator should do next.

::

    ConsentReportError
    ├── ConfigurationError        fix what it names, then run again; repeating the run as it is will not help
    │   ├── StudyFileError        the study file has these problems (all of them)
    │   ├── CutoffError           the day asked for cannot be reported: choose another
    │   ├── UnknownStudyError     there is no study of that name: choose one of those listed
    │   │   └── StudyNotChosenError  there are several: say which
    │   ├── SettingsError         these settings or secrets are missing or malformed (all of them)
    │   └── DictionaryError       the study file and REDCap's data dictionary disagree (everywhere they do)
    ├── SecretsUnavailableError   Key Vault did not answer: wait, or look at the network
    ├── SecretsRefusedError       Key Vault said no: ask for rights
    ├── SourceUnavailableError    REDCap is down or slow: wait, the same run will do later
    ├── SourceRefusedError        REDCap said no: ask for a token or rights
    ├── SourceDataError           the answer cannot be trusted, so nothing was delivered: look at REDCap
    │   └── IncompleteExportError rows, records or columns did not arrive, or arrived twice
    ├── FallenReportError         the registry seems to have shrunk: look at REDCap, then say so if it is right
    ├── DeliveryUnavailableError  the folder cannot be reached now: wait, the same run will do later
    ├── DeliveryRefusedError      the folder said no: a person must act (rights, quota, names, an open file)
    ├── DeliveryUnverifiedError   what is stored is not what was sent: look before trusting the folder
    ├── LedgerUnavailableError    the record of runs cannot be reached now: wait, the same run will do later
    ├── LedgerRefusedError        the record of runs said no: ask for rights, or name another place for it
    ├── BusyError                 another run of this study is at work: wait for it
    │   ├── ClaimLostError        another run has taken over from this one, which stopped before its next write
    │   └── RecordChangedError    somebody else has written to the record of this run meanwhile
    ├── RunTooLongError           the run ended itself before the platform would: wait, it is tried again
    └── BadMessageError           a message of the queue names no run: look who else writes to the queue

Each message says what happened, where, and what to do next. None holds a token, a body, a name or a record id.
Anything else is a bug: its place is shown, and its own words, which may quote data, are withheld.
"""

import traceback
from collections.abc import Iterable
from dataclasses import dataclass


class ConsentReportError(Exception):
    """Something an operator can act on; the message says how."""


class ConfigurationError(ConsentReportError):
    """A setting, the study file or a command's argument must be changed first."""


class _ListedError(ConfigurationError):
    """A heading and every problem found, one a line."""

    def __init__(self, heading: str, problems: Iterable[str]) -> None:
        self.heading = heading
        self.problems = tuple(problems)
        super().__init__("\n".join([heading, *(f"  - {problem}" for problem in self.problems)]))


class StudyFileError(_ListedError):
    """The study file cannot be used; every problem in it is listed."""


class CutoffError(ConfigurationError):
    """The day asked for lies in the future, or before the study began."""


class UnknownStudyError(ConfigurationError):
    """No study file goes by the name that was given."""


class StudyNotChosenError(UnknownStudyError):
    """There are several studies, and nobody said which."""


class SettingsError(_ListedError):
    """Settings or secrets are missing or malformed; every one is listed, never its value."""


class DictionaryError(_ListedError):
    """The study file names fields, events or codes that this REDCap project does not have (or has since changed)."""


class SecretsUnavailableError(ConsentReportError):
    """Key Vault could not be reached; the same run may work later."""


class SecretsRefusedError(ConsentReportError):
    """Key Vault refused to hand out a secret; somebody must grant a right."""


class SourceUnavailableError(ConsentReportError):
    """REDCap could not be reached or was too busy; the same run may work later."""


class SourceRefusedError(ConsentReportError):
    """REDCap refused the token or the request; a person must act."""


class SourceDataError(ConsentReportError):
    """REDCap (or an export file) answered with something that must not become a report."""


class IncompleteExportError(SourceDataError):
    """Part of the registry did not arrive, or arrived twice, so there is no report."""


class DeliveryUnavailableError(ConsentReportError):
    """The destination could not be reached; the same run may work later."""


class DeliveryRefusedError(ConsentReportError):
    """The destination refused the files; a person must act."""


class DeliveryUnverifiedError(ConsentReportError):
    """The destination stores something else than what was sent."""


class FallenReportError(ConsentReportError):
    """The report is much lower than the last one, or of one site only; a person must look, and may accept it.

    reason: ``shrunk`` or ``groups-vanished``.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class LedgerUnavailableError(ConsentReportError):
    """The record of runs could not be reached; the same run may work later."""


class LedgerRefusedError(ConsentReportError):
    """The record of runs cannot be read or written as things are; a person must act."""


class BusyError(ConsentReportError):
    """Another run of the same study is at work; the same run may work later."""


class ClaimLostError(BusyError):
    """Another run took over from this one, which therefore writes nothing any more."""


class RecordChangedError(BusyError):
    """The record of this run was changed by somebody else since it was read."""


class RunTooLongError(ConsentReportError):
    """The run took longer than a run may; it stopped itself, and is tried again."""


class BadMessageError(ConsentReportError):
    """A message does not name a run that was asked for; nothing was run."""


def log_text(error: Exception) -> str:
    """What the log may say of an error: the message of one of ours, and only the kind and the way of any other.

    The way is every file, line and function that the error and its causes came through, oldest first.
    """
    if isinstance(error, ConsentReportError):
        return f"{type(error).__name__}: {error}"
    steps: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        way = "".join(traceback.format_tb(cause.__traceback__))
        steps.insert(0, f"{way}{type(cause).__qualname__} (its message is withheld: it may quote data)")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "a fault in the program\n" + "\nwhich led to\n".join(steps)


@dataclass(frozen=True)
class Failure:
    """One kind of failure; ``passing`` means that the same run may work later, with nobody doing anything."""

    status: int
    name: str
    title: str
    passing: bool


# The first entry that an error is an instance of counts, so a special error stands before its base.
_FAILURES: tuple[tuple[type[Exception], Failure], ...] = (
    (CutoffError, Failure(400, "cutoff", "That day cannot be reported", passing=False)),
    (StudyNotChosenError, Failure(400, "study-not-chosen", "Say which study", passing=False)),
    (UnknownStudyError, Failure(404, "unknown-study", "There is no such study", passing=False)),
    (ConfigurationError, Failure(500, "configuration", "Something must be set up first", passing=False)),
    (SecretsUnavailableError, Failure(503, "secrets-unavailable", "Key Vault cannot be reached now", passing=True)),
    (SecretsRefusedError, Failure(502, "secrets-refused", "Key Vault refused", passing=False)),
    (SourceUnavailableError, Failure(503, "source-unavailable", "REDCap cannot be reached now", passing=True)),
    (SourceRefusedError, Failure(502, "source-refused", "REDCap refused", passing=False)),
    (IncompleteExportError, Failure(502, "incomplete-export", "Part of the registry did not arrive", passing=True)),
    (SourceDataError, Failure(502, "source-data", "What REDCap sent cannot be trusted", passing=True)),
    (FallenReportError, Failure(409, "fallen", "The report is lower than it should be", passing=False)),
    (DeliveryUnavailableError, Failure(503, "delivery-unavailable", "The folder cannot be reached now", passing=True)),
    (DeliveryRefusedError, Failure(502, "delivery-refused", "The folder refused", passing=False)),
    (
        DeliveryUnverifiedError,
        Failure(502, "delivery-unverified", "The folder holds something else than was sent", passing=True),
    ),
    (
        LedgerUnavailableError,
        Failure(503, "ledger-unavailable", "The record of runs cannot be reached now", passing=True),
    ),
    (LedgerRefusedError, Failure(500, "ledger-refused", "The record of runs cannot be used", passing=False)),
    (ClaimLostError, Failure(409, "claim-lost", "Another run took over", passing=True)),
    (BusyError, Failure(409, "busy", "Another run is at work", passing=True)),
    (RunTooLongError, Failure(504, "too-long", "The run took too long", passing=True)),
    (BadMessageError, Failure(400, "bad-message", "The message names no run", passing=False)),
)
_FAULT = Failure(500, "fault", "The program failed", passing=True)


def failure_of(error: Exception) -> Failure:
    """What kind of failure an error is; any error that is not one of ours is a fault in the program."""
    return next((failure for cause, failure in _FAILURES if isinstance(error, cause)), _FAULT)


def reason_of(error: Exception) -> str:
    """The one word that the record of a run keeps for why it did not succeed."""
    return error.reason if isinstance(error, FallenReportError) else failure_of(error).name


def told_of(error: Exception) -> str:
    """What may be kept and shown of an error: the message of one of ours; of any other that its place is in the log."""
    if isinstance(error, ConsentReportError):
        return str(error)
    return "A fault in the program; its place is in the log of the run."
