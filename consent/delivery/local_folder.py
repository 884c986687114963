"""A folder on this machine's disks as a place for reports: every file is old or new, never half of either.

Knows nothing of reports, manifests or order. Deletes nothing but its own temporary files, ``….consent-part`` beside
their targets: they are created so that no two runs write the same one at once, and are never taken for a report. What
a killed run leaves is used up by a later one.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from consent.errors import DeliveryRefusedError, DeliveryUnverifiedError
from consent.files import StoredFile, content_hash

T = TypeVar("T")

_STAGED = ".consent-part"
_FULL = {"ENOSPC", "EFBIG", "EDQUOT"}
_LEFT_OVER_AFTER = 60  # seconds; a temporary file older than that is of a run that was killed
_TAKEN = {"EEXIST"}
_BUSY = {"EACCES", "EPERM", "EBUSY", "ETXTBSY"}  # Windows says EACCES of a file that is open in Excel


class LocalFolder:
    """Reports in a folder on disk; what another program holds open or writes is waited for, then refused by name."""

    def __init__(
        self,
        root: Path,
        *,
        wait_seconds: float = 30,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._root = root
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._sleep = sleep
        self._staged: dict[Path, bytes] = {}

    def look(self, path: str) -> StoredFile | None:
        """The file of that name as it is on disk, or None."""
        target = self._target(path)
        with _refusing(path):
            if not target.exists():
                return None
            return _stored(path, target.read_bytes())

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none when it does not exist."""
        folder = self._inside(path)
        with _refusing(path):
            if not folder.is_dir():
                return ()
            return tuple(sorted(child.name for child in folder.iterdir() if not child.name.endswith(_STAGED)))

    def prepare(self, files: Mapping[str, bytes]) -> None:
        """Write every file beside its target, so that a full disk or a file held open is found before any is replaced.

        Raises ``DeliveryRefusedError`` and leaves all files as they were.
        """
        try:
            for path, content in files.items():
                target = self._target(path)
                with _refusing(path):
                    self._retry_while_locked(partial(_try_to_open, target), _BUSY, _held_open(path))
                    self._stage(target, content, path)
        except BaseException:
            self.release()
            raise

    def put(self, path: str, content: bytes, *, replace: bool) -> StoredFile:
        """Store the bytes in one stroke and read them back; without ``replace``, other bytes already there are refused.

        Raises ``DeliveryRefusedError``, or ``DeliveryUnverifiedError`` when the disk returns something else.
        """
        standing = None if replace else self.look(path)
        if standing:
            return _same(standing, content)
        target = self._target(path)
        with _refusing(path):
            if self._staged.get(target) != content:
                self._stage(target, content, path)
            self._retry_while_locked(lambda: _part_of(target).replace(target), _BUSY, _held_open(path))
            del self._staged[target]
            return _verified(_stored(path, target.read_bytes()), content)

    def release(self) -> None:
        """Remove the temporary files that this run made and did not use."""
        for target in list(self._staged):
            self._drop(target)

    def _drop(self, target: Path) -> None:
        if self._staged.pop(target, None) is not None:
            with contextlib.suppress(OSError):
                _part_of(target).unlink(missing_ok=True)

    def _stage(self, target: Path, content: bytes, path: str) -> None:
        self._drop(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._retry_while_locked(partial(self._new_part, target), _TAKEN, _other_run(path)) as file:
                self._staged[target] = content
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self.release()
            raise

    def _new_part(self, target: Path) -> BinaryIO:
        part = _part_of(target)
        if self._is_left_over(part):
            part.unlink(missing_ok=True)
        return part.open("xb")

    def _is_left_over(self, part: Path) -> bool:
        try:
            return self._clock() - part.stat().st_mtime > _LEFT_OVER_AFTER
        except FileNotFoundError:
            return False

    def _retry_while_locked(self, action: Callable[[], T], waits_for: set[str], refusal: DeliveryRefusedError) -> T:
        waited = 0
        while True:
            try:
                return action()
            except OSError as error:
                if _code(error) not in waits_for:
                    raise
            if waited >= self._wait_seconds:
                raise refusal
            self._sleep(1)
            waited += 1

    def _target(self, path: str) -> Path:
        target = self._inside(path)
        with _refusing(path):
            for folder in [self._root, *(parent for parent in target.parents if self._root in parent.parents)]:
                if folder.exists() and not folder.is_dir():
                    raise DeliveryRefusedError(
                        f"'{folder}' is a file, but a folder of that name is needed. Move it away."
                    )
            if target.is_dir():
                raise DeliveryRefusedError(
                    f"'{target}' is a folder, but a file of that name is to be written. Move it away."
                )
        return target

    def _inside(self, path: str) -> Path:
        parts = [part for part in path.split("/") if part]
        target = self._root.joinpath(*parts)
        with _refusing(path):
            inside = target.resolve().is_relative_to(self._root.resolve())
        if not inside or {"..", "."} & set(parts):
            raise DeliveryRefusedError(f"'{path}' lies outside the folder '{self._root}', and is not touched.")
        return target


def _part_of(target: Path) -> Path:
    return target.with_name(f".{target.name}{_STAGED}")


def _code(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")


def _try_to_open(target: Path) -> None:
    with contextlib.suppress(FileNotFoundError), target.open("r+b"):
        """A program that holds the file open forbids this on Windows."""


def _stored(path: str, content: bytes) -> StoredFile:
    return StoredFile(path, content_hash(content), len(content), rev="")


def _same(standing: StoredFile, content: bytes) -> StoredFile:
    if standing.content_hash != content_hash(content):
        raise DeliveryRefusedError(
            f"A different file already stands at '{standing.path}' and is never overwritten. "
            "Look at it and move it away, then run again."
        )
    return standing


def _verified(stored: StoredFile, content: bytes) -> StoredFile:
    if stored.content_hash != content_hash(content):
        raise DeliveryUnverifiedError(
            f"'{stored.path}' reads back differently from what was written. Another program may be writing to the same "
            "folder, or the disk is failing: look before trusting it, then run again."
        )
    return stored


def _held_open(path: str) -> DeliveryRefusedError:
    return DeliveryRefusedError(
        f"'{path}' cannot be replaced: close it if it is open in another program (Excel, for example), or ask for the "
        "right to write to it. Then run again, which also mends whatever was begun."
    )


def _other_run(path: str) -> DeliveryRefusedError:
    return DeliveryRefusedError(
        f"'{path}' cannot be stored: another run is writing to this folder. Wait until it has ended (or a minute, if "
        "it was killed), then run again."
    )


@contextlib.contextmanager
def _refusing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if _code(error) in _FULL:
            reason = "there is no room left for it. Free some space"
        elif isinstance(error, PermissionError):
            reason = "this account may not read or write there. Ask for the right, or choose another folder"
        else:
            reason = f"the disk answered '{error.strerror}'. Check that the folder can be reached"
        raise DeliveryRefusedError(f"'{path}' cannot be stored: {reason}, then run again.") from None
