"""Tests of the notices that are sent: once per event, in bounded time, and without any effect on a run."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from consent.app import handlers
from consent.cli.main import main
from consent.config.settings import Settings
from consent.errors import SettingsError
from consent.runs import notices
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.notices import notify_end
from consent.runs.scheduler import message_for
from sandbox.demo import demo_world
from sandbox.redcap.faults import revoked_token
from sandbox.server import Fault, Server
from tests.integration.app.test_heartbeat import Monitor
from tests.support.builders import CONSENT, RIDER, STUDY
from tests.support.ledger_stores import at_once
from tests.support.run_builders import NOW, a_report, a_run, kept

SECRET = "3F9A0B77-C1D2"
RUN = a_run().run_id
NOON = NOW + timedelta(hours=5)  # an hour after the report is late


@dataclass
class Place:
    """A study with notices, its run history, and the inbox of the notices."""

    folder: Path
    inbox: Server

    @property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(self.folder / "runs.sqlite", wait_seconds=20)

    def settings(self, **more: str) -> Settings:
        """Settings in which every run is refused, because REDCap's token is missing."""
        values = {"CONSENT_STUDIES": str(self.folder), "CONSENT_LEDGER": str(self.folder / "runs.sqlite")}
        given = {**values, "CONSENT_NOTIFY": self.address, **more}
        return Settings({name: value for name, value in given.items() if value})

    @property
    def address(self) -> str:
        return f"json://{self.inbox.url.partition('//')[2]}/{SECRET}"

    def titles(self) -> list[str]:
        """What the titles of the received notices say of the report."""
        return [json.loads(request.body)["title"].rpartition(": ")[2] for request in self.inbox.requests]


@pytest.fixture(name="place")
def _place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Place]:
    (tmp_path / "adults.toml").write_text(f"{STUDY}{CONSENT}{RIDER}[notify]\n", encoding="utf-8")
    caplog.set_level(logging.DEBUG)
    make = logging.getLogRecordFactory()
    with Server(Monitor()) as inbox:
        place = Place(tmp_path, inbox)
        place.ledger.first_seen("adults", NOW - timedelta(days=1))
        yield place
    logging.setLogRecordFactory(make)
    assert SECRET not in caplog.text


def test_a_refused_run_sends_one_notice_however_often_its_message_comes_or_it_is_tried_again(place: Place) -> None:
    place.ledger.add(a_run())
    for _ in range(2):  # the second time as a timer reopens it
        with pytest.raises(SettingsError):
            handlers.handle_run_message(message_for(RUN), place.settings(), "me")
        handlers.handle_run_message(message_for(RUN), place.settings(), "me")
        handlers.handle_poison_message(message_for(RUN), place.settings())
        place.ledger.write(replace(kept(place.ledger), state="requested"))

    assert place.titles() == ["not delivered"]
    assert "REDCAP_ACCESS_TOKEN is missing" in json.loads(place.inbox.requests[0].body)["message"]


def test_a_run_whose_retries_are_used_up_sends_a_notice_and_not_before(place: Place) -> None:
    place.ledger.add(a_run(reason="source-unavailable", what="REDCap is down.", fix="Wait."))
    notify_end(RUN, place.settings(), place.ledger)
    assert place.titles() == []

    handlers.handle_poison_message(message_for(RUN), place.settings())
    assert place.titles() == ["not delivered"]


def test_two_instances_at_once_send_one_notice(place: Place) -> None:
    place.ledger.add(a_report())
    at_once(4, lambda n: notify_end(RUN, place.settings(), place.ledger))
    assert place.titles() == ["delivered"]


def test_a_late_report_is_noticed_once_a_monday_by_whichever_timer_comes_first(place: Place) -> None:
    def fire(now: datetime) -> None:
        handlers.queue_reports(place.settings(), "monday", now)

    fire(NOW)
    assert place.titles() == []
    at_once(2, lambda n: fire(NOON))
    fire(NOON + timedelta(hours=1))
    assert place.titles() == ["late"]
    fire(NOW + timedelta(weeks=1))  # the next report is due, not late
    assert place.titles() == ["late"]
    fire(NOON + timedelta(weeks=1))
    assert place.titles() == ["late", "late"]


def test_without_a_secret_the_event_stays_open_until_there_is_one(place: Place) -> None:
    place.ledger.add(a_report())
    notify_end(RUN, place.settings(CONSENT_NOTIFY=""), place.ledger)
    notify_end(RUN, place.settings(), place.ledger)
    assert place.titles() == ["delivered"]


@pytest.mark.parametrize(
    ("fault", "notify"),
    [
        pytest.param(Fault("answer", status=500, times=9), "", id="refuses"),
        pytest.param(Fault("reset", times=9), "", id="breaks the connection"),
        pytest.param(Fault("hang", seconds=20, times=9), "", id="hangs"),
        pytest.param(None, f"nosuch://{SECRET}", id="no address of Apprise"),
        pytest.param(None, f"json://127.0.0.1:1/{SECRET}", id="listens nowhere"),
        pytest.param(None, f"“{SECRET}”", id="unusable secret"),
    ],
)
def test_no_far_end_delays_or_changes_a_run(
    place: Place, fault: Fault | None, notify: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notices, "SENDING_SECONDS", 3.0)
    place.inbox.faults += [fault] if fault else []
    before = place.ledger.add(a_report())
    started = time.monotonic()
    for _ in range(2):
        notify_end(RUN, place.settings(CONSENT_NOTIFY=notify or place.address), place.ledger)

    assert time.monotonic() - started < notices.SECONDS
    assert kept(place.ledger) == before
    assert "event=notice_failed" in caplog.text
    assert len(place.inbox.requests) <= 1


def test_a_key_vault_that_hangs_holds_a_run_up_no_longer_than_the_limit(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notices, "SECONDS", 0.5)
    place.ledger.add(a_report())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        vault = {"KEY_VAULT_URL": "https://v.vault.azure.net", "HTTPS_PROXY": proxy, "CONSENT_NOTIFY": ""}
        notify_end(RUN, place.settings(**vault), place.ledger)
        assert "event=notice_failed seconds=0.5" in caplog.text
    for thread in [each for each in threading.enumerate() if each.name == "notice"]:
        thread.join(30)


@pytest.mark.parametrize(("works", "title"), [(True, "delivered"), (False, "not delivered")])
@pytest.mark.parametrize("accepts", [True, False])
def test_the_command_line_sends_a_notice_which_changes_neither_its_status_nor_its_record(
    works: bool, accepts: bool, title: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    study = (Path(handlers.__file__).parents[1] / "studies" / "obri-ibd.toml").read_text(encoding="utf-8")
    (place.folder / "adults.toml").write_text(f"{study}\n[notify]\n", encoding="utf-8")
    place.inbox.faults += [] if accepts else [Fault("answer", status=500, times=99)]
    with demo_world(60, today=NOW.date()) as world:
        if not works:
            world.redcap.faults.append(revoked_token(times=99))
        values = {**world.settings, **place.settings().as_environment()}
        text = json.dumps({"IsEncrypted": False, "Values": values})
        (place.folder / "local.settings.json").write_text(text, encoding="utf-8")
        command = ["run", "--settings", str(place.folder), "--as-of", "2026-11-16"]
        main([*command, "--dry-run"])
        main([*command, "--to", str(place.folder / "out")])
        assert place.titles() == []
        statuses = [main(command) for _ in range(2)]

    assert statuses == ([0, 0] if works else [1, 1])
    assert place.titles() == [title]
    assert {run.state for run in place.ledger.runs()} == ({"delivered", "unchanged"} if works else {"refused"})
    printed = capsys.readouterr()
    assert SECRET not in f"{printed.out}{printed.err}"
