"""The run history in Azure Table storage, for the function app: one row per run, and one per study for its lease."""

import time
from collections.abc import Callable

from consent.config.azure_identity import READ_SECONDS
from consent.config.settings import Network
from consent.runs.ledger.storage_account import TableStorage
from consent.runs.ledger.store import RunLedger
from consent.runs.ledger.table_client import TableRows


class TableLedger(RunLedger):
    """The run history in a storage account; the first write creates its tables. sleep, read_seconds: for tests."""

    def __init__(
        self,
        storage: TableStorage,
        *,
        network: Network,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        super().__init__(TableRows(storage, network=network, sleep=sleep, read_seconds=read_seconds))
