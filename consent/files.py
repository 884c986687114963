"""Report files: their names, paths and content hash, and the JSON form of a value."""

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ReportFile:
    """One file of a report; ``data`` marks a file for machines, ``shared`` one for people outside the team."""

    name: str
    content: bytes = field(repr=False)
    data: bool = False
    shared: bool = False


@dataclass(frozen=True)
class StoredFile:
    """A file in a folder: its path, Dropbox content hash, size in bytes and revision ("" on a disk)."""

    path: str
    content_hash: str
    size: int
    rev: str


_BLOCK = 4 * 1024 * 1024  # bytes
LONGEST_NAME = 255  # characters
_MOST_CHARACTERS = 1_000_000
_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³]) *(\..*)?"
    r"|desktop\.ini|thumbs\.db|\.ds_store|\.dropbox(\.attr)?"
)


def illegal_name_reason(name: str) -> str | None:
    """Return why Windows or Dropbox would refuse this file name; None if both accept it.

    https://learn.microsoft.com/windows/win32/fileio/naming-a-file and https://help.dropbox.com/organize/file-names
    """
    if not name or len(name) > LONGEST_NAME:
        return f"it must have 1 to {LONGEST_NAME} characters"
    if _ILLEGAL.search(name):
        return 'it contains < > : " / \\ | ? * or a control character'
    if name.endswith((".", " ")) or name.startswith(" "):
        return "it starts with a space, or ends with a dot or a space"
    if _RESERVED.fullmatch(name.lower()):
        return "Windows or Dropbox reserves it"
    return None


def shareable_stem(title: str) -> str:
    """Return the name of the edition for people outside the team, without its ending."""
    return f"{title} (shareable)"


def read_text(path: Path) -> str:
    """Return the text of a settings or study file in UTF-8, of limited length; raises OSError or ValueError."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "It is not a file")
    with path.open(encoding="utf-8-sig") as file:
        text = file.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        raise OSError(errno.EFBIG, "It has more than a million characters")
    return text


def folder_names(path: str) -> list[str]:
    """Return the names in a path with slashes."""
    return [name for name in path.split("/") if name]


def join_paths(*paths: str) -> str:
    """Join paths into one that starts with a slash and does not end with one."""
    return "/" + "/".join(name for path in paths for name in folder_names(path))


def content_hash(content: bytes) -> str:
    """Return Dropbox's hash of a file: SHA-256 over the SHA-256 digests of its 4 MiB blocks, in hex.

    https://www.dropbox.com/developers/reference/content-hash
    """
    blocks = (content[start : start + _BLOCK] for start in range(0, len(content), _BLOCK))
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()


def sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk if its file system can, so that a new name survives a power failure."""
    if os.name == "posix":  # Windows cannot open a folder
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def to_json(value: Any) -> Any:
    """Return a value as plain JSON values: a dataclass by its fields, an instant in UTC to the second."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    return str(value) if isinstance(value, Path) else value
