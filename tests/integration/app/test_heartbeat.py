"""Claims about the heartbeat: who is told, that nothing can fail of it, and that its address stays secret."""

import logging
from collections.abc import Iterator

import pytest

from consent.app.heartbeat import ping
from consent.config.checks import heartbeat_url
from consent.config.settings import Settings
from consent.errors import SettingsError
from sandbox.server import Fault, Request, Response, Server

SECRET = "3F9A0B77-C1D2-4E5F-8A6B-0C1D2E3F4A5B"
SANDBOX = {"DROPBOX_SANDBOX_URL": "http://127.0.0.1:1"}


class Monitor:
    """Answers every request with nothing."""

    def answer(self, request: Request) -> Response:
        return Response()

    def name_of(self, request: Request) -> str:
        return request.path


@pytest.fixture(name="monitor")
def _monitor() -> Iterator[Server]:
    with Server(Monitor()) as server:
        yield server


def settings_for(url: str, **more: str) -> Settings:
    return Settings({"HEARTBEAT_URL": url, **more})


def test_the_monitor_is_asked_for_its_address_once(monitor: Server) -> None:
    ping(settings_for(f"{monitor.url}/{SECRET}?source=app"))

    assert [(seen.method, seen.path, seen.query) for seen in monitor.requests] == [("GET", f"/{SECRET}", "source=app")]


def test_without_an_address_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    ping(Settings({}))

    assert caplog.text == ""


def test_a_monitor_that_was_told_is_a_line_in_the_log(monitor: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    ping(settings_for(monitor.url))

    assert "The monitor was told" in caplog.text


@pytest.mark.parametrize(
    ("fault", "logged"),
    [
        pytest.param(Fault("answer", status=404), "it answered 404", id="unknown there"),
        pytest.param(Fault("answer", status=503), "it answered 503", id="down"),
        pytest.param(Fault("answer", status=302, headers={"Location": "/x"}), "it answered 302", id="moved"),
        pytest.param(Fault("reset"), "cannot be reached (ConnectionError)", id="connection broken"),
    ],
)
def test_a_monitor_that_fails_is_a_warning_and_nothing_more(
    monitor: Server, fault: Fault, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    monitor.faults.append(fault)

    ping(settings_for(f"{monitor.url}/{SECRET}"))

    assert (logged in caplog.text, [record.levelname for record in caplog.records]) == (True, ["WARNING"])


def test_a_monitor_that_fails_is_asked_only_once(monitor: Server) -> None:
    monitor.faults.append(Fault("answer", status=503, times=99))

    ping(settings_for(monitor.url))

    assert len(monitor.requests) == 1


def test_a_monitor_that_is_not_there_is_a_warning_and_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    ping(settings_for(f"http://127.0.0.1:1/{SECRET}"))

    assert "HEARTBEAT_URL cannot be reached (ConnectionError)" in caplog.text


def test_a_setting_that_cannot_be_used_is_a_warning_and_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    ping(settings_for("https://monitor.example.org", REQUESTS_CA_BUNDLE="not-there.pem"))

    assert "REQUESTS_CA_BUNDLE" in caplog.text


@pytest.mark.parametrize("fault", [Fault("answer", status=200), Fault("answer", status=500), Fault("reset")])
def test_the_address_is_never_logged(monitor: Server, fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monitor.faults.append(fault)

    ping(settings_for(f"{monitor.url}/{SECRET}"))

    assert SECRET not in caplog.text


@pytest.mark.parametrize("url", ["https://monitor.example.org/a-b-c", "http://127.0.0.1:4000/x", "http://localhost/x"])
def test_a_monitor_is_asked_over_https_or_on_this_machine(url: str) -> None:
    assert heartbeat_url(settings_for(url)) == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("monitor.example.org", "is not a web address"),
        ("https://", "is not a web address"),
        ("https://[::1", "is not a web address"),
        ("https://user:password@monitor.example.org", "is not a web address"),
        ("http://monitor.example.org", "does not start with https://"),
        ("ftp://127.0.0.1/x", "does not start with https://"),
    ],
)
def test_any_other_address_of_a_monitor_is_refused(url: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=f"HEARTBEAT_URL {problem}"):
        heartbeat_url(settings_for(url))


def test_the_refusal_of_an_address_does_not_repeat_it() -> None:
    with pytest.raises(SettingsError, match="HEARTBEAT_URL") as caught:
        heartbeat_url(settings_for(f"http://monitor.example.org/{SECRET}"))

    assert SECRET not in str(caught.value)


def test_a_report_to_the_dropbox_stand_in_is_not_told_to_a_monitor_elsewhere() -> None:
    assert heartbeat_url(settings_for("https://monitor.example.org", **SANDBOX)) is None


def test_a_report_to_the_dropbox_stand_in_is_told_to_a_monitor_on_this_machine() -> None:
    assert heartbeat_url(settings_for("http://127.0.0.1:4000", **SANDBOX)) == "http://127.0.0.1:4000"
