"""Name the files of one report, decide where they go, and write the manifest that lists them.

The manifest holds no time and no run id. So the same report in the same archive has the same manifest, and its hash
shows whether a folder is current.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from consent.files import ReportFile, StoredFile, content_hash, folder_names, illegal_name_reason, join_paths

SCHEMA = "consent-manifest/1"


@dataclass(frozen=True)
class Destination:
    """The study of a report, its days, and the folder ("/" or "/Reports/x") it goes to.

    ``always``: replace any report in the folder, as ``summarise`` does. ``shared_folder``: of the shared files.
    """

    study_key: str
    title: str
    folder: str
    archive: bool
    cutoff: date
    exported_on: date
    sandbox: bool
    always: bool = False
    shared_folder: str = "/"

    @property
    def manifest_name(self) -> str:
        return f"{self.title}.manifest.json"

    @property
    def manifest_path(self) -> str:
        """The path of the manifest under the stable names."""
        return join_paths(self.folder, "data", self.manifest_name)

    @property
    def archive_home(self) -> str:
        """The folder of all archived sets of this title, one subfolder per cut-off."""
        return join_paths(self.folder, "Archive", self.title)


@dataclass(frozen=True)
class TargetFile:
    """One file of a set, its path and its bytes; a manifest's bytes lack revisions that are not known yet."""

    path: str
    content: bytes = field(repr=False)
    is_manifest: bool = False


@dataclass(frozen=True)
class ReportSet:
    """The files of one report and their destination.

    Raises ``ValueError`` for content that is empty or not bytes, for names that Windows or Dropbox does not allow, and
    for names that are the same to them.
    """

    files: Sequence[ReportFile]
    destination: Destination

    def __post_init__(self) -> None:
        for file in self.files:
            ensure_content(file.name, file.content)
        names = [*(file.name for file in self.files), self.destination.manifest_name]
        folders = join_paths(self.destination.folder, self.destination.shared_folder)
        for name in [*names, self.destination.title, *folder_names(folders)]:
            _ensure_legal(name)
        _ensure_no_clashes([*names, "data", "Archive"])

    @cached_property
    def set_id(self) -> str:
        """The first 8 hex digits of the SHA-256 over the sorted lines ``name:content_hash``."""
        lines = sorted(f"{file.name}:{content_hash(file.content)}" for file in self.files)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]

    @property
    def archive_folder(self) -> str:
        return join_paths(self.destination.archive_home, self.destination.cutoff.isoformat(), self.set_id)

    def archive_targets(self, stored: Mapping[str, StoredFile]) -> tuple[TargetFile, ...]:
        """Return the set's files in the archive, the manifest last; none without an archive."""
        manifest_path = join_paths(self.archive_folder, self.destination.manifest_name)
        return self._targets(self._archive_path, manifest_path, stored) if self.destination.archive else ()

    def stable_targets(self, stored: Mapping[str, StoredFile]) -> tuple[TargetFile, ...]:
        """Return the set's files under the stable names, the same every week, the manifest last."""
        return self._targets(self._stable_path, self.destination.manifest_path, stored)

    def manifest(self, stored: Mapping[str, StoredFile]) -> bytes:
        """Return the manifest's bytes; a revision that is not in ``stored`` yet is blank.

        The revisions are those of the archived files, which never change, or of the stable files without an archive.
        """
        document = {
            "schema": SCHEMA,
            "study": self.destination.study_key,
            "title": self.destination.title,
            "cutoff": self.destination.cutoff.isoformat(),
            "exported_on": self.destination.exported_on.isoformat(),
            "set_id": self.set_id,
            "sandbox": self.destination.sandbox,
            "files": [self._entry(file, stored) for file in sorted(self.files, key=lambda file: file.name)],
        }
        return (json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()

    def _targets(
        self, path_of: Callable[[ReportFile], str], manifest_path: str, stored: Mapping[str, StoredFile]
    ) -> tuple[TargetFile, ...]:
        files = (TargetFile(path_of(file), file.content) for file in self.files)
        return (*files, TargetFile(manifest_path, self.manifest(stored), is_manifest=True))

    def _entry(self, file: ReportFile, stored: Mapping[str, StoredFile]) -> dict[str, str | int]:
        listed = stored.get(self._archive_path(file) if self.destination.archive else self._stable_path(file))
        return {
            "name": file.name,
            "path": self._stable_path(file).removeprefix(f"{self.destination.folder.rstrip('/')}/"),
            "size": len(file.content),
            "sha256": hashlib.sha256(file.content).hexdigest(),
            "content_hash": content_hash(file.content),
            "rev": listed.rev if listed else "",
        }

    def _archive_path(self, file: ReportFile) -> str:
        return join_paths(self.archive_folder, file.name)

    def _stable_path(self, file: ReportFile) -> str:
        folder = self.destination.shared_folder if file.shared else self.destination.folder
        return join_paths(folder, "data" if file.data else "", file.name)


def ensure_content(name: str, content: bytes) -> None:
    """Raise ``ValueError`` for content that is empty or not bytes: it must never replace a good file."""
    if not isinstance(content, bytes) or not content:
        raise ValueError(f"'{name}' has no content, or its content is not bytes.")


def _ensure_legal(name: str) -> None:
    if why := illegal_name_reason(name):
        raise ValueError(f"{name!r} is not a legal name on Windows and Dropbox: {why}.")
    name.encode()  # half of a surrogate pair is a UnicodeEncodeError, which is a ValueError


def _ensure_no_clashes(names: Sequence[str]) -> None:
    folded = [unicodedata.normalize("NFC", name).casefold() for name in names]
    clashing = sorted({name for name, key in zip(names, folded, strict=True) if folded.count(key) > 1})
    if clashing:
        raise ValueError(f"These names are the same to Windows and Dropbox: {', '.join(clashing)}.")
