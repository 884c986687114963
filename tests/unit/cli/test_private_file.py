"""Tests of private files: new, readable by their owner only, and never in a folder that others can see."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from consent.cli.private_file import ensure_not_shared_folder, write_new_file, write_private_file
from consent.delivery.report_set import SCHEMA
from consent.errors import ConfigurationError


def test_a_private_file_holds_the_text_as_it_is(tmp_path: Path) -> None:
    write_private_file(tmp_path / "list.csv", "é,1\n")
    assert (tmp_path / "list.csv").read_bytes() == "é,1\n".encode()


@pytest.mark.not_windows  # has other file permissions
def test_only_its_owner_can_read_a_private_file(tmp_path: Path) -> None:
    write_private_file(tmp_path / "list.csv", "")
    assert (tmp_path / "list.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("write", [write_private_file, write_new_file])
def test_an_existing_file_is_never_overwritten(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    (tmp_path / "list.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"list\.csv: the file already exists\. Keep it"):
        write(tmp_path / "list.csv", "")
    assert (tmp_path / "list.csv").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["nowhere/list.csv", f"{'a' * 300}.csv"], ids=["no folder", "name too long"])
def test_a_path_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Cannot write .*\.csv"):
        write_private_file(tmp_path / name, "")


def test_an_incomplete_file_is_removed(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        write_new_file(tmp_path / "list.csv", "record\n" * 100_000 + "\ud800")
    assert not (tmp_path / "list.csv").exists()


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("Dropbox (University Health)", "Dropbox"),
        ("OneDrive - Hamilton Health", "OneDrive"),
        ("GoogleDrive-someone@example.org", "Google Drive"),
        ("com~apple~CloudDocs", "iCloud"),
        ("Box", "Box"),
        ("Nextcloud", "Nextcloud or ownCloud"),
        ("CloudStorage", "a cloud service"),
    ],
)
def test_a_synced_folder_is_rejected_at_any_depth(tmp_path: Path, name: str, service: str) -> None:
    with pytest.raises(ConfigurationError, match=f"is synced by {service}"):
        ensure_not_shared_folder(tmp_path / name / "Documents" / "lists")


def test_a_shared_library_is_recognised_by_the_onedrive_beside_it(tmp_path: Path) -> None:
    (tmp_path / "OneDrive - Hamilton Health").mkdir()
    with pytest.raises(ConfigurationError, match="is synced by SharePoint"):
        ensure_not_shared_folder(tmp_path / "Hamilton Health" / "Registry - Documents")


@pytest.mark.parametrize("name", ["dropboxes of mail", "my onedrives", "boxes", "data"])
def test_a_folder_with_another_name_is_accepted(tmp_path: Path, name: str) -> None:
    ensure_not_shared_folder(tmp_path / name)


@pytest.mark.parametrize("marker", [".dropbox", ".tmp.driveupload"])
def test_a_synced_folder_with_another_name_is_recognised_by_its_marker(tmp_path: Path, marker: str) -> None:
    (tmp_path / marker).mkdir()
    with pytest.raises(ConfigurationError, match="is synced by"):
        ensure_not_shared_folder(tmp_path / "lists")


@pytest.mark.not_windows  # needs rights there to create a link
def test_a_link_into_a_synced_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "Dropbox" / "lists").mkdir(parents=True)
    (tmp_path / "lists").symlink_to(tmp_path / "Dropbox" / "lists")
    with pytest.raises(ConfigurationError, match="is synced by Dropbox"):
        ensure_not_shared_folder(tmp_path / "lists")


@pytest.mark.parametrize(
    ("manifest", "place"),
    [("data", "data"), ("data", ""), ("Archive/Summary/2026-11-16", "Archive/Summary/2026-11-16/lists")],
    ids=["with the data files", "with the report", "inside the archive"],
)
def test_a_folder_of_delivered_reports_is_rejected(tmp_path: Path, manifest: str, place: str) -> None:
    (tmp_path / manifest).mkdir(parents=True)
    text = json.dumps({"schema": SCHEMA, "sandbox": False})
    (tmp_path / manifest / "OBRI Consent Summary.manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="delivered reports are in"):
        ensure_not_shared_folder(tmp_path / place)


def test_the_manifest_of_another_program_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "app.manifest.json").write_text('{"name": "app"}', encoding="utf-8")
    ensure_not_shared_folder(tmp_path)
