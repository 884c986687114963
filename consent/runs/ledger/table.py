"""The run ledger in Azure Table storage, for the function app: a row a run, and a row for the claim on a study.

Every change is made only if nobody else was faster. How to talk to the storage account is ``table_service.py``'s.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from consent.config.azure_identity import READ_SECONDS
from consent.config.settings import Network
from consent.runs.ledger.queries import forget_counts_in, last_report_in, newest_first, report_before_in
from consent.runs.ledger.record import LeaseRecord, RunRecord, study_of
from consent.runs.ledger.serialization import (
    COLUMNS,
    changed_meanwhile,
    first_seen_in,
    instant_text,
    lease_in,
    record_in,
    row_of,
    row_of_lease,
)
from consent.runs.ledger.storage_account import TableStorage
from consent.runs.ledger.table_client import Row, TableService

RUNS = "ConsentRuns"
STUDIES = "ConsentStudies"

_CLAIM = "lease"
_FIRST_SEEN = "first-seen"
_KEYS = {"study": "PartitionKey", "run_id": "RowKey"}
_LISTED = ["Timestamp", *(_KEYS.get(name, name) for name in COLUMNS if name != "week_counts")]
_NO_KEY_HOLDS = frozenset("/\\#?")  # nor what cannot be printed


class TableLedger:
    """Keeps the records and claims of runs in a storage account; see ``RunLedger`` for what each method promises.

    The tables are made when the first row is written. sleep and read_seconds are for tests.
    """

    def __init__(
        self,
        storage: TableStorage,
        *,
        network: Network,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._tables = TableService(storage, network=network, sleep=sleep, read_seconds=read_seconds)

    def add(self, record: RunRecord) -> RunRecord | None:
        etag = self._tables.insert(RUNS, _entity_of(record))
        return None if etag is None else replace(record, version=etag)

    def read(self, run_id: str) -> RunRecord | None:
        if not run_id.isprintable() or _NO_KEY_HOLDS & set(run_id):
            return None
        row = self._tables.get(RUNS, study_of(run_id), run_id)
        return None if row is None else _record_in(row)

    def write(self, record: RunRecord) -> RunRecord:
        etag = self._tables.replace(RUNS, _entity_of(record), record.version) if record.version else None
        if etag is None:
            raise changed_meanwhile(record.run_id)
        return replace(record, version=etag)

    def runs(self, study: str | None = None, *, since: datetime | None = None) -> list[RunRecord]:
        question = "requested_at ge @since" + ("" if study is None else " and PartitionKey eq @study")
        asked = {"since": "" if since is None else instant_text(since), "study": study}
        return newest_first(_record_in(row) for row in self._tables.query(RUNS, question, asked, _LISTED))

    def last_report(self, study: str, *, sandbox: bool) -> RunRecord | None:
        return last_report_in(self, study, sandbox=sandbox)

    def report_before(self, study: str, cutoff: date, *, sandbox: bool) -> RunRecord | None:
        return report_before_in(self, study, cutoff, sandbox=sandbox)

    def lease_of(self, study: str) -> LeaseRecord | None:
        row = self._tables.get(STUDIES, study, _CLAIM)
        if row is None:
            return None
        return lease_in({**row.values, "study": study}, row.etag, place=f"table {STUDIES}")

    def put_lease(self, lease: LeaseRecord) -> LeaseRecord | None:
        row = row_of_lease(lease)
        entity = {"PartitionKey": row.pop("study"), "RowKey": _CLAIM, **row}
        if lease.version:
            etag = self._tables.replace(STUDIES, entity, lease.version)
        else:
            etag = self._tables.insert(STUDIES, entity)
        return None if etag is None else replace(lease, version=etag)

    def drop_lease(self, lease: LeaseRecord) -> None:
        if lease.version:
            self._tables.delete(STUDIES, lease.study, _CLAIM, lease.version)

    def first_seen(self, study: str, now: datetime) -> datetime:
        seen = self._seen(study)
        if seen is not None:
            return seen
        entity = {"PartitionKey": study, "RowKey": _FIRST_SEEN, "at": instant_text(now)}
        self._tables.insert(STUDIES, entity)
        return self._seen(study) or now

    def purge_counts(self, before: datetime) -> int:
        return forget_counts_in(self, before)

    def close(self) -> None:
        self._tables.close()

    def _seen(self, study: str) -> datetime | None:
        row = self._tables.get(STUDIES, study, _FIRST_SEEN)
        return None if row is None else first_seen_in(row.values.get("at"), study, place=f"table {STUDIES}")


def _entity_of(record: RunRecord) -> dict[str, Any]:
    return {_KEYS.get(name, name): value for name, value in row_of(record).items() if value is not None}


def _record_in(row: Row) -> RunRecord:
    values = {**row.values, "study": row.values["PartitionKey"], "run_id": row.values["RowKey"]}
    return record_in(values, row.etag, place=f"table {RUNS}")
