"""The files of one report as a set: their names, fingerprints and places, and the manifest that vouches for them.

Decides nothing about what to write and touches no folder. The manifest holds no instant and no run id, so the same
report in the same archive gives the same manifest, and its fingerprint alone says whether a folder is current.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from consent.files import StoredFile, content_hash, folder_names, illegal_name_reason, join_paths

if TYPE_CHECKING:
    from consent.files import ReportFile


SCHEMA = "consent-manifest/1"


@dataclass(frozen=True)
class Destination:
    """Whose report this is, as of which days, and the folder ("/" or "/Reports/x") it is for.

    ``always``: a person asked for these very files here, whatever report stands there (``summarise``).
    """

    study_key: str
    title: str
    folder: str
    archive: bool
    cutoff: date
    exported_on: date
    sandbox: bool
    always: bool = False

    @property
    def manifest_name(self) -> str:
        """The plain name of the manifest."""
        return f"{self.title}.manifest.json"

    @property
    def archive_home(self) -> str:
        """The folder that holds the kept sets of this title, one folder a cut-off."""
        return join_paths(self.folder, "Archive", self.title)


@dataclass(frozen=True)
class TargetFile:
    """One file of a set, where it goes, and its bytes; a manifest's bytes lack the revisions that are still to come."""

    path: str
    content: bytes
    is_manifest: bool = False


@dataclass(frozen=True)
class ReportSet:
    """The files of one report and whose it is; made by ``report_set``, which refuses what must never be delivered."""

    address: Destination
    files: "tuple[ReportFile, ...]"

    @cached_property
    def set_id(self) -> str:
        """The first 8 hex digits of the SHA-256 over the sorted lines ``name:content_hash``."""
        lines = sorted(f"{file.name}:{content_hash(file.content)}" for file in self.files)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]

    @property
    def archive_folder(self) -> str:
        """The folder in which this very set is kept."""
        return join_paths(self.address.archive_home, self.address.cutoff.isoformat(), self.set_id)

    def archive_places(self, stored: Mapping[str, StoredFile]) -> tuple[TargetFile, ...]:
        """Where the set is kept, flat, the manifest last; none without an archive."""
        if not self.address.archive:
            return ()
        manifest = TargetFile(join_paths(self.archive_folder, self.address.manifest_name), self.manifest(stored), True)
        return (*(TargetFile(self._archive_path(file), file.content) for file in self.files), manifest)

    def stable_places(self, stored: Mapping[str, StoredFile]) -> tuple[TargetFile, ...]:
        """Where readers look every week, the manifest last."""
        path = join_paths(self.address.folder, "data", self.address.manifest_name)
        manifest = TargetFile(path, self.manifest(stored), True)
        return (*(TargetFile(self._stable_path(file), file.content) for file in self.files), manifest)

    def manifest(self, stored: Mapping[str, StoredFile]) -> bytes:
        """The manifest's bytes, given what is stored by now; a revision not known yet is left blank.

        The revisions are those of the archived copies, which are never rewritten, or of the stable files where there is
        no archive.
        """
        about = {
            "schema": SCHEMA,
            "study": self.address.study_key,
            "title": self.address.title,
            "cutoff": self.address.cutoff.isoformat(),
            "exported_on": self.address.exported_on.isoformat(),
            "set_id": self.set_id,
            "sandbox": self.address.sandbox,
            "files": [self._entry(file, stored) for file in sorted(self.files, key=lambda file: file.name)],
        }
        return (json.dumps(about, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()

    def _entry(self, file: "ReportFile", stored: Mapping[str, StoredFile]) -> dict[str, str | int]:
        vouched = stored.get(self._archive_path(file) if self.address.archive else self._stable_path(file))
        return {
            "name": file.name,
            "path": f"data/{file.name}" if file.data else file.name,
            "size": len(file.content),
            "sha256": hashlib.sha256(file.content).hexdigest(),
            "content_hash": content_hash(file.content),
            "rev": vouched.rev if vouched else "",
        }

    def _archive_path(self, file: "ReportFile") -> str:
        return join_paths(self.archive_folder, file.name)

    def _stable_path(self, file: "ReportFile") -> str:
        return join_paths(self.address.folder, "data" if file.data else "", file.name)


def report_set(files: "Sequence[ReportFile]", address: Destination) -> ReportSet:
    """Join the files of a report to its address.

    Raises ``ValueError`` for an empty file, content that is not bytes, names that are one and the same to Dropbox and
    Windows, and names that one of them does not allow.
    """
    for file in files:
        if not isinstance(file.content, bytes) or not file.content:
            raise ValueError(f"'{file.name}' has no content (bytes), and an empty file must never replace a good one")
    names = [*(file.name for file in files), address.manifest_name]
    for name in [*names, address.title, *folder_names(address.folder)]:
        _ensure_legal(name)
    _ensure_no_clashes([*names, "data", "Archive"])
    return ReportSet(address, tuple(files))


def _ensure_legal(name: str) -> None:
    if why := illegal_name_reason(name):
        raise ValueError(f"{name!r} is not a legal name on Windows and Dropbox: {why}")
    name.encode()  # half of a surrogate pair is a UnicodeEncodeError, which is a ValueError


def _ensure_no_clashes(names: Sequence[str]) -> None:
    folded = [unicodedata.normalize("NFC", name).casefold() for name in names]
    clashing = sorted({name for name, key in zip(names, folded, strict=True) if folded.count(key) > 1})
    if clashing:
        raise ValueError(f"these names are one and the same to Dropbox and Windows: {', '.join(clashing)}")
