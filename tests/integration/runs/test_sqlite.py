"""Claims about the record of runs in a file: other processes beside it, and files that cannot be used."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from consent.errors import LedgerRefusedError, LedgerUnavailableError
from consent.runs.ledger.record import LeaseRecord, RunCounts
from consent.runs.ledger.sqlite import SCHEMA_VERSION, SqliteLedger
from tests.support.ledger_stores import SqliteStore, at_once, there
from tests.support.run_builders import COUNTS, NOW, a_report, a_run

ADDS = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
now = datetime.now(UTC)
runs = [RunRecord(f"adults.{n}", "adults", "monday", date(2026, 11, 16), now, now) for n in range(25)]
ledger = SqliteLedger(Path(sys.argv[1]), wait_seconds=60)
print("ready", flush=True)
sys.stdin.readline()
print(sum(ledger.add(run) is not None for run in runs))
"""
DIES = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE runs SET state = 'running'")
os._exit(9)
"""

VERSION_1 = (
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, study TEXT NOT NULL, "trigger" TEXT, monday TEXT, requested_at TEXT, queued_at TEXT,
        sandbox INTEGER, as_of TEXT, dry_run INTEGER, accept_drop INTEGER, state TEXT, reason TEXT, message TEXT,
        attempt INTEGER, started_at TEXT, finished_at TEXT, cutoff TEXT, participants INTEGER, consented INTEGER,
        records_listed INTEGER, records_received INTEGER, has_groups INTEGER, set_id TEXT, files TEXT, remarks TEXT,
        redcap_version TEXT, study_sha256 TEXT, app_version TEXT, week_counts BLOB, version TEXT NOT NULL
    )
    """,
    "CREATE INDEX runs_of_study ON runs (study, requested_at)",
    "CREATE TABLE claims (study TEXT PRIMARY KEY, run_id TEXT, attempt, holder, expires_at, version TEXT NOT NULL)",
    "CREATE TABLE studies (study TEXT PRIMARY KEY, first_seen TEXT)",
    """
    INSERT INTO runs VALUES (
        'adults.2026-11-09', 'adults', 'monday', '2026-11-09', '2026-11-09T13:00:00.000000Z',
        '2026-11-09T13:00:00.000000Z', 0, NULL, 0, 0, 'delivered', '', '', 1, '2026-11-09T13:00:01.000000Z',
        '2026-11-09T13:01:00.000000Z', '2026-11-09', 990, 795, 991, 991, 0, '12345678', '[]', '[]', '16.1.3', '', '',
        NULL, 'v1'
    )
    """,
    "PRAGMA user_version = 1",
)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "runs.sqlite")


def started(script: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes, and does not come to an end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def refused(path: Path, said: str) -> None:
    with pytest.raises(LedgerRefusedError, match=said):
        SqliteLedger(path).add(a_run())


# --- other processes


def test_two_processes_that_add_the_same_runs_at_once_add_each_of_them_once(store: SqliteStore) -> None:
    with started(ADDS, store.path) as one, started(ADDS, store.path) as other:
        assert one.stdout is not None
        assert other.stdout is not None
        one.stdout.readline()
        other.stdout.readline()
        answers = [one.communicate("go\n")[0], other.communicate("go\n")[0]]

    assert sum(map(int, answers)) == len(store.open().runs()) == 25


def test_a_process_that_dies_while_writing_leaves_the_record_as_it_was(store: SqliteStore) -> None:
    store.open().add(a_run())
    with started(DIES, store.path) as dying:
        dying.communicate()

    assert [run.state for run in store.open().runs()] == ["requested"]


@pytest.mark.parametrize("deed", ["add", "read", "claim"])
def test_a_file_that_another_process_holds_for_too_long_may_be_free_later(store: SqliteStore, deed: str) -> None:
    ledger = SqliteLedger(store.path, wait_seconds=0.01)
    ledger.add(a_run())
    deeds = {
        "add": lambda: ledger.add(a_run(run_id="adults.new")),
        "read": lambda: ledger.read("adults.new"),
        "claim": lambda: ledger.put_lease(LeaseRecord("adults", "adults.new", 1, "one", NOW)),
    }

    with locked(store.path), pytest.raises(LedgerUnavailableError, match=r"another process holds it.*may work later"):
        deeds[deed]()


def test_a_file_that_was_held_is_used_again(store: SqliteStore) -> None:
    ledger = SqliteLedger(store.path, wait_seconds=0.01)
    ledger.add(a_run())
    with locked(store.path), pytest.raises(LedgerUnavailableError, match="another process holds it"):
        ledger.add(a_run(run_id="adults.new"))

    assert ledger.add(a_run(run_id="adults.new")) is not None


# --- files that cannot be used


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Remember the milk, and much else that fills a page. " * 50, encoding="utf-8")

    refused(path, r"notes\.txt is damaged, or no record of runs of this program: move it away .* CONSENT_LEDGER")


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photos (name TEXT)")

    refused(path, r"photos\.sqlite is damaged, or no record of runs of this program")


def test_a_file_of_a_newer_version_is_left_alone(store: SqliteStore) -> None:
    store.open().add(a_run())
    store.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    refused(store.path, "was written by a newer version of this program: update this one, or name another file")


def test_a_file_that_lost_its_tables_is_refused(store: SqliteStore) -> None:
    store.open().add(a_run())
    store.execute("DROP TABLE runs")

    refused(store.path, "is damaged, or no record of runs of this program")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    refused(tmp_path / "file" / "runs.sqlite", r"cannot be kept in .*file.runs\.sqlite: .* CONSENT_LEDGER")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "cannot be opened and written by this user.*name another file in CONSENT_LEDGER")


def test_a_folder_that_cannot_be_written_is_named(store: SqliteStore) -> None:
    (store.path.parent / "runs.sqlite-journal").mkdir()  # so that nothing can be written, whoever runs the tests

    refused(store.path, "cannot be opened and written by this user")


def test_no_error_of_the_library_is_carried_along(tmp_path: Path) -> None:
    with pytest.raises(LedgerRefusedError, match="cannot be kept in") as caught:
        SqliteLedger(tmp_path).runs()

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


# --- files of an older version


@pytest.fixture
def old_store(store: SqliteStore) -> SqliteStore:
    """A file as version 1 of it was, with one report."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        for statement in VERSION_1:
            connection.execute(statement)
    return store


def test_a_file_of_an_older_version_keeps_its_reports(old_store: SqliteStore) -> None:
    report = there(old_store.open().last_report("adults", sandbox=False))

    assert (report.run_id, report.counts) == ("adults.2026-11-09", RunCounts(990, 795, 991, 991))


def test_a_file_of_an_older_version_takes_new_reports_whole(old_store: SqliteStore) -> None:
    old_store.open().add(a_report())

    assert there(old_store.open().last_report("adults", sandbox=False)).counts == COUNTS


def test_a_record_of_an_older_version_is_replaced_as_any_other(old_store: SqliteStore) -> None:
    ledger = old_store.open()
    report = there(ledger.read("adults.2026-11-09"))
    ledger.write(replace(report, counts=COUNTS))

    assert there(ledger.read("adults.2026-11-09")).counts == COUNTS


def test_many_that_open_a_file_of_an_older_version_at_once_all_can(old_store: SqliteStore) -> None:
    found = at_once(8, lambda _: old_store.open().runs("adults"))

    assert [len(runs) for runs in found] == [1] * 8


def test_a_file_of_an_older_version_ends_as_a_new_one_begins(old_store: SqliteStore, tmp_path: Path) -> None:
    new_store = SqliteStore(tmp_path / "new.sqlite")
    old_store.open().runs()
    new_store.open().runs()

    columns = "SELECT name, type FROM pragma_table_info('runs')"
    assert old_store.execute(columns) == new_store.execute(columns)


# --- the file itself


@pytest.mark.not_windows  # a user's own folder is private there
def test_a_new_file_is_for_its_owner_alone(store: SqliteStore) -> None:
    store.open().add(a_run())

    assert store.path.stat().st_mode & 0o777 == 0o600


def test_a_person_can_read_the_file(store: SqliteStore) -> None:
    store.open().add(a_run())

    rows = store.execute("SELECT run_id, state, monday, requested_at FROM runs")

    assert rows == [("adults.2026-11-16", "requested", "2026-11-16", "2026-11-16T13:00:00.000000Z")]


def test_an_empty_file_that_a_process_left_behind_is_filled(store: SqliteStore) -> None:
    store.path.touch()

    assert store.open().add(a_run()) is not None
