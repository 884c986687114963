"""Writes a file that is for one person's eyes: new, readable by nobody else, and in no folder that others see.

Knows the folders of Dropbox, OneDrive, SharePoint, Google Drive, iCloud, Box, Nextcloud and ownCloud by their names and
marks, and delivered reports by their manifest. It cannot know of a folder that is shared by other means, such as a
network drive.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from consent.delivery.report_set import SCHEMA
from consent.errors import ConfigurationError

_SYNCED = {
    "Dropbox": r"dropbox\b.*",
    "OneDrive": r"onedrive\b.*|sharepoint\b.*",
    "Google Drive": r"google ?drive\b.*|drivefs|my drive|shared drives",
    "iCloud": r"icloud ?drive\b.*|mobile documents|com~apple~clouddocs",
    "Box": r"box|box sync",
    "Nextcloud or ownCloud": r"(nextcloud|owncloud)\b.*",
    "a cloud service": r"cloudstorage",
}
"""What folders that are copied to others' computers are called, in lower case."""
_MARKS = {
    ".dropbox": "Dropbox",
    ".dropbox.cache": "Dropbox",
    ".tmp.driveupload": "Google Drive",
    ".tmp.drivedownload": "Google Drive",
}
"""Files and folders that such services leave in theirs."""

_THERE = "it is there already, and is never written over"
_OTHER_NAME = "Give --output another name, or move it away"


def ensure_not_git_checkout(path: Path) -> None:
    """Make sure, before anything is done for it, that a private file may be written there.

    Raises:
        ConfigurationError: its folder is shared, or there is such a file already.
    """
    ensure_not_shared_folder(path.parent)
    with contextlib.suppress(OSError):  # a name that the system cannot even look up is refused when it is written
        if path.exists():
            raise _unwritable(path, _THERE, _OTHER_NAME)


def write_private_file(path: Path, text: str) -> None:
    """Write a new file (UTF-8) that only its owner can read, where the system can see to that.

    Raises:
        ConfigurationError: its folder is shared or not there, or there is such a file already.
    """
    ensure_not_git_checkout(path)
    write_new_file(path, text, mode=0o600)


def write_new_file(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a file (UTF-8, line ends as they are), whole or not at all, and never over another.

    Raises:
        ConfigurationError: there is such a file already, or it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with _removed_if_unfinished(path), os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        failure = _unwritable(path, _THERE, _OTHER_NAME)
    except OSError as error:
        failure = _unwritable(path, error.strerror or "the system refuses it", "Give --output another place")
    else:
        return
    raise failure


@contextlib.contextmanager
def _removed_if_unfinished(path: Path) -> Iterator[None]:
    """Leave nothing behind where the disk is full or somebody stops the program: half a list would pass for a whole."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _unwritable(path: Path, why: str, advice: str) -> ConfigurationError:
    return ConfigurationError(f"The file {path} cannot be written: {why}. {advice}.")


def ensure_not_shared_folder(folder: Path) -> None:
    """Make sure that nobody but the person at this machine comes to see what is put into a folder.

    Raises:
        ConfigurationError: it belongs to a service that copies it elsewhere, or holds delivered reports.
    """
    for place in (folder.absolute(), folder.resolve()):  # a link may lead into such a folder, or out of one
        for step in (place, *place.parents):
            if service := _service_of(step):
                why = f"it lies in a folder of {service}, which is copied to others ({step})"
            elif _holds_reports(step):
                why = f"delivered reports are in it, or in a folder above it ({step})"
            else:
                continue
            raise ConfigurationError(
                f"A list of records is not written into {folder}: {why}. Give --output a place on this computer that "
                "only you can read."
            )


def _service_of(folder: Path) -> str | None:
    for service, names in _SYNCED.items():
        if re.fullmatch(names, folder.name.lower()):
            return service
    with contextlib.suppress(OSError):  # libraries are synced to a folder named after the organisation, beside this one
        if (folder.parent / f"OneDrive - {folder.name}").exists():
            return "SharePoint"
    for mark, service in _MARKS.items():
        with contextlib.suppress(OSError):
            if (folder / mark).exists():
                return service
    return None


def _holds_reports(folder: Path) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        manifests = (*folder.glob("*.manifest.json"), *(folder / "data").glob("*.manifest.json"))
        return any(SCHEMA in manifest.read_text(encoding="utf-8") for manifest in manifests)
    return False
