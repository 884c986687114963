"""Tests of the log lines of a run: each has the run, its study and the attempt; other lines do not."""

import functools
import logging
import threading
from collections.abc import Iterator

import pytest

from consent.runs.log_context import log_context

RUN = "run=adults.2026-11-16 study=adults attempt=2 "


@pytest.fixture(autouse=True)
def _restored_factory(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    make = logging.getLogRecordFactory()
    caplog.set_level(logging.INFO)
    yield
    logging.setLogRecordFactory(make)


def log_in_a_run(*message: object) -> None:
    with log_context("adults.2026-11-16", 2):
        logging.getLogger("any.library").info(*message)


def test_a_handler_that_was_added_before_gets_the_context(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("any.library").addHandler(handler)

    log_in_a_run("Uploading")
    logging.getLogger("any.library").removeHandler(handler)

    assert lines == caplog.messages == [f"{RUN}Uploading"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        pytest.param(("Uploading %s of %s", 1, 8), "Uploading 1 of 8", id="values"),
        pytest.param(("100% done",), "100% done", id="a percent sign without values"),
        pytest.param(("%d%% done", 50), "50% done", id="a percent sign beside values"),
        pytest.param(("%(done)s of %(all)s", {"done": 1, "all": 2}), "1 of 2", id="values by name"),
        pytest.param((ValueError("what happened"),), "what happened", id="an error in place of text"),
    ],
)
def test_the_message_itself_is_unchanged(
    message: tuple[object, ...], shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    log_in_a_run(*message)

    assert caplog.messages == [RUN + shown]


def test_a_run_with_a_percent_sign_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    with log_context("a%s.x", 1):
        logging.getLogger("any.library").info("Uploading %s", 1)

    assert caplog.messages == ["run=a%s.x study=a%s attempt=1 Uploading 1"]


def test_after_a_run_lines_have_no_context_even_if_it_failed(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="broken"), log_context("adults.2026-11-16", 2):
        raise ValueError("broken")
    logging.getLogger("any.library").info("Idle")

    assert caplog.messages == ["Idle"]


def test_two_runs_at_once_have_their_own_contexts(caplog: pytest.LogCaptureFixture) -> None:
    with log_context("children.2026-11-16", 1):
        other = threading.Thread(target=log_in_a_run, args=("Uploading",))
        other.start()
        other.join()
        logging.getLogger("any.library").info("Counting")

    assert caplog.messages == [f"{RUN}Uploading", "run=children.2026-11-16 study=children attempt=1 Counting"]


def test_a_line_gets_the_context_once_whatever_wraps_the_factory(caplog: pytest.LogCaptureFixture) -> None:
    log_in_a_run("first")
    logging.setLogRecordFactory(functools.partial(logging.getLogRecordFactory()))
    log_in_a_run("second")

    assert caplog.messages == [f"{RUN}first", f"{RUN}second"]
