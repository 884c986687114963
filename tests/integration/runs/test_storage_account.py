"""Tests of the connection to the storage account of the run history: by connection string, or as an identity."""

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import unquote

import pytest
import requests

from consent.config.settings import Settings
from consent.runs.ledger.store import open_ledger
from sandbox.azurite import Azurite
from sandbox.server import Request, Response, Server
from tests.integration.config.test_credentials import ToLoopback
from tests.support.ledger_stores import TableStore, there
from tests.support.run_builders import a_run

STORAGE = "AzureWebJobsStorage"
AS_IDENTITY = {"__accountName": "registry", "__credential": "managedidentity"}


def test_a_connection_string_leads_to_its_tables(azurite: Azurite) -> None:
    store = TableStore(azurite.table_url)
    with closing(open_ledger(Settings({STORAGE: azurite.connection_string}), default="table")) as ledger:
        added = there(ledger.add(a_run(study="strings", run_id="strings.1")))

    found = store.open().read("strings.1")
    store.close()

    assert found == added


class Cloud:
    """Issues tokens as Azure does on its machines, and has a table service without tables."""

    def answer(self, request: Request) -> Response:
        kind = {"Content-Type": "application/json"}
        if self.name_of(request) == "identity":
            return Response(200, kind, b'{"access_token": "the-token", "expires_on": "4102444800", "token_type": "x"}')
        return Response(404, kind, b'{"odata.error": {"code": "TableNotFound", "message": {"value": ""}}}')

    def name_of(self, request: Request) -> str:
        return "identity" if request.path == "/msi/token" else "table"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Every request of every session goes to this server."""
    with Server(Cloud()) as server:
        adapter = ToLoopback(server.url)
        monkeypatch.setattr(requests.Session, "get_adapter", lambda session, url: adapter)
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "the-identity-header")
        yield server
        adapter.close()


def asked_as(cloud: Server, **values: str) -> tuple[Request, Request]:
    """Return the request for a token, then the one for the table."""
    settings = Settings({f"{STORAGE}{name}": value for name, value in values.items()})
    with closing(open_ledger(settings, default="table")) as ledger:
        ledger.runs()
    return cloud.seen("identity")[0], cloud.seen("table")[-1]


def test_a_managed_identity_signs_in_with_its_token_for_storage_only(cloud: Server) -> None:
    identity, table = asked_as(cloud, **AS_IDENTITY)

    assert unquote(identity.query).endswith("resource=https://storage.azure.com")
    assert (table.headers["host"], table.headers["authorization"]) == (
        "registry.table.core.windows.net",
        "Bearer the-token",
    )


def test_a_user_assigned_identity_is_requested_by_its_client_id(cloud: Server) -> None:
    identity, _ = asked_as(cloud, **AS_IDENTITY, __clientId="the-client")

    assert "client_id=the-client" in identity.query


def test_without_a_setting_azure_finds_an_identity_itself(cloud: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")

    identity, _ = asked_as(cloud, __accountName="registry", __clientId="the-client")

    assert "client_id=the-client" in identity.query
