"""What all cases of the fault campaign share: the stand-ins' servers, the storage, and processes to kill.

Each case has its own REDCap and Dropbox; only the storage holds earlier cases, by their study keys.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import consent
from consent.config.settings import Settings
from consent.studies.catalog import load_study_file
from consent.studies.model import StudyConfig
from sandbox.azurite import Azurite, connection_string
from sandbox.dropbox.app import Dropbox
from sandbox.people import TOKEN
from sandbox.redcap.app import Redcap
from sandbox.server import Server
from tests.campaign.cases import Place

PACKAGED = Path(consent.__file__).parent / "studies" / "obri-ibd.toml"
ROOT = Path(__file__).resolve().parents[2]
CHILD_SECONDS = 90


class Child:
    """A process that is ready to handle one message."""

    def __init__(self) -> None:
        self.was_killed = False
        self._opened = ExitStack()
        self._said = self._opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - a pipe could fill up
        command = [sys.executable, "-m", "tests.campaign.child"]
        self._process = self._opened.enter_context(
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=self._said)
        )

    def handle(self, task: Mapping[str, Any]) -> None:
        """Let it handle a message until it ends or is killed."""
        self._process.communicate(json.dumps(task).encode() + b"\n", timeout=CHILD_SECONDS)

    def kill(self) -> None:
        """Kill it at once."""
        self.was_killed = True
        self._process.kill()
        self._process.wait()

    def log(self) -> list[str]:
        """Return its log."""
        self._said.seek(0)
        return self._said.read().decode().splitlines()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._opened.close()


@dataclass
class Bench:
    """The servers by place, and the folder of the study files."""

    servers: dict[Place, Server]
    azurite: Azurite
    folder: Path
    next_child: Child | None = None

    @property
    def direct(self) -> Settings:
        """Settings that reach the storage without faults."""
        return Settings({"AzureWebJobsStorage": self.azurite.connection_string})

    def study(self, key: str) -> StudyConfig:
        """Copy the packaged study to a folder of its own, under a new key."""
        file = self.folder / key / f"{key}.toml"
        file.parent.mkdir()
        file.write_bytes(PACKAGED.read_bytes())
        return load_study_file(file)

    def settings(self, key: str) -> dict[str, str]:
        """Return the settings of a worker of this study."""
        tables = f"{self.servers['storage'].url}/{self.azurite.table_url.rpartition('/')[2]}"
        return {
            "REDCAP_API_URL": f"{self.servers['redcap'].url}/api/",
            "REDCAP_ACCESS_TOKEN": TOKEN,
            "DROPBOX_SANDBOX_URL": self.servers["dropbox"].url,
            "DROPBOX_KEY": "sandbox-key",
            "DROPBOX_OAUTH2_REFRESH_TOKEN": "sandbox-refresh",
            "CONSENT_STUDIES": str(self.folder / key),
            "AzureWebJobsStorage": connection_string(self.azurite.blob_url, self.azurite.queue_url, tables),
        }

    def child(self) -> Child:
        """Return a process that is ready, and start the next one, because that takes a while."""
        ready, self.next_child = self.next_child or Child(), Child()
        return ready

    def rows(self, key: str) -> list[Mapping[str, Any]]:
        """Return everything that the storage holds about a study."""
        from azure.data.tables import TableServiceClient

        with TableServiceClient.from_connection_string(self.azurite.connection_string) as service:
            tables = [service.get_table_client(table.name) for table in service.list_tables()]
            return [
                row for table in tables for row in table.query_entities("PartitionKey eq @key", parameters={"key": key})
            ]


@contextmanager
def open_bench(azurite: Azurite, folder: Path) -> Iterator[Bench]:
    """Run the servers for as long as the block lasts."""
    with ExitStack() as opened:
        apps = {"redcap": Redcap([]), "dropbox": Dropbox(), "storage": Redcap([])}
        bench = Bench({place: opened.enter_context(Server(app)) for place, app in apps.items()}, azurite, folder)
        yield bench
        if bench.next_child:
            with bench.next_child:
                pass
