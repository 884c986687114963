"""Applies to every test: no connection leaves this machine, none of its settings are read, nothing is kept on it."""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from consent.config.settings import LOOPBACK_HOSTS
from sandbox.redcap.app import Redcap
from sandbox.server import Server
from tests.campaign.score import SCORE, Score
from tests.support.builders import Asking, Open, a_redcap_project, asking

if TYPE_CHECKING:
    from sandbox.azurite import Azurite

IN_CI = os.environ.get("CI") == "true"
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=100, deadline=None)
settings.load_profile("thorough" if IN_CI else "quick")

_SETTINGS = (
    *("REDCAP_", "DROPBOX_", "CONSENT_", "KEY_VAULT_URL", "HEARTBEAT_URL"),
    *("AZURE_", "AZUREWEBJOBS", "AZUREFUNCTIONSJOBHOST_", "FUNCTIONS_", "IDENTITY_", "WEBSITE_"),
)
_STATE = ("XDG_STATE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA")  # where platformdirs keeps a user's files
_NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the fault campaign."""
    group = parser.getgroup("fault campaign")
    runs = 300 if IN_CI else 60
    group.addoption("--campaign-runs", type=int, default=runs, help="number of cases (60; in CI 300)")
    group.addoption("--campaign-seed", type=int, help="play only the case of this seed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the result of the fault campaign."""
    if score := config.stash.get(SCORE, None):
        terminalreporter.section("fault campaign")
        for line in score.lines():
            terminalreporter.write_line(line)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what one of several test processes scored in the fault campaign."""
    if scored := getattr(node, "workeroutput", {}).get("campaign"):
        node.config.stash.setdefault(SCORE, Score()).add_all(scored)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(_SETTINGS) or name.upper() in _NETWORK:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _started_by_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a program keeps for its user (the record of runs) lies beside the test's own folder, not in it."""
    for name in _STATE:
        monkeypatch.setenv(name, str(tmp_path.with_name(f"{tmp_path.name}-state")))


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


@pytest.fixture(scope="session")
def azurite() -> "Iterator[Azurite]":
    """Azure's storage emulator with nothing in it; whoever shares it takes keys of their own."""
    from sandbox.azurite import running_azurite
    from sandbox.npm import PackageMissingError

    with ExitStack() as opened:
        try:
            running = opened.enter_context(running_azurite())
        except PackageMissingError as missing:
            pytest.skip(f"NOT RUN: {missing}")
        yield running


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


def reason_to_leave_out(item: pytest.Item) -> str:
    """Return why a test cannot run on this Python or system, though another CI job runs it; "" where it can."""
    if item.get_closest_marker("runtime") and sys.version_info < (3, 13):
        return "the Azure Functions runtime needs Python 3.13"
    if item.get_closest_marker("windows") and sys.platform != "win32":
        return "only Windows has this"
    return "Windows does not have this" if item.get_closest_marker("not_windows") and sys.platform == "win32" else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests that need another Python or system to the CI job that has it; elsewhere skip them with the reason."""
    left_out = {item: reason for item in items if (reason := reason_to_leave_out(item))}
    if IN_CI:
        config.hook.pytest_deselected(items=[*left_out])
        items[:] = [item for item in items if item not in left_out]
        return
    for item, reason in left_out.items():
        item.add_marker(pytest.mark.skip(reason=f"NOT RUN: {reason}"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a CI run that skipped a test, and hand the campaign's score to the process that prints it."""
    if hasattr(session.config, "workeroutput") and (score := session.config.stash.get(SCORE, None)):
        session.config.workeroutput["campaign"] = score.as_plain()
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
