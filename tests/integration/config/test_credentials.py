"""Tests of secrets: their sources, each error of Key Vault, and no value ever shown.

Microsoft's own SecretClient and DefaultAzureCredential send the requests; only the host name is mapped to a stand-in.
"""

import itertools
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from consent.config import credentials
from consent.config.azure_identity import LOGIN_URL
from consent.config.credentials import DROPBOX_TOKEN, KeyVault, find_secrets
from consent.config.http_session import new_session
from consent.config.settings import Network, Settings
from consent.errors import Problem, SecretsRefusedError, SecretsUnavailableError, SettingsError
from sandbox import key_vault
from sandbox.server import Fault, Server

VALUE = "3F9A0B77C1D24E5F8A6B0C1D2E3F4A5B"
NAME = "REDCAP_ACCESS_TOKEN"
STORED_NAME = "REDCAP-ACCESS-TOKEN"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
SOON = int((NOW + timedelta(days=1)).timestamp())
LATELY = int((NOW - timedelta(days=1)).timestamp())
vault_numbers = itertools.count(1)  # the library remembers each vault's challenge for the life of the process


class ToLoopback(HTTPAdapter):
    """Carries a request for the vault's https address to the stand-in, keeping the host name in its header."""

    def __init__(self, server_url: str) -> None:
        super().__init__()
        self.server_url = server_url
        self.asked: list[dict[str, Any]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        self.asked.append(options)
        parts = urlsplit(str(request.url))
        request.headers["Host"] = parts.netloc
        request.url = f"{self.server_url}{parts.path}?{parts.query}"
        return super().send(request, *args, **options)


class Nowhere(HTTPAdapter):
    """Refuses every other host."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        raise AssertionError(f"nothing should ask {urlsplit(str(request.url)).hostname}")


@dataclass
class Azure:
    """A vault behind its stand-in, the product's reader of it, and the waits that reader made."""

    app: key_vault.KeyVault
    server: Server
    vault: KeyVault
    adapter: ToLoopback
    waits: list[float] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(key_vault.KeyVault(identity_header="the-identity-header")) as running:
        for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "IDENTITY_SERVER_THUMBPRINT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{running.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "the-identity-header")
        yield running


def azure_behind(server: Server, session: requests.Session, *, listens_at: str | None = None) -> Azure:
    url = f"https://vault-{next(vault_numbers)}.vault.azure.net"
    adapter = ToLoopback(listens_at or server.url)
    session.mount("https://", Nowhere())
    session.mount("http://", Nowhere())
    session.mount(url, adapter)
    session.mount(server.url, HTTPAdapter())
    waits: list[float] = []
    vault = KeyVault(url, network=Network(), session=session, sleep=waits.append, now=lambda: NOW)
    assert isinstance(server.app, key_vault.KeyVault)
    return Azure(server.app, server, vault, adapter, waits)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with new_session(Network()) as opened:
        yield opened


@pytest.fixture
def azure(server: Server, session: requests.Session) -> Azure:
    return azure_behind(server, session)


def fault(**changes: Any) -> Fault:
    body = b'{"error":{"code":"Throttled","message":"Too many."}}'
    usual = {"status": 429, "headers": {"Content-Type": "application/json"}, "match": "secrets", "body": body}
    return Fault("answer", **(usual | changes))


def in_every_shape(error: BaseException) -> str:
    return f"{error} {error!r} {error.__cause__!r} {error.args}"


# --- sources


def test_a_setting_wins_over_the_vault_which_is_not_asked(azure: Azure) -> None:
    azure.app.put(STORED_NAME, "of the vault")
    found, _ = find_secrets(Settings({NAME: VALUE}), [NAME], vault=azure.vault)
    assert (found[NAME].reveal(), azure.server.requests) == (VALUE, [])


def test_a_missing_setting_is_looked_up_in_the_vault_with_dashes(azure: Azure) -> None:
    azure.app.put(STORED_NAME, f"{VALUE}\n")
    found, problems = find_secrets(Settings({}), [NAME], vault=azure.vault)
    assert (found[NAME].reveal(), problems) == (VALUE, ())


def test_every_missing_secret_is_named_and_the_others_are_given(azure: Azure) -> None:
    azure.app.put("DROPBOX-KEY", "a-key")
    azure.app.put(STORED_NAME, " \n")

    found, problems = find_secrets(Settings({}), [NAME, "DROPBOX_KEY", "DROPBOX_SECRET"], vault=azure.vault)

    assert list(found) == ["DROPBOX_KEY"]
    assert [problem.what for problem in problems] == [f"{NAME} is missing.", "DROPBOX_SECRET is missing."]
    assert (
        problems[0].fix == f"Add it as a setting, or store it as secret {STORED_NAME} in Key Vault {azure.vault.url}."
    )


@pytest.mark.parametrize(
    ("name", "fix"), [(NAME, "Add it as a setting."), (DROPBOX_TOKEN, "Run 'consent login dropbox'.")]
)
def test_without_a_vault_a_missing_secret_must_be_a_setting(name: str, fix: str) -> None:
    assert find_secrets(Settings({}), [name]) == ({}, (Problem(f"{name} is missing.", fix),))


def test_one_sign_in_to_the_vault_serves_the_needed_and_the_optional_secrets(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = ToLoopback(server.url)
    monkeypatch.setattr(requests.Session, "get_adapter", lambda session, url: adapter)
    settings = Settings({"KEY_VAULT_URL": f"https://vault-{next(vault_numbers)}.vault.azure.net"})
    azure = server.app
    assert isinstance(azure, key_vault.KeyVault)
    azure.put(STORED_NAME, VALUE)

    found, _ = find_secrets(settings, [NAME], optional=["DROPBOX_SECRET"])
    adapter.close()

    assert (list(found), len(azure.tokens)) == ([NAME], 1)


@pytest.mark.parametrize("value", [f"{VALUE} {VALUE}", f"{VALUE}\n{VALUE}", f"“{VALUE}”"])
@pytest.mark.parametrize("is_optional", [True, False])
def test_a_secret_that_was_pasted_badly_is_named_and_not_shown(value: str, is_optional: bool) -> None:
    _, problems = find_secrets(Settings({NAME: value}), [] if is_optional else [NAME], optional=[NAME])
    assert problems == (Problem(f"{NAME} contains whitespace or non-ASCII characters.", "Copy it again."),)


def test_an_unresolved_reference_is_one_of_the_problems() -> None:
    settings = Settings({NAME: "@Microsoft.KeyVault(VaultName=v;SecretName=s)", "DROPBOX_KEY": "k"})

    found, problems = find_secrets(settings, [NAME, "DROPBOX_KEY"])

    assert list(found) == ["DROPBOX_KEY"]
    assert [problem.what for problem in problems] == [f"{NAME} is a Key Vault reference that was not resolved."]


def test_the_address_of_the_vault_is_one_of_the_problems() -> None:
    _, problems = find_secrets(Settings({"KEY_VAULT_URL": "http://v.vault.azure.net"}), [NAME])
    assert [problem.what.split()[0] for problem in problems] == ["KEY_VAULT_URL", NAME]


def test_the_vault_that_the_settings_name_is_opened_for_a_missing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")  # found out on opening, before anything is sent
    _, problems = find_secrets(Settings({"KEY_VAULT_URL": "https://v.vault.azure.net"}), [NAME, "DROPBOX_KEY"])
    assert [problem.what for problem in problems] == ["Azure's identity library rejects an AZURE_ setting."]


@pytest.mark.parametrize(
    "url",
    [
        "http://v.vault.azure.net",
        "v.vault.azure.net",
        "https://user:password@v.vault.azure.net",
        "https://v.vault.azure.net/secrets/x",
        "https://v.vault.azure.net?x",
    ],
)
def test_the_address_of_the_vault_must_be_its_https_host(url: str) -> None:
    with pytest.raises(SettingsError, match="KEY_VAULT_URL is not the address of a vault"):
        KeyVault(url, network=Network())


def test_the_vault_is_reached_through_the_https_proxy_only(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[Any, ...]] = []
    monkeypatch.setattr(credentials, "new_session", lambda *given: opened.append(given) or new_session(*given))
    proxies = Network(https_proxy="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1")
    with (
        KeyVault("https://v.vault.azure.net", network=proxies, sleep=lambda _: None) as vault,
        pytest.raises(SecretsUnavailableError, match="the vault cannot be reached"),
    ):
        vault.lookup(NAME)

    assert opened == [(Network(https_proxy="http://127.0.0.1:1"), vault.url, LOGIN_URL)]


# --- requests to the vault


def test_the_vault_names_the_token_that_it_needs_for_every_secret(azure: Azure) -> None:
    azure.vault.lookup(NAME)
    azure.vault.lookup("DROPBOX_KEY")

    requests_sent = [azure.app.name_of(request) for request in azure.server.requests]
    assert requests_sent == ["secrets", "msi/token", "secrets", "secrets"]


def test_a_user_assigned_identity_is_asked_for_by_its_client_id(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", "the-client-id")
    azure.vault.lookup(NAME)
    assert "client_id=the-client-id" in azure.server.seen("msi/token")[0].query


def test_requests_use_a_timeout_and_the_certificates_of_the_session(azure: Azure, session: requests.Session) -> None:
    session.verify = "hospital.pem"
    assert azure.vault.lookup(NAME) is None
    assert (azure.adapter.asked[0]["timeout"], azure.adapter.asked[0]["verify"]) == ((10, 30), "hospital.pem")


@pytest.mark.parametrize(
    "trouble",
    [fault(times=2), fault(match="msi/token", status=503), Fault("lost", match="secrets", skip=1)],
    ids=["overloaded vault", "overloaded identity endpoint", "broken connection"],
)
def test_a_request_that_failed_is_repeated(azure: Azure, trouble: Fault) -> None:
    azure.app.put(STORED_NAME, VALUE, not_before=LATELY, expires=SOON)
    azure.server.faults.append(trouble)
    assert azure.vault.lookup(NAME) == VALUE


def test_a_long_retry_after_is_cut_to_15_seconds(azure: Azure) -> None:
    azure.server.faults.append(fault(headers={"Retry-After": "3600"}))
    azure.vault.lookup(NAME)
    assert azure.waits == [15.0]


@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_vault_is_tried_four_times(azure: Azure, status: int) -> None:
    azure.server.faults.append(fault(times=99, status=status))
    with pytest.raises(SecretsUnavailableError, match=f"status {status}, .* the vault is overloaded or down"):
        azure.vault.lookup(NAME)
    assert len(azure.server.seen("secrets")) == 4


def test_a_vault_that_cannot_be_reached_may_be_reached_later(server: Server, session: requests.Session) -> None:
    azure = azure_behind(server, session, listens_at="http://127.0.0.1:1")
    with pytest.raises(SecretsUnavailableError, match=f"Secret {STORED_NAME} .* the vault cannot be reached"):
        azure.vault.lookup(NAME)


def rejected(status: int, code: str = "") -> Fault:
    """An answer of the vault to the request with a token."""
    challenge = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"'
    body = json.dumps({"error": {"code": "Forbidden", "message": VALUE, "innererror": {"code": code}}}).encode()
    return fault(
        times=99, skip=0 if status == 401 else 1, status=status, headers={"WWW-Authenticate": challenge}, body=body
    )


@pytest.mark.parametrize(
    ("trouble", "what", "fix"),
    [
        (rejected(401), "does not accept this identity", "'Key Vault Secrets User'"),
        (rejected(403), "no right", "'Key Vault Secrets User'"),
        (rejected(403, "SecretDisabled"), "the secret is disabled", "Enable it"),
        (rejected(403, "ForbiddenByFirewall"), "network rules block this machine", "'Networking'"),
        (rejected(403, "ForbiddenByConnection"), "network rules block this machine", "'Networking'"),
        (rejected(418), "rejected the request", "name"),
    ],
    ids=["401", "403", "disabled", "firewall", "connection", "418"],
)
def test_a_vault_that_refuses_is_explained_without_its_own_words(
    azure: Azure, trouble: Fault, what: str, fix: str
) -> None:
    azure.server.faults.append(trouble)

    with pytest.raises(SecretsRefusedError) as caught:
        azure.vault.lookup(NAME)

    error = caught.value
    assert (STORED_NAME in error.what, what in error.what, fix in error.fix) == (True, True, True)
    assert VALUE not in in_every_shape(error)


@pytest.mark.parametrize(
    ("dates", "problem"), [({"expires": LATELY}, "has expired"), ({"not_before": SOON}, "is not active yet")]
)
def test_a_secret_outside_its_dates_is_refused(azure: Azure, dates: dict[str, int], problem: str) -> None:
    azure.app.put(STORED_NAME, VALUE, **dates)
    with pytest.raises(SecretsRefusedError, match=f"Secret {STORED_NAME} in Key Vault .* {problem}"):
        azure.vault.lookup(NAME)


def test_a_machine_without_an_identity_gets_a_fix(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with pytest.raises(
        SecretsRefusedError, match=r"run `az login`\. In Azure assign the function app a managed identity"
    ):
        azure.vault.lookup(NAME)


# --- nothing leaks


@pytest.mark.parametrize(
    "trouble",
    [
        fault(times=99, body=VALUE.encode()),
        fault(times=99, skip=1, status=200, body=b'{"value": "' + VALUE.encode()),
        fault(skip=1, status=200, body=f"<html>Please sign in {VALUE}</html>".encode()),
    ],
    ids=["overloaded", "truncated", "sign-in page of the network"],
)
def test_no_error_shows_or_holds_the_vaults_response(azure: Azure, trouble: Fault) -> None:
    azure.server.faults.append(trouble)

    with pytest.raises(SecretsUnavailableError, match=STORED_NAME) as caught:
        azure.vault.lookup(NAME)

    assert VALUE not in in_every_shape(caught.value)
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_a_host_that_is_not_a_key_vault_gets_no_token(azure: Azure) -> None:
    challenge = f'Bearer authorization="https://evil.example.org/t", resource="https://{VALUE}.example.org"'
    azure.server.faults.append(fault(status=401, headers={"WWW-Authenticate": challenge}))

    with pytest.raises(SettingsError, match="KEY_VAULT_URL is not the address of a Key Vault") as caught:
        azure.vault.lookup(NAME)

    assert azure.app.tokens == []
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_an_identity_setting_that_azure_rejects_is_named_without_its_value(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", VALUE)
    with pytest.raises(SettingsError, match="AZURE_TOKEN_CREDENTIALS") as caught:
        azure.vault.lookup(NAME)
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_no_error_shows_the_access_token(azure: Azure) -> None:
    azure.app.forbidden.add(STORED_NAME)
    with pytest.raises(SecretsRefusedError, match=rf"{STORED_NAME} .*request id sandbox-request") as caught:
        azure.vault.lookup(NAME)
    assert azure.app.tokens[0] not in in_every_shape(caught.value)


def test_a_debug_log_shows_neither_secret_nor_token(azure: Azure, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    azure.app.put(STORED_NAME, VALUE)

    azure.vault.lookup(NAME)

    hidden = [VALUE, azure.app.tokens[0], "the-identity-header"]
    assert [text for text in hidden if text in caplog.text] == []


def test_an_unused_vault_can_be_closed() -> None:
    with KeyVault("https://v.vault.azure.net/", network=Network()) as vault:
        assert vault.url == "https://v.vault.azure.net"


def test_importing_settings_and_credentials_is_light() -> None:
    program = (
        "import sys, consent.config.credentials, consent.config.settings; "
        "print(sorted({'azure', 'requests', 'numpy', 'dropbox', 'dotenv'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
