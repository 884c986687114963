"""Tests of saving the credentials in a simulated Key Vault, with Microsoft's own client."""

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from consent.cli.login.stores import WritableVault
from consent.config.credentials import KeyVault, Secret
from consent.config.http_session import new_session
from consent.config.settings import Network
from consent.errors import ConsentReportError, SecretsRefusedError, SecretsUnavailableError
from sandbox import key_vault
from sandbox.dropbox.app import Dropbox
from sandbox.server import Fault, Server
from tests.integration.config.test_credentials import Nowhere, ToLoopback
from tests.support.login_bench import LoginBench, allow, login_bench

TOKEN = "DROPBOX_OAUTH2_REFRESH_TOKEN"
vault_numbers = itertools.count(1)  # the library remembers each vault's challenge for the life of the process


@pytest.fixture(name="azure")
def _azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(key_vault.KeyVault(identity_header="the-identity-header")) as server:
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "the-identity-header")
        yield server


@pytest.fixture(name="session")
def _session(azure: Server) -> Iterator[requests.Session]:
    with new_session(Network()) as session:
        session.mount("https://", Nowhere())
        session.mount("http://", Nowhere())
        session.mount(azure.url, HTTPAdapter())
        yield session


@pytest.fixture(name="url")
def _url(azure: Server, session: requests.Session) -> str:
    url = f"https://saving-{next(vault_numbers)}.vault.azure.net"
    session.mount(url, ToLoopback(azure.url))
    return url


@pytest.fixture(name="vault")
def _vault(url: str, session: requests.Session) -> WritableVault:
    return WritableVault(url, network=Network(), session=session, sleep=lambda seconds: None)


@pytest.fixture(name="bench")
def _bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, session: requests.Session
) -> Iterator[LoginBench]:
    monkeypatch.setenv("KEY_VAULT_URL", url)
    with login_bench(tmp_path, monkeypatch) as bench:
        bench.options["open_vault"] = lambda url, network: WritableVault(
            url, network=network, session=session, sleep=lambda seconds: None
        )
        yield bench


def simulated(azure: Server) -> key_vault.KeyVault:
    assert isinstance(azure.app, key_vault.KeyVault)
    return azure.app


def test_a_run_finds_a_stored_secret(vault: WritableVault, url: str, session: requests.Session) -> None:
    vault.store(Secret(TOKEN, "the-token"))
    assert KeyVault(url, network=Network(), session=session).lookup(TOKEN) == "the-token"


def test_a_secret_is_stored_with_dashes_and_without_an_end_and_earlier_values_stay(
    vault: WritableVault, azure: Server
) -> None:
    vault.store(Secret(TOKEN, "one"))
    vault.store(Secret(TOKEN, "two"))
    versions = simulated(azure).versions("DROPBOX-OAUTH2-REFRESH-TOKEN")
    assert {(each.value, each.enabled, each.expires, each.not_before) for each in versions} == {
        ("one", True, None, None),
        ("two", True, None, None),
    }


def test_without_the_right_to_store_the_error_names_the_role(vault: WritableVault, azure: Server) -> None:
    simulated(azure).may_set = False
    with pytest.raises(SecretsRefusedError, match="'Key Vault Secrets Officer'"):
        vault.store(Secret(TOKEN, "the-token"))


@pytest.mark.parametrize(
    ("status", "kind"), [(409, SecretsRefusedError), (503, SecretsUnavailableError)], ids=["deleted secret", "down"]
)
def test_a_vault_that_does_not_store_is_an_error(
    vault: WritableVault, azure: Server, status: int, kind: type[ConsentReportError]
) -> None:
    azure.faults.append(Fault("answer", match="secrets", skip=1, times=99, status=status))
    with pytest.raises(kind, match="DROPBOX-OAUTH2-REFRESH-TOKEN"):
        vault.store(Secret(TOKEN, "the-token"))


def test_the_most_detailed_log_does_not_show_the_stored_value(
    vault: WritableVault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vault.store(Secret(TOKEN, "the-token"))
    assert "the-token" not in caplog.text


def test_an_error_does_not_hold_the_secret(vault: WritableVault, azure: Server) -> None:
    azure.faults.append(Fault("answer", match="secrets", skip=1, status=403, body=b"the-token"))
    with pytest.raises(SecretsRefusedError, match="was not stored") as caught:
        vault.store(Secret(TOKEN, "the-token"))
    assert (caught.value.__context__, "the-token" in str(caught.value)) == (None, False)


def test_credentials_are_saved_in_the_vault_and_in_no_file(bench: LoginBench, url: str) -> None:
    saved = bench.log_in("sandbox-key", "3", allow, save_in=None).saved
    assert (saved.place, saved.names) == (f"Key Vault {url}", ("DROPBOX-KEY", "DROPBOX-OAUTH2-REFRESH-TOKEN"))
    assert list(bench.folder.iterdir()) == []


def test_a_team_space_must_then_be_set_by_hand(bench: LoginBench) -> None:
    bench.server.app = Dropbox(root_namespace="7")
    [step] = bench.log_in("sandbox-key", allow, save_in="vault", team_space=True).remaining
    assert "Set DROPBOX_ROOT_NAMESPACE to 7" in step


def test_the_vault_can_be_tried_again_after_the_right_was_granted(bench: LoginBench, azure: Server) -> None:
    simulated(azure).may_set = False

    def grant(here: LoginBench) -> str:
        simulated(azure).may_set = True
        return "3"

    assert bench.log_in("sandbox-key", allow, grant, save_in="vault").saved.names[0] == "DROPBOX-KEY"
