"""Test that reports can be delivered to a Dropbox folder: write a small file, verify it, and delete it.

The file is deleted even after an error; if it may remain, the error mentions it. The next test deletes it.
"""

import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from consent.cli.dropbox_account import DropboxAccount
from consent.errors import (
    ConsentReportError,
    DeliveryRefusedError,
    DeliveryUnavailableError,
    DeliveryUnverifiedError,
)
from consent.files import join_paths

TEST_FILE_NAME = "consent-write-test.txt"
_TEXT = "Written by the command `consent` to test whether it may write here. It can be deleted."


@dataclass(frozen=True)
class WriteTestResult:
    """The folder of the reports, and the folder that the test wrote to.

    They differ if the reports' folder does not exist yet: the nearest existing folder above it is tested, and the
    first delivery creates the rest. deleted: whether the file is gone; reports need no right to delete.
    """

    folder: str
    written_to: str
    deleted: bool = True

    @property
    def exists(self) -> bool:
        """Whether the folder of the reports exists already."""
        return self.folder == self.written_to


def run_write_test(new_account: Callable[[], DropboxAccount], folder: str) -> WriteTestResult:
    """Write a small file to the folder of a study, verify it by its hash, and delete it; raises as a delivery does."""
    dropbox = new_account()
    upwards = (folder, *map(str, PurePosixPath(folder).parents))
    written_to = next(path for path in upwards if dropbox.exists(path))
    path = join_paths(written_to, TEST_FILE_NAME)
    left = dropbox.stat(path)  # needs the right to read metadata, before anything is written
    content = f"{_TEXT}\n{uuid.uuid4().hex}\n".encode()  # always new: Dropbox need not write what it has
    try:
        dropbox.put(path, content, replaces=left)
        deleted = _delete(new_account, path) or _delete(new_account, path)
    except (DeliveryRefusedError, DeliveryUnavailableError, DeliveryUnverifiedError) as error:
        if _delete(new_account, path):
            raise
        what = f"{error.what} The file '{path}' may be left there; the next test deletes it."
        raise type(error)(what, error.fix) from None
    except BaseException:  # also an interrupt
        _delete(new_account, path)
        raise
    return WriteTestResult(folder, written_to, deleted)


def _delete(new_account: Callable[[], DropboxAccount], path: str) -> bool:
    """Delete the file with a new deadline, and return whether it is gone."""
    with contextlib.suppress(ConsentReportError):
        dropbox = new_account()
        left = dropbox.stat(path)
        if left is not None:
            dropbox.delete(left)
        return True
    return False
