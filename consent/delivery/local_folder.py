"""A folder on this machine that reports are delivered to: each file is old or new, never partly written.

Deletes only its own temporary files, ``.NAME.consent-part`` beside NAME. Two runs cannot write the same temporary file
at once. A later run replaces the temporary files of a killed run.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from consent.delivery.plan import changed_error
from consent.errors import DeliveryRefusedError, DeliveryUnverifiedError
from consent.files import StoredFile, content_hash, folder_names, sync_folder

T = TypeVar("T")

_SUFFIX = ".consent-part"
_STALE_AFTER = 60  # seconds; a temporary file dated further from now belongs to a run that was killed
_DISK_FULL = {"ENOSPC", "EFBIG", "EDQUOT"}
_EXISTS = {"EEXIST"}
_LOCKED = {"EACCES", "EPERM", "EBUSY", "ETXTBSY"}  # Windows reports EACCES for a file that is open in Excel
_IN_USE = (
    "cannot be replaced. It may be open in another program.",
    "Close it (in Excel, for example) or ask for permission to write to it, then run again.",
)
_OTHER_RUN = (
    "cannot be stored: another run is writing to this folder.",
    "Wait until it has finished (a minute if it was killed), then run again.",
)


@dataclass(eq=False)
class LocalFolder:
    """Reports in a folder on disk; waits for a file that is open in another program, then refuses to continue."""

    root: Path
    _: KW_ONLY
    wait_seconds: float = 30
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    _staged: dict[Path, bytes] = field(default_factory=dict, init=False)

    def stat(self, path: str) -> StoredFile | None:
        target = self._target(path)
        with _os_errors(path):
            return self._read(target, path) if target.exists() else None

    def list_folder(self, path: str) -> tuple[str, ...]:
        folder = self._inside(path)
        with _os_errors(path):
            children = folder.iterdir() if folder.is_dir() else ()
            return tuple(sorted(child.name for child in children if not child.name.endswith(_SUFFIX)))

    def stage(self, files: Mapping[str, bytes]) -> None:
        """Write every file to a temporary file, so a full disk or a file in use shows before any file is replaced."""
        try:
            for path, content in files.items():
                target = self._target(path)
                with _os_errors(path):
                    self._retry_while(_LOCKED, partial(_try_to_open, target), path, _IN_USE)
                    self._write_part(target, content, path)
        except BaseException:
            self.discard_staged()
            raise

    def put(self, path: str, content: bytes, *, replaces: StoredFile | None) -> StoredFile:
        """Store the bytes atomically in place of this file, or as a new file, and read them back."""
        existing = self.stat(path)
        if existing and existing.content_hash == content_hash(content):
            return existing
        if existing and (replaces is None or existing.content_hash != replaces.content_hash):
            raise changed_error(path)
        target = self._target(path)
        with _os_errors(path):
            if self._staged.get(target) != content:
                self._write_part(target, content, path)
            self._retry_while(_LOCKED, lambda: _part_of(target).replace(target), path, _IN_USE)
            del self._staged[target]
            sync_folder(target.parent)
            return _verified(self._read(target, path), content)

    def confirm(self, files: Sequence[StoredFile]) -> None:
        """Read each file again; raise ``DeliveryUnverifiedError`` if one has changed."""
        for file in files:
            if self.stat(file.path) != file:
                raise changed_error(file.path)

    def discard_staged(self) -> None:
        """Remove the temporary files that this run wrote and did not use."""
        for target in list(self._staged):
            self._discard(target)

    def _read(self, target: Path, path: str) -> StoredFile:
        """Read a stored file; a virus scanner or a backup may lock it for a moment, a new file above all."""
        content = self._retry_while(_LOCKED, target.read_bytes, path, _IN_USE)
        return StoredFile(path, content_hash(content), len(content), rev="")

    def _discard(self, target: Path) -> None:
        if self._staged.pop(target, None) is not None:
            with contextlib.suppress(OSError):
                _part_of(target).unlink(missing_ok=True)

    def _write_part(self, target: Path, content: bytes, path: str) -> None:
        self._discard(target)
        new_folders = [folder for folder in target.parents if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in new_folders:
            sync_folder(folder.parent)
        try:
            with self._retry_while(_EXISTS, partial(self._new_part, target), path, _OTHER_RUN) as file:
                self._staged[target] = content
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self.discard_staged()
            raise

    def _new_part(self, target: Path) -> BinaryIO:
        part = _part_of(target)
        with contextlib.suppress(FileNotFoundError):
            if abs(self.clock() - part.stat().st_mtime) > _STALE_AFTER:
                part.unlink()
        return part.open("xb")

    def _retry_while(self, codes: set[str], action: Callable[[], T], path: str, refusal: tuple[str, str]) -> T:
        waited = 0
        while True:
            try:
                return action()
            except OSError as error:
                if _code(error) not in codes:
                    raise
            if waited >= self.wait_seconds:
                what, fix = refusal
                raise DeliveryRefusedError(f"'{path}' {what}", fix)
            self.sleep(1)
            waited += 1

    def _target(self, path: str) -> Path:
        target = self._inside(path)
        with _os_errors(path):
            for folder in [self.root, *(parent for parent in target.parents if self.root in parent.parents)]:
                if folder.exists() and not folder.is_dir():
                    raise DeliveryRefusedError(f"'{folder}' is a file, but it should be a folder.", "Move it away.")
            if target.is_dir():
                raise DeliveryRefusedError(f"'{target}' is a folder, but it should be a file.", "Move it away.")
        return target

    def _inside(self, path: str) -> Path:
        names = folder_names(path)
        target = self.root.joinpath(*names)
        with _os_errors(path):
            inside = target.resolve().is_relative_to(self.root.resolve())
        if not inside or {"..", "."} & set(names):
            raise DeliveryRefusedError(f"'{path}' is outside the folder '{self.root}'.", "Choose a path inside it.")
        return target


def _part_of(target: Path) -> Path:
    return target.with_name(f".{target.name}{_SUFFIX}")


def _code(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")


def _try_to_open(target: Path) -> None:
    """Open the file for writing, which Windows forbids while another program has it open."""
    with contextlib.suppress(FileNotFoundError):
        target.open("r+b").close()


def _verified(stored: StoredFile, content: bytes) -> StoredFile:
    if stored.content_hash != content_hash(content):
        raise DeliveryUnverifiedError(
            f"The stored file does not match what was written: '{stored.path}'.",
            "Check whether another program writes to that folder, and check the disk. Then run again.",
        )
    return stored


@contextlib.contextmanager
def _os_errors(path: str) -> Iterator[None]:
    """Raise an error of the operating system as a refusal with a fix."""
    try:
        yield
    except OSError as error:
        if _code(error) in _DISK_FULL:
            why, fix = "the disk is full", "Free some space, then run again."
        elif isinstance(error, PermissionError):
            why, fix = "this account may not read or write there", "Ask for permission, or choose another folder."
        else:
            why, fix = error.strerror or type(error).__name__, "Check that the folder can be reached, then run again."
        raise DeliveryRefusedError(f"'{path}' cannot be stored: {why}.", fix) from None
