"""The run history in one SQLite file, for the command line.

Each call opens the file, so that threads and processes may share it. No write-ahead log: network drives refuse it.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from consent.errors import ConsentReportError, LedgerRefusedError, LedgerUnavailableError
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.serialization import Row, StoredRow

WAIT_SECONDS = 5.0  # for another process's write
SCHEMA_VERSION = 1

_TABLES = (
    """
    CREATE TABLE history (
        study TEXT, key TEXT, requested_at TEXT, document TEXT NOT NULL, week_counts BLOB, version TEXT NOT NULL,
        PRIMARY KEY (study, key)
    )
    """,
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_GET = "SELECT * FROM history WHERE study = ? AND key = ?"
_QUERY = """
    SELECT study, key, requested_at, document, version FROM history
    WHERE requested_at >= :since AND (:study IS NULL OR study = :study)
"""
_INSERT = "INSERT OR IGNORE INTO history VALUES (:study, :key, :requested_at, :document, :week_counts, :version)"
_REPLACE = """
    UPDATE history
    SET requested_at = :requested_at, document = :document, week_counts = :week_counts, version = :version
    WHERE study = :study AND key = :key AND version = :before
"""
_DELETE = "DELETE FROM history WHERE study = ? AND key = ? AND version = ?"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR}
_NO_LEDGER = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH}


class SqliteLedger(RunLedger):
    """The run history in a file; it and its folder are created at first use. Every change is one statement.

    wait_seconds: how long to wait for another process's write.
    """

    def __init__(self, path: Path, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.path = path
        self.place = f"the file {path}"
        self._wait_seconds = wait_seconds

    def ensure_writable(self) -> None:
        """Check the access rights without creating the file; raises LedgerRefusedError."""
        folder = next(each for each in self.path.parents if os.path.lexists(each))
        places = [folder, self.path] if os.path.lexists(self.path) else [folder]
        effective = os.access in os.supports_effective_ids  # on Linux, of the account that the process now runs as
        if not folder.is_dir() or not all(os.access(place, os.W_OK, effective_ids=effective) for place in places):
            raise _no_access(self.path)

    def _get(self, study: str, key: str) -> StoredRow | None:
        return next(iter(self._rows(_GET, (study, key))), None)

    def _query(self, study: str | None, since: str) -> list[StoredRow]:
        return self._rows(_QUERY, {"study": study, "since": since})

    def _insert(self, row: Row) -> str | None:
        return self._changed(_INSERT, row)

    def _replace(self, row: Row, version: str) -> str | None:
        return self._changed(_REPLACE, row, version)

    def _delete(self, study: str, key: str, version: str) -> None:
        with self._open() as connection:
            connection.execute(_DELETE, (study, key, version))

    def close(self) -> None:
        """No connection stays open between calls."""

    def _rows(self, query: str, values: Any) -> list[StoredRow]:
        with self._open() as connection:
            return [dict(row) for row in connection.execute(query, values)]

    def _changed(self, statement: str, row: Row, before: str = "") -> str | None:
        version = uuid4().hex  # never used before, even after a lease was dropped and acquired again
        values = {"requested_at": None, "week_counts": None, **row, "version": version, "before": before}
        with self._open() as connection:
            return version if connection.execute(statement, values).rowcount else None

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
            problem = _explained(error, self.path)
        except OSError:
            problem = _no_access(self.path)
        raise problem

    def _make_file(self) -> None:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600)  # for this user only

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        if _schema_version(connection) == SCHEMA_VERSION:
            return
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            found = _schema_version(connection)  # again: another process may have created the tables meanwhile
            if found > SCHEMA_VERSION:
                raise LedgerRefusedError(
                    f"A newer version of this program wrote the run history in {self.path}.",
                    "Update this program, or name another file in CONSENT_LEDGER.",
                )
            if found == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise _no_ledger(self.path)
            for statement in _TABLES if found == 0 else ():
                connection.execute(statement)


def _explained(error: sqlite3.Error, path: Path) -> ConsentReportError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the primary code, without its extension
    if code in _BUSY:
        return LedgerUnavailableError(
            f"The run history in {path} is busy: another process is using it, or the drive does not respond.",
            "Run again later. On a network drive, name a local file in CONSENT_LEDGER.",
        )
    if code == sqlite3.SQLITE_FULL:
        return LedgerRefusedError(f"The disk with the run history, {path}, is full.", "Free some space on the disk.")
    return _no_ledger(path) if code in _NO_LEDGER else _no_access(path)


def _no_ledger(path: Path) -> LedgerRefusedError:
    return LedgerRefusedError(
        f"{path} is damaged, or is not a run history of this program.",
        "Move it away to start a new one, or name another file in CONSENT_LEDGER.",
    )


def _no_access(path: Path) -> LedgerRefusedError:
    return LedgerRefusedError(
        f"The run history cannot be stored in {path}: this user cannot open and write the file or its folder.",
        "Change the access rights, or name another file in CONSENT_LEDGER.",
    )


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
