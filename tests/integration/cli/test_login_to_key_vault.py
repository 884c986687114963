"""Claims about keeping a log-in in Key Vault: Microsoft's own client stores it, by way of a stand-in."""

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from consent.cli.login.stores import SettableVault
from consent.config.credentials import KeyVault, Secret
from consent.config.http_session import new_session
from consent.config.settings import Network
from consent.errors import SecretsRefusedError, SecretsUnavailableError
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
    url = f"https://keeping-{next(vault_numbers)}.vault.azure.net"
    session.mount(url, ToLoopback(azure.url))
    return url


@pytest.fixture(name="vault")
def _vault(url: str, session: requests.Session) -> SettableVault:
    return SettableVault(url, network=Network(), session=session, sleep=lambda seconds: None)


@pytest.fixture(name="bench")
def _bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, session: requests.Session
) -> Iterator[LoginBench]:
    monkeypatch.setenv("KEY_VAULT_URL", url)
    with login_bench(tmp_path, monkeypatch) as bench:
        bench.how["open_vault"] = lambda url, network: SettableVault(
            url, network=network, session=session, sleep=lambda seconds: None
        )
        yield bench


def stand_in(azure: Server) -> key_vault.KeyVault:
    assert isinstance(azure.app, key_vault.KeyVault)
    return azure.app


def test_a_stored_secret_is_found_by_a_run(vault: SettableVault, url: str, session: requests.Session) -> None:
    vault.store(Secret(TOKEN, "the-token"))

    assert KeyVault(url, network=Network(), session=session).lookup(TOKEN) == "the-token"


def test_a_secret_is_stored_with_dashes_and_without_an_end(vault: SettableVault, azure: Server) -> None:
    vault.store(Secret(TOKEN, "the-token"))

    [stored] = stand_in(azure).versions("DROPBOX-OAUTH2-REFRESH-TOKEN")
    assert (stored.value, stored.enabled, stored.expires, stored.not_before) == ("the-token", True, None, None)


def test_an_earlier_value_stays_as_an_older_version(vault: SettableVault, azure: Server) -> None:
    vault.store(Secret(TOKEN, "one"))
    vault.store(Secret(TOKEN, "two"))

    assert len(stand_in(azure).versions("DROPBOX-OAUTH2-REFRESH-TOKEN")) == 2


def test_whoever_may_only_read_is_told_which_role_to_ask_for(vault: SettableVault, azure: Server) -> None:
    stand_in(azure).may_set = False

    with pytest.raises(SecretsRefusedError, match=r"was not stored .*status 403.* 'Key Vault Secrets Officer'"):
        vault.store(Secret(TOKEN, "the-token"))


def test_a_deleted_secret_that_is_still_kept_is_said(vault: SettableVault, azure: Server) -> None:
    azure.faults.append(Fault("answer", match="secrets", skip=1, status=409))

    with pytest.raises(SecretsRefusedError, match=r"a deleted secret of this name still exists\. Recover"):
        vault.store(Secret(TOKEN, "the-token"))


def test_a_vault_that_is_down_is_said(vault: SettableVault, azure: Server) -> None:
    azure.faults.append(Fault("answer", match="secrets", times=99, status=503))

    with pytest.raises(SecretsUnavailableError, match=r"was not stored .*the vault is overloaded or down"):
        vault.store(Secret(TOKEN, "the-token"))


def test_the_most_talkative_log_does_not_show_what_is_stored(
    vault: SettableVault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    vault.store(Secret(TOKEN, "the-token"))

    assert "the-token" not in caplog.text


def test_a_refusal_does_not_carry_the_secret_along(vault: SettableVault, azure: Server) -> None:
    azure.faults.append(Fault("answer", match="secrets", skip=1, status=403, body=b"the-token"))

    with pytest.raises(SecretsRefusedError, match="was not stored") as caught:
        vault.store(Secret(TOKEN, "the-token"))

    assert (caught.value.__context__, "the-token" in str(caught.value)) == (None, False)


# --- the whole sign-in


def test_a_log_in_is_kept_in_the_vault_and_in_no_file(bench: LoginBench) -> None:
    done = bench.log_in("sandbox-key", allow, keep_in="vault")

    assert done.kept.names == ("DROPBOX-KEY", "DROPBOX-OAUTH2-REFRESH-TOKEN")
    assert list(bench.folder.iterdir()) == []


def test_a_vault_is_offered_where_one_is_set(bench: LoginBench, url: str) -> None:
    assert bench.log_in("sandbox-key", "3", allow, keep_in=None).kept.place == f"Key Vault {url}"


def test_a_team_space_is_then_to_be_set_by_hand(bench: LoginBench) -> None:
    bench.server.app = Dropbox(root_namespace="7")

    [remark] = bench.log_in("sandbox-key", allow, keep_in="vault", team_space=True).remarks

    assert remark == "Key Vault holds secrets alone: set DROPBOX_ROOT_NAMESPACE to 7 wherever reports are run."


def test_a_setting_that_counts_before_the_vault_is_named(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "an-old-one")

    [remark] = bench.log_in("sandbox-key", allow, keep_in="vault").remarks

    assert remark.startswith(f"{TOKEN} is also set in the environment, which counts before what was kept")


def test_a_log_in_that_the_vault_refuses_is_not_lost(bench: LoginBench, azure: Server) -> None:
    stand_in(azure).may_set = False

    done = bench.log_in("sandbox-key", allow, "1", keep_in="vault")

    assert ("'Key Vault Secrets Officer'" in bench.told, done.kept.place) == (True, str(bench.folder / ".env"))


def test_the_vault_can_be_tried_again_once_the_right_is_there(bench: LoginBench, azure: Server) -> None:
    stand_in(azure).may_set = False

    def grant_it_meanwhile(here: LoginBench) -> str:
        stand_in(azure).may_set = True
        return "3"

    assert bench.log_in("sandbox-key", allow, grant_it_meanwhile, keep_in="vault").kept.names[0] == "DROPBOX-KEY"


def test_giving_up_on_the_vault_says_why(bench: LoginBench, azure: Server) -> None:
    stand_in(azure).may_set = False

    with pytest.raises(SecretsRefusedError, match="'Key Vault Secrets Officer'"):
        bench.log_in("sandbox-key", allow, "", keep_in="vault")
