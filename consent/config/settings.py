"""Read the settings: the process environment, local.settings.json and .env. No value is ever shown.

Secrets in Key Vault are looked up by ``credentials.py``.
"""

import difflib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from consent.errors import Problem, SettingsError
from consent.files import read_text

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
DEFAULT_SCHEDULE = "0 0 * * * Sun,Mon,Tue"
"""Every hour of three days in UTC: Monday starts on Sunday in the far east, and ends on Tuesday in the far west."""

T = TypeVar("T")

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: no report needs threads, which take 0.1 s to start
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # no environment takes these, and no store does
_UNRESOLVED = "@microsoft.keyvault("
_AZURE = ("WEBSITE_INSTANCE_ID", "LEGION_SERVICE_HOST")
"""What Azure sets for a function app; Flex Consumption need not set the first.

https://github.com/Azure/azure-functions-host/blob/dev/src/WebJobs.Script/Environment/EnvironmentExtensions.cs
"""


NAMES = (
    *("REDCAP_API_URL", "REDCAP_ACCESS_TOKEN", "DROPBOX_KEY", "DROPBOX_SECRET", "DROPBOX_OAUTH2_REFRESH_TOKEN"),
    *("DROPBOX_ROOT_NAMESPACE", "DROPBOX_SANDBOX_URL", "KEY_VAULT_URL", "HEARTBEAT_URL", "CONSENT_STUDIES"),
    *("CONSENT_SCHEDULE", "CONSENT_LEDGER", "CONSENT_KEEP_MONTHS", "CONSENT_FUNCTION_KEY", "CONSENT_SIGN_IN"),
    "CONSENT_NOTIFY",
)
"""The settings of this program, to find misspelt ones; a study file may name others."""


class Problems:
    """Collect the problems of several settings, in order and each once, to report them together."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    def collect(self, read: Callable[[], T]) -> T | None:
        """Return what ``read`` returns; if it raises SettingsError, keep its problems and return None."""
        try:
            return read()
        except SettingsError as error:
            self.add(error.problems)
            return None

    def add(self, problems: Iterable[Problem]) -> None:
        self._problems.update(dict.fromkeys(problems))

    def listed(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    def raise_if_any(self) -> None:
        """Raise SettingsError with every problem, if there is any."""
        if self._problems:
            raise SettingsError(self._problems)


@dataclass(frozen=True)
class Network:
    """Proxies and extra certificates; a proxy's address may contain a password and is not printed."""

    https_proxy: str | None = field(default=None, repr=False)
    http_proxy: str | None = field(default=None, repr=False)
    no_proxy: str | None = None
    ca_bundle: str | None = None


@dataclass(frozen=True, repr=False, eq=False)
class Settings:
    """All settings by name; printing them shows the names alone.

    searched: the places that were read. folder: of the settings files, by default that of host.json. any_case: names do
    not depend on case, as on Windows; they are stored in upper case.
    """

    _values: Mapping[str, str]
    in_azure: bool = False
    searched: str = "the environment"
    any_case: bool = False
    _places: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    def get(self, name: str) -> str | None:
        """Return a setting's value, or None if it is absent or blank.

        Raises SettingsError for a Key Vault reference that Azure did not resolve.
        https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
        """
        value = self._values.get(self._stored_name(name))
        if value is not None and value.lower().startswith(_UNRESOLVED):
            fix = (
                "See the reason in the Azure portal under the function app's environment variables. Most often its "
                "identity needs the role 'Key Vault Secrets User'."
            )
            raise SettingsError([Problem(f"{name} is a Key Vault reference that was not resolved.", fix)])
        return value

    def has(self, name: str) -> bool:
        """Return whether a setting exists, resolved or not."""
        return self._stored_name(name) in self._values

    def place_of(self, name: str) -> str:
        """Return where a setting was found: ``the environment``, ``local.settings.json`` or ``.env``."""
        return self._places.get(self._stored_name(name), "the settings")

    def misspelt(self, name: str, known: Iterable[str] = NAMES) -> str | None:
        """Return the setting with nearly this name and none of the known ones, if this name is not set."""
        others = {given.upper(): given for given in self._values if given not in known}
        nearest = [] if self.has(name) else difflib.get_close_matches(name.upper(), others, 1, 0.8)
        return others[nearest[0]] if nearest else None

    def missing(self, name: str, fix: str) -> SettingsError:
        """Return the error of a setting that is missing; its fix is to rename one with nearly the same name."""
        if near := self.misspelt(name):
            fix = f"In {self.place_of(near)}, rename {near} to {name}."
        return SettingsError([Problem(f"{name} is missing.", fix)])

    def as_environment(self) -> dict[str, str]:
        """Return every setting for another process, secrets included: never print it."""
        return dict(self._values)

    @property
    def network(self) -> Network:
        """The variables that curl and Python programs share; raises SettingsError with every unresolved one."""
        problems = Problems()
        network = Network(
            https_proxy=problems.collect(lambda: self.get("https_proxy") or self.get("HTTPS_PROXY")),
            http_proxy=problems.collect(lambda: self.get("http_proxy") or self.get("HTTP_PROXY")),
            no_proxy=problems.collect(lambda: self.get("no_proxy") or self.get("NO_PROXY")),
            ca_bundle=problems.collect(lambda: self.get("REQUESTS_CA_BUNDLE") or self.get("CURL_CA_BUNDLE")),
        )
        problems.raise_if_any()
        return network

    def _stored_name(self, name: str) -> str:
        return name.upper() if self.any_case else name

    def __repr__(self) -> str:
        return f"<Settings {' '.join(sorted(self._values))}>"


def read_settings(
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    *,
    any_case: bool = os.name == "nt",
    may_be_empty: bool = False,
) -> Settings:
    """Read the settings of this machine: environment first, then local.settings.json, then .env.

    In Azure only the environment is read. environ: by default this process's. directory: the folder of the two files,
    by default beside host.json. may_be_empty: a folder that was given need not hold settings yet. Raises SettingsError
    if a file cannot be used.
    """
    environ = os.environ if environ is None else environ
    in_azure = any(environ.get(name) for name in _AZURE)
    folder = None if in_azure else directory or app_folder()
    if directory and folder and folder.is_dir() and not may_be_empty and not any(map(Path.is_file, _files_in(folder))):
        what = f"The settings folder {folder} has neither local.settings.json nor .env."
        raise SettingsError([Problem(what, "Correct --settings, or leave it out to use the environment.")])
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for source, pairs in reversed([("the environment", environ), *_read_files(folder)]):
        stripped = {(name.upper() if any_case else name): value.strip() for name, value in pairs.items()}
        given = {name: value for name, value in stripped.items() if value}
        values |= given
        places |= dict.fromkeys(given, source)
    return Settings(values, in_azure, _searched(folder), any_case, places, directory or app_folder())


def timer_schedule(environ: Mapping[str, str] | None = None) -> str:
    """Return the timer's schedule: CONSENT_SCHEDULE, or every hour of Sunday, Monday and Tuesday (UTC).

    Azure resolves the setting's name in % signs; a name without a value would stop the whole app.
    https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
    """
    environ = os.environ if environ is None else environ
    return "%CONSENT_SCHEDULE%" if environ.get("CONSENT_SCHEDULE", "").strip() else DEFAULT_SCHEDULE


def started_by_uv() -> bool:
    """Return whether ``uv run`` started this process. https://docs.astral.sh/uv/reference/environment/"""
    return bool(os.environ.get("UV_RUN_RECURSION_DEPTH"))


def app_folder() -> Path | None:
    """Return the folder of host.json, if the program runs from there."""
    folder = Path(__file__).parent.parent.parent
    return folder if (folder / "host.json").is_file() else None


def _files_in(folder: Path) -> list[Path]:
    return [folder / name for name in ("local.settings.json", ".env")]


def _searched(folder: Path | None) -> str:
    files = _files_in(folder) if folder else []
    return ", ".join(["the environment", *(f"{file}{'' if file.is_file() else ' (not found)'}" for file in files)])


def _read_files(folder: Path | None) -> Iterator[tuple[str, Mapping[str, str]]]:
    if folder is None:
        return
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise SettingsError([Problem(f"The settings folder {folder} {what}.", "Correct --settings.")])
    for name, read in (("local.settings.json", _local_settings), (".env", _dotenv)):
        if (folder / name).is_file():
            values, problems = read(folder / name)
            if problems:
                raise SettingsError(problems)
            yield name, values


def _local_settings(path: Path) -> tuple[Mapping[str, str], list[Problem]]:
    """Return the values and the problems: an error raised in ``except`` would carry the file's text along.

    https://docs.python.org/3/reference/simple_stmts.html#the-raise-statement (``from None`` hides it, but keeps it)
    """
    try:
        text = read_text(path)
    except (OSError, ValueError):
        return {}, [_unreadable(path)]
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "the file"
        return {}, [Problem(f"{path} is not valid JSON.", f"Correct {line}.")]
    values = document.get("Values", {}) if isinstance(document, dict) else None
    if not isinstance(values, dict):
        return {}, [Problem(f'{path} has no object "Values".', "Compare it with local.settings.json.example.")]
    if str(document.get("IsEncrypted", False)).lower() == "true":
        return {}, [Problem(f"{path} is encrypted.", "Run `func settings decrypt` in its folder.")]
    others = [name for name, value in values.items() if not isinstance(value, str) or _NO_TEXT.search(name + value)]
    return values, [_no_text(name, path) for name in others]


def _dotenv(path: Path) -> tuple[Mapping[str, str], list[Problem]]:
    try:
        from dotenv import dotenv_values

        found = dotenv_values(stream=io.StringIO(read_text(path)), interpolate=False)
    except ImportError:
        fix = "Install it, or move the settings to local.settings.json."
        return {}, [Problem(f"{path} cannot be read without python-dotenv.", fix)]
    except (OSError, ValueError):
        return {}, [_unreadable(path)]
    values = {name: value for name, value in found.items() if value is not None}
    others = [name for name, value in values.items() if _NO_TEXT.search(name + value)]
    return values, [_no_text(name, path) for name in others]


def _no_text(name: str, path: Path) -> Problem:
    fix = "Put its value in quotes, without control characters."
    return Problem(f"{_NO_TEXT.sub('?', name)} in {path} is not text.", fix)


def _unreadable(path: Path) -> Problem:
    return Problem(f"{path} cannot be read.", "Check its permissions, and save it as UTF-8.")
