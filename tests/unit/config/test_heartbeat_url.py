"""Tests of HEARTBEAT_URL: which addresses are accepted, and when it is not used."""

import pytest

from consent.config.checks import heartbeat_url
from consent.config.settings import Settings
from consent.errors import SettingsError

SECRET = "3F9A0B77-C1D2-4E5F-8A6B-0C1D2E3F4A5B"
SANDBOX = {"DROPBOX_SANDBOX_URL": "http://127.0.0.1:1"}


def settings_for(url: str, **more: str) -> Settings:
    return Settings({"HEARTBEAT_URL": url, **more})


@pytest.mark.parametrize("url", ["https://monitor.example.org/a-b-c", "http://127.0.0.1:4000/x", "http://localhost/x"])
def test_a_monitor_is_reached_over_https_or_on_this_machine(url: str) -> None:
    assert heartbeat_url(settings_for(url)) == url


@pytest.mark.parametrize(
    "url",
    [
        "monitor.example.org",
        "https://",
        "https://[::1",
        "https://user:password@monitor.example.org",
        f"http://monitor.example.org/{SECRET}",
        "ftp://127.0.0.1/x",
    ],
)
def test_any_other_address_is_rejected_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="HEARTBEAT_URL") as caught:
        heartbeat_url(settings_for(url))

    assert SECRET not in str(caught.value)


def test_a_sandbox_sends_no_heartbeat_to_an_external_monitor() -> None:
    assert heartbeat_url(settings_for("https://monitor.example.org", **SANDBOX)) is None


def test_a_sandbox_sends_its_heartbeat_to_a_monitor_on_this_machine() -> None:
    assert heartbeat_url(settings_for("http://127.0.0.1:4000", **SANDBOX)) == "http://127.0.0.1:4000"
