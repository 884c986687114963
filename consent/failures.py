"""What kind of failure an error is: its short name, its HTTP status, and whether waiting helps.

Pure: the one table that the HTTP answers, the run record and the queue go by.
"""

from dataclasses import dataclass

from consent.errors import (
    BadMessageError,
    BusyError,
    ClaimLostError,
    ConfigurationError,
    ConsentReportError,
    CutoffError,
    DeliveryRefusedError,
    DeliveryUnavailableError,
    DeliveryUnverifiedError,
    FallenReportError,
    IncompleteExportError,
    LedgerRefusedError,
    LedgerUnavailableError,
    RunTooLongError,
    SecretsRefusedError,
    SecretsUnavailableError,
    SourceDataError,
    SourceRefusedError,
    SourceUnavailableError,
    StudyNotChosenError,
    UnknownStudyError,
)


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
