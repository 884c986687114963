"""Reports in a folder on a real disk: held-open files, full disks, wrong folders, and what is left behind."""

import contextlib
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
from consent.delivery.plan import Destination, content_hash, deliver, gather, plan_delivery
from consent.errors import DeliveryRefusedError, DeliveryUnverifiedError
from consent.files import ReportFile
from tests.support.plain_account import open_to_all, without_root

MONDAY = date(2026, 11, 16)
ADDRESS = Destination("obri-ibd", "Consent", "/", archive=True, cutoff=MONDAY, exported_on=MONDAY, sandbox=False)
REPORT = (ReportFile("Consent.csv", b"a,b\n1,2\n"), ReportFile("Consent.json", b"{}", data=True))
NEXT_REPORT = (replace(REPORT[0], content=b"a,b\n1,3\n"), replace(REPORT[1], content=b"[]"))
ON_WINDOWS = sys.platform == "win32"
SLEEPER = Path(r"C:\Windows\System32\PING.EXE" if ON_WINDOWS else "/bin/sleep")  # nobody can write to a running program
SLEEP_A_MINUTE = ["ping", "-n", "60", "127.0.0.1"] if ON_WINDOWS else ["sleep", "60"]


def a_folder(
    root: Path, sleep: Callable[[float], None] = lambda seconds: None, *, clock: Callable[[], float] = time.time
) -> LocalFolder:
    return LocalFolder(root, sleep=sleep, clock=clock)


def a_minute_from_now() -> float:
    return time.time() + 61


def delivered(root: Path, files: tuple[ReportFile, ...] = REPORT, folder: LocalFolder | None = None) -> str:
    folder = folder or a_folder(root)
    return deliver(plan_delivery(files, ADDRESS, gather(files, ADDRESS, folder)), folder).state


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def hold_open() -> Iterator[Callable[[Path], Callable[[], None]]]:
    """Have another program hold a file so that it cannot be written to, as Excel does; returns how to close it."""
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
    """A folder that this account may not write to; on Linux not even root, who becomes nobody for a while."""
    with open_to_all() as folder:
        folder.chmod(0o555)
        with without_root():
            yield folder
        folder.chmod(0o755)


def test_a_report_lies_on_disk_byte_for_byte(tmp_path: Path) -> None:
    delivered(tmp_path)
    assert contents(tmp_path)["Consent.csv"] == REPORT[0].content
    assert contents(tmp_path)["data/Consent.json"] == REPORT[1].content


def test_the_folder_is_made_when_it_does_not_exist(tmp_path: Path) -> None:
    delivered(tmp_path / "new" / "reports")
    assert (tmp_path / "new" / "reports" / "Consent.csv").is_file()


def test_a_second_delivery_of_the_same_report_writes_nothing(tmp_path: Path) -> None:
    delivered(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert delivered(tmp_path) == "unchanged"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_delivery_leaves_nothing_but_the_report(tmp_path: Path) -> None:
    delivered(tmp_path)
    delivered(tmp_path, NEXT_REPORT)
    assert {Path(path).name for path in contents(tmp_path)} == {"Consent.csv", "Consent.json", "Consent.manifest.json"}


def test_a_stored_file_is_known_by_hash_and_size_and_has_no_revision(tmp_path: Path) -> None:
    stored = a_folder(tmp_path).put("/a.csv", b"1,2\n", replace=True)
    assert (stored.content_hash, stored.size, stored.rev) == (content_hash(b"1,2\n"), 4, "")


def test_looking_finds_what_was_put(tmp_path: Path) -> None:
    stored = a_folder(tmp_path).put("/sub/a.csv", b"1,2\n", replace=True)
    assert a_folder(tmp_path).look("/sub/a.csv") == stored


def test_looking_for_what_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert a_folder(tmp_path / "nowhere").look("/a.csv") is None


def test_names_are_those_of_files_and_folders_alike(tmp_path: Path) -> None:
    a_folder(tmp_path).put("/b/c.csv", b"1", replace=True)
    a_folder(tmp_path).put("/a.csv", b"1", replace=True)
    assert a_folder(tmp_path).names("/") == ("a.csv", "b")


def test_a_folder_that_does_not_exist_has_no_names(tmp_path: Path) -> None:
    assert a_folder(tmp_path).names("/nowhere") == ()


def test_adding_the_same_bytes_again_succeeds(tmp_path: Path) -> None:
    first = a_folder(tmp_path).put("/a.csv", b"1", replace=False)
    assert a_folder(tmp_path).put("/a.csv", b"1", replace=False) == first


def test_adding_other_bytes_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    a_folder(tmp_path).put("/a.csv", b"1", replace=False)
    with pytest.raises(DeliveryRefusedError, match=r"A different file already stands at '/a.csv'"):
        a_folder(tmp_path).put("/a.csv", b"2", replace=False)
    assert contents(tmp_path) == {"a.csv": b"1"}


def test_preparing_changes_no_file_that_a_reader_knows(tmp_path: Path) -> None:
    delivered(tmp_path)
    before = contents(tmp_path)
    a_folder(tmp_path).prepare({"/Consent.csv": b"new"})
    assert {path: content for path, content in contents(tmp_path).items() if path in before} == before


def test_what_is_set_aside_is_not_listed_as_a_file(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    folder.prepare({"/a.csv": b"new"})
    assert folder.names("/") == ()


def test_releasing_removes_what_was_set_aside(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    folder.prepare({"/a.csv": b"new"})
    folder.release()
    assert contents(tmp_path) == {}


def test_a_file_prepared_with_other_bytes_is_stored_with_those_it_is_given(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    folder.prepare({"/a.csv": b"draft"})
    folder.put("/a.csv", b"final", replace=True)
    assert contents(tmp_path) == {"a.csv": b"final"}


def test_what_a_killed_run_set_aside_is_used_up_a_minute_later(tmp_path: Path) -> None:
    a_folder(tmp_path).prepare({"/Consent.csv": b"of a run that was killed"})
    delivered(tmp_path, folder=a_folder(tmp_path, clock=a_minute_from_now))
    assert [path for path in contents(tmp_path) if "part" in path] == []


def test_what_another_run_has_set_aside_is_waited_for_30_seconds(tmp_path: Path) -> None:
    waits: list[float] = []
    a_folder(tmp_path).prepare({"/a.csv": b"another run's"})
    with pytest.raises(DeliveryRefusedError, match=r"'/a.csv' cannot be stored: another run is writing to this folder"):
        a_folder(tmp_path, waits.append).prepare({"/a.csv": b"mine"})
    assert waits == [1] * 30


def test_a_run_that_must_give_way_leaves_what_the_other_has_set_aside(tmp_path: Path) -> None:
    other, mine = a_folder(tmp_path), a_folder(tmp_path)
    other.prepare({"/b.csv": b"another run's"})
    with pytest.raises(DeliveryRefusedError, match="another run is writing"):
        mine.prepare({"/a.csv": b"mine", "/b.csv": b"mine"})
    mine.release()
    assert contents(tmp_path) == {".b.csv.consent-part": b"another run's"}


def test_a_run_that_ends_while_another_waits_lets_it_through(tmp_path: Path) -> None:
    other = a_folder(tmp_path)
    other.prepare({"/a.csv": b"another run's"})
    a_folder(tmp_path, lambda seconds: other.release()).put("/a.csv", b"mine", replace=True)
    assert contents(tmp_path) == {"a.csv": b"mine"}


def test_a_file_held_open_is_refused_by_name_and_leaves_the_old_set_untouched(
    tmp_path: Path, hold_open: Callable[[Path], Callable[[], None]]
) -> None:
    delivered(tmp_path)
    hold_open(tmp_path / "data" / "Consent.json")
    before = contents(tmp_path)
    with pytest.raises(DeliveryRefusedError, match=r"'/data/Consent.json' cannot be replaced: close it if it is open"):
        delivered(tmp_path, NEXT_REPORT)
    assert contents(tmp_path) == before


def test_a_file_held_open_is_waited_for_30_seconds(
    tmp_path: Path, hold_open: Callable[[Path], Callable[[], None]]
) -> None:
    waits: list[float] = []
    hold_open(tmp_path / "Consent.csv")
    with pytest.raises(DeliveryRefusedError, match="close it"):
        a_folder(tmp_path, waits.append).prepare({"/Consent.csv": b"new"})
    assert waits == [1] * 30


def test_a_file_closed_while_waiting_is_replaced(
    tmp_path: Path, hold_open: Callable[[Path], Callable[[], None]]
) -> None:
    close = hold_open(tmp_path / "Consent.csv")
    delivered(tmp_path, folder=a_folder(tmp_path, lambda seconds: close()))
    assert contents(tmp_path)["Consent.csv"] == REPORT[0].content


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Consent.csv").mkdir()
    with pytest.raises(DeliveryRefusedError, match="is a folder, but a file of that name is to be written"):
        delivered(tmp_path)


def test_a_file_in_the_place_of_the_whole_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reports").write_bytes(b"")
    with pytest.raises(DeliveryRefusedError, match="is a file, but a folder of that name is needed"):
        delivered(tmp_path / "reports")


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(DeliveryRefusedError, match="is a file, but a folder of that name is needed"):
        delivered(tmp_path)


@pytest.mark.not_windows
def test_a_folder_without_the_right_to_write_is_refused(closed_folder: Path) -> None:
    with pytest.raises(DeliveryRefusedError, match="this account may not read or write there"):
        a_folder(closed_folder).put("/a.csv", b"1", replace=True)


@pytest.mark.parametrize("path", ["/../a.csv", "/sub/../../a.csv", "/sub/../a.csv", "/./a.csv"])
def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(DeliveryRefusedError, match="lies outside the folder"):
        a_folder(tmp_path / "reports").put(path, b"1", replace=True)


@pytest.mark.not_windows  # links need a privilege there
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "data").symlink_to(tmp_path)
    with pytest.raises(DeliveryRefusedError, match="lies outside the folder"):
        a_folder(tmp_path / "reports").put("/data/a.csv", b"1", replace=True)


def test_bytes_that_read_back_differently_are_not_taken_for_stored(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    folder.prepare({"/a.csv": b"mine"})
    (tmp_path / ".a.csv.consent-part").write_bytes(b"another run's")
    with pytest.raises(DeliveryUnverifiedError, match=r"'/a.csv' reads back differently"):
        folder.put("/a.csv", b"mine", replace=True)


ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from consent.errors import DeliveryRefusedError
from consent.delivery.local_folder import LocalFolder

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    LocalFolder(Path(sys.argv[1])).prepare({"/Consent.csv": b"x" * 1000, "/data/Consent.json": b"y" * 200_000})
except DeliveryRefusedError as error:
    print(error)
"""


@pytest.mark.not_windows  # there is no way to make the disk full
def test_a_full_disk_is_refused_and_leaves_the_old_set_untouched(tmp_path: Path) -> None:
    delivered(tmp_path)
    before = contents(tmp_path)
    program = [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path)]
    said = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "'/data/Consent.json' cannot be stored: there is no room left for it" in said.stdout
    assert contents(tmp_path) == before
