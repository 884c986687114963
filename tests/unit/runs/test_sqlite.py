"""Tests of the run history in a file: the contract, other processes, and files that cannot be used."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from consent.errors import LedgerRefusedError, LedgerUnavailableError
from consent.runs.ledger.serialization import instant_text
from consent.runs.ledger.sqlite import SCHEMA_VERSION, SqliteLedger
from tests.support.ledger_contract import INSTANT, LedgerContract, a_lease
from tests.support.ledger_stores import SqliteStore
from tests.support.run_builders import a_run


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SqliteStore:
        return SqliteStore(tmp_path / "not there yet" / "runs.sqlite")


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "runs.sqlite")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes, and does not finish."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def refused(path: Path, what: str, fix: str) -> None:
    with pytest.raises(LedgerRefusedError, match=what) as caught:
        SqliteLedger(path).add(a_run())
    assert (fix in caught.value.fix, path.name in caught.value.what) == (True, True)


@given(first=INSTANT, second=INSTANT)
def test_texts_of_instants_sort_as_the_instants_do(first: datetime, second: datetime) -> None:
    assert (instant_text(first) < instant_text(second)) == (first < second)


# --- other processes


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda ledger: ledger.add(a_run(run_id="adults.new")), id="add"),
        pytest.param(lambda ledger: ledger.read("adults.new"), id="read"),
        pytest.param(lambda ledger: ledger.put_lease(a_lease()), id="lease"),
    ],
)
def test_a_file_that_another_process_locks_is_busy_until_it_is_free(
    store: SqliteStore, use: Callable[[SqliteLedger], Any]
) -> None:
    ledger = SqliteLedger(store.path, wait_seconds=0.01)
    ledger.add(a_run())

    with locked(store.path), pytest.raises(LedgerUnavailableError, match=r"runs\.sqlite is busy"):
        use(ledger)
    use(ledger)


# --- files that cannot be used


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path, text = tmp_path / "notes.txt", "Remember the milk, and much else that fills a page. " * 50
    path.write_text(text, encoding="utf-8")

    refused(path, "damaged, or is not a run history", "Move it away")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("statement", "what", "fix"),
    [
        pytest.param("ALTER TABLE history RENAME TO photos", "is not a run history", "Move it away", id="no table"),
        pytest.param("PRAGMA user_version = 0", "is not a run history", "Move it away", id="another program's"),
        pytest.param(f"PRAGMA user_version = {SCHEMA_VERSION + 1}", "newer version", "Update this program", id="newer"),
    ],
)
def test_a_database_that_is_no_run_history_of_this_version_is_left_alone(
    store: SqliteStore, statement: str, what: str, fix: str
) -> None:
    store.open().add(a_run())
    store.execute(statement)

    refused(store.path, what, fix)


@pytest.mark.parametrize(
    ("obstacle", "folder"),
    [
        pytest.param("runs.sqlite", True, id="a folder in place of the file"),
        pytest.param("runs.sqlite-journal", True, id="no file can be written"),  # whoever runs the tests
        pytest.param("there", False, id="a file in place of the folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, obstacle: str, folder: bool) -> None:
    (tmp_path / obstacle).mkdir() if folder else (tmp_path / obstacle).touch()

    refused(tmp_path / ("" if folder else "there") / "runs.sqlite", "cannot open and write", "access rights")


def test_no_error_of_the_library_is_chained(tmp_path: Path) -> None:
    with pytest.raises(LedgerRefusedError) as caught:
        SqliteLedger(tmp_path).runs()

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


# --- the file itself


@pytest.mark.not_windows  # a user's own folder is private there
def test_only_the_owner_can_read_a_new_file(store: SqliteStore) -> None:
    store.open().add(a_run())

    assert store.path.stat().st_mode & 0o777 == 0o600


def test_a_person_can_read_the_file(store: SqliteStore) -> None:
    store.open().add(a_run())

    rows = store.execute("SELECT key, json_extract(document, '$.state'), requested_at FROM history")

    assert rows == [("adults.2026-11-16", "requested", "2026-11-16T13:00:00.000000Z")]


def test_an_empty_file_that_a_process_left_behind_is_used(store: SqliteStore) -> None:
    store.path.touch()

    assert store.open().add(a_run()) is not None
