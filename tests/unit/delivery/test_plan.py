"""The plan of a delivery and how it is carried out, against a folder in memory that keeps a journal."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import pytest

from consent.delivery.plan import (
    Delivery,
    DeliveryPlan,
    Destination,
    Folder,
    StoredFile,
    content_hash,
    deliver,
    gather,
    plan_delivery,
)
from consent.delivery.report_set import report_set
from consent.errors import DeliveryRefusedError, DeliveryUnavailableError, LeaseLostError
from consent.files import ReportFile

TITLE = "OBRI Consent Summary"
CSV, PDF = ReportFile(f"{TITLE}.csv", b"a,b\n1,2\n"), ReportFile(f"{TITLE}.pdf", b"%PDF-1.7")
JSON = ReportFile(f"{TITLE}.json", b'{"total": 3}', data=True)
REPORT = (CSV, PDF, JSON)
NEXT_REPORT = (replace(CSV, content=b"a,b\n1,3\n"), PDF, replace(JSON, content=b'{"total": 4}'))
STABLE = [f"/{TITLE}.csv", f"/{TITLE}.pdf", f"/data/{TITLE}.json", f"/data/{TITLE}.manifest.json"]


def an_address(**changes: object) -> Destination:
    monday = date(2026, 11, 16)
    usual = Destination("obri-ibd", TITLE, "/", archive=True, cutoff=monday, exported_on=monday, sandbox=False)
    return replace(usual, **changes)


A_WEEK_LATER = an_address(cutoff=date(2026, 11, 23), exported_on=date(2026, 11, 23))
AS_OF_MONDAY = an_address(exported_on=date(2026, 11, 23))


@dataclass
class MemoryFolder:
    """Holds files with revisions; breaks down after ``puts_left`` files, refuses to prepare when ``held_open``."""

    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    journal: list[str] = field(default_factory=list)
    puts_left: int = 1000
    held_open: bool = False
    revisions: int = 0
    after_put: Callable[[str], object] = lambda path: None

    def look(self, path: str) -> StoredFile | None:
        if path not in self.files:
            return None
        content, rev = self.files[path]
        return StoredFile(path, content_hash(content), len(content), rev)

    def names(self, path: str) -> tuple[str, ...]:
        return tuple(
            {other.removeprefix(path + "/").split("/")[0] for other in self.files if other.startswith(path + "/")}
        )

    def prepare(self, files: Mapping[str, bytes]) -> None:
        self.journal.append("prepare " + " ".join(files))
        if self.held_open:
            raise DeliveryRefusedError("a file is held open")

    def put(self, path: str, content: bytes, *, replace: bool) -> StoredFile:
        if self.puts_left == 0:
            raise DeliveryUnavailableError("the line is dead")
        assert replace or path not in self.files
        self.puts_left -= 1
        self.revisions += 1
        self.files[path] = (content, f"{self.revisions:09x}")
        self.journal.append(path)
        stored = StoredFile(path, content_hash(content), len(content), self.files[path][1])
        self.after_put(path)
        return stored

    def release(self) -> None:
        self.journal.append("release")

    @property
    def written(self) -> list[str]:
        return [path for path in self.journal if path.startswith("/")]

    @property
    def contents(self) -> dict[str, bytes]:
        return {path: content for path, (content, _) in self.files.items()}


def planned(folder: Folder, address: Destination | None = None, files: tuple[ReportFile, ...] = REPORT) -> DeliveryPlan:
    address = address or an_address()
    return plan_delivery(files, address, gather(files, address, folder))


def delivered(folder: Folder, address: Destination | None = None, files: tuple[ReportFile, ...] = REPORT) -> Delivery:
    return deliver(planned(folder, address, files), folder)


def a_delivered_folder(address: Destination | None = None, files: tuple[ReportFile, ...] = REPORT) -> MemoryFolder:
    folder = MemoryFolder()
    delivered(folder, address, files)
    folder.journal.clear()
    return folder


def archived(name: str, address: Destination | None = None, files: tuple[ReportFile, ...] = REPORT) -> str:
    return f"{report_set(files, address or an_address()).archive_folder}/{name}"


def moved_away(folder: MemoryFolder, home: str) -> MemoryFolder:
    """The same folder after a person moved everything below ``home`` elsewhere."""
    folder.files = {path: stored for path, stored in folder.files.items() if not path.startswith(home)}
    return folder


def vouched_for(folder: MemoryFolder, manifest_path: str, home: str, entry_path: str) -> bool:
    """Whether every file that a manifest lists stands beside it with the listed hash."""
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
    assert report_set(REPORT, an_address()).set_id == hashlib.sha256(lines.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(NEXT_REPORT, id="other bytes"),
        pytest.param((CSV, PDF), id="fewer files"),
        pytest.param((replace(CSV, name="x.csv"), PDF, JSON), id="another name"),
    ],
)
def test_two_sets_of_other_names_or_bytes_have_other_ids(other: tuple[ReportFile, ...]) -> None:
    assert report_set(other, an_address()).set_id != report_set(REPORT, an_address()).set_id


def test_the_order_of_the_files_does_not_change_the_set_id() -> None:
    assert report_set(REPORT[::-1], an_address()).set_id == report_set(REPORT, an_address()).set_id


def test_the_archive_is_written_first_and_each_manifest_after_its_files() -> None:
    folder = MemoryFolder()
    delivered(folder)
    kept = [archived(name) for name in (CSV.name, PDF.name, JSON.name, f"{TITLE}.manifest.json")]
    assert folder.written == kept + STABLE


def test_every_stable_name_is_prepared_before_anything_is_written() -> None:
    folder = MemoryFolder()
    delivered(folder)
    assert folder.journal[0] == "prepare " + " ".join(STABLE)


def test_a_folder_that_cannot_be_prepared_stays_as_it_was() -> None:
    folder = a_delivered_folder()
    before = dict(folder.files)
    folder.held_open = True
    with pytest.raises(DeliveryRefusedError, match="held open"):
        delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    assert folder.files == before


@pytest.mark.parametrize("puts", [0, 1000], ids=["breaks down", "goes well"])
def test_what_was_prepared_is_released_at_the_end_however_it_ends(puts: int) -> None:
    folder = MemoryFolder(puts_left=puts)
    with contextlib.suppress(DeliveryUnavailableError):
        delivered(folder)
    assert folder.journal[-1] == "release"


def test_a_run_that_may_no_longer_write_stops_before_its_next_file() -> None:
    folder, allowed = MemoryFolder(), iter([None] * 4)

    def ask() -> None:
        if next(allowed, "no more") is not None:
            raise LeaseLostError("another run took over")

    with pytest.raises(LeaseLostError, match="took over"):
        deliver(planned(folder), folder, before_write=ask)
    assert len(folder.written) == 3


def test_a_run_that_may_not_write_sets_nothing_aside() -> None:
    folder = MemoryFolder()

    def refuse() -> None:
        raise LeaseLostError("another run took over")

    with pytest.raises(LeaseLostError, match="took over"):
        deliver(planned(folder), folder, before_write=refuse)
    assert folder.journal == ["release"]


def test_a_set_already_current_needs_no_right_to_write() -> None:
    folder, asked = a_delivered_folder(), list[str]()

    deliver(planned(folder), folder, before_write=lambda: asked.append("asked"))

    assert asked == []


def test_the_manifest_says_whose_report_it_is_and_vouches_for_every_file() -> None:
    folder = a_delivered_folder(an_address(sandbox=True))
    manifest = json.loads(folder.contents[f"/data/{TITLE}.manifest.json"])
    assert manifest == {
        "schema": "consent-manifest/1",
        "study": "obri-ibd",
        "title": TITLE,
        "cutoff": "2026-11-16",
        "exported_on": "2026-11-16",
        "set_id": report_set(REPORT, an_address()).set_id,
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
    address = an_address(title="Résumé")
    text = a_delivered_folder(address).contents["/data/Résumé.manifest.json"].decode("utf-8")
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def test_the_archive_keeps_the_same_manifest_as_the_stable_names() -> None:
    folder = a_delivered_folder()
    assert folder.contents[archived(f"{TITLE}.manifest.json")] == folder.contents[f"/data/{TITLE}.manifest.json"]


def test_a_report_in_a_subfolder_goes_nowhere_else() -> None:
    folder = a_delivered_folder(an_address(folder="/Reports/x"))
    assert all(path.startswith("/Reports/x/") for path in folder.files)


def test_a_delivery_lists_what_is_stored_under_the_stable_names() -> None:
    result = delivered(MemoryFolder())
    assert (result.state, [stored.path for stored in result.files]) == ("delivered", STABLE)


def test_a_set_already_current_is_not_written_again() -> None:
    folder = a_delivered_folder()
    result = delivered(folder)
    assert (result.state, folder.written) == ("unchanged", [])


def test_an_unchanged_delivery_lists_the_same_files() -> None:
    folder = MemoryFolder()
    assert delivered(folder).files == delivered(folder).files


@pytest.mark.parametrize("missing", STABLE)
def test_one_missing_stable_file_is_all_that_is_written(missing: str) -> None:
    folder = a_delivered_folder()
    del folder.files[missing]
    delivered(folder)
    assert folder.written == [missing]


@pytest.mark.parametrize("edited", STABLE)
def test_one_edited_stable_file_is_all_that_is_replaced(edited: str) -> None:
    folder = a_delivered_folder()
    folder.files[edited] = (b"edited", "fffffffff")
    delivered(folder)
    assert folder.written == [edited]


def test_a_lost_manifest_in_the_archive_is_written_again() -> None:
    folder = a_delivered_folder()
    del folder.files[archived(f"{TITLE}.manifest.json")]
    delivered(folder)
    assert folder.written == [archived(f"{TITLE}.manifest.json")]


@pytest.mark.parametrize("name", [CSV.name, f"{TITLE}.manifest.json"])
def test_an_edited_file_in_the_archive_stops_the_delivery_before_anything_is_written(name: str) -> None:
    folder = a_delivered_folder()
    folder.files[archived(name)] = (b"edited", "fffffffff")
    with pytest.raises(DeliveryRefusedError, match=f"'{archived(name)}' was changed or removed"):
        delivered(folder)
    assert folder.written == []


def test_a_changed_archive_is_to_be_moved_away_and_the_report_run_without_as_of() -> None:
    folder = a_delivered_folder()
    folder.files[archived(CSV.name)] = (b"edited", "fffffffff")
    with pytest.raises(DeliveryRefusedError, match=f"Move the folder '{archived('')[:-1]}' away.*without --as-of"):
        delivered(folder)


def test_a_file_missing_from_a_vouched_for_archive_stops_the_delivery() -> None:
    folder = a_delivered_folder()
    del folder.files[archived(PDF.name)]
    with pytest.raises(DeliveryRefusedError, match=f"'{archived(PDF.name)}' was changed or removed"):
        delivered(folder)


def test_a_later_report_replaces_the_stable_names() -> None:
    folder = a_delivered_folder()
    delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    assert folder.contents[f"/{CSV.name}"] == NEXT_REPORT[0].content


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
    result = delivered(folder, AS_OF_MONDAY)
    assert (result.state, folder.written) == ("archived", [stored.path for stored in result.files])
    assert set(folder.written).isdisjoint(STABLE)


def test_an_older_report_archived_before_is_not_written_again() -> None:
    folder = a_delivered_folder(A_WEEK_LATER, NEXT_REPORT)
    delivered(folder, AS_OF_MONDAY)
    folder.journal.clear()
    assert (delivered(folder, AS_OF_MONDAY).state, folder.written) == ("archived", [])


@pytest.mark.parametrize("always", [False, True])
def test_a_report_of_today_is_refused_where_one_of_a_day_to_come_is_archived(always: bool) -> None:
    a_wrong_clock = an_address(cutoff=date(2027, 12, 31), exported_on=date(2027, 12, 31))
    folder = a_delivered_folder(a_wrong_clock, NEXT_REPORT)
    with pytest.raises(
        DeliveryRefusedError, match=f"still to come.*move the folder '/Archive/{TITLE}/2027-12-31' away"
    ):
        delivered(folder, an_address(always=always))
    assert folder.written == []


def test_a_report_of_today_is_delivered_once_the_one_of_a_day_to_come_is_moved_away() -> None:
    a_wrong_clock = an_address(cutoff=date(2027, 12, 31), exported_on=date(2027, 12, 31))
    folder = a_delivered_folder(a_wrong_clock, NEXT_REPORT)
    assert delivered(moved_away(folder, f"/Archive/{TITLE}/2027-12-31")).state == "delivered"


def test_an_as_of_report_replaces_an_older_one_that_the_archive_knows() -> None:
    folder = a_delivered_folder(an_address(cutoff=date(2026, 11, 9), exported_on=date(2026, 11, 9)), NEXT_REPORT)
    assert delivered(folder, AS_OF_MONDAY).state == "delivered"


def test_an_as_of_report_goes_where_nothing_stands() -> None:
    assert delivered(MemoryFolder(), AS_OF_MONDAY).state == "delivered"


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(
            lambda: a_delivered_folder(replace(A_WEEK_LATER, archive=False), NEXT_REPORT), id="never archived"
        ),
        pytest.param(
            lambda: moved_away(a_delivered_folder(A_WEEK_LATER, NEXT_REPORT), "/Archive/"), id="archive moved away"
        ),
    ],
)
def test_an_as_of_report_never_replaces_one_that_the_archive_does_not_know(
    folder: Callable[[], MemoryFolder],
) -> None:
    standing = folder()
    with pytest.raises(DeliveryRefusedError, match=r"how new the report is that stands there\. Run without --as-of"):
        delivered(standing, AS_OF_MONDAY)
    assert standing.written == []


def test_an_as_of_report_of_which_the_stable_manifest_is_lost_is_mended() -> None:
    folder = a_delivered_folder(AS_OF_MONDAY)
    del folder.files[STABLE[-1]]
    assert delivered(folder, AS_OF_MONDAY).state == "delivered"


@pytest.mark.parametrize("archive", [False, True])
def test_an_as_of_report_already_current_is_not_written_again(archive: bool) -> None:
    address = replace(AS_OF_MONDAY, archive=archive)
    folder = a_delivered_folder(address)
    assert (delivered(folder, address).state, folder.written) == ("unchanged", [])


@pytest.mark.parametrize("archive", [False, True])
def test_an_as_of_report_that_a_person_asked_for_here_replaces_any(archive: bool) -> None:
    folder = a_delivered_folder(replace(A_WEEK_LATER, archive=False), NEXT_REPORT)
    assert delivered(folder, replace(AS_OF_MONDAY, archive=archive, always=True)).state == "delivered"


def test_a_report_of_today_replaces_one_that_the_archive_does_not_know() -> None:
    folder = a_delivered_folder(an_address(archive=False))
    assert delivered(folder, A_WEEK_LATER, NEXT_REPORT).state == "delivered"


def test_a_report_overtaken_by_a_newer_one_while_it_is_archived_leaves_the_stable_names_alone() -> None:
    folder = MemoryFolder()
    plan = planned(folder, AS_OF_MONDAY)
    delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    newer = {path: folder.files[path] for path in STABLE}
    result = deliver(plan, folder)
    assert (result.state, [stored.path for stored in result.files]) == ("archived", [s.path for s in plan.archive])
    assert {path: folder.files[path] for path in STABLE} == newer


def test_a_newer_report_is_looked_for_once_the_archive_is_written() -> None:
    folder, newer = MemoryFolder(), a_delivered_folder(A_WEEK_LATER, NEXT_REPORT)
    folder.after_put = lambda path: folder.files.update(newer.files)
    assert delivered(folder, AS_OF_MONDAY).state == "archived"


def test_a_later_report_that_was_never_finished_does_not_hold_this_one_back() -> None:
    folder = MemoryFolder(puts_left=3)
    with pytest.raises(DeliveryUnavailableError, match="dead"):
        delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    folder.puts_left = 1000
    assert delivered(folder, AS_OF_MONDAY).state == "delivered"


@pytest.mark.parametrize("stray", ["2027-13-01/0a1b2c3d", "20271101/0a1b2c3d", "2027-11-01/notes", "minutes/0a1b2c3d"])
def test_other_folders_in_the_archive_are_no_evidence_of_a_later_report(stray: str) -> None:
    folder = MemoryFolder({f"/Archive/{TITLE}/{stray}/{TITLE}.manifest.json": (b"{}", "000000001")})
    assert delivered(folder).state == "delivered"


def test_without_an_archive_only_the_stable_names_are_written() -> None:
    folder = a_delivered_folder(an_address(archive=False))
    assert sorted(folder.files) == sorted(STABLE)


def test_without_an_archive_the_manifest_lists_the_revisions_of_the_stable_files() -> None:
    folder = a_delivered_folder(an_address(archive=False))
    entry = json.loads(folder.contents[f"/data/{TITLE}.manifest.json"])["files"][0]
    assert entry["rev"] == folder.files[f"/{CSV.name}"][1]


def test_without_an_archive_a_set_already_current_is_not_written_again() -> None:
    folder = a_delivered_folder(an_address(archive=False))
    result = delivered(folder, an_address(archive=False))
    assert (result.state, folder.written) == ("unchanged", [])


def test_without_an_archive_an_as_of_report_replaces_no_other() -> None:
    folder = a_delivered_folder(an_address(archive=False))
    with pytest.raises(DeliveryRefusedError, match="how new the report is that stands there"):
        planned(folder, replace(AS_OF_MONDAY, archive=False), NEXT_REPORT)


def test_without_an_archive_an_as_of_report_goes_where_nothing_stands() -> None:
    assert delivered(MemoryFolder(), replace(AS_OF_MONDAY, archive=False)).state == "delivered"


@pytest.mark.parametrize("puts", range(7))
def test_a_delivery_broken_off_anywhere_is_mended_by_the_next(puts: int) -> None:
    folder = a_delivered_folder()
    folder.puts_left = puts
    with pytest.raises(DeliveryUnavailableError, match="dead"):
        delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    folder.puts_left = 1000
    delivered(folder, A_WEEK_LATER, NEXT_REPORT)
    assert vouched_for(folder, f"/data/{TITLE}.manifest.json", "/", "path")
    assert json.loads(folder.contents[f"/data/{TITLE}.manifest.json"])["cutoff"] == "2026-11-23"


@pytest.mark.parametrize("puts", range(8))
def test_a_delivery_broken_off_anywhere_leaves_no_manifest_without_its_files(puts: int) -> None:
    folder = MemoryFolder(puts_left=puts)
    with pytest.raises(DeliveryUnavailableError, match="dead"):
        delivered(folder)
    assert f"/data/{TITLE}.manifest.json" not in folder.files
    kept = [path for path in folder.files if path.startswith("/Archive/") and path.endswith(".manifest.json")]
    assert all(vouched_for(folder, path, archived(""), "name") for path in kept)


def test_files_archived_by_a_broken_run_are_not_written_again() -> None:
    folder = MemoryFolder(puts_left=2)
    with pytest.raises(DeliveryUnavailableError, match="dead"):
        delivered(folder)
    folder.puts_left = 1000
    delivered(folder)
    assert len(folder.written) == len(set(folder.written))


def test_progress_is_told_after_every_file() -> None:
    told: list[tuple[int, int, str]] = []
    folder = MemoryFolder()
    deliver(planned(folder), folder, lambda done, total, path: told.append((done, total, path)))
    assert told == [(done, 8, path) for done, path in enumerate(folder.written, start=1)]


def test_a_plan_says_what_it_would_do_and_writes_nothing() -> None:
    folder = a_delivered_folder()
    before = dict(folder.files)
    plan = planned(folder, A_WEEK_LATER, NEXT_REPORT)
    assert [step.action for step in plan.steps] == ["add"] * 4 + ["replace", "keep", "replace", "replace"]
    assert folder.files == before


def test_a_plan_says_how_large_each_file_is() -> None:
    assert [step.size for step in planned(MemoryFolder()).steps][:3] == [len(file.content) for file in REPORT]


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"", id="empty"), pytest.param(None, id="none"), pytest.param("text", id="text")],
)
def test_content_that_must_never_replace_a_good_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="has no content"):
        report_set([replace(CSV, content=content)], an_address())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(CSV.name, id="the same"),
        pytest.param(CSV.name.upper(), id="other case"),
        pytest.param(f"{TITLE}.manifest.json", id="the manifest"),
        pytest.param("archive", id="the archive"),
        pytest.param("Data", id="the data folder"),
    ],
)
def test_names_that_are_one_and_the_same_on_windows_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="one and the same to Dropbox and Windows"):
        report_set([CSV, replace(PDF, name=name)], an_address())


def test_a_name_in_two_spellings_of_the_same_letters_is_refused() -> None:
    with pytest.raises(ValueError, match="one and the same to Dropbox and Windows"):
        report_set([replace(CSV, name="é.csv"), replace(PDF, name="e\u0301.csv")], an_address())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b.csv",
        "a\\b.csv",
        "a:b.csv",
        "a?.csv",
        "a\n.csv",
        "a.csv.",
        "a.csv ",
        " a.csv",
        "CON.csv",
        "lpt1",
        "Thumbs.db",
        ".DS_Store",
        ".dropbox",
        "x" * 256,
        "half a \ud83d surrogate",
    ],
)
def test_a_name_that_windows_or_dropbox_does_not_allow_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"not a legal name|surrogates not allowed"):
        report_set([replace(CSV, name=name)], an_address())


def test_a_folder_that_windows_or_dropbox_does_not_allow_is_refused() -> None:
    with pytest.raises(ValueError, match="not a legal name"):
        report_set(REPORT, an_address(folder="/Reports/../other"))
