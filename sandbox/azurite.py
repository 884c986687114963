"""Azurite, Microsoft's stand-in for Azure storage: put onto this machine through npm, started, and ended again.

Offers blobs, queues and tables on loopback, in memory unless a folder is named. Keeps no secret: the development
account's key is public. ``python -m sandbox.azurite`` installs it and says where.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VERSION = "3.35.0"
ACCOUNT = "devstoreaccount1"
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
DEFAULT_PORTS = (10000, 10001, 10002)  # of blobs, queues and tables; what UseDevelopmentStorage=true means

_HOST = "127.0.0.1"
_SCRIPT = Path("node_modules", "azurite", "dist", "src", "azurite.js")
_INSTALL_SECONDS = 600
_START_SECONDS = 60
_END_SECONDS = 10


class AzuriteMissingError(Exception):
    """Azurite cannot be had on this machine; the message says in a sentence what to do."""


@dataclass(frozen=True)
class Azurite:
    """A running Azurite: the ports of its blobs, queues and tables."""

    ports: tuple[int, int, int]

    @property
    def blob_url(self) -> str:
        """Where its blobs are, e.g. ``http://127.0.0.1:10000/devstoreaccount1``."""
        return self._url(0)

    @property
    def queue_url(self) -> str:
        """Where its queues are."""
        return self._url(1)

    @property
    def table_url(self) -> str:
        """Where its tables are."""
        return self._url(2)

    @property
    def connection_string(self) -> str:
        """What Azure's libraries connect by."""
        return connection_string(self.blob_url, self.queue_url, self.table_url)

    def _url(self, index: int) -> str:
        return f"http://{_HOST}:{self.ports[index]}/{ACCOUNT}"


def connection_string(blob_url: str, queue_url: str, table_url: str) -> str:
    """What Azure's libraries connect by to the development account at these addresses."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint={blob_url};QueueEndpoint={queue_url};TableEndpoint={table_url};"
    )


def install() -> Path:
    """Make sure that Azurite is on this machine, and give its script.

    It is kept in this user's cache folder; the first time takes half a minute and the network. Raises
    AzuriteMissingError if Node.js or npm is missing, or npm fails.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise AzuriteMissingError("Azurite needs Node.js with npm: install it from https://nodejs.org, then try again.")
    home = _home()
    if not (home / _SCRIPT).is_file():
        _install_into(home, npm)
    return home / _SCRIPT


def is_running(port: int) -> bool:
    """Say whether anything listens on this port of this machine."""
    try:
        with socket.create_connection((_HOST, port), timeout=1):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def running_azurite(
    ports: tuple[int, int, int] | None = None, folder: Path | None = None, *, start_seconds: float = _START_SECONDS
) -> Iterator[Azurite]:
    """Run Azurite until the ``with`` block is left.

    ports: of blobs, queues and tables; free ones by default. folder: where to keep what is stored; in memory by
    default. Raises AzuriteMissingError if it cannot be installed or does not start.
    """
    azurite = Azurite(ports or _free_ports())
    if any(is_running(port) for port in azurite.ports):
        raise _not_started(azurite.ports)
    command = [shutil.which("node") or "node", str(install()), *_options(azurite.ports, folder)]
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603 - our own command
        command,
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
        start_new_session=True,  # Ctrl-C is for whoever uses it, and who still needs it to stop in good order
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
    )
    try:
        _wait_for(process, azurite.ports, start_seconds)
        yield azurite
    finally:
        _end(process)


def _home() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("consent-summary") / f"azurite-{VERSION}"


def _install_into(home: Path, npm: str) -> None:
    """Install beside the home and rename, so that a home is whole, whoever else installs or is cut off."""
    home.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix="azurite-", dir=home.parent))
    try:
        _run_npm(npm, beside)
        with contextlib.suppress(OSError):  # somebody else was faster
            beside.rename(home)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    if not (home / _SCRIPT).is_file():
        raise AzuriteMissingError(f"{home} holds no Azurite: delete that folder, then try again.")


def _run_npm(npm: str, folder: Path) -> None:
    quietly = ["--no-audit", "--no-fund", "--loglevel=error"]
    command = [npm, "install", "--prefix", str(folder), *quietly, f"azurite@{VERSION}"]
    try:
        status = subprocess.run(command, capture_output=True, timeout=_INSTALL_SECONDS, check=False).returncode  # noqa: S603 - our own command
    except (OSError, subprocess.TimeoutExpired):
        status = None
    if status != 0:
        raise AzuriteMissingError(
            f"npm could not install azurite@{VERSION}: run `npm install azurite@{VERSION}` in an empty folder to see "
            "why (most often the network), then try again."
        )


def _options(ports: tuple[int, int, int], folder: Path | None) -> list[str]:
    # The libraries speak of newer API versions than Azurite knows; it answers them all the same when told not to look.
    options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    options += ["--inMemoryPersistence"] if folder is None else ["--location", str(folder)]
    for name, port in zip(("blob", "queue", "table"), ports, strict=True):
        options += [f"--{name}Host", _HOST, f"--{name}Port", str(port)]
    return options


def _free_ports() -> tuple[int, int, int]:
    with contextlib.ExitStack() as opened:
        taken = [opened.enter_context(socket.socket()) for _ in range(3)]
        for each in taken:
            each.bind((_HOST, 0))
        blob, queue, table = (int(each.getsockname()[1]) for each in taken)
        return blob, queue, table


def _wait_for(process: "subprocess.Popen[bytes]", ports: tuple[int, int, int], seconds: float) -> None:
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        if all(is_running(port) for port in ports):
            return
        time.sleep(0.05)
    raise _not_started(ports)


def _not_started(ports: tuple[int, int, int]) -> AzuriteMissingError:
    return AzuriteMissingError(
        f"Azurite did not start on the ports {', '.join(map(str, ports))}: see whether another program uses one of "
        "them, and that Node.js is not too old."
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{install()}\n")
    except AzuriteMissingError as error:
        sys.exit(str(error))
