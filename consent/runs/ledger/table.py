"""The run history in Azure Table storage, for the function app, and every way in which a request can fail.

Messages of Azure's library and of servers are never passed on: they may quote what was sent.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient, TableEntity, UpdateMode

from consent.config.azure_identity import LOGIN_URL, READ_SECONDS, azure_transport, find_identity
from consent.config.http_session import new_session
from consent.config.settings import Network
from consent.errors import ConsentReportError, LedgerRefusedError, LedgerUnavailableError
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.serialization import Row, StoredRow
from consent.runs.ledger.storage_account import TableStorage

TABLE = "ConsentRuns"

T = TypeVar("T")

_RETRIES: dict[str, Any] = {"retry_total": 3, "retry_backoff_factor": 0.2, "retry_backoff_max": 1}
# The library does not retry an insertion; here a repeated one is recognised by its mark.
_RETRIED = frozenset({"GET", "POST", "PUT", "DELETE"})
_LONGEST_WAIT_SECONDS = 5.0
_MARK = "write_id"
_KEYS = {"study": "PartitionKey", "key": "RowKey"}
_LISTED = ["Timestamp", *_KEYS.values(), "requested_at", "document"]
_NO_TABLE = "TableNotFound"
_NO_ROW = (_NO_TABLE, "ResourceNotFound", "EntityNotFound")
_OVERTAKEN = (*_NO_ROW, "EntityAlreadyExists", "UpdateConditionNotSatisfied", "ConditionNotMet")
_BUSY_STATUSES = (408, 425, 429)

_RETRY_LATER = (
    "Check the name of the storage account and the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE), then run again."
)
_NO_RIGHT = (
    "Check the account key in AzureWebJobsStorage. For an identity, assign the role 'Storage Table Data Contributor' "
    "(allow ten minutes) and let 'Networking' of the account admit this machine."
)
_NO_IDENTITY = (
    "On your own computer run `az login`; in Azure assign the function app a managed identity (with "
    "AzureWebJobsStorage__clientId if it is user-assigned)."
)
_NO_TABLES = "Check that the account of AzureWebJobsStorage is a general-purpose account with tables."
_FIXES = {
    "AccountIsDisabled": "The storage account is disabled: ask the owner of the subscription.",
    "KeyBasedAuthenticationNotPermitted": "The account accepts no keys: set AzureWebJobsStorage__accountName instead "
    "of AzureWebJobsStorage, and give the app's identity the role 'Storage Table Data Contributor'.",
}


@dataclass(frozen=True)
class _Failure:
    """A failed request; ``code`` is the table service's own, empty if something else responded."""

    status: int | None = None
    code: str = ""
    request_id: str = ""
    is_storage: bool = False
    no_identity: bool = False


class TableLedger(RunLedger):
    """The run history in a storage account; the first write creates its table. A row's version is its ETag.

    sleep and read_seconds are for tests.
    """

    def __init__(
        self,
        storage: TableStorage,
        *,
        network: Network,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.place = f"table {TABLE} at {storage.endpoint}"
        # Azure serves identities at a plain http address of the machine itself, which no proxy can reach.
        reached = network if storage.key else replace(network, http_proxy=None)
        self._session = new_session(reached, storage.endpoint, LOGIN_URL)
        transport = azure_transport(self._session, sleep, longest_wait=_LONGEST_WAIT_SECONDS, read_seconds=read_seconds)
        # Not of a TableServiceClient: those sleep without ``sleep``.
        sign_in: dict[str, Any] = {"credential": _credential(storage, transport), "transport": transport}
        self._client = TableClient(storage.endpoint, TABLE, **sign_in, **_RETRIES)

    def _get(self, study: str, key: str) -> StoredRow | None:
        outcome = self._attempt(lambda client: _row(client.get_entity(study, key)))
        if not isinstance(outcome, _Failure):
            if (outcome["study"], outcome["key"]) == (study, key):
                return outcome
            outcome = _Failure(status=200)
        if outcome.code in _NO_ROW:
            return None
        raise self._explained(outcome)

    def _query(self, study: str | None, since: str) -> list[StoredRow]:
        query = "requested_at ge @since" + ("" if study is None else " and PartitionKey eq @study")
        named = {"since": since, "study": study}
        outcome = self._attempt(
            lambda client: [_row(e) for e in client.query_entities(query, parameters=named, select=_LISTED)]
        )
        if not isinstance(outcome, _Failure):
            return outcome
        if outcome.code == _NO_TABLE:
            return []
        raise self._explained(outcome)

    def _insert(self, row: Row) -> str | None:
        entity = _entity(row)
        outcome = self._create(entity)
        if isinstance(outcome, _Failure) and outcome.code == _NO_TABLE:
            self._make_table()
            outcome = self._create(entity)
        return self._settled(entity, outcome)

    def _replace(self, row: Row, version: str) -> str | None:
        entity = _entity(row)
        how: dict[str, Any] = {"mode": UpdateMode.REPLACE, "match_condition": MatchConditions.IfNotModified}
        outcome = self._attempt(lambda client: _etag(client.update_entity(entity, etag=version, **how)))
        return self._settled(entity, outcome)

    def _delete(self, study: str, key: str, version: str) -> None:
        how: dict[str, Any] = {"match_condition": MatchConditions.IfNotModified}
        outcome = self._attempt(lambda client: client.delete_entity(study, key, etag=version, **how))
        if isinstance(outcome, _Failure) and outcome.code not in _OVERTAKEN:
            raise self._explained(outcome)

    def close(self) -> None:
        self._session.close()

    def _create(self, entity: dict[str, Any]) -> str | _Failure:
        return self._attempt(lambda client: _etag(client.create_entity(entity, retry_on_methods=_RETRIED)))

    def _make_table(self) -> None:
        outcome = self._attempt(lambda client: client.create_table(retry_on_methods=_RETRIED))
        if isinstance(outcome, _Failure) and outcome.code != "TableAlreadyExists":
            raise self._explained(outcome)

    def _settled(self, entity: Mapping[str, Any], outcome: str | _Failure) -> str | None:
        """Return the version of the written row, even if its response was lost and the retry found the row in place."""
        if isinstance(outcome, str):
            return outcome
        if outcome.code not in _OVERTAKEN:
            raise self._explained(outcome)
        current = self._get(entity["PartitionKey"], entity["RowKey"])
        return current["version"] if current and current.get(_MARK) == entity[_MARK] else None

    def _attempt(self, ask: Callable[[TableClient], T]) -> T | _Failure:
        try:
            return ask(self._client)
        except AzureError as error:
            return _failure(error)
        except (
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            OverflowError,
            RecursionError,
        ):  # the library cannot read the response
            return _Failure(status=200)

    def _explained(self, failure: _Failure) -> ConsentReportError:
        place = f"The run history ({self.place})"
        response = f"(status {failure.status}, request id {failure.request_id or 'unknown'})"
        if failure.no_identity:
            return LedgerRefusedError(f"{place} cannot be used: Azure gave this machine no identity.", _NO_IDENTITY)
        if failure.status is None:
            return LedgerUnavailableError(f"{place} cannot be reached.", _RETRY_LATER)
        if failure.status in _BUSY_STATUSES or failure.status >= 500:
            return LedgerUnavailableError(f"{place} is busy or down {response}.", "Run again later.")
        if failure.status in (401, 403):
            return LedgerRefusedError(f"{place} refused access {response}.", _FIXES.get(failure.code, _NO_RIGHT))
        if failure.status < 400 or not failure.is_storage:
            what = f"{place}: the response is not from a table service {response}; it may be a network's sign-in page."
            return LedgerUnavailableError(what, _RETRY_LATER)
        return LedgerRefusedError(f"{place} rejected the request {response}.", _NO_TABLES)


def _credential(storage: TableStorage, transport: RequestsTransport) -> AzureNamedKeyCredential | TokenCredential:
    if storage.key is None:
        return find_identity(transport, _RETRIES, managed=storage.managed, client_id=storage.client_id)
    return AzureNamedKeyCredential(storage.account, storage.key.reveal())


def _entity(row: Row) -> dict[str, Any]:
    return {_KEYS.get(name, name): value for name, value in row.items()} | {_MARK: uuid4().hex}


def _row(entity: TableEntity) -> StoredRow:
    return {**entity, **{name: entity[key] for name, key in _KEYS.items()}, "version": _etag(entity.metadata)}


def _etag(response: Mapping[str, Any]) -> str:
    """Return the tag of a row; raises ValueError without one: then the response is not from a table service."""
    etag = response["etag"]
    if not isinstance(etag, str) or not etag:
        raise ValueError("no tag")
    return etag


def _failure(error: AzureError) -> _Failure:
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None)
    if response is None or status is None:
        return _Failure(no_identity=isinstance(error, ClientAuthenticationError))
    request_id = str(response.headers.get("x-ms-request-id", ""))
    return _Failure(int(status), _code_in(response), request_id, is_storage=bool(request_id))


def _code_in(response: Any) -> str:
    """Return the table service's error code, such as ``TableNotFound``; empty if the response has none."""
    try:
        return str(json.loads(response.text())["odata.error"]["code"])
    except Exception:  # the response may be anything
        return ""
