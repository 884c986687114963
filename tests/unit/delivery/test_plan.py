"""Tests of the delivery plan and its steps, on a folder in memory that keeps a journal."""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import pytest

from consent.delivery.plan import (
    Delivery,
    DeliveryPlan,
    Destination,
    Folder,
    StoredFile,
    changed_error,
    content_hash,
    deliver,
    plan_delivery,
)
from consent.delivery.report_set import ReportSet
from consent.errors import DeliveryRefusedError, DeliveryUnavailableError, DeliveryUnverifiedError, LeaseLostError
from consent.files import ReportFile
from tests.support.builders import CSV, JSON, PDF, REPORT, TITLE, a_destination

NEXT_REPORT = (replace(CSV, content=b"a,b\n1,3\n"), PDF, replace(JSON, content=b'{"total": 4}'))
STABLE = [f"/{TITLE}.csv", f"/{TITLE}.pdf", f"/data/{TITLE}.json", f"/data/{TITLE}.manifest.json"]


A_WEEK_LATER = a_destination(cutoff=date(2026, 11, 23), exported_on=date(2026, 11, 23))
AS_OF_MONDAY = a_destination(exported_on=date(2026, 11, 23))


@dataclass
class MemoryFolder:
    """Holds files with revisions; fails after ``puts_left`` files, refuses to stage files when ``in_use``."""

    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    journal: list[str] = field(default_factory=list)
    puts_left: int = 1000
    in_use: bool = False
    revisions: int = 0
    after_put: Callable[[str], object] = lambda path: None

    def stat(self, path: str) -> StoredFile | None:
        if path not in self.files:
            return None
        content, rev = self.files[path]
        return StoredFile(path, content_hash(content), len(content), rev)

    def list_folder(self, path: str) -> tuple[str, ...]:
        return tuple(
            {other.removeprefix(path + "/").split("/")[0] for other in self.files if other.startswith(path + "/")}
        )

    def stage(self, files: Mapping[str, bytes]) -> None:
        self.journal.append("stage " + " ".join(files))
        if self.in_use:
            raise DeliveryRefusedError("A file is in use.")

    def put(self, path: str, content: bytes, *, replaces: StoredFile | None) -> StoredFile:
        if self.puts_left == 0:
            raise DeliveryUnavailableError("No connection.")
        existing = self.stat(path)
        if existing and existing != replaces:
            raise changed_error(path)
        self.puts_left -= 1
        self.revisions += 1
        self.files[path] = (content, f"{self.revisions:09x}")
        self.journal.append(path)
        stored = StoredFile(path, content_hash(content), len(content), self.files[path][1])
        self.after_put(path)
        return stored

    def confirm(self, files: Sequence[StoredFile]) -> None:
        for file in files:
            if self.stat(file.path) != file:
                raise changed_error(file.path)

    def discard_staged(self) -> None:
        self.journal.append("discard")

    @property
    def written(self) -> list[str]:
        return [path for path in self.journal if path.startswith("/")]

    @property
    def contents(self) -> dict[str, bytes]:
        return {path: content for path, (content, _) in self.files.items()}


def planned(
    folder: Folder, destination: Destination | None = None, files: tuple[ReportFile, ...] = REPORT
) -> DeliveryPlan:
    destination = destination or a_destination()
    return plan_delivery(ReportSet(files, destination), folder)


def delivered(
    folder: Folder, destination: Destination | None = None, files: tuple[ReportFile, ...] = REPORT
) -> Delivery:
    return deliver(planned(folder, destination, files), folder)


def a_delivered_folder(destination: Destination | None = None, files: tuple[ReportFile, ...] = REPORT) -> MemoryFolder:
    folder = MemoryFolder()
    delivered(folder, destination, files)
    folder.journal.clear()
    return folder


def archived(name: str, destination: Destination | None = None, files: tuple[ReportFile, ...] = REPORT) -> str:
    return f"{ReportSet(files, destination or a_destination()).archive_folder}/{name}"


def moved_away(folder: MemoryFolder, home: str) -> MemoryFolder:
    """Return the folder after a person moved everything in ``home`` elsewhere."""
    folder.files = {path: stored for path, stored in folder.files.items() if not path.startswith(home)}
    return folder


def is_complete(folder: MemoryFolder, manifest_path: str, home: str, entry_path: str) -> bool:
    """Whether every file in a manifest exists with the listed hash."""
    files = json.loads(folder.contents[manifest_path])["files"]
    return all(content_hash(folder.contents[home + entry[entry_path]]) == entry["content_hash"] for entry in files)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", id="nothing"),
        pytest.param(b"a", "bf5d3affb73efd2ec6c36ad3112dd933efed63c4e1cbffcfa88e2759c144f2d8", id="one byte"),
        pytest.param(
            bytes(4 * 1024 * 1024), "c7e946d101855255d919ef0c70718633adf77d3dfb3adeeecf5d0cb4e951be58", id="one block"
        ),
        pytest.param(
            bytes(4 * 1024 * 1024 + 1),
            "14a4d47f23a30177885d9820122f17d2d3a55fe63f7f5c27b95f689e0b2accd6",
            id="two blocks",
        ),
    ],
)
def test_the_content_hash_is_the_one_dropbox_gives(content: bytes, expected: str) -> None:
    assert content_hash(content) == expected


def test_the_set_id_is_a_hash_of_the_sorted_names_and_content_hashes() -> None:
    lines = "\n".join(sorted(f"{file.name}:{content_hash(file.content)}" for file in REPORT))
    assert ReportSet(REPORT, a_destination()).set_id == hashlib.sha256(lines.encode()).hexdigest()[:8]


def test_the_archive_is_written_first_and_each_manifest_after_its_files() -> None:
    folder = MemoryFolder()
    delivered(folder)
    kept = [archived(name) for name in (CSV.name, PDF.name, JSON.name, f"{TITLE}.manifest.json")]
    assert folder.written == kept + STABLE


def test_every_stable_file_is_staged_before_anything_is_written() -> None:
    folder = MemoryFolder()
    delivered(folder)
    assert folder.journal[0] == "stage " + " ".join(STABLE)


def test_a_folder_whose_files_cannot_be_staged_stays_unchanged() -> None:
    folder = a_delivered_folder()
    before = dict(folder.files)
    folder.in_use = True
    with pytest.raises(DeliveryRefusedError, match="in use"):
        delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    assert folder.files == before


@pytest.mark.parametrize("puts", [0, 1000], ids=["failure", "success"])
def test_staged_files_are_discarded_after_success_and_failure(puts: int) -> None:
    folder = MemoryFolder(puts_left=puts)
    with contextlib.suppress(DeliveryUnavailableError):
        delivered(folder)
    assert folder.journal[-1] == "discard"


def test_a_run_without_its_lease_stops_before_the_next_file() -> None:
    folder, allowed = MemoryFolder(), iter([None] * 4)

    def confirm_lease() -> None:
        if next(allowed, "no more") is not None:
            raise LeaseLostError("Another run took over.")

    with pytest.raises(LeaseLostError):
        deliver(planned(folder), folder, before_write=confirm_lease)
    assert len(folder.written) == 3


def test_a_run_without_its_lease_stages_nothing() -> None:
    folder = MemoryFolder()

    def refuse() -> None:
        raise LeaseLostError("Another run took over.")

    with pytest.raises(LeaseLostError):
        deliver(planned(folder), folder, before_write=refuse)
    assert folder.journal == ["discard"]


def test_a_current_set_needs_no_lease() -> None:
    folder, confirmed = a_delivered_folder(), list[str]()
    deliver(planned(folder), folder, before_write=lambda: confirmed.append("confirmed"))
    assert confirmed == []


def test_the_manifest_names_the_report_and_lists_every_file() -> None:
    folder = a_delivered_folder(a_destination(sandbox=True))
    manifest = json.loads(folder.contents[f"/data/{TITLE}.manifest.json"])
    assert manifest == {
        "schema": "consent-manifest/1",
        "study": "obri-ibd",
        "title": TITLE,
        "cutoff": "2026-11-16",
        "exported_on": "2026-11-16",
        "set_id": ReportSet(REPORT, a_destination()).set_id,
        "sandbox": True,
        "files": [
            {
                "name": file.name,
                "path": path,
                "size": len(file.content),
                "sha256": hashlib.sha256(file.content).hexdigest(),
                "content_hash": content_hash(file.content),
                "rev": folder.files[archived(file.name)][1],
            }
            for file, path in ((CSV, CSV.name), (JSON, f"data/{JSON.name}"), (PDF, PDF.name))
        ],
    }


def test_the_manifest_is_readable_text_with_sorted_keys() -> None:
    destination = a_destination(title="Résumé")
    text = a_delivered_folder(destination).contents["/data/Résumé.manifest.json"].decode("utf-8")
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def test_a_report_in_a_subfolder_goes_nowhere_else() -> None:
    folder = a_delivered_folder(a_destination(folder="/Reports/x"))
    assert sorted(path for path in folder.files if "/Archive/" not in path) == [f"/Reports/x{path}" for path in STABLE]
    assert all(path.startswith("/Reports/x/") for path in folder.files)


def test_a_shared_file_goes_to_its_own_folder_and_the_manifest_says_where() -> None:
    shared = ReportFile(f"{TITLE} (shareable).pdf", b"%PDF", shared=True)
    folder = a_delivered_folder(a_destination(folder="/Team", shared_folder="/Others"), (CSV, shared))
    manifest = json.loads(folder.contents[f"/Team/data/{TITLE}.manifest.json"])

    assert [entry["path"] for entry in manifest["files"]] == [f"/Others/{shared.name}", CSV.name]
    assert folder.contents[f"/Others/{shared.name}"] == shared.content


def test_a_delivery_lists_what_is_stored_under_the_stable_names() -> None:
    result = delivered(MemoryFolder())
    assert (result.state, [stored.path for stored in result.files]) == ("delivered", STABLE)


def test_a_current_set_is_not_written_again() -> None:
    folder = a_delivered_folder()
    result = delivered(folder)
    assert (result.state, folder.written) == ("unchanged", [])


@pytest.mark.parametrize("path", STABLE)
def test_only_a_missing_or_edited_stable_file_is_written(path: str) -> None:
    folder = a_delivered_folder()
    folder.files[path] = (b"edited", "fffffffff")
    delivered(folder)
    del folder.files[path]
    delivered(folder)
    assert folder.written == [path, path]


def test_a_missing_archive_manifest_is_written_again() -> None:
    folder = a_delivered_folder()
    del folder.files[archived(f"{TITLE}.manifest.json")]
    delivered(folder)
    assert folder.written == [archived(f"{TITLE}.manifest.json")]


@pytest.mark.parametrize("name", [CSV.name, f"{TITLE}.manifest.json"])
def test_an_edited_archive_file_stops_the_delivery_before_anything_is_written(name: str) -> None:
    folder = a_delivered_folder()
    folder.files[archived(name)] = (b"edited", "fffffffff")
    with pytest.raises(DeliveryRefusedError) as refused:
        delivered(folder)
    assert refused.value.what == f"The archived file '{archived(name)}' was changed or removed."
    assert refused.value.fix == f"Move the folder '{archived('')[:-1]}' away, then run again without --as-of."
    assert folder.written == []


def test_a_file_missing_from_a_complete_archive_stops_the_delivery() -> None:
    folder = a_delivered_folder()
    del folder.files[archived(PDF.name)]
    with pytest.raises(DeliveryRefusedError, match=re.escape(archived(PDF.name))):
        delivered(folder)


def test_a_later_report_leaves_the_archive_of_the_earlier_one_alone() -> None:
    folder = a_delivered_folder()
    before = {path: stored for path, stored in folder.files.items() if "/2026-11-16/" in path}
    delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    assert {path: stored for path, stored in folder.files.items() if "/2026-11-16/" in path} == before


def test_another_report_of_the_same_day_replaces_the_stable_names() -> None:
    folder = a_delivered_folder()
    assert delivered(folder, files=NEXT_REPORT).state == "delivered"


def test_an_older_report_goes_to_the_archive_alone() -> None:
    folder = a_delivered_folder(A_WEEK_LATER, NEXT_REPORT)
    assert planned(folder, AS_OF_MONDAY).stable == ()
    result = delivered(folder, AS_OF_MONDAY)
    assert (result.state, folder.written) == ("archived", [stored.path for stored in result.files])
    assert set(folder.written).isdisjoint(STABLE)


@pytest.mark.parametrize("always", [False, True])
def test_a_report_of_today_is_refused_if_a_future_one_is_archived(always: bool) -> None:
    future = a_destination(cutoff=date(2027, 12, 31), exported_on=date(2027, 12, 31))
    folder = a_delivered_folder(future, NEXT_REPORT)
    with pytest.raises(DeliveryRefusedError, match=f"2027-12-31.*move the folder '/Archive/{TITLE}/2027-12-31' away"):
        delivered(folder, a_destination(always=always))
    assert folder.written == []
    assert delivered(moved_away(folder, f"/Archive/{TITLE}/2027-12-31")).state == "delivered"


def test_an_as_of_report_replaces_an_older_archived_one() -> None:
    folder = a_delivered_folder(a_destination(cutoff=date(2026, 11, 9), exported_on=date(2026, 11, 9)), NEXT_REPORT)
    assert delivered(folder, AS_OF_MONDAY).state == "delivered"


def test_an_as_of_report_is_delivered_to_an_empty_folder() -> None:
    assert delivered(MemoryFolder(), AS_OF_MONDAY).state == "delivered"


@pytest.mark.parametrize("archive", [False, True], ids=["never archived", "archive moved away"])
def test_an_as_of_report_never_replaces_one_that_is_not_archived(archive: bool) -> None:
    existing = moved_away(a_delivered_folder(replace(A_WEEK_LATER, archive=archive), NEXT_REPORT), "/Archive/")
    with pytest.raises(DeliveryRefusedError, match=r"might replace a newer one in '/'.* Run without --as-of"):
        delivered(existing, AS_OF_MONDAY)
    assert existing.written == []


def test_a_missing_stable_manifest_of_an_as_of_report_is_written_again() -> None:
    folder = a_delivered_folder(AS_OF_MONDAY)
    del folder.files[STABLE[-1]]
    assert delivered(folder, AS_OF_MONDAY).state == "delivered"


@pytest.mark.parametrize("archive", [False, True])
def test_a_current_as_of_report_is_not_written_again(archive: bool) -> None:
    destination = replace(AS_OF_MONDAY, archive=archive)
    folder = a_delivered_folder(destination)
    assert (delivered(folder, destination).state, folder.written) == ("unchanged", [])


@pytest.mark.parametrize("archive", [False, True])
def test_always_replaces_any_report(archive: bool) -> None:
    folder = a_delivered_folder(replace(A_WEEK_LATER, archive=False), NEXT_REPORT)
    assert delivered(folder, replace(AS_OF_MONDAY, archive=archive, always=True)).state == "delivered"


def test_a_report_of_today_replaces_one_that_is_not_archived() -> None:
    folder = a_delivered_folder(a_destination(archive=False))
    assert delivered(folder, A_WEEK_LATER, NEXT_REPORT).state == "delivered"


def test_a_report_overtaken_by_a_newer_one_leaves_the_stable_names_alone() -> None:
    folder = MemoryFolder()
    plan = planned(folder, AS_OF_MONDAY)
    delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    newer = {path: folder.files[path] for path in STABLE}
    result = deliver(plan, folder)
    assert (result.state, [stored.path for stored in result.files]) == ("archived", [s.path for s in plan.archive])
    assert {path: folder.files[path] for path in STABLE} == newer


@pytest.mark.parametrize("path", STABLE)
def test_a_file_changed_after_the_plan_is_not_replaced(path: str) -> None:
    folder = a_delivered_folder(files=tuple(replace(file, content=b"old") for file in REPORT))
    plan = planned(folder, A_WEEK_LATER, NEXT_REPORT)
    folder.files[path] = (b"another run's", "fffffffff")
    with pytest.raises(DeliveryUnverifiedError, match=re.escape(path)):
        deliver(plan, folder)
    assert folder.contents[path] == b"another run's"


@pytest.mark.parametrize("files", [REPORT, NEXT_REPORT], ids=["unchanged", "delivered"])
@pytest.mark.parametrize("path", STABLE)
def test_no_success_is_claimed_if_a_stable_file_is_not_the_one_written(
    path: str, files: tuple[ReportFile, ...]
) -> None:
    folder = a_delivered_folder()
    plan = planned(folder, files=files)

    def change(written: str = STABLE[-1]) -> None:
        if written == STABLE[-1]:
            folder.files[path] = (b"another run's", "fffffffff")

    folder.after_put = change
    if plan.state == "unchanged":
        change()
    with pytest.raises(DeliveryUnverifiedError, match=re.escape(path)):
        deliver(plan, folder)


def test_a_newer_report_is_looked_for_after_the_archive_is_written() -> None:
    folder, newer = MemoryFolder(), a_delivered_folder(A_WEEK_LATER, NEXT_REPORT)
    folder.after_put = lambda path: folder.files.update(newer.files)
    assert delivered(folder, AS_OF_MONDAY).state == "archived"


def test_an_incomplete_later_report_does_not_stop_this_one() -> None:
    folder = MemoryFolder(puts_left=3)
    with pytest.raises(DeliveryUnavailableError):
        delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    folder.puts_left = 1000
    assert delivered(folder, AS_OF_MONDAY).state == "delivered"


@pytest.mark.parametrize("stray", ["2027-13-01/0a1b2c3d", "20271101/0a1b2c3d", "2027-11-01/notes", "minutes/0a1b2c3d"])
def test_other_folders_in_the_archive_are_ignored(stray: str) -> None:
    folder = MemoryFolder({f"/Archive/{TITLE}/{stray}/{TITLE}.manifest.json": (b"{}", "000000001")})
    assert delivered(folder).state == "delivered"


def test_without_an_archive_only_the_stable_names_are_written() -> None:
    folder = a_delivered_folder(a_destination(archive=False))
    assert sorted(folder.files) == sorted(STABLE)


def test_without_an_archive_the_manifest_lists_the_revisions_of_the_stable_files() -> None:
    folder = a_delivered_folder(a_destination(archive=False))
    entry = json.loads(folder.contents[f"/data/{TITLE}.manifest.json"])["files"][0]
    assert entry["rev"] == folder.files[f"/{CSV.name}"][1]


def test_without_an_archive_an_as_of_report_replaces_no_other_report() -> None:
    folder = a_delivered_folder(a_destination(archive=False))
    with pytest.raises(DeliveryRefusedError, match="might replace a newer one"):
        planned(folder, replace(AS_OF_MONDAY, archive=False), NEXT_REPORT)


@pytest.mark.parametrize("puts", range(7))
def test_the_next_run_completes_a_delivery_interrupted_anywhere(puts: int) -> None:
    folder = a_delivered_folder()
    folder.puts_left = puts
    with pytest.raises(DeliveryUnavailableError):
        delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    folder.puts_left = 1000
    delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    assert is_complete(folder, f"/data/{TITLE}.manifest.json", "/", "path")
    assert json.loads(folder.contents[f"/data/{TITLE}.manifest.json"])["cutoff"] == "2026-11-23"


@pytest.mark.parametrize("puts", range(8))
def test_a_delivery_interrupted_anywhere_leaves_no_manifest_without_its_files(puts: int) -> None:
    folder = MemoryFolder(puts_left=puts)
    with pytest.raises(DeliveryUnavailableError):
        delivered(folder)
    assert f"/data/{TITLE}.manifest.json" not in folder.files
    kept = [path for path in folder.files if path.startswith("/Archive/") and path.endswith(".manifest.json")]
    assert all(is_complete(folder, path, archived(""), "name") for path in kept)


def test_files_archived_by_an_interrupted_run_are_not_written_again() -> None:
    folder = MemoryFolder(puts_left=2)
    with pytest.raises(DeliveryUnavailableError):
        delivered(folder)
    folder.puts_left = 1000
    delivered(folder)
    assert len(folder.written) == len(set(folder.written))


def test_progress_is_reported_after_every_file() -> None:
    reported: list[tuple[int, int, str]] = []
    folder = MemoryFolder()
    deliver(planned(folder), folder, lambda done, total, path: reported.append((done, total, path)))
    assert reported == [(done, 8, path) for done, path in enumerate(folder.written, start=1)]


def test_a_plan_lists_its_steps_and_writes_nothing() -> None:
    folder = a_delivered_folder()
    before = dict(folder.files)
    plan = planned(folder, A_WEEK_LATER, NEXT_REPORT)
    assert [step.action for step in plan.steps] == ["add"] * 4 + ["replace", "keep", "replace", "replace"]
    assert folder.files == before


@pytest.mark.parametrize("content", [b"", None, "text"], ids=["empty", "none", "text"])
def test_content_that_must_never_replace_a_good_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="has no content"):
        ReportSet([replace(CSV, content=content)], a_destination())


@pytest.mark.parametrize(
    "name",
    [CSV.name.upper(), "re\u0301sume\u0301", f"{TITLE}.manifest.json", "archive"],
    ids=["other case", "other spelling", "the manifest", "the archive"],
)
def test_names_that_windows_or_dropbox_cannot_tell_apart_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="the same to Windows and Dropbox"):
        ReportSet([CSV, replace(JSON, name="Résumé"), replace(PDF, name=name)], a_destination())


@pytest.mark.parametrize("name", ["", "a/b.csv", "a.csv.", " a.csv", "CON.csv", "x" * 256, "half a \ud83d surrogate"])
def test_a_name_that_windows_or_dropbox_does_not_allow_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"not a legal name|surrogates not allowed"):
        ReportSet([replace(CSV, name=name)], a_destination())


def test_a_folder_that_windows_or_dropbox_does_not_allow_is_refused() -> None:
    with pytest.raises(ValueError, match="not a legal name"):
        ReportSet(REPORT, a_destination(folder="/Reports/../other"))
