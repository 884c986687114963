"""A world in which a run would work, to be checked after one mistake was made in it."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
import requests
from requests.adapters import HTTPAdapter

from consent.cli.check.checkup import check_with
from consent.cli.check.context import CheckContext
from consent.cli.check.findings import Checkup, Finding
from consent.cli.check.output import checkup_lines
from consent.config.credentials import KeyVault
from consent.config.http_session import new_session
from consent.config.settings import Network, Settings
from consent.dates import utc_now
from sandbox import key_vault
from sandbox.dropbox.app import Dropbox
from sandbox.redcap.app import Project, Redcap, User
from sandbox.server import Server
from tests.integration.config.test_credentials import ToLoopback
from tests.integration.delivery.test_dropbox_folder import VirtualTime
from tests.support.builders import CONSENT, RIDER, STUDY, TOKEN, a_redcap_project

ANOTHER_TOKEN = "FEDCBA9876543210" * 2
ANOTHER_PROJECT = a_redcap_project(project_id=15, title="Another registry", users=[User("somebody", ANOTHER_TOKEN)])
REFRESH_TOKEN = "sandbox-refresh"
PROXY_PASSWORD = "made-up-proxy-passw0rd"
IDENTITY_HEADER = "the-identity-header"
KEY = "a-study"
_vault_numbers = itertools.count(5000)  # the library remembers each vault's challenge for the life of the process


class Servers(NamedTuple):
    """The simulated servers."""

    redcap: Server
    dropbox: Server
    vault: Server


@dataclass
class CheckWorld:
    """The set-up that is checked; everything may be changed before the check.

    study: the text of the study file. values: the settings. ahead: how far this computer's clock is ahead.
    """

    servers: Servers
    folder: Path
    project: Project = field(default_factory=a_redcap_project)
    account: Dropbox = field(default_factory=Dropbox)
    study: str = STUDY + "project_id = 14\n" + CONSENT + RIDER
    values: dict[str, str] = field(default_factory=dict)
    ahead: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        self.values |= {
            "REDCAP_API_URL": f"{self.servers.redcap.url}/api/",
            "REDCAP_ACCESS_TOKEN": TOKEN,
            "DROPBOX_SANDBOX_URL": self.servers.dropbox.url,
            "DROPBOX_KEY": "sandbox-key",
            "DROPBOX_OAUTH2_REFRESH_TOKEN": REFRESH_TOKEN,
            "CONSENT_STUDIES": str(self.folder / "studies"),
            "CONSENT_LEDGER": str(self.folder / "runs.sqlite"),
        }
        for server in self.servers:
            server.faults.clear()
            server.requests.clear()
        self.servers.vault.app = key_vault.KeyVault(identity_header=IDENTITY_HEADER)

    @property
    def vault(self) -> key_vault.KeyVault:
        """The simulated vault."""
        assert isinstance(self.servers.vault.app, key_vault.KeyVault)
        return self.servers.vault.app

    def change_study(self, old: str, new: str) -> None:
        """Replace a text of the study file, which must be there."""
        assert old in self.study
        self.study = self.study.replace(old, new)

    def keep_in_vault(self, name: str) -> None:
        """Move a secret from the settings to Key Vault."""
        self.values["KEY_VAULT_URL"] = f"https://vault-{next(_vault_numbers)}.vault.azure.net"
        self.vault.put(name.replace("_", "-"), self.values.pop(name))

    def settings(self) -> Settings:
        """The settings; also writes the study file and sets up the servers."""
        (self.folder / "studies").mkdir(exist_ok=True)
        (self.folder / "studies" / f"{KEY}.toml").write_text(self.study, encoding="utf-8")
        self.servers.redcap.app = Redcap([self.project, ANOTHER_PROJECT])
        self.servers.dropbox.app = self.account
        return Settings(self.values)

    def check(self, key: str | None = None, *, notify: bool = False) -> Checkup:
        """Check the set-up; ``notify``: send a test notice."""
        time = VirtualTime()
        with contextlib.ExitStack() as opened:
            usual: dict[str, Any] = {
                "now": lambda: utc_now() + self.ahead,
                "here": ZoneInfo("America/Toronto"),
                "sleep": time.sleep,
                "clock": time.clock,
                "notify": notify,
                "open_vault": lambda url, network: self._vault(url, opened.enter_context(new_session(network))),
            }
            return check_with(self.settings(), key, CheckContext(**usual))

    def _vault(self, url: str, session: requests.Session) -> KeyVault:
        session.mount(url, ToLoopback(self.servers.vault.url))
        session.mount(self.servers.vault.url, HTTPAdapter())
        return KeyVault(url, network=Network(), session=session, sleep=lambda seconds: None)


@contextlib.contextmanager
def servers_of_a_world() -> Iterator[Servers]:
    """Give empty servers; stopping one takes time, so tests share them."""
    with Server(Redcap([])) as redcap, Server(Dropbox()) as dropbox, Server(key_vault.KeyVault()) as vault:
        yield Servers(redcap, dropbox, vault)


def a_world(servers: Servers, folder: Path, monkeypatch: pytest.MonkeyPatch) -> CheckWorld:
    """Return a world in which a run would work, on a machine with an Azure identity."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{servers.vault.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", IDENTITY_HEADER)
    return CheckWorld(servers, folder)


def problems(checkup: Checkup) -> list[Finding]:
    """The findings that would make a run fail."""
    return [finding for finding in checkup.findings if finding.state == "problem"]


def found(checkup: Checkup, words: str) -> list[Finding]:
    """The findings with these words."""
    return [finding for finding in checkup.findings if words in finding.what]


def printed(checkup: Checkup, width: int = 80) -> str:
    """The printed check."""
    return "\n".join(beginning + rest for beginning, _, rest in checkup_lines(checkup, width))
