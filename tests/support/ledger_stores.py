"""The two stores of the run ledger as tests see them: opened often, edited by hand, and asked by many at once."""

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
from consent.runs.ledger.record import RunLedger, RunRecord, study_of
from consent.runs.ledger.serialization import row_of
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.ledger.storage_account import TableStorage
from consent.runs.ledger.table import RUNS, STUDIES, TableLedger
from sandbox.azurite import ACCOUNT, KEY

T = TypeVar("T")


class Store(Protocol):
    """Where records are kept, whichever it is."""

    def open(self) -> RunLedger:
        """Another ledger over the same store, as another process has it."""

    def edit_run(self, run_id: str, column: str, value: Any) -> None:
        """Change a record behind the ledger's back; None empties the column."""

    def edit_lease(self, study: str, column: str, value: Any) -> None:
        """Change a claim behind the ledger's back."""

    def edit_first_seen(self, study: str, value: Any) -> None:
        """Change when a study was first seen."""


@dataclass
class SqliteStore:
    """A file."""

    path: Path
    wait_seconds: float = 20.0

    def open(self) -> SqliteLedger:
        return SqliteLedger(self.path, wait_seconds=self.wait_seconds)

    def edit_run(self, run_id: str, column: str, value: Any) -> None:
        self.execute(f'UPDATE runs SET "{column}" = ? WHERE run_id = ?', value, run_id)

    def edit_lease(self, study: str, column: str, value: Any) -> None:
        self.execute(f"UPDATE claims SET {column} = ? WHERE study = ?", value, study)

    def edit_first_seen(self, study: str, value: Any) -> None:
        self.execute("UPDATE studies SET first_seen = ? WHERE study = ?", value, study)

    def execute(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement as a person with ``sqlite3`` would."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()


@dataclass
class TableStore:
    """Two tables of a storage account; ``waits`` are the seconds that its ledgers would have slept."""

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

    def edit_run(self, run_id: str, column: str, value: Any) -> None:
        self._edit(RUNS, study_of(run_id), run_id, column, value)

    def edit_lease(self, study: str, column: str, value: Any) -> None:
        self._edit(STUDIES, study, "claim", column, value)

    def edit_first_seen(self, study: str, value: Any) -> None:
        self._edit(STUDIES, study, "first-seen", "at", value)

    def service(self) -> TableServiceClient:
        """Microsoft's own client, for what a person does in Storage Explorer."""
        return TableServiceClient(self.url, credential=AzureNamedKeyCredential(self.account, self.key))

    def add_hundreds(self, record: RunRecord, hundreds: int) -> None:
        """Add copies of a record, a hundred at a time, under ids of their own."""
        columns = {name: value for name, value in row_of(record).items() if value is not None}
        with self.service() as service:
            for hundred in range(hundreds):
                keys = [{"PartitionKey": record.study, "RowKey": f"{record.study}.{hundred}-{n}"} for n in range(100)]
                rows = [("create", {**columns, **key}) for key in keys]
                service.get_table_client(RUNS).submit_transaction(rows)

    def close(self) -> None:
        """Remove the tables, and close what was opened."""
        self.opened.close()
        self.remove_tables()

    def remove_tables(self) -> None:
        """Leave nothing."""
        with self.service() as service:
            for table in (RUNS, STUDIES):
                service.delete_table(table)

    def _edit(self, table: str, partition: str, key: str, column: str, value: Any) -> None:
        with self.service() as service:
            client = service.get_table_client(table)
            client.update_entity({**client.get_entity(partition, key), column: value}, mode="replace")


def at_once(count: int, do: Callable[[int], T]) -> list[T]:
    """What ``do(0)``, ``do(1)``, … gave, all begun in the same moment in threads of their own."""
    ready = threading.Barrier(count)

    def one(number: int) -> T:
        ready.wait()
        return do(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def kept(ledger: RunLedger, record: RunRecord) -> RunRecord:
    """The record as it was added, with its version."""
    return there(ledger.add(record))


def there(found: T | None) -> T:
    """What was found, which must be something."""
    assert found is not None
    return found
