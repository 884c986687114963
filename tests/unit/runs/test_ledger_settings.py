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


@pytest.mark.parametrize(
    ("chosen", "what"),
    [
        ("runs.sqlite", "CONSENT_LEDGER is 'runs.sqlite', which is not an absolute path"),
        ("~/runs.sqlite", "CONSENT_LEDGER is '~/runs.sqlite'"),
        (str(Path.cwd()), "CONSENT_LEDGER names a folder"),
    ],
)
def test_a_place_that_is_no_absolute_path_of_a_file_is_refused(chosen: str, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        open_ledger(Settings({"CONSENT_LEDGER": chosen}), default="table")


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


STRING, URL, NAME = "", "__tableServiceUri", "__accountName"
PART = "is not a whole connection string"
NOWHERE = "is not the address of a table service"


@pytest.mark.parametrize(
    ("setting", "text", "what"),
    [
        (STRING, f"AccountKey={ACCOUNT_KEY}", PART),
        (STRING, "AccountName=registry;AccountKey=not a key", PART),
        (STRING, f"AccountName=registry;AccountKey={ACCOUNT_KEY[:-3]}", PART),
        (STRING, "UseDevelopmentStorage=false", PART),
        (STRING, f"{WHOLE};DefaultEndpointsProtocol=http", "is not an https address"),
        (STRING, f"{WHOLE};TableEndpoint=http://registry.table.core.windows.net", "is not an https address"),
        *(
            (URL, url, NOWHERE)
            for url in ("registry", "https://", "https://[::1", "https://u:p@h.ca", "https://h.ca?a=b")
        ),
        (URL, "http://127.0.0.1:10002/devstoreaccount1", "is not an https address"),
        *((NAME, name, "is not the name of") for name in ("Registry", "a", "registry.table", "r" * 25)),
    ],
)
def test_an_unusable_setting_is_named_and_its_value_is_not_shown(setting: str, text: str, what: str) -> None:
    with pytest.raises(SettingsError, match=f"{STORAGE}{setting} {what}") as caught:
        storage_of(**{setting: text})

    assert ACCOUNT_KEY[:-3] not in str(caught.value)
    assert len(text) < 9 or text not in str(caught.value)


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
