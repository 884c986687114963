"""Keeps what a sign-in gave where the person wants it: in .env, in local.settings.json, or in a Key Vault.

Says names, never values. A settings file is replaced in one stroke, so that a broken-off write leaves the old one.
"""

import errno
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from consent.cli.login.prompts import Dialogue
from consent.cli.login.settings_files import Edited, with_dotenv, with_local_settings
from consent.config.credentials import DROPBOX_SECRET, KeyVault, Secret
from consent.config.settings import Network, Settings, app_folder
from consent.errors import ConfigurationError, ConsentReportError, SecretsRefusedError, SettingsError


class SettableVault(KeyVault):
    """Reads and stores secrets, as whoever this machine is signed in to Azure as; see ``KeyVault``."""

    _action = "stored"
    _no_right = (
        "this identity may not store it: ask for the role 'Key Vault Secrets Officer' on the vault "
        "(where the vault uses access policies: for 'Set' on secrets); a new right can take ten minutes to work"
    )

    def store(self, secret: Secret) -> None:
        """Store a secret under its name, with ``-`` for ``_``; earlier values stay in the vault as older versions.

        Raises SecretsRefusedError, SecretsUnavailableError, or SettingsError if no Key Vault answers at this address.
        """
        name = secret.name.replace("_", "-")
        if self._request(name, lambda client: client.set_secret(name, secret.reveal())) is None:
            raise SecretsRefusedError(
                f"{self._label(name)} was not stored: the vault is not there. Check KEY_VAULT_URL."
            )


_PATIENCE_SECONDS = 10


def would_be_committed(path: Path) -> bool | None:
    """Whether the file, there or not yet, lies in a git repository that does not ignore it; None if git cannot tell.

    Of a link it is the file behind it that counts: of the link itself git would keep no more than where it leads.

    https://git-scm.com/docs/git-check-ignore
    """
    file = path.resolve()
    folder = file.parent
    if not any((each / ".git").exists() for each in (folder, *folder.parents)):
        return False
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(folder), "check-ignore", "--quiet", file.name]
    try:
        status = subprocess.run(command, capture_output=True, timeout=_PATIENCE_SECONDS, check=False).returncode  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {0: False, 1: True}.get(status)


_BYTE_ORDER_MARK = "\ufeff"
_EDITS: Mapping[str, Callable[[str, Mapping[str, str]], Edited]] = {
    "local.settings.json": with_local_settings,
    ".env": with_dotenv,
}


@dataclass(frozen=True)
class Credentials:
    """What is to be kept: the secrets, and the plain settings; a blank one of these must not be set at all."""

    secrets: Mapping[str, Secret]
    plain: Mapping[str, str]

    def values(self) -> dict[str, str]:
        """All of it as it is written down: never to be printed."""
        return {**{name: secret.reveal() for name, secret in self.secrets.items()}, **self.plain}


@dataclass(frozen=True)
class SavedCredentials:
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

    def keep(self, log_in: Credentials) -> SavedCredentials:
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

    def keep(self, log_in: Credentials) -> SavedCredentials:
        """Put the settings into the file; raises ConfigurationError if it cannot be read or written."""
        values = log_in.values()
        replaced, problem = self._edit(values)
        if problem is not None:
            raise ConfigurationError(f"{self.path} {problem}")
        return SavedCredentials(self.words, tuple(name for name, value in values.items() if value), replaced)

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

    def keep(self, log_in: Credentials) -> SavedCredentials:
        """Store the secrets as new versions; raises as ``SettableVault.store`` does."""
        with self.open_vault() as vault:
            for secret in log_in.secrets.values():
                vault.store(secret)
        return SavedCredentials(self.words, tuple(name.replace("_", "-") for name in log_in.secrets), holds_plain=False)


def what_else(log_in: Credentials, kept: SavedCredentials, after: Settings) -> tuple[str, ...]:
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
    if after.has(DROPBOX_SECRET):
        sentences.append(
            f"{DROPBOX_SECRET} (in {after.place_of(DROPBOX_SECRET)}) is not needed with this log-in: remove it."
        )
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


FILE_NAMES = {"env": ".env", "local": "local.settings.json"}
VAULT = "vault"
PLACE_KEYS = (*FILE_NAMES, VAULT)
"""What ``--keep-in`` understands: .env, local.settings.json, Key Vault."""

OpenVault = Callable[[str, Network], SettableVault]


def places_here(settings: Settings, folder: Path | None, open_vault: OpenVault) -> Mapping[str, Place]:
    """Where a log-in can be kept, by the word for ``--keep-in``; a file that is there comes before one that is not.

    folder: where the settings files are, by default beside host.json.
    """
    home = folder or app_folder()
    names = sorted(FILE_NAMES.items(), key=lambda each: home is None or not (home / each[1]).exists())
    places: dict[str, Place] = {} if home is None else {key: SettingsFile(home / name) for key, name in names}
    if url := settings.get("KEY_VAULT_URL"):
        places[VAULT] = VaultPlace(url, partial(open_vault, url, settings.network))
    return places


def chosen_place(places: Mapping[str, Place], wish: str | None, dialogue: Dialogue) -> Place:
    """The place that the person wants; tells what they should know of it.

    Raises:
        ConfigurationError: there is none, or nothing must be kept there.
    """
    if wish is not None and wish not in places:
        missing = "KEY_VAULT_URL" if wish == VAULT else "--settings"
        raise SettingsError([f"{missing} must say where, for --keep-in {wish}"])
    if not places:
        raise SettingsError(["--settings must say which folder the settings files are in, or KEY_VAULT_URL"])
    place = places[wish] if wish else _asked(places, "Where shall the log-in be kept?", dialogue, default=0)
    if place is None:
        raise ConfigurationError("No place was chosen, so nothing was kept.")
    if concern := place.concern():
        dialogue.tell(concern)
    return place


def kept_somewhere(
    log_in: Credentials, place: Place, places: Mapping[str, Place], dialogue: Dialogue
) -> SavedCredentials:
    """Keep the log-in; where that fails, the person chooses another place, or the same again once it is mended.

    Raises:
        ConsentReportError: why it could not be kept, when the person gives up.
    """
    while True:
        problem = None
        try:
            place.concern()
            return place.keep(log_in)
        except ConsentReportError as error:
            problem = error
        dialogue.tell(str(problem))
        other = _asked(places, "The log-in is not kept yet. Where now? (Enter alone gives up.)", dialogue)
        if other is None:
            raise problem
        place = other


def _asked(places: Mapping[str, Place], question: str, dialogue: Dialogue, default: int | None = None) -> Place | None:
    at = dialogue.choose(question, [place.words for place in places.values()], default)
    return None if at is None else [*places.values()][at]
