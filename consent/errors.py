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
