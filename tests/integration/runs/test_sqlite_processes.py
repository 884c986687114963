"""Tests of the run history in a file that several processes use at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ledger_stores import SqliteStore
from tests.support.run_builders import a_run

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
connection.execute("UPDATE history SET document = '{}'")
os._exit(9)
"""
LIMITED = """
import resource, sys
from pathlib import Path
from consent.runs.ledger.sqlite import SqliteLedger
ledger = SqliteLedger(Path(sys.argv[1]))
sys.stdin.readline()
limit = getattr(resource, sys.argv[2])
resource.setrlimit(limit, (0, resource.getrlimit(limit)[1]))
try:
    ledger.first_seen("adults", ledger.runs()[0].requested_at)
except Exception as error:
    print(type(error).__name__, error)
"""


def started(script: str, path: Path, *more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )


def test_two_processes_that_add_the_same_runs_at_once_add_each_of_them_once(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "runs.sqlite")
    with started(ADDS, store.path) as one, started(ADDS, store.path) as other:
        assert one.stdout is not None
        assert other.stdout is not None
        one.stdout.readline()
        other.stdout.readline()
        answers = [one.communicate("go\n")[0], other.communicate("go\n")[0]]

    assert sum(map(int, answers)) == len(store.open().runs()) == 25


def test_a_process_that_dies_while_writing_changes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "runs.sqlite")
    store.open().add(a_run())
    with started(DIES, store.path) as dying:
        dying.communicate()

    assert [run.state for run in store.open().runs()] == ["requested"]


@pytest.mark.not_windows
@pytest.mark.parametrize(
    ("limit", "error", "said"),
    [
        ("RLIMIT_FSIZE", "LedgerUnavailableError", "a limit was reached"),
        ("RLIMIT_NOFILE", "LedgerRefusedError", "(Too many open files)"),
    ],
)
def test_a_limit_of_the_system_is_not_called_another_process(tmp_path: Path, limit: str, error: str, said: str) -> None:
    store = SqliteStore(tmp_path / "runs.sqlite")
    store.open().add(a_run())
    with started(LIMITED, store.path, limit) as limited:
        answer = limited.communicate("go\n")[0]

    assert (answer.split()[0], said in answer, "another process" in answer) == (error, True, False)
