"""Rows in Azure Table storage, changed only if nobody else has changed them; and every way in which that can fail.

Knows neither runs nor claims. What Azure's library or a server says is never passed on: it may quote what was sent.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from consent.config.azure_identity import LOGIN_URL, READ_SECONDS, azure_transport, find_identity
from consent.config.http_session import new_session
from consent.config.settings import Network
from consent.errors import ConsentReportError, LedgerRefusedError, LedgerUnavailableError
from consent.runs.ledger.storage_account import TableStorage

if TYPE_CHECKING:
    from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
    from azure.core.exceptions import AzureError
    from azure.core.pipeline.transport import RequestsTransport
    from azure.data.tables import TableClient, TableEntity

T = TypeVar("T")

_RETRIES: dict[str, Any] = {"retry_total": 3, "retry_backoff_factor": 0.2, "retry_backoff_max": 1}
# The library does not repeat an insertion by itself; here a repeated one is known by its mark.
_REPEATED = frozenset({"GET", "POST", "PUT", "DELETE"})
_LONGEST_WAIT_SECONDS = 5.0
_MARK = "write_id"
_NO_TABLE = "TableNotFound"
_NO_ROW = (_NO_TABLE, "ResourceNotFound", "EntityNotFound")
_OVERTAKEN = (*_NO_ROW, "EntityAlreadyExists", "UpdateConditionNotSatisfied", "ConditionNotMet")
_BUSY_STATUSES = (408, 429)

_NO_RIGHT = (
    "check the account key in AzureWebJobsStorage; where an identity is used instead, give it the role 'Storage Table "
    "Data Contributor' on the storage account (a new right can take ten minutes to work), and let the account's "
    "'Networking' admit this machine"
)
_WHY_REFUSED = {
    "AccountIsDisabled": "the storage account is disabled: ask who pays for the subscription",
    "KeyBasedAuthenticationNotPermitted": "the account takes no keys: set AzureWebJobsStorage__accountName instead of "
    "AzureWebJobsStorage, and give this program's identity the role 'Storage Table Data Contributor'",
}


@dataclass(frozen=True)
class Row:
    """A row as it is stored: its properties, keys included, and the tag that changes with every change."""

    values: Mapping[str, Any]
    etag: str


@dataclass(frozen=True)
class _Refusal:
    """What is known of a failed request; ``code`` is the table service's own, empty if something else answered."""

    status: int | None = None
    code: str = ""
    request_id: str = ""
    is_storage: bool = False
    no_identity: bool = False


class TableService:
    """Reads and changes rows of a storage account's tables; all methods raise the ledger's two errors.

    session: reaches the account as ``network`` says. sleep and read_seconds are for tests.
    """

    def __init__(
        self,
        storage: TableStorage,
        *,
        network: Network,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.endpoint = storage.endpoint
        # Azure hands out identities at a plain http address of the machine itself, which no proxy can reach.
        reached = network if storage.key else replace(network, http_proxy=None)
        self._session = new_session(reached, storage.endpoint, LOGIN_URL)
        self._transport = azure_transport(
            self._session, sleep, longest_wait=_LONGEST_WAIT_SECONDS, read_seconds=read_seconds
        )
        self._credential = _credential(storage, self._transport)
        self._clients: dict[str, TableClient] = {}

    def get(self, table: str, partition: str, key: str) -> Row | None:
        """The row of these keys."""
        outcome = self._attempt(table, lambda client: _row(client.get_entity(partition, key)))
        if isinstance(outcome, Row) and (outcome.values["PartitionKey"], outcome.values["RowKey"]) == (partition, key):
            return outcome
        refusal = outcome if isinstance(outcome, _Refusal) else _Refusal(status=200)
        if refusal.code in _NO_ROW:
            return None
        raise self._explained(table, refusal)

    def query(self, table: str, question: str, values: Mapping[str, Any], columns: list[str]) -> list[Row]:
        """The rows that a filter matches, with these columns; ``values`` are those of its ``@names``."""
        outcome = self._attempt(
            table,
            lambda client: [_row(e) for e in client.query_entities(question, parameters=dict(values), select=columns)],
        )
        if not isinstance(outcome, _Refusal):
            return outcome
        if outcome.code == _NO_TABLE:
            return []
        raise self._explained(table, outcome)

    def insert(self, table: str, values: Mapping[str, Any]) -> str | None:
        """Add a row and give its tag; None if there is one of its keys. Makes the table if it is not there yet."""
        row = {**values, _MARK: uuid4().hex}
        outcome = self._insert(table, row)
        if isinstance(outcome, _Refusal) and outcome.code == _NO_TABLE:
            self._make_table(table)
            outcome = self._insert(table, row)
        return self._settled(table, row, outcome)

    def replace(self, table: str, values: Mapping[str, Any], etag: str) -> str | None:
        """Put a row in place of the one with this tag and give its new tag; None if that has changed or is gone."""
        from azure.core import MatchConditions
        from azure.data.tables import UpdateMode

        row = {**values, _MARK: uuid4().hex}
        only_then = MatchConditions.IfNotModified
        outcome = self._attempt(
            table,
            lambda client: _etag(
                client.update_entity(row, mode=UpdateMode.REPLACE, etag=etag, match_condition=only_then)
            ),
        )
        return self._settled(table, row, outcome)

    def delete(self, table: str, partition: str, key: str, etag: str) -> None:
        """Remove the row with this tag; nothing happens if it has changed or is gone."""
        from azure.core import MatchConditions

        only_then = MatchConditions.IfNotModified
        outcome = self._attempt(
            table, lambda client: client.delete_entity(partition, key, etag=etag, match_condition=only_then)
        )
        if isinstance(outcome, _Refusal) and outcome.code not in _OVERTAKEN:
            raise self._explained(table, outcome)

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _insert(self, table: str, row: Mapping[str, Any]) -> "str | _Refusal":
        return self._attempt(table, lambda client: _etag(client.create_entity(dict(row), retry_on_methods=_REPEATED)))

    def _make_table(self, table: str) -> None:
        outcome = self._attempt(table, lambda client: client.create_table(retry_on_methods=_REPEATED))
        if isinstance(outcome, _Refusal) and outcome.code != "TableAlreadyExists":
            raise self._explained(table, outcome)

    def _settled(self, table: str, row: Mapping[str, Any], outcome: "str | _Refusal") -> str | None:
        """The tag of the written row, also if its answer was lost and the repetition therefore came too late."""
        if isinstance(outcome, str):
            return outcome
        if outcome.code not in _OVERTAKEN:
            raise self._explained(table, outcome)
        standing = self.get(table, row["PartitionKey"], row["RowKey"])
        return standing.etag if standing and standing.values.get(_MARK) == row[_MARK] else None

    def _attempt(self, table: str, ask: "Callable[[TableClient], T]") -> "T | _Refusal":
        from azure.core.exceptions import AzureError

        try:
            return ask(self._client(table))
        except AzureError as error:
            return _refusal(error)
        except (
            AttributeError,
            IndexError,
            KeyError,
            TypeError,
            ValueError,
        ):  # the library met an answer it cannot read
            return _Refusal(status=200)

    def _client(self, table: str) -> "TableClient":
        from azure.data.tables import TableClient  # not of a TableServiceClient: those sleep on their own

        if table not in self._clients:
            self._clients[table] = TableClient(
                self.endpoint, table, credential=self._credential, transport=self._transport, **_RETRIES
            )
        return self._clients[table]

    def _explained(self, table: str, refusal: _Refusal) -> ConsentReportError:
        """The failure in our words."""
        place = f"The record of runs (table {table} at {self.endpoint})"
        if refusal.no_identity:
            return LedgerRefusedError(
                f"{place} cannot be used: Azure gave this machine no identity. On your own computer run `az login`; in "
                "Azure assign the function app a managed identity (and AzureWebJobsStorage__clientId, if it is a "
                "user-assigned one)."
            )
        if refusal.status is None:
            return LedgerUnavailableError(
                f"{place} cannot be reached. Check the name of the storage account and the network (HTTPS_PROXY, "
                "REQUESTS_CA_BUNDLE); the same run may work later."
            )
        asked = f" (status {refusal.status}, request id {refusal.request_id or 'unknown'})"
        return _explained_by_status(place, asked, refusal)


def _explained_by_status(place: str, asked: str, refusal: _Refusal) -> ConsentReportError:
    status = refusal.status or 0
    if status in _BUSY_STATUSES or status >= 500:
        return LedgerUnavailableError(f"{place} is busy or down{asked}. The same run may work later.")
    if status in (401, 403):
        return LedgerRefusedError(f"{place} refused{asked}: {_WHY_REFUSED.get(refusal.code, _NO_RIGHT)}.")
    if status < 400 or not refusal.is_storage:
        return LedgerUnavailableError(
            f"{place}: something else than a table service answered{asked}, such as a network's sign-in page. Check "
            "the network (HTTPS_PROXY); the same run may work later."
        )
    return LedgerRefusedError(
        f"{place} does not take the request{asked}. Check that the account of AzureWebJobsStorage is a general-purpose "
        "one, with tables."
    )


def _credential(storage: TableStorage, transport: "RequestsTransport") -> "AzureNamedKeyCredential | TokenCredential":
    if storage.key is None:
        return find_identity(transport, _RETRIES, managed=storage.managed, client_id=storage.client_id)
    from azure.core.credentials import AzureNamedKeyCredential

    return AzureNamedKeyCredential(storage.account, storage.key.reveal())


def _row(entity: "TableEntity") -> Row:
    return Row({"PartitionKey": entity["PartitionKey"], "RowKey": entity["RowKey"], **entity}, _etag(entity.metadata))


def _etag(answer: Mapping[str, Any]) -> str:
    """The tag of a row; raises ValueError if the answer has none, so that it is not from a table service."""
    etag = answer["etag"]
    if not isinstance(etag, str) or not etag:
        raise ValueError("no tag")
    return etag


def _refusal(error: "AzureError") -> _Refusal:
    from azure.core.exceptions import ClientAuthenticationError

    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None)
    if response is None or status is None:
        return _Refusal(no_identity=isinstance(error, ClientAuthenticationError))
    request_id = str(response.headers.get("x-ms-request-id", ""))
    return _Refusal(int(status), _code_in(response), request_id, is_storage=bool(request_id))


def _code_in(response: Any) -> str:
    """The table service's word for what is wrong, e.g. ``TableNotFound``; empty if the answer is not of its form."""
    try:
        return str(json.loads(response.text())["odata.error"]["code"])
    except Exception:  # whatever else the answer may be
        return ""
