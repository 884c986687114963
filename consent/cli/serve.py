"""``consent serve``: the function app on this machine, hosted without Azure; with ``--demo``, all it talks to as well.

Finds or starts what the host needs, and says how to try it. The host itself is ``sandbox/functions_host.py``.
"""

import contextlib
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from consent.config.settings import Settings
from consent.errors import ConfigurationError, MissingDependencyError
from consent.runs.ledger.storage_account import STORAGE_SETTING

PARTICIPANTS = 1000
DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"
APP = ("function_app.py", "host.json", "consent")

_OF_THE_MACHINE = frozenset({"PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "HOME", "USERPROFILE", "LOCALAPPDATA"})


def serve(*, demo: bool, port: int, settings: Settings, say: Callable[[str], None]) -> None:
    """Host the function app until Ctrl-C.

    demo: with stand-ins for REDCap and Dropbox and with invented people, in place of what the settings name.

    Raises:
        NeedsError: Python 3.13 or Node.js is missing.
        ConfigurationError: there is no app here, the port is in use, or storage does not start.
    """
    folder = _app_folder()
    if importlib.util.find_spec("azure_functions_runtime") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        command = f"uv run --python 3.13 consent serve{' --demo' if demo else ''}"
        raise MissingDependencyError(f"Needs Python 3.13, which Azure runs (this is {version}): {command}")
    from sandbox.functions.host import HostError, log_line, running_host, stopping_when_told, wait_for_interrupt

    with stopping_when_told(), contextlib.ExitStack() as opened:
        prepared = _demo(folder, settings, say) if demo else _with_storage(folder, settings, say)
        folder, environment = opened.enter_context(prepared)
        try:
            host = running_host(folder, environment, lambda level, text: say(log_line(level, text)), port=port)
            url = opened.enter_context(host).url
        except HostError as error:
            raise ConfigurationError(str(error)) from None
        say(f'Ask for a report:     curl -X POST {url}/api/runs -d "{{}}"')
        say(f"See what came of it:  curl {url}/api/runs")
        say(f'Start a timer:        curl -X POST {url}/admin/functions/monday -d "{{}}"')
        wait_for_interrupt()
        say("Stopping.")


@contextlib.contextmanager
def _demo(folder: Path, settings: Settings, say: Callable[[str], None]) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of the app out of reach of this machine's settings, and the environment that leads to the stand-ins."""
    from consent.dates import day_in, utc_now
    from consent.studies.catalog import choose_study, load_studies
    from sandbox.demo import demo_world

    _need_node()
    study = choose_study(load_studies(Settings({})), None)
    say(f"A registry of {PARTICIPANTS} invented people is made up ...")
    with (
        tempfile.TemporaryDirectory(prefix="consent-serve-", ignore_cleanup_errors=True) as scratch,
        demo_world(PARTICIPANTS, today=day_in(study.time_zone, utc_now())) as world,
        _azurite(None, say) as storage,
    ):
        copy = Path(scratch) / "app"
        _copy_app(folder, copy)
        machine = {name: value for name, value in settings.as_environment().items() if name.upper() in _OF_THE_MACHINE}
        yield copy, machine | world.settings | {STORAGE_SETTING: storage}


@contextlib.contextmanager
def _with_storage(
    folder: Path, settings: Settings, say: Callable[[str], None]
) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """The app as it is, with the storage that the settings name; the development storage is started if need be."""
    from sandbox.azurite import DEFAULT_PORTS, is_running

    environment = settings.as_environment()
    named = settings.get(STORAGE_SETTING) or DEVELOPMENT_STORAGE
    if named != DEVELOPMENT_STORAGE or is_running(DEFAULT_PORTS[1]):
        yield folder, environment | {STORAGE_SETTING: named}
        return
    with _azurite(folder / "__azurite__", say):
        yield folder, environment | {STORAGE_SETTING: named}


@contextlib.contextmanager
def _azurite(folder: Path | None, say: Callable[[str], None]) -> Iterator[str]:
    """The connection string of an Azurite: of the default ports if it keeps its data in a folder, else of free ones."""
    from sandbox.azurite import DEFAULT_PORTS, AzuriteMissingError, running_azurite

    if shutil.which("node") is None or shutil.which("npm") is None:
        raise MissingDependencyError(
            "Needs Node.js with npm, for Azurite, Microsoft's stand-in for Azure storage: https://nodejs.org"
        )
    say("Azurite is started; the first time it is fetched through npm, which takes half a minute ...")
    ports = DEFAULT_PORTS if folder is not None else None
    with contextlib.ExitStack() as opened:
        try:
            azurite = opened.enter_context(running_azurite(ports, folder))
        except AzuriteMissingError as error:
            raise ConfigurationError(str(error)) from None
        yield azurite.connection_string


def _need_node() -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise MissingDependencyError(
            "Needs Node.js with npm, for Azurite, Microsoft's stand-in for Azure storage: https://nodejs.org"
        )


def _copy_app(folder: Path, copy: Path) -> None:
    copy.mkdir()
    for name in APP:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(folder / name, copy / name)


def _app_folder() -> Path:
    folder = Path(__file__).parent.parent.parent
    if not all((folder / name).exists() for name in APP):
        raise ConfigurationError(
            "consent serve hosts the function app of a checkout, and there is none here: run it in a clone of the "
            "repository with 'uv run --python 3.13 consent serve'."
        )
    return folder
