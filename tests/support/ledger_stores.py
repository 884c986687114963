"""The two stores of the run history in tests: opened often, edited by hand, and used by many threads at once."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableServiceClient

from consent.config.credentials import Secret
from consent.config.settings import Network
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.serialization import row_of
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.ledger.storage_account import TableStorage
from consent.runs.ledger.table import TABLE, TableLedger
from sandbox.azurite import ACCOUNT, KEY

T = TypeVar("T")


class Store(Protocol):
    """A place that holds a run history."""

    def open(self) -> RunLedger:
        """Open the store once more, as another process would."""


@dataclass
class SqliteStore:
    """A file."""

    path: Path
    wait_seconds: float = 20.0

    def open(self) -> SqliteLedger:
        return SqliteLedger(self.path, wait_seconds=self.wait_seconds)

    def execute(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement as a person with ``sqlite3`` would."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()


@dataclass
class TableStore:
    """A table of a storage account; ``waits`` are the seconds that its ledgers would have slept."""

    url: str
    key: str = KEY
    account: str = ACCOUNT
    read_seconds: float = 30.0
    waits: list[float] = field(default_factory=list)
    opened: ExitStack = field(default_factory=ExitStack)

    def open(self) -> TableLedger:
        storage = TableStorage(self.url, self.account, Secret("AzureWebJobsStorage", self.key))
        ledger = TableLedger(storage, network=Network(), sleep=self.waits.append, read_seconds=self.read_seconds)
        self.opened.callback(ledger.close)
        return ledger

    def edit(self, study: str, key: str, column: str, change: Callable[[Any], Any]) -> None:
        """Change a column of a row behind the ledger's back."""
        with self.service() as service:
            client = service.get_table_client(TABLE)
            entity = client.get_entity(study, key)
            client.update_entity({**entity, column: change(entity[column])}, mode="replace")

    def service(self) -> TableServiceClient:
        """Return Microsoft's own client, for what a person does in Storage Explorer."""
        return TableServiceClient(self.url, credential=AzureNamedKeyCredential(self.account, self.key))

    def add_hundreds(self, record: RunRecord, hundreds: int) -> None:
        """Add copies of a record under other ids, a hundred at a time."""
        row = {name: value for name, value in row_of(record).items() if name not in ("study", "key")}
        with self.service() as service:
            for hundred in range(hundreds):
                keys = [{"PartitionKey": record.study, "RowKey": f"{record.study}.{hundred}-{n}"} for n in range(100)]
                service.get_table_client(TABLE).submit_transaction([("create", {**row, **key}) for key in keys])

    def close(self) -> None:
        """Remove the table, and close what was opened."""
        self.opened.close()
        self.remove_table()

    def remove_table(self) -> None:
        """Delete everything."""
        with self.service() as service:
            service.delete_table(TABLE)


def at_once(count: int, do: Callable[[int], T]) -> list[T]:
    """Return the results of ``do(0)``, ``do(1)``, …, all started at the same moment in threads of their own."""
    ready = threading.Barrier(count)

    def one(number: int) -> T:
        ready.wait()
        return do(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def kept(ledger: RunLedger, record: RunRecord) -> RunRecord:
    """Add a record and return it with its version."""
    return there(ledger.add(record))


def there(found: T | None) -> T:
    """Return what was found; fail if nothing was."""
    assert found is not None
    return found
