"""Tests of the alerts in Azure: each matches the events that the app logs, and none fires while all is well."""

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
from tests.support.bicep import resource, variable
from tests.support.builders import CONSENT, RIDER, STUDY
from tests.support.run_builders import NOW, Clock, a_report, a_result, a_run, kept, later

RULES = {rule["name"]: rule for rule in variable("alerts", "rules")}
MESSAGE = message_for(a_run().run_id)
TOMORROW = NOW + timedelta(days=1)
DOWN = SourceUnavailableError("REDCap is down.", "Wait.")
REFUSED = SourceRefusedError("REDCap refused the token.", "Renew it.")
WINDOWS = {"PT1H": 1, "PT6H": 6, "P1D": 24, "P2D": 48}  # hours; a log alert looks back at most two days
STEPS = {"PT15M": 0.25, "PT1H": 1}


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
    (health_check_without_a_ledger, "health_check_failed", "late"),
    (broken_study_file, "timer_failed", "timer-failed"),
    (unreadable_run_history, "timer_failed", "timer-failed"),
    (maintenance_without_a_ledger, "maintenance_failed", "timer-failed"),
]


def events_of(rule: str) -> set[str]:
    """The events that a rule's query names."""
    listed = re.findall(r"Event in \(([^)]*)\)", RULES[rule]["query"])
    return set(re.findall(r'"(\w+)"', "".join(listed)))


def matches(rule: str, line: str) -> bool:
    """Whether the query of a rule matches a log line, by the regular expression in the query itself."""
    patterns = re.findall(r'Event = extract\("([^"]+)", 1, Message\)', RULES[rule]["query"])
    found = [match[1] for pattern in patterns if (match := re.search(pattern, line))]
    return not events_of(rule).isdisjoint(found)


def alerts_for(lines: list[str]) -> set[str]:
    return {rule for rule in RULES if any(matches(rule, line) for line in lines)}


@pytest.mark.parametrize(("cause", "event", "rule"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_an_alert_matches_the_event_that_the_app_logs(
    cause: Callable[[Path], None], event: str, rule: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cause(folder)

    assert f"event={event} " in caplog.text
    assert alerts_for(caplog.messages) == {rule}


def test_every_event_of_an_alert_is_one_that_the_app_logs() -> None:
    assert {event for rule in RULES for event in events_of(rule)} == {event for _, event, _ in CASES}


@pytest.mark.parametrize("cause", [run_that_is_delivered_after_retries, report_on_time_at_maintenance])
def test_no_alert_fires_if_the_report_is_delivered_in_the_end(
    cause: Callable[[Path], None], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cause(folder)

    assert "event=" in caplog.text
    assert alerts_for(caplog.messages) == set()


@pytest.mark.parametrize(
    ("rule", "watched"),
    [("silent", ["catch_up"]), ("timer-failed", ["monday", "catch_up", "run_failed"])],
)
def test_an_alert_watches_invocations_of_functions_that_exist(rule: str, watched: list[str]) -> None:
    listed = re.findall(r'Name (?:==|in) (\([^)]*\)|"\w+")', RULES[rule]["query"])

    assert re.findall(r"\w+", "".join(listed)) == watched
    assert [name for name in watched if not hasattr(function_app, name)] == []


def test_silence_raises_an_alert_after_two_missed_daily_checks() -> None:
    rule = RULES["silent"]

    assert (rule["operator"], rule["threshold"], "Success == true" in rule["query"]) == ("LessThan", 1, True)
    assert re.fullmatch(r"0 \d+ \d+ \* \* \*", function_app.CATCH_UP_SCHEDULE)
    assert rule["window"] == "P2D"


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_window_of_a_rule_is_longer_than_its_interval(rule: dict[str, Any]) -> None:
    assert WINDOWS[rule["window"]] >= 4 * STEPS[rule["every"]]


def test_every_alert_is_sent_to_the_alert_email() -> None:
    groups = resource("alerts", "alerts")["properties"]["actions"]["actionGroups"]

    assert len(groups) == 1
    assert resource("alerts", "people")["properties"]["emailReceivers"][0]["emailAddress"] == "email"
