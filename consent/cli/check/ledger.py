"""Examines the record of runs, and the storage account of the function app where one is set.

Changes nothing. A SQLite file that is not there yet is not made; whether a table may be written to is not tried.
"""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from consent.cli.check.context import CheckContext
from consent.cli.check.findings import FindingCollector
from consent.config.checks import dropbox_sandbox_url
from consent.config.settings import Settings
from consent.runs.ledger.record import RunLedger, RunRecord
from consent.runs.ledger.storage_account import STORAGE_SETTING, TableStorage, table_storage
from consent.runs.ledger.store import open_ledger
from consent.studies.model import StudyConfig

if TYPE_CHECKING:
    from consent.runs.ledger.sqlite import SqliteLedger

_STORAGE_SETTINGS = tuple(f"{STORAGE_SETTING}{end}" for end in ("", "__accountName", "__tableServiceUri"))


def examine_ledger(
    studies: Sequence[StudyConfig], settings: Settings, tools: CheckContext, notes: FindingCollector
) -> dict[str, RunRecord]:
    """Note whether the record of runs can be read, and give the last delivered report of each study that has one."""
    ledger = notes.attempt(lambda: open_ledger(settings, default="table" if settings.in_azure else "sqlite"))
    if ledger is None:
        return {}
    with closing(ledger):
        file = _file_behind(ledger)
        if file is not None and any(settings.has(name) for name in _STORAGE_SETTINGS):
            _examine_storage(settings, tools, notes.about("Storage, for the function app alone"))
        if file is not None and not notes.succeeds(file.ensure_writable):
            return {}
        if file is not None and not file.path.exists():
            notes.ok(f"Runs will be recorded in {file.path}")
            return {}
        found = notes.attempt(lambda: _last_reports(ledger, studies, settings))
        if found is not None:
            notes.ok(f"Runs are recorded in {file.path if file else 'the tables of the storage account'}")
        return found or {}


def _file_behind(ledger: RunLedger) -> "SqliteLedger | None":
    from consent.runs.ledger.sqlite import SqliteLedger

    return ledger if isinstance(ledger, SqliteLedger) else None


def _last_reports(ledger: RunLedger, studies: Sequence[StudyConfig], settings: Settings) -> dict[str, RunRecord]:
    sandbox = dropbox_sandbox_url(settings) is not None
    found = {study.key: ledger.last_report(study.key, sandbox=sandbox) for study in studies}
    return {key: record for key, record in found.items() if record is not None}


def _examine_storage(settings: Settings, tools: CheckContext, notes: FindingCollector) -> None:
    """The account that the function app would use, and a run from the command line does not."""
    from consent.runs.ledger.table import TableLedger

    def ask() -> TableStorage:
        storage = table_storage(settings)
        with closing(TableLedger(storage, network=settings.network, sleep=tools.sleep)) as ledger:
            ledger.runs(since=tools.now())
        return storage

    storage = notes.attempt(ask, state="warning")
    if storage is None:
        return
    notes.ok(f"Its tables can be read, at {storage.endpoint}")
    if storage.key is None:
        notes.unknown(
            "Whether the app may use its blobs and queues cannot be seen from here",
            "Give the app's identity the roles 'Storage Blob Data Owner', 'Storage Queue Data Contributor' and "
            "'Storage Table Data Contributor'.",
        )
