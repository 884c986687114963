"""Write settings into .env or local.settings.json. Other settings stay; the file is replaced in one step."""

import errno
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from consent.cli.private_file import git_checkout_of
from consent.errors import ConfigurationError
from consent.files import sync_folder

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GIT_TIMEOUT = 10  # seconds


def update_settings_file(path: Path, values: Mapping[str, str]) -> tuple[str, ...]:
    """Set values and return the names that had another value; an empty value only clears a setting that is there."""
    update = _update_json if path.suffix == ".json" else _update_dotenv
    try:
        with _replacing(path.resolve()) as copy:
            encoding = "utf-8-sig" if copy.read_bytes().startswith(_BYTE_ORDER_MARK) else "utf-8"
            before = update(copy, encoding, values)
        return tuple(name for name, value in values.items() if before.get(name) not in (None, "", value))
    except OSError as error:
        fix = "Close the program that has it open, or check the rights of its folder."
        failure = ConfigurationError(f"{path} cannot be written: {error.strerror}.", fix)
    except (ValueError, RecursionError):
        failure = ConfigurationError(f"{path} is not a valid settings file.", "Correct it, or move it away.")
    raise failure  # not in `except`: there it would carry an error that holds the file's text


def _update_dotenv(path: Path, encoding: str, values: Mapping[str, str]) -> Mapping[str, str | None]:
    """Set the values and return the earlier ones."""
    from dotenv import dotenv_values, set_key

    before = dotenv_values(path, interpolate=False, encoding=encoding)
    for name, value in values.items():
        if value or name in before:
            set_key(path, name, value, quote_mode="auto", encoding=encoding)
    return before


def _update_json(path: Path, encoding: str, values: Mapping[str, str]) -> Mapping[str, str | None]:
    text = path.read_text(encoding=encoding)
    document = json.loads(text) if text.strip() else {"IsEncrypted": False, "Values": {}}
    settings = document.setdefault("Values", {}) if isinstance(document, dict) else None
    if not isinstance(settings, dict):
        raise ValueError("not a settings file")
    before = dict(settings)
    settings.update({name: value for name, value in values.items() if value or name in before})
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding=encoding)
    return before


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a copy to change, private if the file is new, which then replaces the file; raises OSError."""
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    if mode is not None and not mode & stat.S_IWRITE:  # on Windows the copy could not be deleted either
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=path.suffix, dir=path.parent)
    copy = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(b"" if mode is None else path.read_bytes())
        yield copy
        with copy.open("rb+") as file:
            os.fsync(file.fileno())
        if mode is not None:
            copy.chmod(mode)
        copy.replace(path)
        sync_folder(path.parent)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def would_be_committed(path: Path) -> bool | None:
    """Return whether git would commit a file, existing or not: no ignore rule matches it; None if unknown.

    A link is followed first: git stores only its target's path.

    https://git-scm.com/docs/git-check-ignore
    """
    file = path.resolve()
    if git_checkout_of(file) is None:
        return False
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(file.parent), "check-ignore", "--quiet", file.name]
    try:
        status = subprocess.run(command, capture_output=True, timeout=_GIT_TIMEOUT, check=False).returncode  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {0: False, 1: True}.get(status)
