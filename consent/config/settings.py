"""Where things are: the only reader of the process environment, local.settings.json and .env.

Looks nothing up in Key Vault (that is ``credentials.py``), opens no connection, and never shows a value.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from consent.errors import Problem, SettingsError

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
DEFAULT_SCHEDULE = (
    "0 0 * * * Sun,Mon,Tue"  # hourly: a Monday east of UTC begins on Sunday there, west it ends on Tuesday
)

T = TypeVar("T")

_UNRESOLVED = "@microsoft.keyvault("
_AZURE = ("WEBSITE_INSTANCE_ID", "LEGION_SERVICE_HOST")
"""What Azure sets for a function app; Flex Consumption need not set the first.

https://github.com/Azure/azure-functions-host/blob/dev/src/WebJobs.Script/Environment/EnvironmentExtensions.cs
"""


class Problems:
    """Collects what is wrong with the settings, in order and each once, so that all of it can be said together."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    def collect(self, ask: Callable[[], T]) -> T | None:
        """Give what ``ask`` gives; if it raises SettingsError, note its problems and give nothing."""
        try:
            return ask()
        except SettingsError as error:
            self.add(error.problems)
            return None

    def add(self, problems: Iterable[Problem]) -> None:
        """Add these problems."""
        self._problems.update(dict.fromkeys(problems))

    def listed(self) -> tuple[Problem, ...]:
        """Return every problem, each once."""
        return tuple(self._problems)

    def refuse(self) -> None:
        """Raise SettingsError with every problem, if there is any."""
        if self._problems:
            raise SettingsError(self._problems)


@dataclass(frozen=True)
class Network:
    """How this machine reaches the outside world: proxies and extra certificates, if it needs any.

    A proxy's address may hold a password, so none is shown when this is printed.
    """

    https_proxy: str | None = field(default=None, repr=False)
    http_proxy: str | None = field(default=None, repr=False)
    no_proxy: str | None = None
    ca_bundle: str | None = None


@dataclass(frozen=True, repr=False, eq=False)
class Settings:
    """What has been set, by name; printing it shows the names alone. ``searched`` says where it was looked for.

    Names that differ in case alone are one where ``any_case`` is set, as on Windows, which keeps them in upper case.
    """

    _values: Mapping[str, str]
    in_azure: bool = False
    searched: str = "the environment"
    any_case: bool = False
    _places: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """Give a setting's value, or nothing if it is absent or blank.

        Raises SettingsError for a Key Vault reference that Azure left unresolved.
        https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
        """
        value = self._values.get(self._kept_as(name))
        if value is not None and value.lower().startswith(_UNRESOLVED):
            problem = (
                f"{name} is a Key Vault reference that was not resolved: see why under the function app's "
                "environment variables in the Azure portal (most often its identity lacks 'Key Vault Secrets User')"
            )
            raise SettingsError([problem])
        return value

    def has(self, name: str) -> bool:
        """Say whether a setting is there at all, even as a reference that Azure left unresolved."""
        return self._kept_as(name) in self._values

    def place_of(self, name: str) -> str:
        """Say where a setting was found: ``the environment``, ``local.settings.json`` or ``.env``."""
        return self._places.get(self._kept_as(name), "the settings")

    def as_environment(self) -> dict[str, str]:
        """Give everything that has been set, as the environment of another process: secrets too, so never print it."""
        return dict(self._values)

    @property
    def network(self) -> Network:
        """How to reach the outside world, from the variables that curl and Python programs share.

        Raises SettingsError with every one of them that Azure left unresolved.
        """
        problems = Problems()
        network = Network(
            https_proxy=problems.collect(lambda: self.get("https_proxy") or self.get("HTTPS_PROXY")),
            http_proxy=problems.collect(lambda: self.get("http_proxy") or self.get("HTTP_PROXY")),
            no_proxy=problems.collect(lambda: self.get("no_proxy") or self.get("NO_PROXY")),
            ca_bundle=problems.collect(lambda: self.get("REQUESTS_CA_BUNDLE") or self.get("CURL_CA_BUNDLE")),
        )
        problems.refuse()
        return network

    def _kept_as(self, name: str) -> str:
        return name.upper() if self.any_case else name

    def __repr__(self) -> str:
        return f"<Settings {' '.join(sorted(self._values))}>"


def read_settings(
    environ: Mapping[str, str] | None = None, directory: Path | None = None, *, any_case: bool = os.name == "nt"
) -> Settings:
    """Collect the settings of this machine: environment first, then local.settings.json, then .env.

    environ: by default the environment of this process. directory: where the two files are, by default beside
    host.json. any_case: names that differ in case alone are one, as on Windows. Inside Azure only the environment
    counts. Raises SettingsError if a file cannot be used.
    """
    environ = os.environ if environ is None else environ
    in_azure = any(environ.get(name) for name in _AZURE)
    sources = [("the environment", environ), *(() if in_azure else _read_files(directory))]
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for place, source in reversed(sources):
        pairs = ((name.upper() if any_case else name, value.strip()) for name, value in source.items())
        given = {name: value for name, value in pairs if value}
        values |= given
        places |= dict.fromkeys(given, place)
    return Settings(values, in_azure, _searched(directory, in_azure), any_case, places)


def _searched(directory: Path | None, in_azure: bool) -> str:
    folder = directory or app_folder()
    if in_azure or folder is None:
        return "the environment"
    files = (folder / name for name in ("local.settings.json", ".env"))
    found = (f"{file}{'' if file.is_file() else ' (not there)'}" for file in files)
    return ", ".join(["the environment", *found])


def timer_schedule(environ: Mapping[str, str] | None = None) -> str:
    """Say when it is asked which reports are due: as CONSENT_SCHEDULE has it, or every hour of Sunday and Monday, UTC.

    The setting is named, not copied, so that Azure resolves it; a name without a value would stop the whole app.
    https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
    """
    environ = os.environ if environ is None else environ
    return "%CONSENT_SCHEDULE%" if environ.get("CONSENT_SCHEDULE", "").strip() else DEFAULT_SCHEDULE


def _read_files(directory: Path | None) -> Iterator[tuple[str, Mapping[str, str]]]:
    folder = app_folder() if directory is None else directory
    if folder is None:
        return
    if not folder.is_dir():
        raise SettingsError([f"the settings folder {folder} does not exist: check --settings"])
    if (folder / "local.settings.json").is_file():
        yield "local.settings.json", _read_local_settings(folder / "local.settings.json")
    if (folder / ".env").is_file():
        yield ".env", _read_dotenv(folder / ".env")


def app_folder() -> Path | None:
    """Give the folder of host.json, where the two settings files are looked for, if the program runs from there."""
    folder = Path(__file__).parent.parent.parent
    return folder if (folder / "host.json").is_file() else None


def _read_local_settings(path: Path) -> Mapping[str, str]:
    document, problem = _json_in(path)
    if problem:
        raise SettingsError([problem])
    if not isinstance(document, dict) or not isinstance(document.get("Values", {}), dict):
        raise SettingsError([f'{path} must be an object with an object "Values", as in the example file'])
    if str(document.get("IsEncrypted", False)).lower() == "true":
        raise SettingsError([f"{path} is encrypted: run `func settings decrypt` in its folder"])
    values: dict[str, str] = document.get("Values", {})
    _ensure_text_values(path, values.items())
    return values


def _json_in(path: Path) -> tuple[Any, str | None]:
    """The document, or what is wrong with it: an error raised in ``except`` would carry along one that holds the file.

    https://docs.python.org/3/reference/simple_stmts.html#the-raise-statement (``from None`` hides it, but keeps it)
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig")), None
    except json.JSONDecodeError as error:
        return None, f"{path} is not JSON: look at line {error.lineno}"
    except (OSError, UnicodeDecodeError):
        return None, _unreadable(path)


def _ensure_text_values(path: Path, items: Iterable[tuple[str, object]]) -> None:
    problems = [
        f"{name} in {path} must be text: put its value in quotes" for name, value in items if not isinstance(value, str)
    ]
    if problems:
        raise SettingsError(problems)


def _read_dotenv(path: Path) -> Mapping[str, str]:
    found, problem = _dotenv_in(path)
    if problem:
        raise SettingsError([problem])
    return {name: value for name, value in found.items() if value is not None}


def _dotenv_in(path: Path) -> tuple[Mapping[str, str | None], str | None]:
    try:
        from dotenv import dotenv_values

        return dotenv_values(path, interpolate=False, encoding="utf-8-sig"), None
    except ImportError:
        return {}, f"{path} needs python-dotenv to be read: install it, or move the settings to local.settings.json"
    except (OSError, UnicodeDecodeError):
        return {}, _unreadable(path)


def _unreadable(path: Path) -> str:
    return f"{path} cannot be read: check its rights, and save it as UTF-8"
