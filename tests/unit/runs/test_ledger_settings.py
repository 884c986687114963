"""Tests of the settings of the run history: which store, and how to sign in to the storage account."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from consent.config.settings import Settings
from consent.errors import SettingsError
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.ledger.storage_account import TableStorage, table_storage
from consent.runs.ledger.store import open_ledger
from sandbox.azurite import KEY
from tests.support.ledger_stores import there
from tests.support.run_builders import a_run

STORAGE = "AzureWebJobsStorage"
ACCOUNT_KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
WHOLE = f"DefaultEndpointsProtocol=https;AccountName=registry;AccountKey={ACCOUNT_KEY};EndpointSuffix=core.windows.net"


def storage_of(**values: str) -> TableStorage:
    return table_storage(Settings({f"{STORAGE}{name}": value for name, value in values.items()}))


def ledger_kind(settings: Settings, default: Any) -> str:
    with closing(open_ledger(settings, default=default)) as ledger:
        return type(ledger).__name__


# --- which store


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

    assert ledger_kind(Settings(values), default) == expected


def test_the_named_file_is_used(tmp_path: Path) -> None:
    ledger = open_ledger(Settings({"CONSENT_LEDGER": str(tmp_path / "mine.sqlite")}), default="table")
    ledger.add(a_run())

    assert (tmp_path / "mine.sqlite").is_file()


def test_every_user_has_a_file_of_their_own(tmp_path: Path) -> None:
    ledger = open_ledger(Settings({}), default="sqlite")

    assert isinstance(ledger, SqliteLedger)
    assert (ledger.path.name, ledger.path.is_relative_to(tmp_path.parent)) == ("runs.sqlite", True)


def test_a_file_is_refused_in_azure_where_instances_share_no_disk(tmp_path: Path) -> None:
    settings = Settings({"CONSENT_LEDGER": str(tmp_path / "runs.sqlite")}, in_azure=True)

    with pytest.raises(SettingsError, match="Set it to `table`"):
        open_ledger(settings, default="table")


@pytest.mark.parametrize("chosen", ["runs.sqlite", "Table", "~/runs.sqlite"])
def test_a_path_relative_to_the_current_folder_is_refused(chosen: str) -> None:
    with pytest.raises(SettingsError, match=f"CONSENT_LEDGER is '{chosen}'"):
        open_ledger(Settings({"CONSENT_LEDGER": chosen}), default="table")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CONSENT_LEDGER names a folder"):
        open_ledger(Settings({"CONSENT_LEDGER": str(tmp_path)}), default="table")


def test_without_platformdirs_a_place_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "platformdirs", None)

    with pytest.raises(SettingsError, match="CONSENT_LEDGER is missing"):
        open_ledger(Settings({}), default="sqlite")


def test_the_proxy_of_this_machine_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings({STORAGE: WHOLE, "HTTPS_PROXY": "http://127.0.0.1:1"})
    monkeypatch.setattr(requests.Session, "send", name_the_proxy)

    with (
        closing(open_ledger(settings, default="table")) as ledger,
        pytest.raises(RuntimeError, match=r"through http://127\.0\.0\.1:1$"),
    ):
        ledger.runs()


def name_the_proxy(session: requests.Session, request: requests.PreparedRequest, **how: Any) -> None:
    """In place of sending the request."""
    raise RuntimeError(f"through {how['proxies']['https']}")


# --- the storage account


@pytest.mark.parametrize(
    ("text", "endpoint", "account"),
    [
        (WHOLE, "https://registry.table.core.windows.net", "registry"),
        (f"AccountKey={ACCOUNT_KEY}; AccountName=registry;", "https://registry.table.core.windows.net", "registry"),
        (WHOLE.replace("windows.net", "x.net"), "https://registry.table.core.x.net", "registry"),
        (f"{WHOLE};TableEndpoint=https://tables.hospital.ca/", "https://tables.hospital.ca", "registry"),
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10002/devstoreaccount1", "devstoreaccount1"),
        (f"AccountName=a;AccountKey={ACCOUNT_KEY};TableEndpoint=http://127.0.0.1:7/a", "http://127.0.0.1:7/a", "a"),
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
        f"AccountKey={ACCOUNT_KEY}",
        "AccountName=registry;AccountKey=not a key",
        f"AccountName=registry;AccountKey={ACCOUNT_KEY[:-3]}",
        "UseDevelopmentStorage=false",
    ],
)
def test_part_of_a_connection_string_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="AzureWebJobsStorage is not a whole connection string") as caught:
        storage_of(**{"": text})

    assert text not in str(caught.value)


@pytest.mark.parametrize(
    "changes", ["DefaultEndpointsProtocol=http", "TableEndpoint=http://registry.table.core.windows.net"]
)
def test_the_key_is_not_sent_unencrypted(changes: str) -> None:
    with pytest.raises(SettingsError, match="AzureWebJobsStorage is not an https address"):
        storage_of(**{"": f"AccountName=registry;AccountKey={ACCOUNT_KEY};{changes}"})


@pytest.mark.parametrize("url", ["registry", "https://", "https://[::1", "https://u:p@h.ca", "https://h.ca?a=b"])
def test_an_address_that_leads_nowhere_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="tableServiceUri is not the address of a table service") as caught:
        storage_of(__tableServiceUri=url)

    assert f"{url}:" not in str(caught.value)


def test_the_token_of_an_identity_is_not_sent_unencrypted() -> None:
    with pytest.raises(SettingsError, match="tableServiceUri is not an https address"):
        storage_of(__tableServiceUri="http://127.0.0.1:10002/devstoreaccount1")


@pytest.mark.parametrize("name", ["Registry", "a", "registry.table", "r" * 25])
def test_an_account_is_given_by_its_name(name: str) -> None:
    with pytest.raises(SettingsError, match="AzureWebJobsStorage__accountName is not the name of"):
        storage_of(__accountName=name)


def test_without_any_storage_the_error_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match=r"AzureWebJobsStorage is missing\. .*set CONSENT_LEDGER to a file"):
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


def test_an_unknown_identity_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")

    with pytest.raises(SettingsError, match="AZURE_TOKEN_CREDENTIALS"):
        open_ledger(Settings({f"{STORAGE}__accountName": "registry"}), default="table")
