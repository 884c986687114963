"""Tests of the run history in a file: the contract, other processes, and files that cannot be used."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.errors import LedgerRefusedError, LedgerUnavailableError
from consent.runs.ledger.serialization import instant_text
from consent.runs.ledger.sqlite import SCHEMA_VERSION, SqliteLedger
from tests.support.ledger_contract import INSTANT, WEEKS, LedgerContract, a_lease
from tests.support.ledger_stores import SqliteStore
from tests.support.run_builders import a_report, a_run


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
        ("UPDATE history SET document = replace(document, '800', '700')", "is damaged", "with no earlier one"),
        ("UPDATE history SET week_counts = NULL", "is damaged", "Move it away"),
        ("UPDATE history SET key = 'adults.other'", "is damaged", "Move it away"),
        ("DELETE FROM history", "is damaged", "Move it away"),
        ("DELETE FROM seal", "is damaged", "Move it away"),
        pytest.param(f"PRAGMA user_version = {SCHEMA_VERSION + 1}", "newer version", "Update this program", id="newer"),
    ],
)
def test_a_database_that_is_no_run_history_or_that_another_program_changed_is_left_alone(
    store: SqliteStore, statement: str, what: str, fix: str
) -> None:
    store.open().add(a_report(week_counts=WEEKS))
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


def test_reading_creates_no_file(store: SqliteStore) -> None:
    assert (store.open().runs(), store.path.exists()) == ([], False)


# --- damage


def test_a_file_that_was_emptied_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").touch()

    with pytest.raises(LedgerRefusedError, match="damaged"):
        SqliteLedger(tmp_path / "runs.sqlite", wait_seconds=0).runs()


def all_of(ledger: SqliteLedger) -> Any:
    """Everything that readers of a history see."""
    return ledger.runs(), ledger.last_report("adults", sandbox=False), ledger.lease_of("adults")


@pytest.fixture(name="healthy", scope="module")
def _healthy(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Any]:
    """The bytes of a history, and what it holds."""
    ledger = SqliteLedger(tmp_path_factory.mktemp("healthy") / "runs.sqlite")
    for number in range(60):
        ledger.add(a_report(run_id=f"adults.{number}", week_counts=WEEKS))
    ledger.put_lease(a_lease())
    return ledger.path.read_bytes(), all_of(ledger)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(), kind=st.sampled_from(["bits", "end", "zeros", "swap"]))
def test_a_damaged_file_is_refused_or_holds_everything(seed: int, kind: str, healthy: tuple[bytes, Any]) -> None:
    content, random = bytearray(healthy[0]), Random(seed)
    first, second = (slice(start, start + 4096) for start in random.choices(range(0, len(content), 4096), k=2))
    if kind == "bits":
        for place in random.choices(range(len(content)), k=random.choice([1, 8])):
            content[place] ^= 1 << random.randrange(8)
    elif kind == "end":
        del content[random.randrange(len(content)) :]
    elif kind == "zeros":
        content[first] = bytes(4096)
    else:
        content[first], content[second] = content[second], content[first]
    with tempfile.TemporaryDirectory() as folder:
        ledger = SqliteLedger(Path(folder, "runs.sqlite"), wait_seconds=0)
        ledger.path.write_bytes(content)
        with contextlib.suppress(LedgerRefusedError):
            assert all_of(ledger) == healthy[1]
