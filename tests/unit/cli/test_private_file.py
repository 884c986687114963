"""A list of records is written for one person: new, private, and nowhere that others see."""

import json
from pathlib import Path

import pytest

from consent.cli.private_file import ensure_not_shared_folder, write_new_file, write_private_file
from consent.delivery.report_set import SCHEMA
from consent.errors import ConfigurationError


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A folder whose own name says nothing."""
    return tmp_path


def a_manifest(folder: Path) -> None:
    """A delivered report's manifest in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"schema": SCHEMA, "sandbox": False})
    (folder / "OBRI Consent Summary.manifest.json").write_text(text, encoding="utf-8")


def test_a_private_file_holds_the_text_as_it_is(folder: Path) -> None:
    write_private_file(folder / "list.csv", "é,1\n")
    assert (folder / "list.csv").read_bytes() == "é,1\n".encode()


@pytest.mark.not_windows  # which keeps other rights than these
def test_a_private_file_is_readable_by_its_owner_alone(folder: Path) -> None:
    write_private_file(folder / "list.csv", "")
    assert (folder / "list.csv").stat().st_mode & 0o777 == 0o600


def test_a_private_file_is_never_written_over_another(folder: Path) -> None:
    (folder / "list.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"list\.csv cannot be written: it is there already"):
        write_private_file(folder / "list.csv", "")
    assert (folder / "list.csv").read_text(encoding="utf-8") == "mine"


def test_a_new_file_is_never_written_over_another(folder: Path) -> None:
    (folder / "rules.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="it is there already"):
        write_new_file(folder / "rules.csv", "")


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"list\.csv cannot be written: No such file.*Give --output another"):
        write_private_file(folder / "nowhere" / "list.csv", "")


def test_a_name_that_is_too_long_is_an_error_and_no_fault(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be written: .* Give --output another place"):
        write_private_file(folder / f"{'a' * 300}.csv", "")


def test_a_file_that_cannot_be_written_to_its_end_is_not_left_behind(folder: Path) -> None:
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        write_new_file(folder / "list.csv", "record\n" * 100_000 + "\ud800")
    assert not (folder / "list.csv").exists()


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("Dropbox", "Dropbox"),
        ("Dropbox (University Health)", "Dropbox"),
        ("OneDrive", "OneDrive"),
        ("OneDrive - Hamilton Health", "OneDrive"),
        ("Google Drive", "Google Drive"),
        ("GoogleDrive-someone@example.org", "Google Drive"),
        ("My Drive", "Google Drive"),
        ("iCloudDrive", "iCloud"),
        ("com~apple~CloudDocs", "iCloud"),
        ("Box", "Box"),
        ("Nextcloud", "Nextcloud or ownCloud"),
        ("CloudStorage", "a cloud service"),
    ],
)
def test_a_folder_that_is_copied_to_others_is_refused_however_deep(folder: Path, name: str, service: str) -> None:
    with pytest.raises(ConfigurationError, match=f"a folder of {service}, which is copied to others"):
        ensure_not_shared_folder(folder / name / "Documents" / "lists")


def test_the_libraries_that_an_organisation_shares_are_known_by_its_onedrive_beside_them(folder: Path) -> None:
    (folder / "OneDrive - Hamilton Health").mkdir()
    with pytest.raises(ConfigurationError, match="a folder of SharePoint"):
        ensure_not_shared_folder(folder / "Hamilton Health" / "Registry - Documents")


@pytest.mark.parametrize("name", ["dropboxes of mail", "my onedrives", "boxes", "lists", "data"])
def test_a_folder_with_another_name_is_not_refused(folder: Path, name: str) -> None:
    ensure_not_shared_folder(folder / name)


@pytest.mark.parametrize("mark", [".dropbox", ".dropbox.cache", ".tmp.driveupload"])
def test_a_synced_folder_of_another_name_is_known_by_its_mark(folder: Path, mark: str) -> None:
    (folder / mark).mkdir()
    with pytest.raises(ConfigurationError, match="which is copied to others"):
        ensure_not_shared_folder(folder / "lists")


@pytest.mark.not_windows  # a link needs rights there
def test_a_link_into_a_synced_folder_is_followed(folder: Path) -> None:
    (folder / "Dropbox" / "lists").mkdir(parents=True)
    (folder / "lists").symlink_to(folder / "Dropbox" / "lists")
    with pytest.raises(ConfigurationError, match="a folder of Dropbox"):
        ensure_not_shared_folder(folder / "lists")


@pytest.mark.parametrize("place", ["data", "Archive/OBRI Consent Summary/2026-11-16/6121bd75"])
def test_a_folder_of_delivered_reports_is_refused_wherever_in_it(folder: Path, place: str) -> None:
    a_manifest(folder / place)
    with pytest.raises(ConfigurationError, match="delivered reports are in it"):
        ensure_not_shared_folder(folder / place)


def test_the_folder_that_holds_the_stable_names_is_refused(folder: Path) -> None:
    a_manifest(folder / "data")
    with pytest.raises(ConfigurationError, match="delivered reports are in it"):
        ensure_not_shared_folder(folder)


def test_a_manifest_of_something_else_is_no_delivered_report(folder: Path) -> None:
    (folder / "app.manifest.json").write_text('{"name": "app"}', encoding="utf-8")
    ensure_not_shared_folder(folder)
