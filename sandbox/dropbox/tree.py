"""The files and folders of one Dropbox account, and the rules by which a write is refused."""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import PurePosixPath

BLOCK_BYTES = 4 * 1024 * 1024
LONGEST_NAME = 255
DISALLOWED_NAMES = frozenset({"desktop.ini", "thumbs.db", ".ds_store", "icon\r", ".dropbox", ".dropbox.attr"})


def content_hash(content: bytes) -> str:
    """Return Dropbox's content hash, 64 hex digits: the SHA-256 of the SHA-256s of the 4 MiB blocks.

    https://www.dropbox.com/developers/reference/content-hash
    """
    starts = range(0, len(content), BLOCK_BYTES)
    digests = (hashlib.sha256(content[start : start + BLOCK_BYTES]).digest() for start in starts)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def folded(path: str) -> str:
    """Return the path in lower case, letter by letter, so that a final sigma is treated like any other."""
    return "".join(letter.lower() for letter in path)


class RefusedError(Exception):
    """A refusal by Dropbox; ``tags`` are its error tags, outermost first, e.g. ``("conflict", "file")``."""

    def __init__(self, *tags: str) -> None:
        self.tags = tags
        super().__init__("/".join(tags))


class LookupRefusedError(RefusedError):
    """Nothing was found at the path."""


class WriteRefusedError(RefusedError):
    """The path cannot be written."""


@dataclass(frozen=True)
class Revision:
    """One version of a file."""

    rev: str
    content: bytes
    content_hash: str
    modified: datetime


@dataclass(kw_only=True)
class Folder:
    """A folder, which may be deleted."""

    path: str
    id: str
    deleted: bool = False


@dataclass(kw_only=True)
class File:
    """A file, which may be deleted, with its revisions, oldest first."""

    path: str
    id: str
    deleted: bool = False
    revisions: list[Revision] = field(default_factory=list)

    @property
    def current(self) -> Revision:
        """The newest revision."""
        return self.revisions[-1]


Entry = File | Folder


@dataclass(frozen=True)
class WriteMode:
    """How an upload treats an existing file: ``add``, ``overwrite``, or ``update`` of revision ``rev``."""

    name: str = "add"
    rev: str | None = None
    autorename: bool = False


class Tree:
    """All entries by path, in any case; paths start at the account's root.

    quota: in bytes. read_only: folders that cannot be written to.
    """

    def __init__(self, *, quota: int | None, read_only: frozenset[str]) -> None:
        self.quota = quota
        self.read_only = set(read_only)
        self._entries: dict[str, Entry] = {}

    def find(self, path: str, *, deleted: bool = False) -> Entry:
        """Return the entry at the path; a decomposed (NFD) path finds nothing, because names are stored composed."""
        _check_shape(path, LookupRefusedError)
        entry = self._entries.get(folded(path))
        if entry is None or (entry.deleted and not deleted):
            raise LookupRefusedError("not_found")
        return entry

    def find_file(self, path: str, *, deleted: bool = False) -> File:
        """Return the file at the path."""
        entry = self.find(path, deleted=deleted)
        if isinstance(entry, Folder):
            raise LookupRefusedError("not_file")
        return entry

    def existing(self, path: str) -> Entry | None:
        """Return the entry at the path that is not deleted, if there is one."""
        entry = self._entries.get(folded(path))
        return None if entry is None or entry.deleted else entry

    def inside(self, folder: str, *, recursive: bool = True) -> list[Entry]:
        """Return the entries in a folder, sorted by path."""
        start = folded(folder) + "/"
        return [
            entry
            for key, entry in sorted(self._entries.items())
            if key.startswith(start) and (recursive or "/" not in key[len(start) :]) and not entry.deleted
        ]

    def write(self, path: str, content: bytes, mode: WriteMode) -> File:
        """Store the content; if the file already has it, nothing is written and no revision is created."""
        path = self._writable(path)
        existing = self.existing(path)
        if isinstance(existing, File) and existing.current.content == content:
            return existing
        path = self._without_conflict(path, mode)
        self._check_quota(path, content)
        return self._put(path, Revision(secrets.token_hex(8), content, content_hash(content), datetime.now(UTC)))

    def make_folder(self, path: str) -> Folder:
        """Create a folder and its parents."""
        path = self._writable(path)
        if existing := self.existing(path):
            raise WriteRefusedError("conflict", _kind(existing))
        return self._put_folder(path)

    def delete(self, path: str, *, parent_rev: str | None = None) -> None:
        """Delete a folder with its entries, or a file; with ``parent_rev`` only if that is its revision."""
        entry = self.find(path)
        self._check_permission(path)
        if parent_rev is not None and not (isinstance(entry, File) and entry.current.rev == parent_rev):
            raise WriteRefusedError("conflict", _kind(entry))
        for each in (entry, *self.inside(entry.path)):
            each.deleted = True

    def _check_permission(self, path: str) -> None:
        here = [folded(each) for each in (*_parents(path), path)]
        if any(folded(folder) in here for folder in self.read_only):
            raise WriteRefusedError("no_write_permission")

    def _writable(self, path: str) -> str:
        path = unicodedata.normalize("NFC", path)
        _check_shape(path, WriteRefusedError)
        if not DISALLOWED_NAMES.isdisjoint(folded(path).split("/")):
            raise WriteRefusedError("disallowed_name")
        if any(isinstance(self.existing(folder), File) for folder in _parents(path)):
            raise WriteRefusedError("conflict", "file_ancestor")
        self._check_permission(path)
        return path

    def _without_conflict(self, path: str, mode: WriteMode) -> str:
        """Return the path to write to: the given one, or with ``autorename`` a free one."""
        existing = self.existing(path)
        if existing is None or (isinstance(existing, File) and _may_replace(existing, mode)):
            return path
        if not mode.autorename:
            raise WriteRefusedError("conflict", _kind(existing))
        whole = PurePosixPath(path)
        candidates = (str(whole.with_name(f"{whole.stem} ({number}){whole.suffix}")) for number in count(1))
        return next(candidate for candidate in candidates if self.existing(candidate) is None)

    def _check_quota(self, path: str, content: bytes) -> None:
        replaced = self.existing(path)
        others = [each for each in self.inside("") if isinstance(each, File) and each is not replaced]
        used = sum(len(each.current.content) for each in others)
        if self.quota is not None and used + len(content) > self.quota:
            raise WriteRefusedError("insufficient_space")

    def _put(self, path: str, revision: Revision) -> File:
        file = self._entries.get(folded(path))
        if not isinstance(file, File):
            file = File(path=path, id=_new_id())
        if self.existing(path) is None:
            file.path = self._spelled(path)
        file.deleted = False
        file.revisions.append(revision)
        self._entries[folded(path)] = file
        return file

    def _put_folder(self, path: str) -> Folder:
        folder = Folder(path=self._spelled(path), id=_new_id())
        self._entries[folded(path)] = folder
        return folder

    def _spelled(self, path: str) -> str:
        """Return the path with its parents spelled as they exist; missing parents are created."""
        parent, _, name = path.rpartition("/")
        if not parent:
            return path
        folder = self.existing(parent) or self._put_folder(parent)
        return f"{folder.path}/{name}"


def _may_replace(file: File, mode: WriteMode) -> bool:
    return mode.name == "overwrite" or (mode.name == "update" and mode.rev == file.current.rev)


def _check_shape(path: str, refusal: type[RefusedError]) -> None:
    names = path.split("/")[1:]
    if any(not name or name.endswith(" ") or "\\" in name or len(name) > LONGEST_NAME for name in names):
        raise refusal("malformed_path")


def _parents(path: str) -> Iterator[str]:
    """Yield the folders of a path, nearest last."""
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(2, len(parts)))


def _kind(entry: Entry) -> str:
    return "file" if isinstance(entry, File) else "folder"


def _new_id() -> str:
    return "id:" + secrets.token_urlsafe(16)
