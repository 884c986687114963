"""Install and run Azurite, Microsoft's emulator of Azure storage.

It serves blobs, queues and tables on loopback, in memory by default. The key of the development account is public.
"""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.npm import AZURITE, PackageMissingError, installed

ACCOUNT = "devstoreaccount1"
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
DEFAULT_PORTS = (10000, 10001, 10002)  # of blobs, queues and tables; what UseDevelopmentStorage=true means

_HOST = "127.0.0.1"
_SCRIPT = Path("dist", "src", "azurite.js")
_START_SECONDS = 60
_END_SECONDS = 10


@dataclass(frozen=True)
class Azurite:
    """A running Azurite: the ports of its blobs, queues and tables."""

    ports: tuple[int, int, int]

    @property
    def blob_url(self) -> str:
        """The address of its blobs, e.g. ``http://127.0.0.1:10000/devstoreaccount1``."""
        return self._url(0)

    @property
    def queue_url(self) -> str:
        """The address of its queues."""
        return self._url(1)

    @property
    def table_url(self) -> str:
        """The address of its tables."""
        return self._url(2)

    @property
    def connection_string(self) -> str:
        """The connection string for Azure's libraries."""
        return connection_string(self.blob_url, self.queue_url, self.table_url)

    def _url(self, index: int) -> str:
        return f"http://{_HOST}:{self.ports[index]}/{ACCOUNT}"


def connection_string(blob_url: str, queue_url: str, table_url: str) -> str:
    """Return the connection string of the development account at these addresses."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint={blob_url};QueueEndpoint={queue_url};TableEndpoint={table_url};"
    )


def is_running(port: int) -> bool:
    """Return whether a program listens on this port of this machine."""
    try:
        with socket.create_connection((_HOST, port), timeout=1):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def running_azurite(
    ports: tuple[int, int, int] | None = None, folder: Path | None = None, *, start_seconds: float = _START_SECONDS
) -> Iterator[Azurite]:
    """Run Azurite within the ``with`` block.

    ports: of blobs, queues and tables; free ones by default. folder: for the data; by default it is in memory. Raises
    PackageMissingError.
    """
    azurite = Azurite(ports or _free_ports())
    if any(is_running(port) for port in azurite.ports):
        raise _not_started(azurite.ports)
    command = [shutil.which("node") or "node", str(installed(AZURITE) / _SCRIPT), *_options(azurite.ports, folder)]
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603 - our own command
        command,
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
        start_new_session=True,  # Ctrl-C is for the caller, which still needs Azurite while it stops
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
    )
    try:
        _wait_for(process, azurite.ports, start_seconds)
        yield azurite
    finally:
        _end(process)


def _options(ports: tuple[int, int, int], folder: Path | None) -> list[str]:
    # The libraries send newer API versions than Azurite knows, and work if it does not check them.
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


def _not_started(ports: tuple[int, int, int]) -> PackageMissingError:
    return PackageMissingError(
        f"Azurite did not start on the ports {', '.join(map(str, ports))}. Check whether another program uses one of "
        "them, and that Node.js is not too old."
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
