"""``consent serve``: run the function app on this computer; with ``--demo``, also a simulated REDCap and Dropbox.

The host itself is ``sandbox/functions/host.py``.
"""

import contextlib
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from consent.cli.command_line import command_line
from consent.config.settings import Settings
from consent.errors import ConfigurationError, MissingDependencyError
from consent.runs.ledger.storage_account import STORAGE_SETTING

PARTICIPANTS = 1000
DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"
APP = ("function_app.py", "host.json", "consent")

_OF_THE_MACHINE = frozenset({"PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "HOME", "USERPROFILE", "LOCALAPPDATA"})

Say = Callable[[str], None]


def serve(*, demo: bool, port: int, settings: Settings, say: Say, command: str) -> None:
    """Run the function app until Ctrl-C.

    command: the same with the right Python, for messages. Raises MissingDependencyError without Python 3.13 or Node.js,
    and ConfigurationError if there is no app here, the port is in use, or storage does not start.
    """
    folder = Path(__file__).parent.parent.parent
    if not all((folder / name).exists() for name in APP):
        raise ConfigurationError("There is no function app here.", f"Run '{command}' in a clone of the repository.")
    if importlib.util.find_spec("azure_functions_runtime") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        raise MissingDependencyError(
            f"This command needs Python 3.13, the version in Azure; this is Python {version}.", f"Run '{command}'."
        )
    from sandbox.functions.host import HostError, log_line, running_host, sigterm_as_interrupt, wait_for_interrupt

    with sigterm_as_interrupt(), contextlib.ExitStack() as opened:
        prepared = _demo(folder, settings, say) if demo else _with_storage(folder, settings, say)
        folder, environment = opened.enter_context(prepared)
        try:
            host = running_host(folder, environment, lambda level, text: say(log_line(level, text)), port=port)
            url = opened.enter_context(host).url
        except HostError as error:
            raise ConfigurationError(str(error)) from None
        post = 'curl -X POST -H "Content-Type: application/json" -d "{}"'
        if sys.platform == "win32":
            post = 'Invoke-RestMethod -Method Post -ContentType application/json -Body "{}"'
        say(f"Request a report:  {command_line(f'request --url {url}', None)}")
        say(f"See the runs:      {url}/api/report")
        say(f"Start a timer:     {post} {url}/admin/functions/monday")
        wait_for_interrupt()
        say("Stopping.")


@contextlib.contextmanager
def _demo(folder: Path, settings: Settings, say: Say) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a copy of the app, which cannot read this computer's settings, and the environment of the demo."""
    from consent.dates import day_in, utc_now
    from consent.studies.catalog import choose_study, load_studies
    from sandbox.demo import demo_world

    study = choose_study(load_studies(Settings({})), None)
    with (
        _azurite(None, say) as storage,
        tempfile.TemporaryDirectory(prefix="consent-serve-", ignore_cleanup_errors=True) as scratch,
    ):
        copy = Path(scratch) / "app"
        copy.mkdir()
        for name in APP:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(folder / name, copy / name)
        say(f"Creating a registry of {PARTICIPANTS} invented people ...")
        with demo_world(PARTICIPANTS, today=day_in(study.time_zone, utc_now())) as world:
            environment = settings.as_environment().items()
            machine = {name: value for name, value in environment if name.upper() in _OF_THE_MACHINE}
            yield copy, machine | world.settings | {STORAGE_SETTING: storage}


@contextlib.contextmanager
def _with_storage(folder: Path, settings: Settings, say: Say) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """Yield the app itself and its settings; start the development storage if the app needs it."""
    from sandbox.azurite import DEFAULT_PORTS, is_running

    storage = settings.get(STORAGE_SETTING) or DEVELOPMENT_STORAGE
    with contextlib.ExitStack() as opened:
        if storage == DEVELOPMENT_STORAGE and not is_running(DEFAULT_PORTS[1]):
            opened.enter_context(_azurite(folder / "__azurite__", say))
        yield folder, settings.as_environment() | {STORAGE_SETTING: storage}


@contextlib.contextmanager
def _azurite(folder: Path | None, say: Say) -> Iterator[str]:
    """Start Azurite and yield its connection string: on the default ports for a folder, otherwise on free ones."""
    from sandbox.azurite import DEFAULT_PORTS, running_azurite
    from sandbox.npm import PackageMissingError

    if shutil.which("node") is None or shutil.which("npm") is None:
        raise MissingDependencyError(
            "This command needs Node.js with npm, to run Azurite, Microsoft's storage emulator.",
            "Install it from https://nodejs.org.",
        )
    say("Starting Azurite; the first start downloads it with npm, which takes half a minute ...")
    with contextlib.ExitStack() as opened:
        try:
            azurite = opened.enter_context(running_azurite(None if folder is None else DEFAULT_PORTS, folder))
        except PackageMissingError as error:
            raise ConfigurationError(str(error)) from None
        yield azurite.connection_string
