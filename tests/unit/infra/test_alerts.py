"""Claims about the alarms in Azure: each goes off at what the app really writes, and stays silent while all is well."""

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
from consent.app import handlers as doors
from consent.config.settings import Settings
from consent.errors import SourceUnavailableError
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.scheduler import message_for
from consent.runs.worker import execute_message, mark_failed
from tests.support.bicep import resource, variable
from tests.support.builders import CONSENT, RIDER, STUDY
from tests.support.run_builders import NOW, Clock, a_report, a_result, a_run, kept, later
from tests.unit.runs.test_worker import DOWN, REFUSED, failing, performing

RULES = {rule["name"]: rule for rule in variable("alerts", "rules")}
MESSAGE = message_for(a_run().run_id)
LATER = NOW + timedelta(days=1)
WINDOWS = {"PT1H": 1, "PT6H": 6, "P1D": 24, "P2D": 48}  # hours; two days is the longest that a log alert looks back
STEPS = {"PT15M": 0.25, "PT1H": 1}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Path]:
    """A place with a usable study, whose first Monday was a while ago, and with a record of one run."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, logger="consent.runs.worker")  # which the command line silences
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


def executed(folder: Path, *errors: Exception) -> None:
    """Deliver a run's message as often as it fails, and once more."""
    for error in errors:
        with pytest.raises(type(error), match=re.escape(str(error))):
            execute_message(MESSAGE, ledger_in(folder), failing(error), now=Clock(), holder="me")
    execute_message(MESSAGE, ledger_in(folder), performing(a_result()), now=later(minutes=5), holder="me")


def refused(folder: Path) -> None:
    executed(folder, REFUSED)


def passing_failures(folder: Path) -> None:
    executed(folder, DOWN, DOWN)


def delivered(folder: Path) -> None:
    executed(folder)


def on_time_at_the_daily_look(folder: Path) -> None:
    ledger = ledger_in(folder)
    ledger.write(replace(a_report(), version=kept(ledger).version))
    doors.run_daily_maintenance(settings_in(folder), LATER)


def given_up(folder: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="REDCap is down"):
        execute_message(MESSAGE, ledger_in(folder), failing(DOWN), now=Clock(), holder="me")
    mark_failed(MESSAGE, ledger_in(folder), now=later(hours=1))


def no_run_in_it(folder: Path) -> None:
    mark_failed("[]", ledger_in(folder), now=Clock())


def late_at_the_daily_look(folder: Path) -> None:
    doors.run_daily_maintenance(settings_in(folder), LATER)


def broken_study(folder: Path) -> None:
    (folder / "broken.toml").write_text("title = 1", encoding="utf-8")
    doors.queue_reports(settings_in(folder), "monday", NOW)


def broken_record(folder: Path) -> None:
    doors.run_daily_maintenance(settings_in(folder, CONSENT_LEDGER=str(folder)), NOW)


def asked_for_health(folder: Path, **changes: str) -> None:
    """Ask as the platform does; long after the report was due."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in settings_in(folder, **changes).as_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(function_app, "_now", lambda: LATER)
        function_app.health(func.HttpRequest(method="GET", url="/", body=b""))


def nobody_can_tell(folder: Path) -> None:
    asked_for_health(folder, CONSENT_LEDGER="nowhere")


GOES_OFF: dict[str, tuple[str, Callable[[Path], None]]] = {
    " has ended as refused before": ("needs-a-person", refused),
    " failed for good after attempt ": ("needs-a-person", given_up),
    "Given up: ": ("needs-a-person", no_run_in_it),
    " is late: see what became of its last runs": ("late", late_at_the_daily_look),
    "Late, or with an unusable study file: ": ("late", asked_for_health),
    "Nobody can tell whether the reports are on time: ": ("late", nobody_can_tell),
    "Nothing was queued for ": ("timer-failed", broken_study),
    "Left undone today: ": ("timer-failed", broken_record),
}


def phrases_of(rule: str) -> list[str]:
    return re.findall(r'Message contains "([^"]+)"', RULES[rule]["query"])


def alarms(lines: list[str]) -> set[str]:
    """The rules that go off at these log lines."""
    return {rule for rule in RULES for phrase in phrases_of(rule) if any(phrase in line for line in lines)}


@pytest.mark.parametrize("phrase", GOES_OFF)
def test_the_app_writes_what_an_alarm_goes_off_at(phrase: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rule, happens = GOES_OFF[phrase]

    happens(folder)

    assert (phrase in caplog.text, alarms(caplog.messages)) == (True, {rule})


def test_there_is_no_phrase_that_the_app_was_not_seen_to_write() -> None:
    assert {phrase for rule in RULES for phrase in phrases_of(rule)} == set(GOES_OFF)


@pytest.mark.parametrize("happens", [delivered, passing_failures, on_time_at_the_daily_look])
def test_no_alarm_goes_off_when_the_report_comes_in_the_end(
    happens: Callable[[Path], None], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    happens(folder)

    assert alarms(caplog.messages) == set()


@pytest.mark.parametrize(
    ("rule", "watched"),
    [("silent", ["catch_up"]), ("timer-failed", ["monday", "catch_up", "run_failed"])],
)
def test_an_alarm_watches_calls_of_functions_that_the_app_has(rule: str, watched: list[str]) -> None:
    named = re.findall(r'"(\w+)"', RULES[rule]["query"])

    assert (named, [each for each in named if not hasattr(function_app, each)]) == (watched, [])


def test_silence_is_an_alarm() -> None:
    rule = RULES["silent"]

    assert (rule["operator"], rule["threshold"], "Success == true" in rule["query"]) == ("LessThan", 1, True)


def test_the_daily_look_is_taken_at_least_twice_before_its_absence_is_an_alarm() -> None:
    every_day = re.fullmatch(r"0 \d+ \d+ \* \* \*", function_app.CATCH_UP_SCHEDULE)

    assert (every_day is not None, RULES["silent"]["window"]) == (True, "P2D")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_looks_back_further_than_it_is_apart(rule: dict[str, Any]) -> None:
    assert WINDOWS[rule["window"]] >= 4 * STEPS[rule["every"]]


def test_every_alarm_reaches_somebody() -> None:
    given = resource("alerts", "alerts")["properties"]["actions"]["actionGroups"]

    assert (len(given), resource("alerts", "people")["properties"]["emailReceivers"][0]["emailAddress"]) == (1, "email")
