"""Claims about kinds of failure: every error of ours has one, and nothing else is taken for one of ours."""

from collections.abc import Iterator

import pytest

from consent import errors
from consent import errors as failures
from consent.app.http_api import BadRequestError
from consent.errors import ConsentReportError, FallenReportError, failure_of, reason_of, told_of


def _all_below(kind: type[Exception]) -> Iterator[type[Exception]]:
    for below in kind.__subclasses__():
        yield below
        yield from _all_below(below)


KINDS = sorted({kind for kind in _all_below(ConsentReportError) if kind.__module__ == errors.__name__}, key=str)
PASSING = {
    "SecretsUnavailableError",
    "SourceUnavailableError",
    "SourceDataError",
    "IncompleteExportError",
    "DeliveryUnavailableError",
    "DeliveryUnverifiedError",
    "LedgerUnavailableError",
    "BusyError",
    "ClaimLostError",
    "RecordChangedError",
    "RunTooLongError",
}


def an_error(kind: type[Exception]) -> Exception:
    """An error of that kind, whatever it needs to be made."""
    error = kind.__new__(kind)
    error.args = ("what happened",)
    return error


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_of_ours_has_a_kind_of_failure(kind: type[Exception]) -> None:
    assert failure_of(an_error(kind)).name != "fault"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_waiting_helps_against_what_is_down_or_busy_and_nothing_else(kind: type[Exception]) -> None:
    assert failure_of(an_error(kind)).passing == (kind.__name__ in PASSING)


def test_no_entry_of_the_table_is_hidden_by_an_earlier_one() -> None:
    kinds = [kind for kind, _ in failures._FAILURES]
    assert [kind for kind, failure in failures._FAILURES if failure_of(an_error(kind)) is not failure] == []
    assert len(set(kinds)) == len(kinds)


def test_anything_else_is_a_fault_in_the_program() -> None:
    assert failure_of(KeyError("000417")).name == "fault"


def test_a_fault_is_told_without_its_own_words() -> None:
    assert "000417" not in told_of(KeyError("000417"))


def test_an_error_of_ours_is_told_in_its_own_words() -> None:
    assert told_of(BadRequestError(["study: unknown"])) == str(BadRequestError(["study: unknown"]))


def test_a_fallen_report_is_recorded_by_its_own_reason() -> None:
    assert reason_of(FallenReportError("groups-vanished", "The column is gone.")) == "groups-vanished"
