"""Tests of the local folder on a real disk: files in use, a full disk, wrong folders, and leftovers."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from consent.delivery.local_folder import LocalFolder
from consent.delivery.plan import Destination, content_hash, deliver, plan_delivery
from consent.delivery.report_set import ReportSet
from consent.errors import DeliveryRefusedError, DeliveryUnverifiedError
from consent.files import ReportFile, StoredFile
from tests.support.plain_account import open_to_all, without_root

MONDAY = date(2026, 11, 16)
DESTINATION = Destination("obri-ibd", "Consent", "/", archive=True, cutoff=MONDAY, exported_on=MONDAY, sandbox=False)
REPORT = (ReportFile("Consent.csv", b"a,b\n1,2\n"), ReportFile("Consent.json", b"{}", data=True))
NEXT_REPORT = (replace(REPORT[0], content=b"a,b\n1,3\n"), replace(REPORT[1], content=b"[]"))
ON_WINDOWS = sys.platform == "win32"
SLEEPER = Path(r"C:\Windows\System32\PING.EXE" if ON_WINDOWS else "/bin/sleep")  # nobody can write to a running program
SLEEP_A_MINUTE = ["ping", "-n", "60", "127.0.0.1"] if ON_WINDOWS else ["sleep", "60"]


def a_folder(
    root: Path, sleep: Callable[[float], None] = lambda seconds: None, *, clock: Callable[[], float] = time.time
) -> LocalFolder:
    return LocalFolder(root, sleep=sleep, clock=clock)


def delivered(root: Path, files: tuple[ReportFile, ...] = REPORT, folder: LocalFolder | None = None) -> str:
    folder = folder or a_folder(root)
    return deliver(plan_delivery(ReportSet(files, DESTINATION), folder), folder).state


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def hold_open() -> Iterator[Callable[[Path], Callable[[], None]]]:
    """Keep a file in use by another program, as Excel does; returns a function that closes it."""
    with contextlib.ExitStack() as stack:

        def hold(path: Path) -> Callable[[], None]:
            program = shutil.copy(SLEEPER, path)
            running = subprocess.Popen(SLEEP_A_MINUTE, executable=program, stdout=subprocess.DEVNULL)

            def close() -> None:
                running.kill()
                running.wait()

            stack.callback(close)
            return close

        yield hold


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that this account may not write to; on Linux root becomes nobody meanwhile."""
    with open_to_all() as folder:
        folder.chmod(0o555)
        with without_root():
            yield folder
        folder.chmod(0o755)


def test_a_report_is_stored_byte_for_byte_in_a_new_folder(tmp_path: Path) -> None:
    delivered(tmp_path / "new" / "reports")
    assert contents(tmp_path)["new/reports/Consent.csv"] == REPORT[0].content
    assert contents(tmp_path)["new/reports/data/Consent.json"] == REPORT[1].content


def test_a_second_delivery_of_the_same_report_writes_nothing(tmp_path: Path) -> None:
    delivered(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert delivered(tmp_path) == "unchanged"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_delivery_leaves_nothing_but_the_report(tmp_path: Path) -> None:
    delivered(tmp_path)
    delivered(tmp_path, NEXT_REPORT)
    assert {Path(path).name for path in contents(tmp_path)} == {"Consent.csv", "Consent.json", "Consent.manifest.json"}


def test_stat_returns_the_hash_and_size_of_a_stored_file(tmp_path: Path) -> None:
    stored = a_folder(tmp_path).put("/sub/a.csv", b"1,2\n", replaces=None)
    assert a_folder(tmp_path).stat("/sub/a.csv") == stored == StoredFile("/sub/a.csv", content_hash(b"1,2\n"), 4, "")
    assert a_folder(tmp_path).list_folder("/") == ("sub",)


def test_a_missing_file_is_none_and_a_missing_folder_is_empty(tmp_path: Path) -> None:
    assert a_folder(tmp_path / "nowhere").stat("/a.csv") is None
    assert a_folder(tmp_path).list_folder("/nowhere") == ()


def test_adding_the_same_bytes_again_succeeds(tmp_path: Path) -> None:
    first = a_folder(tmp_path).put("/a.csv", b"1", replaces=None)
    assert a_folder(tmp_path).put("/a.csv", b"1", replaces=None) == first


def test_a_file_changed_after_the_plan_is_not_replaced(tmp_path: Path) -> None:
    planned = a_folder(tmp_path).put("/a.csv", b"1", replaces=None)
    a_folder(tmp_path).put("/a.csv", b"2", replaces=planned)
    for replaces in (None, planned):
        with pytest.raises(DeliveryUnverifiedError, match=r"'/a.csv' was changed by another run or a person"):
            a_folder(tmp_path).put("/a.csv", b"3", replaces=replaces)
    with pytest.raises(DeliveryUnverifiedError):
        a_folder(tmp_path).confirm([planned])
    assert contents(tmp_path) == {"a.csv": b"2"}


@pytest.mark.not_windows  # it cannot open a folder
def test_the_folders_of_a_new_file_are_synced_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    a_folder(tmp_path).put("/new/data/a.csv", b"1", replaces=None)
    folders = (tmp_path, tmp_path / "new", tmp_path / "new" / "data")
    assert {folder.stat().st_ino for folder in folders} <= {*synced}
    assert synced[-1] == folders[-1].stat().st_ino


def test_staged_files_change_and_list_nothing_and_are_discarded(tmp_path: Path) -> None:
    delivered(tmp_path)
    before, folder = contents(tmp_path), a_folder(tmp_path)
    folder.stage({"/Consent.csv": b"new", "/a.csv": b"new"})
    assert {path: content for path, content in contents(tmp_path).items() if path in before} == before
    assert folder.list_folder("/") == ("Archive", "Consent.csv", "data")
    folder.discard_staged()
    assert contents(tmp_path) == before


def test_put_stores_its_own_bytes_in_place_of_the_staged_ones(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    folder.stage({"/a.csv": b"draft"})
    folder.put("/a.csv", b"final", replaces=None)
    assert contents(tmp_path) == {"a.csv": b"final"}


@pytest.mark.parametrize("seconds", [61, -61], ids=["a minute old", "dated ahead of the clock"])
def test_a_staged_file_of_a_killed_run_is_replaced(tmp_path: Path, seconds: int) -> None:
    a_folder(tmp_path).stage({"/Consent.csv": b"of a killed run"})
    delivered(tmp_path, folder=a_folder(tmp_path, clock=lambda: time.time() + seconds))
    assert [path for path in contents(tmp_path) if "part" in path] == []


def test_a_staged_file_of_another_run_is_waited_for_30_seconds(tmp_path: Path) -> None:
    waits: list[float] = []
    a_folder(tmp_path).stage({"/a.csv": b"another run's"})
    with pytest.raises(DeliveryRefusedError, match=r"'/a.csv' cannot be stored: another run is writing to this folder"):
        a_folder(tmp_path, waits.append).stage({"/a.csv": b"mine"})
    assert waits == [1] * 30


def test_a_refused_run_leaves_the_staged_files_of_the_other_run(tmp_path: Path) -> None:
    other, mine = a_folder(tmp_path), a_folder(tmp_path)
    other.stage({"/b.csv": b"another run's"})
    with pytest.raises(DeliveryRefusedError, match="another run is writing"):
        mine.stage({"/a.csv": b"mine", "/b.csv": b"mine"})
    mine.discard_staged()
    assert contents(tmp_path) == {".b.csv.consent-part": b"another run's"}


def test_a_waiting_run_continues_when_the_other_ends(tmp_path: Path) -> None:
    other = a_folder(tmp_path)
    other.stage({"/a.csv": b"another run's"})
    a_folder(tmp_path, lambda seconds: other.discard_staged()).put("/a.csv", b"mine", replaces=None)
    assert contents(tmp_path) == {"a.csv": b"mine"}


def test_a_file_in_use_is_refused_and_leaves_the_old_set_unchanged(
    tmp_path: Path, hold_open: Callable[[Path], Callable[[], None]]
) -> None:
    delivered(tmp_path)
    hold_open(tmp_path / "data" / "Consent.json")
    before = contents(tmp_path)
    with pytest.raises(DeliveryRefusedError, match=r"'/data/Consent.json' cannot be replaced"):
        delivered(tmp_path, NEXT_REPORT)
    assert contents(tmp_path) == before


def test_a_file_in_use_is_waited_for_30_seconds(
    tmp_path: Path, hold_open: Callable[[Path], Callable[[], None]]
) -> None:
    waits: list[float] = []
    hold_open(tmp_path / "Consent.csv")
    with pytest.raises(DeliveryRefusedError, match="Close it"):
        a_folder(tmp_path, waits.append).stage({"/Consent.csv": b"new"})
    assert waits == [1] * 30


def test_a_file_closed_while_waiting_is_replaced(
    tmp_path: Path, hold_open: Callable[[Path], Callable[[], None]]
) -> None:
    close = hold_open(tmp_path / "Consent.csv")
    delivered(tmp_path, folder=a_folder(tmp_path, lambda seconds: close()))
    assert contents(tmp_path)["Consent.csv"] == REPORT[0].content


@pytest.mark.not_windows  # chmod does not lock a file there
def test_a_file_locked_against_reading_is_waited_for() -> None:
    with open_to_all() as folder:
        folder.chmod(0o777)
        with without_root():
            delivered(folder)
            (folder / "Consent.csv").chmod(0)
            unlocking = a_folder(folder, lambda seconds: (folder / "Consent.csv").chmod(0o600))
            assert delivered(folder, folder=unlocking) == "unchanged"


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Consent.csv").mkdir()
    with pytest.raises(DeliveryRefusedError, match="is a folder, but it should be a file"):
        delivered(tmp_path)


@pytest.mark.parametrize("root", ["data", "."], ids=["the root folder", "a folder in it"])
def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path, root: str) -> None:
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(DeliveryRefusedError, match="is a file, but it should be a folder"):
        delivered(tmp_path / root)


@pytest.mark.not_windows
def test_a_folder_without_write_permission_is_refused(closed_folder: Path) -> None:
    with pytest.raises(DeliveryRefusedError, match="this account may not read or write there"):
        a_folder(closed_folder).put("/a.csv", b"1", replaces=None)


@pytest.mark.parametrize("path", ["/../a.csv", "/sub/../a.csv", "/./a.csv"])
def test_a_path_outside_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(DeliveryRefusedError, match="is outside the folder"):
        a_folder(tmp_path / "reports").put(path, b"1", replaces=None)


@pytest.mark.not_windows  # links need a privilege there
def test_a_link_to_a_place_outside_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "data").symlink_to(tmp_path)
    with pytest.raises(DeliveryRefusedError, match="is outside the folder"):
        a_folder(tmp_path / "reports").put("/data/a.csv", b"1", replaces=None)


def test_a_stored_file_that_differs_from_what_was_written_is_an_error(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    folder.stage({"/a.csv": b"mine"})
    (tmp_path / ".a.csv.consent-part").write_bytes(b"another run's")
    with pytest.raises(DeliveryUnverifiedError, match=r"does not match what was written: '/a.csv'"):
        folder.put("/a.csv", b"mine", replaces=None)


ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from consent.errors import DeliveryRefusedError
from consent.delivery.local_folder import LocalFolder

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    LocalFolder(Path(sys.argv[1])).stage({"/Consent.csv": b"x" * 1000, "/data/Consent.json": b"y" * 200_000})
except DeliveryRefusedError as error:
    print(error)
"""


@pytest.mark.not_windows  # there is no way to make the disk full
def test_a_full_disk_is_refused_and_leaves_the_old_set_unchanged(tmp_path: Path) -> None:
    delivered(tmp_path)
    before = contents(tmp_path)
    program = [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path)]
    said = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "'/data/Consent.json' cannot be stored: the disk is full" in said.stdout
    assert contents(tmp_path) == before
