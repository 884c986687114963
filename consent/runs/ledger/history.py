"""The run history: records of runs and leases on studies, in an Azure table or a SQLite file."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from consent.errors import RecordChangedError
from consent.files import LONGEST_NAME
from consent.runs.ledger.record import LeaseRecord, RunRecord, is_run_id, study_of
from consent.runs.ledger.serialization import Row, StoredRow, instant_text, read_row, row_of, small_row

LEASE, FIRST_SEEN, FORM_KEY = "lease", "first-seen", "form-key"  # keys of a study's other rows
NOTICE = "notice-"  # the start of the key of a notice

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class RunLedger(ABC):
    """The run history, over rows by ``study`` and ``key`` that each store keeps in its own way.

    Each change is atomic, and safe to repeat if its response was lost. Instants are aware, in UTC, to the microsecond.
    All methods raise ``LedgerUnavailableError`` or ``LedgerRefusedError``.
    """

    place: str  # for messages

    @abstractmethod
    def _get(self, study: str, key: str) -> StoredRow | None:
        """Return the row with these keys."""

    @abstractmethod
    def _query(self, study: str | None, since: str) -> list[StoredRow]:
        """Return the rows of a study (or all) that have ``requested_at``, from then on, without weekly counts."""

    @abstractmethod
    def _insert(self, row: Row) -> str | None:
        """Add a row and return its version; None if its keys exist."""

    @abstractmethod
    def _replace(self, row: Row, version: str) -> str | None:
        """Replace the row of this version and return the new one; None if the row changed or is gone."""

    @abstractmethod
    def _delete(self, study: str, key: str, version: str) -> None:
        """Remove the row of this version, if it is still there."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def add(self, record: RunRecord) -> RunRecord | None:
        """Store a new record and return it with its version; None if its id exists."""
        version = self._insert(row_of(record))
        return None if version is None else replace(record, version=version)

    def read(self, run_id: str) -> RunRecord | None:
        """Return the record with this id, including its weekly counts."""
        row = self._get(study_of(run_id), run_id) if is_run_id(run_id) else None
        return None if row is None else self._record(row)

    def put_record(self, record: RunRecord) -> RunRecord | None:
        """Replace the record of the same version and return it with its new one; None if another process changed it."""
        version = self._replace(row_of(record), record.version) if record.version else None
        return None if version is None else replace(record, version=version)

    def write(self, record: RunRecord) -> RunRecord:
        """Replace a record as ``put_record`` does; raises RecordChangedError if another process changed it."""
        written = self.put_record(record)
        if written is None:
            raise RecordChangedError(
                f"Another process changed the record of run {record.run_id}, so this change was not stored.",
                "Look at the run with `consent runs`.",
            )
        return written

    def runs(self, study: str | None = None, *, since: datetime | None = None) -> list[RunRecord]:
        """Return the records of a study (or all) requested since then, newest first, without weekly counts."""
        if study is not None and (len(study) > LONGEST_NAME or not study.isprintable()):
            return []  # no study has such a key, and a store may reject it
        records = map(self._record, self._query(study, "" if since is None else instant_text(since)))
        return sorted(records, key=lambda record: (record.requested_at, record.run_id), reverse=True)

    def last_reports(self, study: str, before: date | None = None, *, sandbox: bool) -> list[RunRecord]:
        """Return the runs of a study's reports as ``reports_in`` does; only the first has its weekly counts."""
        found = reports_in(self.runs(study), before, sandbox=sandbox)
        newest = self.read(found[0].run_id) if found else None
        return [newest, *found[1:]] if newest else []

    def lease_of(self, study: str) -> LeaseRecord | None:
        """Return the lease on a study, expired or not."""
        row = self._get(study, LEASE)
        return None if row is None else read_row(LeaseRecord, row, f"The lease on '{study}' in {self.place}")

    def put_lease(self, lease: LeaseRecord) -> LeaseRecord | None:
        """Replace the lease of the same version (or create one, if the version is empty); None if it changed."""
        row = small_row(lease.study, LEASE, lease)
        version = self._replace(row, lease.version) if lease.version else self._insert(row)
        return None if version is None else replace(lease, version=version)

    def drop_lease(self, lease: LeaseRecord) -> None:
        """Remove the lease of this version, if it still exists."""
        if lease.version:
            self._delete(lease.study, LEASE, lease.version)

    def first_seen(self, study: str, now: datetime) -> datetime:
        """Return when this was first called for the study; the first time, that is now."""
        row = self._kept(study, FIRST_SEEN, now)
        return now if row is None else read_row(datetime, row, f"The first sight of '{study}' in {self.place}")

    def form_key(self, study: str, new: str) -> str:
        """Return the key of the page's forms, which all instances share; the first time, that is ``new``."""
        row = self._kept(study, FORM_KEY, new)
        return new if row is None else read_row(str, row, f"The form key of '{study}' in {self.place}")

    def add_notice(self, study: str, event: str, now: datetime) -> bool:
        """Record that the notice of an event is sent; False if another call, of any process, did so before."""
        return self._insert(small_row(study, f"{NOTICE}{event}", now)) is not None

    def purge_counts(self, before: datetime) -> int:
        """Remove the numbers of ended runs requested earlier: counts, weeks, error sentences and remarks.

        A study's current report keeps them. Returns how many records lost theirs.
        """
        old = _records_to_purge(self.runs(), before)
        purged = [
            self.put_record(replace(run, counts=None, week_counts=None, what="", fix="", remarks=())) for run in old
        ]
        return len([record for record in purged if record])  # the next purge looks at the others again

    def _kept(self, study: str, key: str, value: datetime | str) -> StoredRow | None:
        """Return the row with these keys; add it if there is none."""
        row = self._get(study, key)
        if row is None:
            self._insert(small_row(study, key, value))
            row = self._get(study, key)  # another process may have been faster
        return row

    def _record(self, row: StoredRow) -> RunRecord:
        return read_row(RunRecord, row, f"The record of run {row['key']} in {self.place}")


def reports_in(records: Iterable[RunRecord], before: date | None = None, *, sandbox: bool) -> list[RunRecord]:
    """Return the records of reports, newest first: by the cut-off, then by the end.

    before: look only at reports with an earlier cut-off than this day.
    """
    reports = [record for record in records if record.is_report and record.sandbox == sandbox]
    if before is not None:
        reports = [record for record in reports if record.cutoff is not None and record.cutoff < before]
    return sorted(reports, key=lambda run: (run.cutoff or date.min, run.finished_at or _LONG_AGO), reverse=True)


def newest_report(records: Iterable[RunRecord], before: date | None = None, *, sandbox: bool) -> RunRecord | None:
    """Return the first of ``reports_in``."""
    return next(iter(reports_in(records, before, sandbox=sandbox)), None)


def _records_to_purge(records: Sequence[RunRecord], before: datetime) -> list[RunRecord]:
    """Return the ended runs requested earlier that still have numbers, except every study's current report."""
    by_study: dict[tuple[str, bool], list[RunRecord]] = {}
    for record in records:
        by_study.setdefault((record.study, record.sandbox), []).append(record)
    current = [newest_report(runs, sandbox=sandbox) for (_, sandbox), runs in by_study.items()]
    ended = [run for run in records if run.requested_at < before and run not in current and not run.is_open]
    return [run for run in ended if run.counts or run.what or run.fix or run.remarks]
