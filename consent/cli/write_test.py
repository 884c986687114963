"""Proves that reports can be delivered to a Dropbox folder: a tiny file is written, made sure of and deleted again.

Leaves nothing behind, not even an empty folder, also when it breaks off; where that cannot be, it is said. Touches no
other file. What was left all the same is taken over by the next trial, which deletes it.
"""

import posixpath
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from consent.cli.dropbox_account import DropboxAccount
from consent.errors import (
    ConsentReportError,
    DeliveryRefusedError,
    DeliveryUnavailableError,
    DeliveryUnverifiedError,
)
from consent.files import join_paths

TRIAL_NAME = "consent-write-test.txt"
_WORDS = "Written by the command `consent` to see whether it may write here. It can be deleted."

NewAccount = Callable[[], DropboxAccount]
"""Opens the account anew, with all its patience."""


@dataclass(frozen=True)
class WriteTestResult:
    """What a trial showed: the folder that reports will go to, and the one that was written to.

    They differ where the folder does not stand yet: then it was the nearest one above that does, and the first
    delivery makes the rest. removed: whether the tiny file is gone again; reports need no right to delete.
    """

    folder: str
    tried_in: str
    removed: bool = True

    @property
    def stands(self) -> bool:
        """Whether the folder is there already."""
        return self.folder == self.tried_in


def prove_writable(new_account: NewAccount, folder: str) -> WriteTestResult:
    """Write a tiny file, have Dropbox say that it holds just that, and delete it.

    Args:
        folder: of a study, ``/`` or ``/Reports/Consent``.

    Raises:
        DeliveryRefusedError: Dropbox said no; the message names what and why.
        DeliveryUnavailableError: it could not be reached.
        DeliveryUnverifiedError: it holds something else than what was sent.
    """
    dropbox = new_account()
    tried_in = _nearest(dropbox, folder)
    path = join_paths(tried_in, TRIAL_NAME)
    dropbox.stat(path)  # which needs the right to see names, before anything is written
    content = f"{_WORDS}\n{uuid.uuid4().hex}\n".encode()  # never the same: Dropbox need not write what it has
    with _nothing_left(new_account, path):
        written = dropbox.put(path, content, replace=True)
        removed = _went_well(lambda: dropbox.remove(written)) or _is_cleared(new_account, path)
    return WriteTestResult(folder, tried_in, removed)


@contextmanager
def _nothing_left(new_account: NewAccount, path: str) -> Iterator[None]:
    """Whatever a trial breaks off with, also when somebody stops it: its file is deleted, or the error says so."""
    try:
        yield
    except (DeliveryRefusedError, DeliveryUnavailableError, DeliveryUnverifiedError) as error:
        if _is_cleared(new_account, path):
            raise
        raise type(error)(f"{error} A file '{path}' may have been left there: the next trial deletes it.") from None
    except BaseException:
        _is_cleared(new_account, path)
        raise


def _is_cleared(new_account: NewAccount, path: str) -> bool:
    """Whether nothing of a trial stands there any more, asked with new patience; deletes what does."""

    def clear() -> None:
        dropbox = new_account()
        left = dropbox.stat(path)
        if left is not None:
            dropbox.remove(left)

    return _went_well(clear)


def _went_well(act: Callable[[], None]) -> bool:
    try:
        act()
    except ConsentReportError:
        return False
    return True


def _nearest(dropbox: DropboxAccount, folder: str) -> str:
    """The folder, or the nearest one above it that stands."""
    return next(place for place in _upwards(folder) if dropbox.stands(place))


def _upwards(folder: str) -> Iterator[str]:
    while folder != "/":
        yield folder
        folder = posixpath.dirname(folder)
    yield folder
