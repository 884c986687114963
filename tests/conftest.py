"""What holds for every test: no way out of this machine, and none of its settings."""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from consent.settings import LOOPBACK_HOSTS
from sandbox.redcap import Redcap
from sandbox.server import Server
from tests.builders import Asking, Open, a_redcap_project, asking

IN_CI = os.environ.get("CI") == "true"
_SETTINGS = ("REDCAP_", "DROPBOX_", "CONSENT_", "KEY_VAULT_URL", "AZURE_", "IDENTITY_", "WEBSITE_", "HEARTBEAT_URL")
_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(_SETTINGS) or name.upper() in _NETWORK:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def connect_to_loopback_only(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if host is not None and not _is_loopback(str(host)):
            raise AssertionError(f"a test tried to reach {host}; only loopback is allowed")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect_to_loopback_only)


def _is_loopback(host: str) -> bool:
    if host in LOOPBACK_HOSTS:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="module")
def redcap_server() -> Iterator[Server]:
    """A stand-in REDCap without any project; leaving one takes time, so a module shares it."""
    with Server(Redcap([])) as running:
        yield running


@pytest.fixture
def open_redcap(redcap_server: Server) -> Iterator[Open]:
    """A REDCap of the project that is handed in, and a client that asks it."""
    with ExitStack() as opened:
        yield lambda project=None, **how: opened.enter_context(
            asking(redcap_server, project or a_redcap_project(), **how)
        )


@pytest.fixture
def redcap(open_redcap: Open) -> Asking:
    """A REDCap with two participants, and a client that asks it."""
    return open_redcap()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of Microsoft's runtime need the Python that production runs."""
    if sys.version_info >= (3, 13):
        return
    ours = [item for item in items if item.get_closest_marker("runtime")]
    if IN_CI:  # which runs them on 3.13
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
        return
    for item in ours:
        item.add_marker(pytest.mark.skip(reason="NOT RUN: the Azure Functions runtime needs Python 3.13"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: nothing may be left out without anybody noticing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
