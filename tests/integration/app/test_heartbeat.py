"""Tests of the heartbeat: it is sent once, its failure is only logged, and its address stays secret."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent.app import handlers
from consent.app.heartbeat import send_heartbeat
from consent.config.settings import Settings
from consent.dates import utc_now
from sandbox.server import Fault, Request, Response, Server

SECRET = "3F9A0B77-C1D2-4E5F-8A6B-0C1D2E3F4A5B"


class Monitor:
    """Answers every request with an empty response."""

    def answer(self, request: Request) -> Response:
        return Response()

    def name_of(self, request: Request) -> str:
        return request.path


@pytest.fixture(name="monitor")
def _monitor() -> Iterator[Server]:
    with Server(Monitor()) as server:
        yield server


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="consent")


def settings_for(url: str, **more: str) -> Settings:
    return Settings({"HEARTBEAT_URL": url, **more})


def test_the_address_is_requested_once(monitor: Server, caplog: pytest.LogCaptureFixture) -> None:
    send_heartbeat(settings_for(f"{monitor.url}/{SECRET}?source=app"))

    assert [(seen.method, seen.path, seen.query) for seen in monitor.requests] == [("GET", f"/{SECRET}", "source=app")]
    assert caplog.messages == ["event=heartbeat_sent status=200"]


def test_without_an_address_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    send_heartbeat(Settings({}))

    assert caplog.messages == []


@pytest.mark.parametrize(
    ("fault", "logged"),
    [
        pytest.param(Fault("answer", status=404, times=9), "status=404", id="unknown address"),
        pytest.param(Fault("answer", status=302, headers={"Location": "/x"}, times=9), "status=302", id="redirect"),
        pytest.param(Fault("reset", times=9), "exception=ConnectionError", id="connection reset"),
    ],
)
def test_a_failure_is_logged_without_the_address_and_not_retried(
    monitor: Server, fault: Fault, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    monitor.faults.append(fault)

    send_heartbeat(settings_for(f"{monitor.url}/{SECRET}"))

    assert caplog.messages == [f"event=heartbeat_failed {logged}"]
    assert (len(monitor.requests), SECRET in caplog.text) == (1, False)


def test_a_monitor_that_does_not_listen_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    send_heartbeat(settings_for(f"http://127.0.0.1:1/{SECRET}"))

    assert caplog.messages == ["event=heartbeat_failed exception=ConnectionError"]


def test_an_unusable_setting_is_logged_and_fails_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(handlers, "all_reported", lambda *given, **how: True)
    more = {"REQUESTS_CA_BUNDLE": "not-there.pem", "CONSENT_LEDGER": str(tmp_path / "runs.sqlite")}

    handlers._send_heartbeat_if_reported(settings_for("https://monitor.example.org", **more), utc_now())

    assert "event=heartbeat_failed error=configuration" in caplog.text
    assert "REQUESTS_CA_BUNDLE" in caplog.text
