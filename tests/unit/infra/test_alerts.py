"""Tests of the alerts in Azure: each event that the app logs fires one, and a Monday that fails sends one mail."""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

import function_app
from consent.app import handlers
from consent.config.settings import Settings
from consent.errors import LedgerRefusedError, SourceRefusedError, SourceUnavailableError
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.scheduler import message_for
from consent.runs.worker import execute_message, mark_failed
from tests.support.bicep import resource
from tests.support.builders import CONSENT, RIDER, STUDY
from tests.support.doc_pages import PAGES
from tests.support.log_alerts import DURATIONS, RULES, WINDOW, Log
from tests.support.run_builders import NOW, Clock, a_report, a_result, a_run, kept, later

MESSAGE = message_for(a_run().run_id)
TOMORROW = NOW + timedelta(days=1)
DOWN = SourceUnavailableError("REDCap is down.", "Wait.")
REFUSED = SourceRefusedError("REDCap refused the token.", "Renew it.")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Path]:
    """A folder with a study file, whose first Monday is long past, and a run history with one run."""
    caplog.set_level(logging.INFO, logger="consent")
    caplog.set_level(logging.INFO, logger="consent.runs.worker")  # the command line raises its level
    make = logging.getLogRecordFactory()
    (tmp_path / "adults.toml").write_text(STUDY + CONSENT + RIDER, encoding="utf-8")
    ledger = SqliteLedger(tmp_path / "runs.sqlite")
    ledger.first_seen("adults", NOW - timedelta(weeks=8))
    ledger.add(a_run())
    ledger.close()
    yield tmp_path
    logging.setLogRecordFactory(make)


def ledger_in(folder: Path) -> SqliteLedger:
    return SqliteLedger(folder / "runs.sqlite")


def settings_in(folder: Path, **changes: str) -> Settings:
    return Settings({"CONSENT_STUDIES": str(folder), "CONSENT_LEDGER": str(folder / "runs.sqlite"), **changes})


def deliver(folder: Path, *errors: Exception) -> None:
    """Deliver a run's message once for each error."""
    for error in errors:

        def fail(record: RunRecord, lease: object, error: Exception = error) -> Any:
            raise error

        with pytest.raises(type(error)):
            execute_message(MESSAGE, ledger_in(folder), fail, now=Clock(), holder="me")


def run_that_is_refused(folder: Path) -> None:
    deliver(folder, REFUSED)


def run_that_fails_after_all_retries(folder: Path) -> None:
    deliver(folder, DOWN)
    mark_failed(MESSAGE, ledger_in(folder), now=later(hours=1))


def message_without_a_run(folder: Path) -> None:
    mark_failed("[]", ledger_in(folder), now=Clock())


def report_late_at_maintenance(folder: Path) -> None:
    handlers.run_daily_maintenance(settings_in(folder), TOMORROW)


def check_health(folder: Path, **changes: str) -> None:
    """Call the health route long after the report was due."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in settings_in(folder, **changes).as_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(function_app, "utc_now", lambda: TOMORROW)
        function_app.health(func.HttpRequest(method="GET", url="/", body=b""))


def health_check_without_a_ledger(folder: Path) -> None:
    check_health(folder, CONSENT_LEDGER="nowhere")


def unusable_study_file(folder: Path) -> None:
    ledger = ledger_in(folder)
    ledger.write(replace(a_report(), version=kept(ledger).version))
    (folder / "broken.toml").write_text("title = 1", encoding="utf-8")
    check_health(folder)


def broken_study_file(folder: Path) -> None:
    (folder / "broken.toml").write_text("title = 1", encoding="utf-8")
    handlers.queue_reports(settings_in(folder), "monday", NOW)


def unreadable_run_history(folder: Path) -> None:
    (folder / "runs.sqlite").write_bytes(b"no ledger " * 1_000)
    with pytest.raises(LedgerRefusedError):
        handlers.queue_reports(settings_in(folder), "monday", NOW)


def maintenance_without_a_ledger(folder: Path) -> None:
    handlers.run_daily_maintenance(settings_in(folder, CONSENT_LEDGER=str(folder)), NOW)


def run_that_is_delivered_after_retries(folder: Path) -> None:
    deliver(folder, DOWN, DOWN)
    execute_message(MESSAGE, ledger_in(folder), lambda *_: a_result(), now=later(minutes=5), holder="me")


def report_on_time_at_maintenance(folder: Path) -> None:
    ledger = ledger_in(folder)
    ledger.write(replace(a_report(), version=kept(ledger).version))
    handlers.run_daily_maintenance(settings_in(folder), TOMORROW)


CASES: list[tuple[Callable[[Path], None], str, str]] = [
    (run_that_is_refused, "run_failed", "needs-a-person"),
    (run_that_fails_after_all_retries, "run_failed", "needs-a-person"),
    (message_without_a_run, "run_failed", "needs-a-person"),
    (report_late_at_maintenance, "report_late", "late"),
    (check_health, "report_late", "late"),
    (unusable_study_file, "study_unusable", "timer-failed"),
    (health_check_without_a_ledger, "health_check_failed", "timer-failed"),
    (broken_study_file, "timer_failed", "timer-failed"),
    (unreadable_run_history, "timer_failed", "timer-failed"),
    (maintenance_without_a_ledger, "maintenance_failed", "timer-failed"),
]


def alerts_for(*lines: str) -> set[str]:
    """The alerts of these log lines in an app whose timers run."""
    log = Log()
    log.write(NOW, *lines)
    log.call(NOW, "catch_up")
    return {rule for rule in RULES if log.true_at(NOW, rule)}


@pytest.mark.parametrize(("cause", "event", "rule"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_each_event_that_the_app_logs_fires_one_alert(
    cause: Callable[[Path], None], event: str, rule: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cause(folder)

    assert f"event={event} " in caplog.text
    assert alerts_for(*caplog.messages) == {rule}


def test_every_event_of_an_alert_is_one_that_the_app_logs() -> None:
    events = {event for rule in RULES.values() for event in re.findall(r'"([a-z]+_[a-z_]+)"', rule["query"])}

    assert events - {"catch_up", "run_failed"} == {event for _, event, _ in CASES} - {"run_failed"}


@pytest.mark.parametrize("cause", [run_that_is_delivered_after_retries, report_on_time_at_maintenance])
def test_no_alert_fires_if_the_report_is_delivered_in_the_end(
    cause: Callable[[Path], None], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cause(folder)

    assert "event=" in caplog.text
    assert alerts_for(*caplog.messages) == set()


@pytest.mark.parametrize("function", ["monday", "catch_up", "run_failed"])
def test_a_failed_call_of_a_timer_or_of_the_poison_queue_fires_an_alert(function: str) -> None:
    log = Log()
    log.call(NOW, "catch_up")
    log.call(NOW, function, success=False)

    assert hasattr(function_app, function)
    assert {rule for rule in RULES if log.true_at(NOW, rule)} == {"timer-failed"}


def test_silence_fires_an_alert_after_two_missed_daily_checks() -> None:
    log = Log()
    log.call(NOW, "catch_up")

    assert re.fullmatch(r"0 \d+ \d+ \* \* \*", function_app.CATCH_UP_SCHEDULE)
    assert log.mails(NOW + timedelta(days=2, hours=-2), NOW + timedelta(days=2, hours=-1)) == []
    assert log.mails(NOW + timedelta(days=2, hours=-1), NOW + timedelta(days=2, hours=3)) == [("silent", "")]


def test_a_second_study_that_fails_has_a_mail_of_its_own() -> None:
    log = Log()
    log.call(NOW, "catch_up")
    log.write(NOW, "run=a study=adults attempt=1 event=run_failed state=refused", "event=report_late study=children")
    log.write(NOW, "event=run_failed state=unknown error=bad-message")

    assert log.mails(NOW, NOW) == [("needs-a-person", "adults"), ("needs-a-person", "unknown"), ("late", "children")]


def test_the_health_test_fires_only_if_the_app_does_not_answer() -> None:
    rules = resource("health", "test")["properties"]["ValidationRules"]
    answers = [function_app._response(status, {"status": state}) for status, state in ((200, "ok"), (503, "late"))]

    assert (rules["IgnoreHttpStatusCode"], "ExpectedHttpStatusCode" in rules) == (True, False)
    assert [rules["ContentValidation"]["ContentMatch"] in answer.get_body().decode() for answer in answers] == [
        True
    ] * 2


def test_the_mails_and_the_pages_use_the_same_five_names() -> None:
    names = {f"consent-{rule}" for rule in RULES} | {resource("health", "alert")["name"]}

    assert resource("alerts", "alerts")["name"] == "consent-${rule.name}"
    for page in ("docs/operations.md", "docs/azure.md"):
        assert {*re.findall(r"`(consent-(?!runs|health)[a-z]+(?:-[a-z]+)*)`", PAGES[page])} == names, page


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_window_of_a_rule_is_longer_than_a_day_and_its_interval(rule: dict[str, Any]) -> None:
    assert timedelta(days=1) + DURATIONS[rule["every"]] < WINDOW
