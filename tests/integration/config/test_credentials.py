"""Claims about secrets: where they are found, what each refusal says, and that no value is ever shown.

Microsoft's own SecretClient and DefaultAzureCredential do the talking; only the host name is led to a stand-in.
"""

import copy
import itertools
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from consent.config.credentials import DROPBOX_TOKEN, KeyVault, Secret, find_secrets
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


# --- a secret in memory


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "%s".__mod__, "%r".__mod__, lambda secret: f"{secret!s}"])
def test_a_secret_shows_its_name_only(shown: Any) -> None:
    assert shown(Secret(NAME, VALUE)) == f"<Secret {NAME}>"


def test_a_secret_reveals_its_value_when_asked() -> None:
    assert Secret(NAME, VALUE).reveal() == VALUE


def test_a_secret_loses_the_line_end_it_was_pasted_with() -> None:
    assert Secret(NAME, f" {VALUE}\r\n").reveal() == VALUE


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="must not be copied or stored"):
        pickle.dumps(Secret(NAME, VALUE), protocol)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_secret_cannot_be_copied(copied: Any) -> None:
    with pytest.raises(TypeError, match="must not be copied or stored"):
        copied(Secret(NAME, VALUE))


def test_a_secret_cannot_be_written_as_json() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"token": Secret(NAME, VALUE)})


def test_a_secret_cannot_be_glued_into_text() -> None:
    with pytest.raises(TypeError, match="can only concatenate str"):
        "Bearer " + Secret(NAME, VALUE)  # type: ignore[operator]


def test_a_secret_keeps_no_dictionary_to_look_into() -> None:
    with pytest.raises(TypeError, match="__dict__"):
        vars(Secret(NAME, VALUE))


def test_two_secrets_of_one_value_are_not_equal_so_that_none_can_be_guessed() -> None:
    assert Secret(NAME, VALUE) != Secret(NAME, VALUE)


# --- finding it


def test_a_setting_wins_over_the_vault(azure: Azure) -> None:
    azure.app.put(STORED_NAME, "of the vault")

    found, _ = find_secrets(Settings({NAME: VALUE}), [NAME], vault=azure.vault)

    assert found[NAME].reveal() == VALUE


def test_a_secret_among_the_settings_asks_nothing_of_azure(azure: Azure) -> None:
    find_secrets(Settings({NAME: VALUE}), [NAME], vault=azure.vault)

    assert azure.server.requests == []


def test_a_missing_setting_is_looked_up_in_the_vault_with_dashes(azure: Azure) -> None:
    azure.app.put(STORED_NAME, f"{VALUE}\n")

    found, problems = find_secrets(Settings({}), [NAME], vault=azure.vault)

    assert (found[NAME].reveal(), problems) == (VALUE, ())


def test_every_missing_secret_is_named_and_the_others_are_given(azure: Azure) -> None:
    azure.app.put("DROPBOX-KEY", "a-key")

    found, problems = find_secrets(Settings({}), [NAME, "DROPBOX_KEY", "DROPBOX_SECRET"], vault=azure.vault)

    assert list(found) == ["DROPBOX_KEY"]
    assert problems == (
        Problem(
            f"{NAME} is missing.",
            f"Add it as a setting, or store it as secret {STORED_NAME} in Key Vault {azure.vault.url}.",
        ),
        Problem(
            "DROPBOX_SECRET is missing.",
            f"Add it as a setting, or store it as secret DROPBOX-SECRET in Key Vault {azure.vault.url}.",
        ),
    )


def test_without_a_vault_a_missing_secret_is_asked_for_as_a_setting() -> None:
    assert find_secrets(Settings({}), [NAME]) == ({}, (Problem(f"{NAME} is missing.", "Add it as a setting."),))


def test_an_optional_secret_that_is_nowhere_is_no_problem(azure: Azure) -> None:
    found = find_secrets(Settings({NAME: VALUE}), [NAME], optional=["DROPBOX_SECRET"], vault=azure.vault)

    assert (list(found[0]), found[1]) == ([NAME], ())


def test_an_optional_secret_of_the_vault_is_given(azure: Azure) -> None:
    azure.app.put("DROPBOX-SECRET", VALUE)

    found, _ = find_secrets(Settings({}), [], optional=["DROPBOX_SECRET"], vault=azure.vault)

    assert found["DROPBOX_SECRET"].reveal() == VALUE


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


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (f"{VALUE} {VALUE}", "DROPBOX_SECRET contains whitespace or non-ASCII characters"),
        ("@Microsoft.KeyVault(VaultName=v;SecretName=s)", "DROPBOX_SECRET is a Key Vault reference that was not"),
    ],
)
def test_an_optional_secret_that_cannot_be_used_is_a_problem(value: str, problem: str) -> None:
    _, problems = find_secrets(Settings({"DROPBOX_SECRET": value}), [], optional=["DROPBOX_SECRET"])

    assert [found.what.startswith(problem) for found in problems] == [True]


def test_a_blank_secret_in_the_vault_counts_as_missing(azure: Azure) -> None:
    azure.app.put(STORED_NAME, " \n")

    _, problems = find_secrets(Settings({}), [NAME], vault=azure.vault)

    assert problems[0].what == f"{NAME} is missing."


@pytest.mark.parametrize("value", [f"{VALUE} {VALUE}", f"{VALUE}\n{VALUE}", f"“{VALUE}”", f"\ufeff{VALUE}"])
def test_a_secret_that_was_pasted_badly_is_named_and_not_shown(value: str) -> None:
    _, problems = find_secrets(Settings({NAME: value}), [NAME])

    assert problems == (Problem(f"{NAME} contains whitespace or non-ASCII characters.", "Copy it again."),)


def test_an_unresolved_reference_is_one_of_the_problems() -> None:
    settings = Settings({NAME: "@Microsoft.KeyVault(VaultName=v;SecretName=s)", "DROPBOX_KEY": "k"})

    found, problems = find_secrets(settings, [NAME, "DROPBOX_KEY"])

    assert (list(found), [problem.what for problem in problems]) == (
        ["DROPBOX_KEY"],
        [f"{NAME} is a Key Vault reference that was not resolved."],
    )


def test_the_address_of_the_vault_is_one_of_the_problems() -> None:
    _, problems = find_secrets(Settings({"KEY_VAULT_URL": "http://v.vault.azure.net"}), [NAME])

    assert [problem.what for problem in problems] == [
        "KEY_VAULT_URL is not the address of a vault.",
        f"{NAME} is missing.",
    ]


def test_a_log_in_that_is_missing_is_asked_for_by_the_command_that_makes_one() -> None:
    _, problems = find_secrets(Settings({}), [DROPBOX_TOKEN])

    assert problems == (Problem(f"{DROPBOX_TOKEN} is missing.", "Run 'consent login dropbox'."),)


def test_the_vault_that_the_settings_name_is_opened_only_when_it_is_needed() -> None:
    settings = Settings({NAME: VALUE, "KEY_VAULT_URL": "https://v.vault.azure.net"})

    assert find_secrets(settings, [NAME])[1] == ()


def test_the_vault_that_the_settings_name_is_opened_for_a_missing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")  # found out on opening, before anything is sent

    _, problems = find_secrets(Settings({"KEY_VAULT_URL": "https://v.vault.azure.net"}), [NAME, "DROPBOX_KEY"])

    assert [problem.what for problem in problems] == ["Azure's identity library rejects an AZURE_ setting."]


@pytest.mark.parametrize(
    "url",
    [
        "http://v.vault.azure.net",
        "v.vault.azure.net",
        "https://",
        "https://[::1",
        "https://user:password@v.vault.azure.net",
        "https://v.vault.azure.net/secrets/x",
        "https://v.vault.azure.net?x",
    ],
)
def test_the_address_of_the_vault_must_be_its_https_host(url: str) -> None:
    with pytest.raises(SettingsError, match="KEY_VAULT_URL is not the address of a vault"):
        KeyVault(url, network=Network())


class RefusingProxy(BaseHTTPRequestHandler):
    """Remembers for which hosts a tunnel was asked, and builds none."""

    asked: ClassVar[list[str]]

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        self.send_error(502)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """Say nothing."""


@pytest.fixture
def proxy_url() -> Iterator[str]:
    RefusingProxy.asked = []
    with HTTPServer(("127.0.0.1", 0), RefusingProxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
        proxy.shutdown()
        thread.join()


def test_the_vault_is_asked_through_the_proxy_that_is_set(server: Server, proxy_url: str) -> None:
    network = Network(https_proxy=proxy_url, http_proxy=proxy_url)
    with (
        KeyVault("https://v.vault.azure.net", network=network, sleep=lambda _: None) as vault,
        pytest.raises(SecretsUnavailableError, match="the vault cannot be reached"),
    ):
        vault.lookup(NAME)

    assert set(RefusingProxy.asked) == {"v.vault.azure.net:443"}


# --- talking to the vault


def test_the_vault_is_asked_without_a_token_first_and_says_what_token_it_wants(azure: Azure) -> None:
    azure.app.put(STORED_NAME, VALUE)

    azure.vault.lookup(NAME)

    assert [azure.app.name_of(request) for request in azure.server.requests] == ["secrets", "msi/token", "secrets"]


def test_a_token_serves_for_every_secret(azure: Azure) -> None:
    azure.app.put(STORED_NAME, VALUE)

    azure.vault.lookup(NAME)
    azure.vault.lookup("DROPBOX_KEY")

    assert len(azure.app.tokens) == 1


def test_the_newest_version_is_read(azure: Azure) -> None:
    azure.app.put(STORED_NAME, "old")
    azure.app.put(STORED_NAME, VALUE)

    assert azure.vault.lookup(NAME) == VALUE


def test_a_secret_that_the_vault_does_not_have_is_nothing(azure: Azure) -> None:
    assert azure.vault.lookup(NAME) is None


def test_a_user_assigned_identity_is_asked_for_by_its_client_id(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", "the-client-id")

    azure.vault.lookup(NAME)

    assert "client_id=the-client-id" in azure.server.seen("msi/token")[0].query


def test_the_hospitals_certificates_are_used_for_the_vault_too(azure: Azure, session: requests.Session) -> None:
    session.verify = "hospital.pem"

    azure.vault.lookup(NAME)

    assert azure.adapter.asked[0]["verify"] == "hospital.pem"


def test_a_vault_that_hangs_is_given_up(azure: Azure) -> None:
    azure.vault.lookup(NAME)

    assert azure.adapter.asked[0]["timeout"] == (10, 30)


def test_a_secret_that_expires_later_is_given(azure: Azure) -> None:
    azure.app.put(STORED_NAME, VALUE, not_before=LATELY, expires=SOON)

    assert azure.vault.lookup(NAME) == VALUE


def test_a_busy_vault_is_asked_again(azure: Azure) -> None:
    azure.app.put(STORED_NAME, VALUE)
    azure.server.faults.append(fault(times=2))

    assert azure.vault.lookup(NAME) == VALUE


def test_a_busy_identity_endpoint_is_asked_again(azure: Azure) -> None:
    azure.app.put(STORED_NAME, VALUE)
    azure.server.faults.append(fault(match="msi/token", status=503))

    assert azure.vault.lookup(NAME) == VALUE


def test_a_broken_connection_is_tried_again(azure: Azure) -> None:
    azure.app.put(STORED_NAME, VALUE)
    azure.server.faults.append(Fault("lost", match="secrets", skip=1))

    assert azure.vault.lookup(NAME) == VALUE


def test_a_vault_that_asks_for_an_hour_is_not_waited_for_that_long(azure: Azure) -> None:
    azure.server.faults.append(fault(headers={"Retry-After": "3600"}))

    azure.vault.lookup(NAME)

    assert azure.waits == [15.0]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_vault_that_stays_busy_is_given_up_after_four_tries(azure: Azure, status: int) -> None:
    azure.server.faults.append(fault(times=99, status=status))

    with pytest.raises(SecretsUnavailableError, match=f"status {status}, .* the vault is overloaded or down"):
        azure.vault.lookup(NAME)

    assert len(azure.server.seen("secrets")) == 4


def test_a_vault_that_cannot_be_reached_may_be_reached_later(server: Server, session: requests.Session) -> None:
    azure = azure_behind(server, session, listens_at="http://127.0.0.1:1")

    with pytest.raises(SecretsUnavailableError, match=f"Secret {STORED_NAME} .* the vault cannot be reached"):
        azure.vault.lookup(NAME)


def test_an_identity_without_the_role_is_told_which_to_ask_for(azure: Azure) -> None:
    azure.app.forbidden.add(STORED_NAME)

    with pytest.raises(SecretsRefusedError, match=rf"{STORED_NAME} .*request id sandbox-request.*Vault Secrets User"):
        azure.vault.lookup(NAME)


def test_a_token_that_the_vault_does_not_take_is_refused(azure: Azure) -> None:
    challenge = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"'
    azure.server.faults.append(fault(times=99, status=401, headers={"WWW-Authenticate": challenge}))

    with pytest.raises(SecretsRefusedError, match=r"does not accept this identity\. .* 'Key Vault Secrets User'"):
        azure.vault.lookup(NAME)


def test_a_disabled_secret_is_refused_as_such(azure: Azure) -> None:
    azure.app.put(STORED_NAME, VALUE, enabled=False)

    with pytest.raises(SecretsRefusedError, match="the secret is disabled"):
        azure.vault.lookup(NAME)


@pytest.mark.parametrize("code", ["ForbiddenByFirewall", "ForbiddenByConnection"])
def test_a_closed_vault_is_told_apart_from_a_missing_role(azure: Azure, code: str) -> None:
    body = json.dumps({"error": {"code": "Forbidden", "message": "No.", "innererror": {"code": code}}}).encode()
    azure.server.faults.append(fault(skip=1, status=403, body=body))

    with pytest.raises(SecretsRefusedError, match="the vault's network rules block this machine"):
        azure.vault.lookup(NAME)


@pytest.mark.parametrize(
    ("dates", "problem"), [({"expires": LATELY}, "has expired"), ({"not_before": SOON}, "is not active yet")]
)
def test_a_secret_outside_its_dates_is_refused(azure: Azure, dates: dict[str, int], problem: str) -> None:
    azure.app.put(STORED_NAME, VALUE, **dates)

    with pytest.raises(SecretsRefusedError, match=f"Secret {STORED_NAME} in Key Vault .* {problem}"):
        azure.vault.lookup(NAME)


def test_a_name_that_the_vault_cannot_hold_is_refused(azure: Azure) -> None:
    with pytest.raises(SecretsRefusedError, match=r"status 400, .* Check the secret's name"):
        azure.vault.lookup("A.NAME")


def test_a_machine_without_an_identity_is_told_how_to_get_one(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")

    with pytest.raises(
        SecretsRefusedError, match=r"run `az login`\. In Azure assign the function app a managed identity"
    ):
        azure.vault.lookup(NAME)


def test_an_identity_setting_that_azure_does_not_know_is_named(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")

    with pytest.raises(SettingsError, match="AZURE_TOKEN_CREDENTIALS"):
        azure.vault.lookup(NAME)


def test_a_host_that_is_no_key_vault_is_not_given_a_token(azure: Azure) -> None:
    challenge = 'Bearer authorization="https://evil.example.org/t", resource="https://evil.example.org"'
    azure.server.faults.append(fault(status=401, headers={"WWW-Authenticate": challenge}))

    with pytest.raises(SettingsError, match="KEY_VAULT_URL is not the address of a Key Vault"):
        azure.vault.lookup(NAME)

    assert azure.app.tokens == []


def test_a_sign_in_page_of_the_network_is_not_taken_for_the_vault(azure: Azure) -> None:
    azure.server.faults.append(fault(skip=1, status=200, body=b"<html>Please sign in</html>"))

    with pytest.raises(SecretsUnavailableError, match="the response is not from Key Vault"):
        azure.vault.lookup(NAME)


# --- nothing leaks


def in_every_shape(error: BaseException) -> str:
    return f"{error} {error!r} {error.__cause__!r} {error.args}"


@pytest.mark.parametrize(
    "trouble",
    [
        fault(times=99, body=VALUE.encode()),
        fault(times=99, skip=1, status=403, body=json.dumps({"error": {"code": VALUE, "message": VALUE}}).encode()),
        fault(times=99, skip=1, status=418, body=VALUE.encode()),
        fault(times=99, skip=1, status=200, body=b'{"value": "' + VALUE.encode()),
    ],
)
def test_no_refusal_shows_what_the_vault_sent(azure: Azure, trouble: Fault) -> None:
    azure.server.faults.append(trouble)

    with pytest.raises((SecretsRefusedError, SecretsUnavailableError), match=STORED_NAME) as caught:
        azure.vault.lookup(NAME)

    assert VALUE not in in_every_shape(caught.value)


def test_a_refusal_does_not_carry_the_vaults_answer_along_in_another_error(azure: Azure) -> None:
    azure.server.faults.append(fault(times=99, body=VALUE.encode()))

    with pytest.raises(SecretsUnavailableError, match=STORED_NAME) as caught:
        azure.vault.lookup(NAME)

    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_a_refused_host_does_not_carry_its_challenge_along_in_another_error(azure: Azure) -> None:
    challenge = f'Bearer authorization="https://evil.example.org/t", resource="https://{VALUE}.example.org"'
    azure.server.faults.append(fault(status=401, headers={"WWW-Authenticate": challenge}))

    with pytest.raises(SettingsError, match="KEY_VAULT_URL is not the address of a Key Vault") as caught:
        azure.vault.lookup(NAME)

    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_a_refused_identity_setting_does_not_carry_its_value_along_in_another_error(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", VALUE)

    with pytest.raises(SettingsError, match="AZURE_TOKEN_CREDENTIALS") as caught:
        azure.vault.lookup(NAME)

    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_a_refusal_does_not_show_the_token(azure: Azure) -> None:
    azure.app.forbidden.add(STORED_NAME)

    with pytest.raises(SecretsRefusedError, match=STORED_NAME) as caught:
        azure.vault.lookup(NAME)

    assert azure.app.tokens[0] not in in_every_shape(caught.value)


def test_the_most_talkative_log_shows_neither_secret_nor_token(azure: Azure, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    azure.app.put(STORED_NAME, VALUE)

    azure.vault.lookup(NAME)

    hidden = [VALUE, azure.app.tokens[0], "the-identity-header"]
    assert [text for text in hidden if text in caplog.text] == []


def test_the_reader_of_the_vault_shows_no_secret_when_printed(azure: Azure) -> None:
    azure.app.put(STORED_NAME, VALUE)
    azure.vault.lookup(NAME)

    assert VALUE not in repr(azure.vault)


def test_a_vault_opened_and_not_used_is_closed_quietly() -> None:
    with KeyVault("https://v.vault.azure.net/", network=Network()) as vault:
        assert vault.url == "https://v.vault.azure.net"


def test_importing_settings_and_credentials_is_light() -> None:
    program = (
        "import sys, consent.config.credentials, consent.config.settings; "
        "print(sorted({'azure', 'requests', 'pandas', 'dropbox', 'dotenv'} & sys.modules.keys()))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
