"""Claims about where the record of runs is kept: what the settings may say, and who this program is to Azure."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from consent.config.settings import Settings
from consent.errors import SettingsError
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.ledger.storage_account import TableStorage, table_storage
from consent.runs.ledger.store import open_ledger
from sandbox.azurite import KEY, Azurite
from sandbox.server import Request, Response, Server
from tests.integration.config.test_credentials import ToLoopback
from tests.support.ledger_stores import TableStore, there
from tests.support.run_builders import a_run

STORAGE = "AzureWebJobsStorage"
ACCOUNT_KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
WHOLE = f"DefaultEndpointsProtocol=https;AccountName=registry;AccountKey={ACCOUNT_KEY};EndpointSuffix=core.windows.net"


def storage_of(**values: str) -> TableStorage:
    return table_storage(Settings({f"{STORAGE}{name}": value for name, value in values.items()}))


# --- which store


def test_in_azure_a_file_is_refused_because_instances_share_no_disk(tmp_path: Path) -> None:
    settings = Settings({"CONSENT_LEDGER": str(tmp_path / "runs.sqlite")}, in_azure=True)

    with pytest.raises(SettingsError, match="must be `table` in Azure"):
        open_ledger(settings, default="table")


def kind_of(settings: Settings, default: Any) -> str:
    with closing(open_ledger(settings, default=default)) as ledger:
        return type(ledger).__name__


@pytest.mark.parametrize(
    ("chosen", "default", "expected"),
    [
        (None, "table", "TableLedger"),
        (None, "sqlite", "SqliteLedger"),
        ("table", "sqlite", "TableLedger"),
        (str(Path.cwd() / "runs.sqlite"), "table", "SqliteLedger"),
    ],
)
def test_the_setting_wins_over_the_default(chosen: str | None, default: str, expected: str) -> None:
    values = {STORAGE: WHOLE} if chosen is None else {STORAGE: WHOLE, "CONSENT_LEDGER": chosen}

    assert kind_of(Settings(values), default) == expected


def test_the_file_that_is_named_is_used(tmp_path: Path) -> None:
    ledger = open_ledger(Settings({"CONSENT_LEDGER": str(tmp_path / "mine.sqlite")}), default="table")
    ledger.add(a_run())

    assert (tmp_path / "mine.sqlite").is_file()


def test_every_user_has_a_file_of_their_own(tmp_path: Path) -> None:
    ledger = open_ledger(Settings({}), default="sqlite")

    assert isinstance(ledger, SqliteLedger)
    assert (ledger.path.name, ledger.path.is_relative_to(tmp_path.parent)) == ("runs.sqlite", True)


@pytest.mark.parametrize("chosen", ["runs.sqlite", "sqlite", "Table", "~/runs.sqlite", "tables"])
def test_a_path_that_depends_on_the_current_folder_is_refused(chosen: str) -> None:
    with pytest.raises(SettingsError, match="CONSENT_LEDGER must be `table` or the whole path of a file"):
        open_ledger(Settings({"CONSENT_LEDGER": chosen}), default="table")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"CONSENT_LEDGER names a folder: name a file in it"):
        open_ledger(Settings({"CONSENT_LEDGER": str(tmp_path)}), default="table")


def test_without_platformdirs_a_place_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "platformdirs", None)

    with pytest.raises(SettingsError, match="CONSENT_LEDGER is missing: give `table`, the path of a file, or install"):
        open_ledger(Settings({}), default="sqlite")


def test_a_connection_string_leads_to_its_tables(azurite: Azurite) -> None:
    store = TableStore(azurite.table_url)
    with closing(open_ledger(Settings({STORAGE: azurite.connection_string}), default="table")) as ledger:
        added = there(ledger.add(a_run(study="strings", run_id="strings.1")))

    found = store.open().read("strings.1")
    store.close()

    assert found == added


def test_the_proxy_of_this_machine_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings({STORAGE: WHOLE, "HTTPS_PROXY": "http://127.0.0.1:1"})
    monkeypatch.setattr(requests.Session, "send", tell_the_proxy)

    with (
        closing(open_ledger(settings, default="table")) as ledger,
        pytest.raises(RuntimeError, match=r"by way of http://127\.0\.0\.1:1$"),
    ):
        ledger.runs()


def tell_the_proxy(session: requests.Session, request: requests.PreparedRequest, **how: Any) -> None:
    """In place of sending the request."""
    raise RuntimeError(f"by way of {how['proxies']['https']}")


# --- the storage account


@pytest.mark.parametrize(
    ("text", "endpoint", "account"),
    [
        (WHOLE, "https://registry.table.core.windows.net", "registry"),
        (f"AccountKey={ACCOUNT_KEY}; AccountName=registry;", "https://registry.table.core.windows.net", "registry"),
        (
            WHOLE.replace("windows.net", "usgovcloudapi.net"),
            "https://registry.table.core.usgovcloudapi.net",
            "registry",
        ),
        (f"{WHOLE};TableEndpoint=https://tables.hospital.ca/", "https://tables.hospital.ca", "registry"),
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10002/devstoreaccount1", "devstoreaccount1"),
        (
            f"AccountName=a;AccountKey={ACCOUNT_KEY};TableEndpoint=http://127.0.0.1:7/a",
            "http://127.0.0.1:7/a",
            "a",
        ),
    ],
)
def test_a_connection_string_names_the_account(text: str, endpoint: str, account: str) -> None:
    storage = storage_of(**{"": text})

    assert (storage.endpoint, storage.account) == (endpoint, account)


def test_the_key_of_a_connection_string_is_taken_whole() -> None:
    assert there(storage_of(**{"": WHOLE}).key).reveal() == ACCOUNT_KEY


def test_development_storage_has_the_key_that_every_emulator_has() -> None:
    assert there(storage_of(**{"": "UseDevelopmentStorage=true"}).key).reveal() == KEY


@pytest.mark.parametrize(
    "text",
    [
        "registry",
        "AccountName=registry",
        f"AccountKey={ACCOUNT_KEY}",
        "AccountName=registry;AccountKey=not a key",
        f"AccountName=registry;AccountKey={ACCOUNT_KEY[:-3]}",
        "AccountName=registry;AccountKey=",
        "UseDevelopmentStorage=false",
        "TableEndpoint=https://registry.table.core.windows.net;SharedAccessSignature=sv=1&sig=x",
    ],
)
def test_a_connection_string_that_is_not_whole_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match=r"AzureWebJobsStorage must hold AccountName=.* copy the conn") as caught:
        storage_of(**{"": text})

    assert text not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        "DefaultEndpointsProtocol=http",
        "TableEndpoint=http://registry.table.core.windows.net",
        "TableEndpoint=ftp://127.0.0.1/a",
    ],
)
def test_the_key_is_not_sent_readable_by_anyone(changes: str) -> None:
    with pytest.raises(SettingsError, match="AzureWebJobsStorage must lead to an https address"):
        storage_of(**{"": f"AccountName=registry;AccountKey={ACCOUNT_KEY};{changes}"})


@pytest.mark.parametrize(
    "url", ["registry", "https://", "https://[::1", "https://u:p@h.ca", "https://h.ca?a=b", "https://h#x"]
)
def test_an_address_that_leads_nowhere_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="tableServiceUri does not lead to a table service") as caught:
        storage_of(__tableServiceUri=url)

    assert f"{url}:" not in str(caught.value)


def test_an_identity_is_never_sent_over_plain_http() -> None:
    with pytest.raises(SettingsError, match="tableServiceUri must lead to an https address"):
        storage_of(__tableServiceUri="http://127.0.0.1:10002/devstoreaccount1")


@pytest.mark.parametrize("name", ["Registry", "a", "registry.table", "registry/x", "r" * 25])
def test_an_account_is_called_by_its_plain_name(name: str) -> None:
    with pytest.raises(SettingsError, match="AzureWebJobsStorage__accountName must be the plain name"):
        storage_of(__accountName=name)


def test_without_any_storage_it_is_said_what_to_set() -> None:
    with pytest.raises(SettingsError, match=r"AzureWebJobsStorage is missing: .*or a file in CONSENT_LEDGER instead"):
        open_ledger(Settings({}), default="table")


def test_no_key_is_shown_when_the_storage_is_printed() -> None:
    assert ACCOUNT_KEY not in repr(storage_of(**{"": WHOLE}))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"__accountName": "registry"}, TableStorage("https://registry.table.core.windows.net")),
        ({"__tableServiceUri": "https://tables.hospital.ca/"}, TableStorage("https://tables.hospital.ca")),
        (
            {"__tableServiceUri": "https://tables.hospital.ca", "__accountName": "registry"},
            TableStorage("https://tables.hospital.ca"),
        ),
        (
            {"__accountName": "registry", "__credential": "managedidentity", "__clientId": "the-client"},
            TableStorage("https://registry.table.core.windows.net", managed=True, client_id="the-client"),
        ),
    ],
)
def test_an_identity_needs_no_key(values: dict[str, str], expected: TableStorage) -> None:
    assert storage_of(**values) == expected


# --- signing in as an identity


class Cloud:
    """Hands out identities as Azure does on its machines, and has a table service without any table."""

    def answer(self, request: Request) -> Response:
        kind = {"Content-Type": "application/json"}
        if self.name_of(request) == "identity":
            return Response(200, kind, b'{"access_token": "the-token", "expires_on": "4102444800", "token_type": "x"}')
        return Response(404, kind, b'{"odata.error": {"code": "TableNotFound", "message": {"value": ""}}}')

    def name_of(self, request: Request) -> str:
        return "identity" if request.path == "/msi/token" else "table"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Every request of every session is led here."""
    with Server(Cloud()) as server:
        adapter = ToLoopback(server.url)
        monkeypatch.setattr(requests.Session, "get_adapter", lambda session, url: adapter)
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "the-identity-header")
        yield server
        adapter.close()


def asked_as(cloud: Server, **values: str) -> tuple[Request, Request]:
    """How the identity, then the table, was asked for."""
    settings = Settings({f"{STORAGE}{name}": value for name, value in values.items()})
    with closing(open_ledger(settings, default="table")) as ledger:
        ledger.runs()
    return cloud.seen("identity")[0], cloud.seen("table")[-1]


AS_IDENTITY = {"__accountName": "registry", "__credential": "managedidentity"}


def test_a_managed_identity_signs_in_with_its_token(cloud: Server) -> None:
    _, table = asked_as(cloud, **AS_IDENTITY)

    assert (table.headers["host"], table.headers["authorization"]) == (
        "registry.table.core.windows.net",
        "Bearer the-token",
    )


def test_a_token_is_asked_for_storage_alone(cloud: Server) -> None:
    identity, _ = asked_as(cloud, **AS_IDENTITY)

    assert unquote(identity.query).endswith("resource=https://storage.azure.com")


def test_a_user_assigned_identity_is_asked_for_by_its_client_id(cloud: Server) -> None:
    identity, _ = asked_as(cloud, **AS_IDENTITY, __clientId="the-client")

    assert "client_id=the-client" in identity.query


def test_without_a_word_on_it_azure_looks_for_an_identity_itself(
    cloud: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")

    identity, _ = asked_as(cloud, __accountName="registry", __clientId="the-client")

    assert "client_id=the-client" in identity.query


def test_an_identity_setting_that_azure_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")

    with pytest.raises(SettingsError, match="AZURE_TOKEN_CREDENTIALS"):
        open_ledger(Settings({f"{STORAGE}__accountName": "registry"}), default="table")
