"""Write new files, and lists of records only into folders that nobody else can see.

A folder that is shared in another way than by a known service, such as a network drive, is not recognised.
"""

import contextlib
import os
import re
from pathlib import Path

from consent.config.checks import os_reason
from consent.delivery.report_set import SCHEMA
from consent.errors import ConfigurationError

_SYNCED_NAMES = {
    "Dropbox": r"dropbox\b.*",
    "OneDrive": r"onedrive\b.*|sharepoint\b.*",
    "Google Drive": r"google ?drive\b.*|drivefs|my drive|shared drives",
    "iCloud": r"icloud ?drive\b.*|mobile documents|com~apple~clouddocs",
    "Box": r"box|box sync",
    "Nextcloud or ownCloud": r"(nextcloud|owncloud)\b.*",
    "a cloud service": r"cloudstorage",
}
_MARKERS = {"Dropbox": (".dropbox", ".dropbox.cache"), "Google Drive": (".tmp.driveupload", ".tmp.drivedownload")}
"""How to recognise a service's synced folders: their names in lower case, and the files that it creates there."""


def write_private_file(path: Path, text: str) -> None:
    """Write a new UTF-8 file that only its owner can read, where the file system supports that."""
    ensure_private_path(path)
    write_new_file(path, text, mode=0o600)


def ensure_private_path(path: Path) -> None:
    """Raise ConfigurationError if the folder is shared or the file exists; call this before any long work."""
    ensure_not_shared_folder(path.parent)
    with contextlib.suppress(OSError):  # an impossible name is reported when the file is written
        if path.exists():
            raise _cannot_write(path)


def write_new_file(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a new UTF-8 file, complete or not at all; raises ConfigurationError if it exists or cannot be written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
        except BaseException:  # a partial list would look complete
            path.unlink(missing_ok=True)
            raise
    except FileExistsError:
        raise _cannot_write(path) from None
    except OSError as error:
        raise _cannot_write(path, os_reason(error, path)) from None


def git_checkout_of(path: Path) -> Path | None:
    """Return the folder of the git checkout that a file is in, existing or not; a link is followed first."""
    return next((each for each in path.resolve().parents if (each / ".git").exists()), None)


def _cannot_write(path: Path, reason: str = "the file already exists") -> ConfigurationError:
    return ConfigurationError(f"Cannot write {path}: {reason}.", "Keep it, or give --output another path.")


def ensure_not_shared_folder(folder: Path) -> None:
    """Raise ConfigurationError if a known service syncs the folder, or delivered reports are in it."""
    for start in (folder.absolute(), folder.resolve()):  # a link may lead into such a folder, or out of one
        for step in (start, *start.parents):
            if reason := _why_shared(step):
                fix = "Give --output a folder on this computer that only you can read."
                raise ConfigurationError(f"Cannot write a list of records to {folder}: {reason}.", fix)


def _why_shared(folder: Path) -> str | None:
    for service, names in _SYNCED_NAMES.items():
        if re.fullmatch(names, folder.name.lower()):
            return f"{folder} is synced by {service}"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if (folder.parent / f"OneDrive - {folder.name}").exists():  # shared libraries are synced beside their OneDrive
            return f"{folder} is synced by SharePoint"
        for service, markers in _MARKERS.items():
            if any((folder / marker).exists() for marker in markers):
                return f"{folder} is synced by {service}"
        manifests = (*folder.glob("*.manifest.json"), *(folder / "data").glob("*.manifest.json"))
        if any(SCHEMA in manifest.read_text(encoding="utf-8") for manifest in manifests):
            return f"delivered reports are in {folder}"
    return None
