"""What one Dropbox account holds, and the rules by which it refuses a change. Paths start at the account's root."""

import hashlib
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, count
from pathlib import PurePosixPath

BLOCK_BYTES = 4 * 1024 * 1024
LONGEST_NAME = 255
DISALLOWED_NAMES = frozenset({"desktop.ini", "thumbs.db", ".ds_store", "icon\r", ".dropbox", ".dropbox.attr"})


def content_hash(content: bytes) -> str:
    """Dropbox's fingerprint of a file, 64 hex digits: the SHA-256 of the SHA-256s of its 4 MiB blocks.

    https://www.dropbox.com/developers/reference/content-hash
    """
    starts = range(0, len(content), BLOCK_BYTES)
    digests = (hashlib.sha256(content[start : start + BLOCK_BYTES]).digest() for start in starts)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def folded(path: str) -> str:
    """The path in lower case, letter by letter, so that a final sigma is treated like any other."""
    return "".join(letter.lower() for letter in path)


class RefusedError(Exception):
    """Dropbox would say no; ``tags`` are its words, outermost first, e.g. ``("conflict", "file")``."""

    def __init__(self, *tags: str) -> None:
        self.tags = tags
        super().__init__("/".join(tags))


class LookupRefusedError(RefusedError):
    """There is no such thing at the path."""


class WriteRefusedError(RefusedError):
    """The path cannot be written as asked."""


@dataclass(frozen=True)
class Revision:
    """What a file once held."""

    rev: str
    content: bytes
    content_hash: str
    client_modified: datetime
    server_modified: datetime


@dataclass(kw_only=True)
class Folder:
    """A folder, or the memory of one."""

    path: str
    id: str
    deleted_at: datetime | None = None


@dataclass(kw_only=True)
class File:
    """A file with its revisions, oldest first, or the memory of one."""

    path: str
    id: str
    deleted_at: datetime | None = None
    revisions: list[Revision] = field(default_factory=list)

    @property
    def current(self) -> Revision:
        """The revision that stands, or stood last."""
        return self.revisions[-1]


Entry = File | Folder


@dataclass(frozen=True)
class WriteMode:
    """How an upload treats what is already there: ``add``, ``overwrite``, or ``update`` of one known revision."""

    name: str = "add"
    rev: str | None = None
    autorename: bool = False
    strict_conflict: bool = False


class Tree:
    """Everything in the account, found by path whatever its case; ``read_only`` holds folders nobody may write to."""

    def __init__(self, clock: Callable[[], datetime], *, quota: int | None, read_only: frozenset[str]) -> None:
        self.quota = quota
        self.read_only = set(read_only)
        self._clock = clock
        self._entries: dict[str, Entry] = {}

    def find(self, path: str, *, deleted: bool = False) -> Entry:
        """What is at the path; a decomposed (NFD) spelling finds nothing, because names are kept composed (NFC)."""
        _check_shape(path, LookupRefusedError)
        entry = self._entries.get(folded(path))
        if entry is None or (entry.deleted_at and not deleted):
            raise LookupRefusedError("not_found")
        return entry

    def find_file(self, path: str, *, deleted: bool = False) -> File:
        """The file at the path."""
        entry = self.find(path, deleted=deleted)
        if isinstance(entry, Folder):
            raise LookupRefusedError("not_file")
        return entry

    def live_at(self, path: str) -> Entry | None:
        """What stands at the path, if anything does."""
        entry = self._entries.get(folded(path))
        return None if entry is None or entry.deleted_at else entry

    def inside(self, folder: str, *, recursive: bool = True) -> list[Entry]:
        """What a folder holds, sorted by path."""
        start = folded(folder) + "/"
        return [
            entry
            for key, entry in sorted(self._entries.items())
            if key.startswith(start) and (recursive or "/" not in key[len(start) :]) and not entry.deleted_at
        ]

    def write(self, path: str, content: bytes, mode: WriteMode, client_modified: datetime | None = None) -> File:
        """Store the content, or find it there already, in which case nothing is written and no revision is made."""
        path = self._writable(path)
        standing = self.live_at(path)
        if isinstance(standing, File) and standing.current.content == content and not mode.strict_conflict:
            return standing
        path = self._without_conflict(path, mode)
        self._check_room(path, content)
        now = self._clock()
        return self._put(path, Revision(_new_rev(), content, content_hash(content), client_modified or now, now))

    def make_folder(self, path: str) -> Folder:
        """Create a folder, and the ones above it."""
        path = self._writable(path)
        if standing := self.live_at(path):
            raise WriteRefusedError("conflict", _kind(standing))
        return self._put_folder(path)

    def delete(self, path: str, *, parent_rev: str | None = None) -> Entry:
        """Delete a file, if asked only in one known revision, or a folder with all it holds."""
        entry = self.find(path)
        self.check_permission(path)
        if parent_rev is not None and not (isinstance(entry, File) and entry.current.rev == parent_rev):
            raise WriteRefusedError("conflict", _kind(entry))
        self._remove(entry)
        return entry

    def check_permission(self, path: str) -> None:
        """Refuse a path in, or at, a folder that is for reading only."""
        here = [folded(each) for each in (*_above(path), path)]
        if any(folded(folder) in here for folder in self.read_only):
            raise WriteRefusedError("no_write_permission")

    def _writable(self, path: str) -> str:
        path = unicodedata.normalize("NFC", path)
        _check_shape(path, WriteRefusedError)
        if not DISALLOWED_NAMES.isdisjoint(folded(path).split("/")):
            raise WriteRefusedError("disallowed_name")
        if any(isinstance(self.live_at(folder), File) for folder in _above(path)):
            raise WriteRefusedError("conflict", "file_ancestor")
        self.check_permission(path)
        return path

    def _without_conflict(self, path: str, mode: WriteMode) -> str:
        """The path to write to: the one asked for, or with ``autorename`` a free one near it."""
        conflict = self._conflict(path, mode)
        if conflict is None:
            return path
        if not mode.autorename:
            raise WriteRefusedError("conflict", conflict)
        return self._free_path(path, ("conflicted copy",) if mode.name == "update" else ())

    def _conflict(self, path: str, mode: WriteMode) -> str | None:
        entry = self._entries.get(folded(path))
        if entry is None:
            return None
        if entry.deleted_at:
            return "file" if mode.name == "update" and mode.strict_conflict else None
        if isinstance(entry, Folder):
            return "folder"
        replaceable = mode.name == "overwrite" or (mode.name == "update" and mode.rev == entry.current.rev)
        return None if replaceable else "file"

    def _check_room(self, path: str, content: bytes) -> None:
        standing = self.live_at(path)
        others = [each for each in self.inside("") if isinstance(each, File) and each is not standing]
        used = sum(len(each.current.content) for each in others)
        if self.quota is not None and used + len(content) > self.quota:
            raise WriteRefusedError("insufficient_space")

    def _free_path(self, path: str, marks: tuple[str, ...]) -> str:
        whole = PurePosixPath(path)
        for mark in chain(marks, map(str, count(1))):
            candidate = str(whole.with_name(f"{whole.stem} ({mark}){whole.suffix}"))
            if self.live_at(candidate) is None:
                break
        return candidate

    def _put(self, path: str, revision: Revision) -> File:
        standing = self._entries.get(folded(path))
        if not isinstance(standing, File):
            standing = File(path=path, id=_new_id())
        if self.live_at(path) is None:
            standing.path = self._spelt(path)
        standing.deleted_at = None
        standing.revisions.append(revision)
        self._entries[folded(path)] = standing
        return standing

    def _put_folder(self, path: str) -> Folder:
        folder = Folder(path=self._spelt(path), id=_new_id())
        self._entries[folded(path)] = folder
        return folder

    def _spelt(self, path: str) -> str:
        """The path in the spelling of the folders it lies in, which are made where they are missing."""
        parent, _, name = path.rpartition("/")
        if not parent:
            return path
        standing = self.live_at(parent) or self._put_folder(parent)
        return f"{standing.path}/{name}"

    def _remove(self, entry: Entry) -> None:
        below = self.inside(entry.path) if isinstance(entry, Folder) else []
        for each in (entry, *below):
            each.deleted_at = self._clock()


def _check_shape(path: str, refusal: type[RefusedError]) -> None:
    names = path.split("/")[1:]
    if any(not name or name.endswith(" ") or "\\" in name or len(name) > LONGEST_NAME for name in names):
        raise refusal("malformed_path")


def _above(path: str) -> Iterator[str]:
    """The folders a path lies in, nearest last."""
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(2, len(parts)))


def _kind(entry: Entry) -> str:
    return "file" if isinstance(entry, File) else "folder"


def _new_rev() -> str:
    return secrets.token_hex(8)


def _new_id() -> str:
    return "id:" + secrets.token_urlsafe(16)
