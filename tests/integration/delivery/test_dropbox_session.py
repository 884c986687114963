"""Tests of the Dropbox session: it reaches the simulated Dropbox and nothing else, and ignores the environment."""

import pytest
import requests

from consent.config.settings import Network
from consent.delivery.dropbox_session import dropbox_session
from sandbox.dropbox.app import Dropbox
from sandbox.server import Server


@pytest.mark.parametrize("host", ["api", "content", "notify"])
def test_each_dropbox_host_is_sent_to_the_simulated_dropbox(host: str) -> None:
    with Server(Dropbox()) as server, dropbox_session(Network(), server.url) as session:
        session.post(f"https://{host}.dropboxapi.com/2/check/user")
        assert server.requests[0].headers["host"] == f"{host}.dropboxapi.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://www.dropbox.com/",
        "https://example.org/",
        "http://api.dropboxapi.com/",
        "https://api.dropboxapi.com.example/",
    ],
)
def test_a_run_against_the_simulated_dropbox_reaches_nothing_else(url: str) -> None:
    with (
        dropbox_session(Network(), "http://127.0.0.1:9") as session,
        pytest.raises(requests.ConnectionError, match="may not open other connections"),
    ):
        session.post(url)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:9", "http://dropbox.example", "http://127.0.0.1.example", "http://user@example.org"]
)
def test_a_simulated_dropbox_on_another_machine_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="must be at http:// on this machine"):
        dropbox_session(Network(), url)


@pytest.mark.parametrize("sandbox_url", [None, "http://127.0.0.1:9"], ids=["real", "simulated"])
def test_no_session_reads_the_environment(sandbox_url: str | None) -> None:
    with dropbox_session(Network(), sandbox_url) as session:
        assert not session.trust_env


def test_the_real_dropbox_is_reached_through_the_proxy() -> None:
    with dropbox_session(Network(https_proxy="http://proxy.example:3128"), None) as session:
        assert session.proxies["https"] == "http://proxy.example:3128"


def test_the_simulated_dropbox_is_reached_without_a_proxy() -> None:
    network = Network(https_proxy="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    with Server(Dropbox()) as server, dropbox_session(network, server.url) as session:
        assert session.post("https://api.dropboxapi.com/2/check/user").status_code == 400
