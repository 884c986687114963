"""Report files: their legal names, their content hash, and plain JSON values.

https://learn.microsoft.com/windows/win32/fileio/naming-a-file and https://help.dropbox.com/organize/file-names
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StoredFile:
    """A file as a folder holds it: its Dropbox content hash, its size in bytes and its revision ("" on a disk)."""

    path: str
    content_hash: str
    size: int
    rev: str


_BLOCK = 4 * 1024 * 1024


def content_hash(content: bytes) -> str:
    """The fingerprint Dropbox gives a file: SHA-256 over the SHA-256 digests of its 4 MiB blocks, in hex.

    https://www.dropbox.com/developers/reference/content-hash
    """
    blocks = (content[start : start + _BLOCK] for start in range(0, len(content), _BLOCK))
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()


def joined(*paths: str) -> str:
    """The paths as one, starting with "/" and not ending with it."""
    return "/" + "/".join(part for path in paths for part in _parts(path))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


LONGEST = 255  # characters

_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_KEPT = re.compile(
    r"(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³])(\..*)?|desktop\.ini|thumbs\.db|\.ds_store|\.dropbox(\.attr)?"
)


def why_illegal(name: str) -> str | None:
    """Why one of them would refuse this name, in words that follow "the name is refused:"; None if both accept it."""
    if not name or len(name) > LONGEST:
        return f"it must have 1 to {LONGEST} characters"
    if _ILLEGAL.search(name):
        return 'it must not contain < > : " / \\ | ? *'
    if name.endswith((".", " ")) or name.startswith(" "):
        return "it must not begin with a space, nor end in a dot or a space"
    if _KEPT.fullmatch(name.lower()):
        return "it must not be a name that Windows or Dropbox keeps for itself"
    return None


@dataclass(frozen=True)
class ReportFile:
    """One file of a report, its bytes final: ``name`` is its plain name, ``data`` says it is for machines."""

    name: str
    content: bytes
    data: bool = False


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
