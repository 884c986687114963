"""Tests of the alert mails of a week: a Monday that fails in any way sends one mail, however long it stays so."""

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import azure.functions as func
import pytest
from azure.functions.timer import TimerRequest

import function_app
from consent.errors import SourceRefusedError, SourceUnavailableError
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.worker import execute_message, mark_failed
from tests.support.builders import CONSENT, RIDER, STUDY
from tests.support.log_alerts import Log
from tests.support.run_builders import a_report, a_result

MONDAY, FRIDAY = datetime(2026, 11, 23, 6, tzinfo=UTC), datetime(2026, 11, 27, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
DOWN = SourceUnavailableError("REDCap is down.", "Wait.")
REFUSED = SourceRefusedError("REDCap refused the token.", "Renew it.")


class Week:
    """An app from Monday to Friday: the timers and the health test call it, the queue delivers its messages."""

    def __init__(self, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.now, self.log, self._caplog = folder, MONDAY, Log(), caplog
        monkeypatch.setenv("CONSENT_STUDIES", str(folder))
        monkeypatch.setenv("CONSENT_LEDGER", str(folder / "runs.sqlite"))
        monkeypatch.setattr(function_app, "utc_now", lambda: self.now)
        self.log.call(MONDAY - HALF_AN_HOUR, "catch_up")

    def mails(self, deliver: "Deliver", *, watched: bool) -> list[tuple[str, str]]:
        """Play the week, and return the rule and the study of each mail."""
        while self.now < FRIDAY:
            for message in self._call_timers():
                deliver(self, message)
            if watched:
                function_app.health(func.HttpRequest(method="GET", url="/", body=b""))
            self.log.write(self.now, *self._caplog.messages)
            self._caplog.clear()
            self.now += HALF_AN_HOUR
        return self.log.mails(MONDAY, FRIDAY)

    def attempt(self, message: str, error: Exception) -> None:
        """Deliver a message once, to a run that fails."""

        def fail(record: RunRecord, lease: object) -> Any:
            raise error

        with closing(SqliteLedger(self.folder / "runs.sqlite")) as ledger, suppress(type(error)):
            execute_message(message, ledger, fail, now=lambda: self.now, holder="me")

    def _call_timers(self) -> list[str]:
        """Call the timers that are due; return the messages that they queue."""
        due = ["monday"] if self.now.minute == 0 and self.now.strftime("%a") in ("Sun", "Mon", "Tue") else []
        due += ["catch_up"] if (self.now.hour, self.now.minute) == (5, 30) else []
        queued: list[str] = []
        for name in due:
            output = _Output()
            try:
                getattr(function_app, name)(TimerRequest(past_due=False), cast("Any", output))
            except Exception:
                self.log.call(self.now, name, success=False)
            else:
                self.log.call(self.now, name)
                queued += output.messages
        return queued


class _Output:
    def set(self, messages: list[str]) -> None:
        self.messages = messages


Deliver = Callable[[Week, str], None]


def refuse(week: Week, message: str) -> None:
    week.attempt(message, REFUSED)


def use_up(week: Week, message: str) -> None:
    week.attempt(message, DOWN)
    with closing(SqliteLedger(week.folder / "runs.sqlite")) as ledger:
        mark_failed(message, ledger, now=lambda: week.now)


def lose(week: Week, message: str) -> None:
    pass


def succeed(week: Week, message: str) -> None:
    summary = a_result().summary
    report = a_result(summary=replace(summary, period=replace(summary.period, cutoff=week.now.date())))
    with closing(SqliteLedger(week.folder / "runs.sqlite")) as ledger:
        execute_message(message, ledger, lambda *_: report, now=lambda: week.now, holder="me")


def succeed_on_tuesday(week: Week, message: str) -> None:
    (refuse if week.now.strftime("%a") == "Mon" else succeed)(week, message)


def succeed_on_thursday(week: Week, message: str) -> None:
    (use_up if week.now.strftime("%a") in ("Mon", "Tue", "Wed") else succeed)(week, message)


def break_study_file(folder: Path) -> None:
    (folder / "adults.toml").write_text("title = 1", encoding="utf-8")


def break_ledger(folder: Path) -> None:
    (folder / "runs.sqlite").write_bytes(b"no ledger " * 1_000)


def break_nothing(folder: Path) -> None:
    pass


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    """A folder with a study file, and a run history in which the Monday before was reported."""
    for name in ("consent", "consent.runs.worker"):  # the command line raises the level of the second
        caplog.set_level(logging.INFO, logger=name)
    (tmp_path / "adults.toml").write_text(STUDY + CONSENT + RIDER, encoding="utf-8")
    with closing(SqliteLedger(tmp_path / "runs.sqlite")) as ledger:
        ledger.first_seen("adults", MONDAY - timedelta(weeks=8))
        ledger.add(a_report())
    return tmp_path


@pytest.mark.parametrize("watched", [True, False], ids=["with the health test", "without it"])
@pytest.mark.parametrize(
    ("fault", "deliver", "mails"),
    [
        pytest.param(break_nothing, refuse, [("needs-a-person", "adults")], id="every run is refused"),
        pytest.param(break_nothing, use_up, [("needs-a-person", "adults")], id="REDCap is down"),
        pytest.param(break_nothing, succeed_on_tuesday, [("needs-a-person", "adults")], id="solved on Tuesday"),
        pytest.param(break_nothing, succeed_on_thursday, [("needs-a-person", "adults")], id="solved by a daily retry"),
        pytest.param(break_nothing, lose, [("late", "adults")], id="no run starts"),
        pytest.param(break_study_file, succeed, [("timer-failed", "")], id="the study file cannot be used"),
        pytest.param(break_ledger, succeed, [("timer-failed", "")], id="the run history cannot be read"),
        pytest.param(break_nothing, succeed, [], id="a good Monday"),
    ],
)
def test_a_monday_that_fails_sends_one_mail(
    fault: Callable[[Path], None],
    deliver: Deliver,
    mails: list[tuple[str, str]],
    watched: bool,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(folder)

    assert Week(folder, caplog, monkeypatch).mails(deliver, watched=watched) == mails
