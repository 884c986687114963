"""Keeps what a sign-in gave where the person wants it: in .env, in local.settings.json, or in a Key Vault.

Says names, never values. A settings file is replaced in one stroke, so that a broken-off write leaves the old one.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from consent.credentials import Secret
from consent.errors import ConfigurationError
from consent.services import SECRET
from consent.settings import Settings
from consent.setup.login.git_ignored import would_be_committed
from consent.setup.login.settable_vault import SettableVault
from consent.setup.login.settings_text import Edited, with_dotenv, with_local_settings

_BYTE_ORDER_MARK = "\ufeff"
_EDITS: Mapping[str, Callable[[str, Mapping[str, str]], Edited]] = {
    "local.settings.json": with_local_settings,
    ".env": with_dotenv,
}


@dataclass(frozen=True)
class LogIn:
    """What is to be kept: the secrets, and the plain settings; a blank one of these must not be set at all."""

    secrets: Mapping[str, Secret]
    plain: Mapping[str, str]

    def values(self) -> dict[str, str]:
        """All of it as it is written down: never to be printed."""
        return {**{name: secret.reveal() for name, secret in self.secrets.items()}, **self.plain}


@dataclass(frozen=True)
class Kept:
    """What was kept where, by name; ``replaced`` names those that had another value there."""

    place: str
    names: tuple[str, ...]
    replaced: tuple[str, ...] = ()
    holds_plain: bool = True


class Place(Protocol):
    """Somewhere to keep settings; ``words`` name it for people."""

    @property
    def words(self) -> str:
        """What people call it."""

    def concern(self) -> str | None:
        """What to know before keeping anything there, if there is something; raises ConfigurationError if unfit."""

    def keep(self, log_in: LogIn) -> Kept:
        """Keep it."""


@dataclass(frozen=True)
class SettingsFile:
    """One of the two settings files, there or not yet."""

    path: Path

    @property
    def words(self) -> str:
        """The file with its folder."""
        return str(self.path)

    def concern(self) -> str | None:
        """That git could not be asked, if so; raises ConfigurationError where git would commit the file."""
        committed = would_be_committed(self.path)
        if committed:
            raise ConfigurationError(
                f"git would commit {self.path}, and the log-in with it. Add the line {self.path.name} to .gitignore "
                f"(and if git holds it already, `git rm --cached {self.path.name}`), or choose another place."
            )
        return f"Make sure that git does not commit {self.path}: it could not be asked." if committed is None else None

    def keep(self, log_in: LogIn) -> Kept:
        """Put the settings into the file; raises ConfigurationError if it cannot be read or written."""
        values = log_in.values()
        replaced, problem = self._edit(values)
        if problem is not None:
            raise ConfigurationError(f"{self.path} {problem}")
        return Kept(self.words, tuple(name for name, value in values.items() if value), replaced)

    def _edit(self, values: Mapping[str, str]) -> tuple[tuple[str, ...], str | None]:
        """The names whose value was replaced, or what went wrong: raised here, an error would carry the file along."""
        try:
            text = self.path.read_bytes().decode("utf-8") if self.path.exists() else ""
            edited = _EDITS[self.path.name](text.removeprefix(_BYTE_ORDER_MARK), values)
            mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
            _replace(self.path.resolve(), (mark + edited.text).encode("utf-8"))
        except OSError as error:
            return (), f"cannot be written: {error.strerror}. Close what has it open, or check its folder's rights."
        except ValueError:
            return (), "is not what it should be: mend it, or move it away."
        return edited.replaced, None


@dataclass(frozen=True)
class VaultPlace:
    """A Key Vault, which holds secrets but no plain settings."""

    url: str
    open_vault: Callable[[], AbstractContextManager[SettableVault]]

    @property
    def words(self) -> str:
        """The vault with its address."""
        return f"Key Vault {self.url}"

    def concern(self) -> None:
        """Nothing: what this identity may do there shows only when it does it."""

    def keep(self, log_in: LogIn) -> Kept:
        """Store the secrets as new versions; raises as ``SettableVault.store`` does."""
        with self.open_vault() as vault:
            for secret in log_in.secrets.values():
                vault.store(secret)
        return Kept(self.words, tuple(name.replace("_", "-") for name in log_in.secrets), holds_plain=False)


def what_else(log_in: LogIn, kept: Kept, after: Settings) -> tuple[str, ...]:
    """What the person has still to do before a run uses what was kept, a sentence each.

    after: the settings as a run on this machine finds them now.
    """
    values = log_in.values()
    sentences = [
        f"{name} is also set in {after.place_of(name)}, which counts before what was kept: remove it there."
        for name, value in values.items()
        if after.has(name) and after.get(name) != value
    ]
    if not kept.holds_plain:
        sentences += [
            f"Key Vault holds secrets alone: set {name} to {value} wherever reports are run."
            for name, value in log_in.plain.items()
            if value
        ]
    if after.has(SECRET):
        sentences.append(f"{SECRET} (in {after.place_of(SECRET)}) is not needed with this log-in: remove it.")
    return tuple(sentences)


def _replace(path: Path, content: bytes) -> None:
    """Put the content in the file's place in one stroke; a new file can be read by its owner alone.

    Raises OSError, also for a file that is protected from being written: on Windows its copy could not be deleted.
    """
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    if mode is not None and not mode & stat.S_IWRITE:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            part.chmod(mode)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
