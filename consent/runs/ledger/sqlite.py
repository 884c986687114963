"""The run history in one SQLite file, for the command line.

One checksum over all rows is verified at every call, so a damaged file is never taken for a shorter history. Each call
opens the file, so that threads and processes may share it. No write-ahead log: network drives refuse it.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
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
    ) WITHOUT ROWID
    """,
    "CREATE TABLE seal (sha256 TEXT NOT NULL)",
    "INSERT INTO seal VALUES (:seal)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_COLUMNS = ("study", "key", "requested_at", "document", "week_counts", "version")
_SELECT = "SELECT study, key, requested_at, document, week_counts, version FROM history"  # in the order of the keys
_PUT = "INSERT OR REPLACE INTO history VALUES (:study, :key, :requested_at, :document, :week_counts, :version)"
_DELETE = "DELETE FROM history WHERE study = :study AND key = :key"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NO_LEDGER = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH}

_Rows = dict[tuple[str, str], StoredRow]


class SqliteLedger(RunLedger):
    """The run history in a file; it and its folder are created at the first write. Every change is one transaction.

    wait_seconds: how long to wait for another process's write.
    """

    def __init__(self, path: Path, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.path = path
        self.place = f"the file {path}"
        self._wait_seconds = wait_seconds

    def ensure_writable(self) -> None:
        """Check the access rights without creating the file; raises LedgerRefusedError."""
        folder = self._existing_folder()
        places = [folder, self.path] if os.path.lexists(self.path) else [folder]
        effective = os.access in os.supports_effective_ids  # on Linux, of the account that the process now runs as
        if not folder.is_dir() or not all(os.access(place, os.W_OK, effective_ids=effective) for place in places):
            raise _no_access(self.path, None)

    def _get(self, study: str, key: str) -> StoredRow | None:
        return self._read().get((study, key))

    def _query(self, study: str | None, since: str) -> list[StoredRow]:
        runs = [
            row for row in self._read().values() if row["requested_at"] is not None and row["requested_at"] >= since
        ]
        return [{**row, "week_counts": None} for row in runs if study in (None, row["study"])]

    def _insert(self, row: Row) -> str | None:
        return self._write(_PUT, row, None)

    def _replace(self, row: Row, version: str) -> str | None:
        return self._write(_PUT, row, version)

    def _delete(self, study: str, key: str, version: str) -> None:
        self._write(_DELETE, {"study": study, "key": key}, version)

    def close(self) -> None:
        """No connection stays open between calls."""

    def _read(self) -> _Rows:
        """Return every row; nothing, and create no file, before the first write."""
        if not os.path.lexists(self.path):
            if not self._existing_folder().is_dir():
                raise _no_access(self.path, None)
            return {}
        with self._transaction("BEGIN") as connection:
            return _sealed_rows(connection, self.path)

    def _write(self, statement: str, row: Row, before: str | None) -> str | None:
        """Change the row if it still has the version ``before`` (None: if it is not there); return its new version."""
        version = uuid4().hex  # never used before, even after a lease was dropped and acquired again
        values: Row = {"requested_at": None, "week_counts": None, **row, "version": version}
        key = (str(row["study"]), str(row["key"]))
        with self._transaction("BEGIN IMMEDIATE") as connection:
            rows = _sealed_rows(connection, self.path)
            current = rows.pop(key, None)
            if (current and current["version"]) != before:
                return None
            if statement == _PUT:
                rows[key] = values
            connection.execute(statement, values)
            connection.execute("UPDATE seal SET sha256 = ?", [_seal(dict(sorted(rows.items())))])
        return version

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        problem: ConsentReportError
        try:
            is_new = self._make_file()
            with closing(sqlite3.connect(self.path, timeout=self._wait_seconds, isolation_level=None)) as connection:
                self._ensure_tables(connection, is_new)
                connection.execute(begin)
                with connection:
                    yield connection
            return
        except sqlite3.Error as error:
            problem = _explained(error, self.path)
        except (ValueError, MemoryError, OverflowError):  # damaged text, or a damaged length
            problem = _no_ledger(self.path)
        except OSError as error:
            problem = _no_access(self.path, error.strerror)
        raise problem

    def _existing_folder(self) -> Path:
        return next(each for each in self.path.parents if os.path.lexists(each))

    def _make_file(self) -> bool:
        """Create the file, for this user only; return whether this call did."""
        if os.path.lexists(self.path):
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:  # another process was faster
            return False
        return True

    def _ensure_tables(self, connection: sqlite3.Connection, is_new: bool) -> None:
        """Create the tables in a new file; an empty file is a damaged one, unless another process is creating it."""
        if is_new:
            try:
                connection.execute("BEGIN IMMEDIATE")
                with connection:
                    for statement in _TABLES:
                        connection.execute(statement, {"seal": _seal({})} if ":seal" in statement else {})
            except BaseException:
                connection.close()
                self.path.unlink(missing_ok=True)
                raise
        give_up_at = time.monotonic() + self._wait_seconds
        while True:
            size = self.path.stat().st_size  # first: meanwhile the other process may create the tables
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if found == SCHEMA_VERSION:
                return
            if found > SCHEMA_VERSION:
                raise LedgerRefusedError(
                    f"A newer version of this program wrote the run history in {self.path}.",
                    "Update this program, or name another file in CONSENT_LEDGER.",
                )
            if size > 0 or time.monotonic() > give_up_at:
                raise _no_ledger(self.path)
            time.sleep(0.02)


def _sealed_rows(connection: sqlite3.Connection, path: Path) -> _Rows:
    """Return every row; raises LedgerRefusedError if they are not exactly those that were written."""
    found = [dict(zip(_COLUMNS, row, strict=True)) for row in connection.execute(_SELECT)]
    rows: _Rows = {(row["study"], row["key"]): row for row in found}
    if connection.execute("SELECT sha256 FROM seal").fetchall() != [(_seal(rows),)]:
        raise _no_ledger(path)
    return rows


def _seal(rows: _Rows) -> str:
    """Return a checksum of all rows in this order: SQLite itself does not notice a changed or missing value."""
    texts = [repr([row[name] for name in _COLUMNS]) for row in rows.values()]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _explained(error: sqlite3.Error, path: Path) -> ConsentReportError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the primary code, without its extension
    if code in _BUSY:
        return LedgerUnavailableError(
            f"The run history in {path} is busy: another process uses it.", "Run again later."
        )
    if code == sqlite3.SQLITE_IOERR:
        return LedgerUnavailableError(
            f"The run history in {path} cannot be read or written: its drive does not respond, or a limit was reached.",
            "Look at the drive's quota and at the limits of this user (ulimit -a), or name a file on another drive in "
            "CONSENT_LEDGER; then run again.",
        )
    if code == sqlite3.SQLITE_FULL:
        return LedgerRefusedError(f"The disk with the run history, {path}, is full.", "Free some space on the disk.")
    return _no_ledger(path) if code in _NO_LEDGER else _no_access(path, _reason(path))


def _no_ledger(path: Path) -> LedgerRefusedError:
    return LedgerRefusedError(
        f"{path} is damaged, or is not a run history of this program.",
        "Move it away to start a new one, or name another file in CONSENT_LEDGER. The next report is then compared "
        "with no earlier one: compare its total with REDCap.",
    )


def _no_access(path: Path, reason: str | None) -> LedgerRefusedError:
    return LedgerRefusedError(
        f"The run history cannot be stored in {path}: this user cannot open and write the file or its folder"
        f"{f' ({reason})' if reason else ''}.",
        "Change the access rights or the limit, or name another file in CONSENT_LEDGER.",
    )


def _reason(path: Path) -> str | None:
    """Return the system's reason for not opening a file, which SQLite does not tell."""
    try:
        path.open("r+b").close()
    except OSError as error:
        return error.strerror
    return None
