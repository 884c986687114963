"""Check the run history, and the storage account of the function app if one is set. Nothing is created or changed."""

from collections.abc import Sequence
from contextlib import closing

from consent.cli.check.context import CheckContext
from consent.cli.check.findings import FindingCollector
from consent.config.checks import dropbox_sandbox_url
from consent.config.settings import Settings
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.storage_account import STORAGE_SETTING, TableStorage, table_storage
from consent.runs.ledger.store import open_ledger
from consent.studies.model import StudyConfig


def check_ledger(
    studies: Sequence[StudyConfig], settings: Settings, context: CheckContext, findings: FindingCollector
) -> dict[str, list[RunRecord]]:
    """Check that the run history can be read, and return the delivered reports of each study, newest first."""
    from consent.runs.ledger.sqlite import SqliteLedger

    ledger = findings.attempt(lambda: open_ledger(settings, default="table" if settings.in_azure else "sqlite"))
    if ledger is None:
        return {}

    def last_reports() -> dict[str, list[RunRecord]]:
        sandbox = dropbox_sandbox_url(settings) is not None
        return {study.key: ledger.last_reports(study.key, sandbox=sandbox) for study in studies}

    with closing(ledger):
        if isinstance(ledger, SqliteLedger):
            if any(settings.has(f"{STORAGE_SETTING}{end}") for end in ("", "__accountName", "__tableServiceUri")):
                _check_app_storage(settings, context, findings.about("Function app storage"))
            if not findings.succeeds(ledger.ensure_writable):
                return {}
            if not ledger.path.exists():
                findings.ok(f"Runs will be recorded in {ledger.place}.")
                return {}
        found = findings.attempt(last_reports)
        if found is not None:
            findings.ok(f"Runs are recorded in {ledger.place}.")
        return found or {}


def _check_app_storage(settings: Settings, context: CheckContext, findings: FindingCollector) -> None:
    """Check the account that only the function app uses; a run from the command line does not need it."""
    from consent.runs.ledger.table import TableLedger

    def read() -> TableStorage:
        storage = table_storage(settings)
        with closing(TableLedger(storage, network=settings.network, sleep=context.sleep)) as ledger:
            ledger.runs(since=context.now())
        return storage

    storage = findings.attempt(read, state="warning")
    if storage is None:
        return
    findings.ok(f"Its tables can be read at {storage.endpoint}.")
    if storage.key is None:
        findings.unknown(
            "Whether the app may use its blobs and queues cannot be seen from here.",
            "Give the app's identity the roles 'Storage Blob Data Owner', 'Storage Queue Data Contributor' and "
            "'Storage Table Data Contributor'.",
        )
