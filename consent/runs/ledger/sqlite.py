"""The run ledger in one SQLite file, for the command line: nothing to set up, and ``sqlite3`` shows it to a person.

Opens the file anew for every call, so that any thread, any process and a cut-off one can be beside another. Does not
need write-ahead logging, which network drives refuse.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from uuid import uuid4

from consent.errors import ConsentReportError, LedgerRefusedError, LedgerUnavailableError
from consent.runs.ledger.queries import forget_counts_in, last_report_in, newest_first, report_before_in
from consent.runs.ledger.record import LeaseRecord, RunRecord
from consent.runs.ledger.serialization import (
    changed_meanwhile,
    first_seen_in,
    instant_text,
    lease_in,
    record_in,
    row_of,
    row_of_lease,
)

WAIT_SECONDS = 5.0  # for whoever else writes at the moment

_VERSION_1 = (
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, study TEXT NOT NULL, "trigger" TEXT, monday TEXT, requested_at TEXT, queued_at TEXT,
        sandbox INTEGER, as_of TEXT, dry_run INTEGER, accept_drop INTEGER, state TEXT, reason TEXT, what TEXT, fix TEXT,
        attempt INTEGER, started_at TEXT, finished_at TEXT, cutoff TEXT, participants INTEGER, consented INTEGER,
        records_listed INTEGER, records_received INTEGER, has_groups INTEGER, set_id TEXT, files TEXT, remarks TEXT,
        redcap_version TEXT, study_sha256 TEXT, app_version TEXT, week_counts BLOB, version TEXT NOT NULL
    )
    """,
    "CREATE INDEX runs_of_study ON runs (study, requested_at)",
    """
    CREATE TABLE leases (
        study TEXT PRIMARY KEY, run_id TEXT, attempt INTEGER, holder TEXT, expires_at TEXT, version TEXT NOT NULL
    )
    """,
    "CREATE TABLE studies (study TEXT PRIMARY KEY, first_seen TEXT)",
    "PRAGMA user_version = 1",
)
_VERSION_2 = ("ALTER TABLE runs ADD COLUMN taking_part INTEGER", "PRAGMA user_version = 2")
_VERSIONS = (_VERSION_1, _VERSION_2)
"""What makes each version of the file of the one before it: a new file goes through all, an older one through the rest.

A column that comes later stands last, as SQLite adds it.
"""

SCHEMA_VERSION = len(_VERSIONS)
_PUT_RUN = """
    REPLACE INTO runs VALUES (
        :run_id, :study, :trigger, :monday, :requested_at, :queued_at, :sandbox, :as_of, :dry_run, :accept_drop, :state,
        :reason, :what, :fix, :attempt, :started_at, :finished_at, :cutoff, :participants, :consented, :records_listed,
        :records_received, :has_groups, :set_id, :files, :remarks, :redcap_version, :study_sha256, :app_version,
        :week_counts, :version, :taking_part
    )
"""
_PUT_LEASE = "REPLACE INTO leases VALUES (:study, :run_id, :attempt, :holder, :expires_at, :version)"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR}
_NO_LEDGER = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH}


class SqliteLedger:
    """Keeps the records and leases of runs in a file of this machine; see ``RunLedger`` for what each method promises.

    path: the file; it and its folder are made at the first use. wait_seconds: how long to wait for another process.
    """

    def __init__(self, path: Path, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.path = path
        self._wait_seconds = wait_seconds

    def add(self, record: RunRecord) -> RunRecord | None:
        with self._changing() as connection:
            if _version_of(connection, record.run_id) is not None:
                return None
            return _put(connection, record)

    def read(self, run_id: str) -> RunRecord | None:
        with self._open() as connection:
            row = connection.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return None if row is None else record_in(dict(row), row["version"], place=self._place)

    def write(self, record: RunRecord) -> RunRecord:
        with self._changing() as connection:
            if _version_of(connection, record.run_id) != record.version:
                raise changed_meanwhile(record.run_id)
            return _put(connection, record)

    def runs(self, study: str | None = None, *, since: datetime | None = None) -> list[RunRecord]:
        query = "SELECT * FROM runs WHERE requested_at >= :since AND (:study IS NULL OR study = :study)"
        asked = {"study": study, "since": "" if since is None else instant_text(since)}
        with self._open() as connection:
            rows = connection.execute(query, asked).fetchall()
        records = (record_in({**row, "week_counts": None}, row["version"], place=self._place) for row in rows)
        return newest_first(records)

    def last_report(self, study: str, *, sandbox: bool) -> RunRecord | None:
        return last_report_in(self, study, sandbox=sandbox)

    def report_before(self, study: str, cutoff: date, *, sandbox: bool) -> RunRecord | None:
        return report_before_in(self, study, cutoff, sandbox=sandbox)

    def lease_of(self, study: str) -> LeaseRecord | None:
        with self._open() as connection:
            row = connection.execute("SELECT * FROM leases WHERE study = ?", (study,)).fetchone()
        return None if row is None else lease_in(dict(row), row["version"], place=self._place)

    def put_lease(self, lease: LeaseRecord) -> LeaseRecord | None:
        version = _new_version()
        with self._changing() as connection:
            standing = connection.execute("SELECT version FROM leases WHERE study = ?", (lease.study,)).fetchone()
            if (standing["version"] if standing else "") != lease.version:
                return None
            connection.execute(_PUT_LEASE, {**row_of_lease(lease), "version": version})
        return replace(lease, version=version)

    def drop_lease(self, lease: LeaseRecord) -> None:
        with self._changing() as connection:
            connection.execute("DELETE FROM leases WHERE study = ? AND version = ?", (lease.study, lease.version))

    def first_seen(self, study: str, now: datetime) -> datetime:
        with self._changing() as connection:
            connection.execute("INSERT OR IGNORE INTO studies VALUES (?, ?)", (study, instant_text(now)))
            row = connection.execute("SELECT first_seen FROM studies WHERE study = ?", (study,)).fetchone()
        return first_seen_in(row["first_seen"], study, place=self._place)

    def purge_counts(self, before: datetime) -> int:
        return forget_counts_in(self, before)

    def ensure_writable(self) -> None:
        """Make sure, as far as rights tell, that runs could be recorded; makes no file. Raises LedgerRefusedError."""
        folder = next(each for each in self.path.parents if os.path.lexists(each))
        places = [folder, self.path] if os.path.lexists(self.path) else [folder]
        as_now = os.access in os.supports_effective_ids  # on Linux the account may be another than the one that began
        if not folder.is_dir() or not all(os.access(place, os.W_OK, effective_ids=as_now) for place in places):
            raise self._no_access()

    def close(self) -> None:
        """Nothing is held open between calls."""

    @property
    def _place(self) -> str:
        return f"the file {self.path}"

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One change, all or nothing, with everybody else kept out from its first look on."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        problem: ConsentReportError
        try:
            self._make_file()
            with closing(sqlite3.connect(self.path, timeout=self._wait_seconds, isolation_level=None)) as connection:
                connection.row_factory = sqlite3.Row
                self._make_tables(connection)
                yield connection
            return
        except sqlite3.Error as error:
            problem = self._explained(error)
        except OSError:
            problem = self._no_access()
        raise problem

    def _make_file(self) -> None:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600)  # other people of this machine have no business in it

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        if _schema_version(connection) == SCHEMA_VERSION:
            return
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            found = _schema_version(connection)  # again: another process may have been faster
            if found > SCHEMA_VERSION:
                raise LedgerRefusedError(
                    f"The record of runs in {self.path} was written by a newer version of this program: update this "
                    "one, or name another file in CONSENT_LEDGER."
                )
            if found == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise self._no_ledger()
            for statement in chain(*_VERSIONS[found:]):
                connection.execute(statement)

    def _explained(self, error: sqlite3.Error) -> ConsentReportError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the rest says more than is needed
        if code in _BUSY:
            return LedgerUnavailableError(
                f"The record of runs in {self.path} could not be used now: another process holds it, or the drive "
                "does not answer. The same run may work later; on a network drive name a local file in CONSENT_LEDGER."
            )
        if code == sqlite3.SQLITE_FULL:
            return LedgerRefusedError(f"The disk that holds the record of runs, {self.path}, is full: make room on it.")
        if code in _NO_LEDGER:
            return self._no_ledger()
        return self._no_access()

    def _no_ledger(self) -> LedgerRefusedError:
        return LedgerRefusedError(
            f"{self.path} is damaged, or no record of runs of this program: move it away to begin a new one, or name "
            "another file in CONSENT_LEDGER."
        )

    def _no_access(self) -> LedgerRefusedError:
        return LedgerRefusedError(
            f"The record of runs cannot be kept in {self.path}: the file or its folder cannot be opened and written "
            "by this user. Change the rights, or name another file in CONSENT_LEDGER."
        )


def _put(connection: sqlite3.Connection, record: RunRecord) -> RunRecord:
    version = _new_version()
    connection.execute(_PUT_RUN, {**row_of(record), "version": version})
    return replace(record, version=version)


def _version_of(connection: sqlite3.Connection, run_id: str) -> str | None:
    row = connection.execute("SELECT version FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    return row["version"] if row else None


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _new_version() -> str:
    """Never one that was there before, even after a claim was dropped and taken again."""
    return uuid4().hex
