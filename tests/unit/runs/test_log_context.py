"""Claims about log lines: while a run is at work each of them carries its name, and otherwise none does."""

import functools
import logging
import threading
from collections.abc import Iterator

import pytest

from consent.runs.log_context import naming_run

NAME = "[run adults.2026-11-16, study adults, attempt 2] "


@pytest.fixture(autouse=True)
def _as_it_was(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    make = logging.getLogRecordFactory()
    caplog.set_level(logging.INFO)
    yield
    logging.setLogRecordFactory(make)


def logged_in_a_run(*message: object) -> None:
    with naming_run("adults.2026-11-16", 2):
        logging.getLogger("any.library").info(*message)


def test_a_line_of_any_logger_carries_the_run_its_study_and_the_attempt(caplog: pytest.LogCaptureFixture) -> None:
    logged_in_a_run("Uploading %s of %s", 1, 8)

    assert caplog.messages == [f"{NAME}Uploading 1 of 8"]


def test_a_line_carries_them_on_handlers_that_were_added_before(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("any.library").addHandler(handler)

    logged_in_a_run("Uploading")
    logging.getLogger("any.library").removeHandler(handler)

    assert lines == [f"{NAME}Uploading"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        pytest.param(("100% done",), "100% done", id="a percent sign without values"),
        pytest.param(("%d%% done", 50), "50% done", id="a percent sign beside values"),
        pytest.param(("%(done)s of %(all)s", {"done": 1, "all": 2}), "1 of 2", id="values by name"),
        pytest.param((ValueError("what happened"),), "what happened", id="no text but an error"),
    ],
)
def test_a_line_keeps_its_own_words(message: tuple[object, ...], shown: str, caplog: pytest.LogCaptureFixture) -> None:
    logged_in_a_run(*message)

    assert caplog.messages == [NAME + shown]


def test_a_name_with_a_percent_sign_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    with naming_run("a%s.x", 1):
        logging.getLogger("any.library").info("Uploading %s", 1)

    assert caplog.messages == ["[run a%s.x, study a%s, attempt 1] Uploading 1"]


def test_after_the_run_lines_carry_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    logged_in_a_run("Uploading")
    logging.getLogger("any.library").info("Idle")

    assert caplog.messages[-1] == "Idle"


def test_after_a_run_that_failed_lines_carry_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="broken"), naming_run("adults.2026-11-16", 2):
        raise ValueError("broken")
    logging.getLogger("any.library").info("Idle")

    assert caplog.messages == ["Idle"]


def test_two_runs_at_once_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    with naming_run("children.2026-11-16", 1):
        other = threading.Thread(target=logged_in_a_run, args=("Uploading",))
        other.start()
        other.join()
        logging.getLogger("any.library").info("Counting")

    assert caplog.messages == [
        f"{NAME}Uploading",
        "[run children.2026-11-16, study children, attempt 1] Counting",
    ]


def test_naming_again_and_again_names_each_line_once(caplog: pytest.LogCaptureFixture) -> None:
    logged_in_a_run("first")
    logged_in_a_run("second")

    assert caplog.messages == [f"{NAME}first", f"{NAME}second"]


def test_a_factory_that_somebody_else_put_on_top_does_not_have_a_line_named_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logged_in_a_run("first")
    logging.setLogRecordFactory(functools.partial(logging.getLogRecordFactory()))

    logged_in_a_run("second")

    assert caplog.messages[-1] == f"{NAME}second"
