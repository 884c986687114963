"""Claims about errors: each kind has one meaning, every front end reads the same fields, and no bug quotes data."""

import pickle

import pytest

from consent import errors
from consent.errors import (
    INTERNAL,
    KINDS,
    ConsentReportError,
    ImplausibleDropError,
    IncompleteExportError,
    LeaseLostError,
    ListedError,
    Problem,
    SettingsError,
    SourceUnavailableError,
    StudyFileError,
    error_code,
    error_document,
    kind_of,
    log_text,
    public_problem,
)

NAME = "Ada Lovelace"
OURS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ConsentReportError) and kind not in (ConsentReportError, ListedError)
]
DOWN_OR_BUSY = {
    *("SecretsUnavailableError", "SourceUnavailableError", "SourceDataError", "IncompleteExportError"),
    *("DeliveryUnavailableError", "DeliveryUnverifiedError", "LedgerUnavailableError"),
    *("RunInProgressError", "LeaseLostError", "RecordChangedError", "RunTooLongError"),
}


def test_every_error_has_a_kind() -> None:
    assert [kind.__name__ for kind in OURS if not set(kind.__mro__) & set(KINDS)] == []


def test_codes_are_unique() -> None:
    assert len({kind.code for kind in KINDS.values()}) == len(KINDS)


def test_a_run_is_retried_after_what_is_down_or_busy_and_nothing_else() -> None:
    retryable = {
        kind.__name__ for kind in OURS if next(KINDS[base] for base in kind.__mro__ if base in KINDS).retryable
    }
    assert retryable == DOWN_OR_BUSY


def test_a_special_error_has_its_own_kind_and_not_that_of_its_base() -> None:
    assert error_code(LeaseLostError("Another run took over.")) == "lease-lost"


def test_any_other_exception_is_an_internal_error() -> None:
    assert kind_of(KeyError("x")) == INTERNAL


def test_what_and_fix_are_kept_apart_and_shown_together() -> None:
    error = SourceUnavailableError("REDCap is down.", "Try again later.")

    assert (error.what, error.fix, str(error)) == (
        "REDCap is down.",
        "Try again later.",
        "REDCap is down. Try again later.",
    )


def test_a_listed_error_shows_its_heading_and_every_problem() -> None:
    error = StudyFileError([Problem("title is missing.", "Add it."), Problem("x is unknown.")], "Study file a.toml:")

    assert str(error) == "Study file a.toml:\n  - title is missing. Add it.\n  - x is unknown."


def test_a_document_holds_the_code_the_two_fields_and_every_listed_problem() -> None:
    assert error_document(SettingsError([Problem("A is missing.", "Set it.")])) == {
        "code": "configuration",
        "what": "These settings must be changed first:",
        "fix": "",
        "problems": [{"what": "A is missing.", "fix": "Set it."}],
    }


def test_an_implausible_drop_is_recorded_by_its_own_code() -> None:
    error = ImplausibleDropError("groups-vanished", "The groups are gone.", "Look in REDCap.")

    assert (error_code(error), error_document(error)["code"]) == ("groups-vanished", "groups-vanished")


def test_an_error_survives_the_way_to_another_process() -> None:
    error = ImplausibleDropError("shrunk", "Fewer.", "Look.")

    assert pickle.loads(pickle.dumps(error)).code == "shrunk"


@pytest.mark.parametrize("told", [public_problem, error_document, log_text], ids=lambda told: told.__name__)
def test_an_internal_error_never_quotes_its_own_message(told) -> None:
    assert NAME not in str(told(ValueError(NAME)))


def test_the_log_shows_where_an_internal_error_and_its_cause_arose() -> None:
    def fails() -> None:
        try:
            raise KeyError(NAME)
        except KeyError as cause:
            raise ValueError(NAME) from cause

    with pytest.raises(ValueError, match=NAME) as caught:
        fails()

    text = log_text(caught.value)
    assert text.index("KeyError (its message is withheld") < text.index("which led to") < text.index("ValueError (")
    assert "in fails" in text
    assert NAME not in text


def test_the_log_shows_the_code_and_message_of_one_of_ours() -> None:
    assert log_text(IncompleteExportError("Rows are missing.")) == "error=incomplete-export Rows are missing."
