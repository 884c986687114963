"""Claims about the whole way: timer or call, queue, REDCap, Dropbox, record of runs, and the answer about it.

Real are the function app, Microsoft's runtime, the storage protocol and the libraries; REDCap, Dropbox and the storage
account are stand-ins on this machine.
"""

import base64
import contextlib
import itertools
import json
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from consent.config.settings import Settings
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.store import open_ledger
from consent.runs.scheduler import message_for
from sandbox.azurite import Azurite, running_azurite
from sandbox.demo import DemoWorld, demo_world
from sandbox.redcap.faults import revoked_token
from sandbox.server import Fault
from tests.support.functions_runtime import deployed_copy
from tests.support.hosting import HostedApp, ended, eventually, hosted_app, machine, put_study, started

pytestmark = pytest.mark.runtime

QUEUE = "consent-runs"
POISON = f"{QUEUE}-poison"
AT_ONCE = {"AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:00"}
PEOPLE = 60
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Operation:
    """The app at work with one study, the storage account, and the outside world."""

    app: HostedApp
    storage: Azurite
    outside: DemoWorld
    study: str

    @property
    def files(self) -> dict[str, bytes]:
        """What Dropbox holds of this study."""
        return {path: content for path, content in self.outside.account.files().items() if self.study in path}

    @property
    def report(self) -> set[str]:
        """The names under which the study's report stands."""
        for_people = {f"/{self.study}.{kind}" for kind in ("csv", "xlsx", "pdf")}
        return for_people | {f"/data/{self.study}.json", f"/data/{self.study}.manifest.json"}

    def runs(self) -> list[dict[str, Any]]:
        """The recorded runs of this study."""
        return self.app.runs(self.study)

    def queue(self, name: str) -> QueueClient:
        """A client of one of the queues."""
        return QueueClient.from_connection_string(self.storage.connection_string, name)

    def send(self, content: str, name: str = QUEUE) -> None:
        """Put a message into a queue, as it is; the queue is made if there is none."""
        with self.queue(name) as client, contextlib.suppress(ResourceExistsError):
            client.create_queue()
        with self.queue(name) as client:
            client.send_message(content)

    def left(self, name: str) -> int:
        """How many messages a queue holds, in sight or not."""
        with self.queue(name) as client:
            return client.get_queue_properties().approximate_message_count or 0

    def record(self, run_id: str) -> str:
        """Record a run that was asked for and whose message somebody lost; where it can be watched."""
        now = datetime.now(UTC)
        record = RunRecord(run_id, self.study, "http", now.date(), requested_at=now, queued_at=now, sandbox=True)
        settings = Settings({"AzureWebJobsStorage": self.storage.connection_string})
        with closing(open_ledger(settings, default="table")) as ledger:
            ledger.add(record)
        return f"{self.app.url}/api/runs/{run_id}"


def encoded(text: str) -> str:
    """A text as the platform puts it into a queue."""
    return base64.b64encode(text.encode()).decode()


def demo_command() -> list[str]:
    """``consent serve --demo`` on a port that is free."""
    return [*serve_command(), "--demo"]


def serve_command() -> list[str]:
    """``consent serve`` on a port that is free."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    return [sys.executable, "-m", "consent", "serve", "--port", str(port)]


def garbled(times: int = 1) -> Fault:
    """REDCap answers with JSON that is no data."""
    return Fault("answer", match="metadata", times=times, status=200, body=b"[1]")


def stable(files: Mapping[str, bytes]) -> set[str]:
    """The files under their stable names."""
    return {path for path in files if not path.startswith("/Archive/")}


@pytest.fixture(name="outside", scope="module")
def _outside() -> Iterator[DemoWorld]:
    with demo_world(PEOPLE, today=datetime.now(UTC).date()) as outside:
        yield outside


@pytest.fixture(name="storage", scope="module")
def _storage() -> Iterator[Azurite]:
    """An account of its own, since the app uses the same names in any."""
    with running_azurite() as storage:
        yield storage


@pytest.fixture(name="studies", scope="module")
def _studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(name="app", scope="module")
def _app(
    outside: DemoWorld, storage: Azurite, studies: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostedApp]:
    settings = outside.settings | AT_ONCE
    settings |= {"AzureWebJobsStorage": storage.connection_string, "CONSENT_STUDIES": str(studies)}
    with hosted_app(deployed_copy(tmp_path_factory.mktemp("deployed") / "app"), settings) as app:
        yield app


@pytest.fixture(name="operation")
def _operation(app: HostedApp, storage: Azurite, outside: DemoWorld, studies: Path) -> Operation:
    """Healthy, and with a study that has never been reported on."""
    outside.redcap.faults.clear()
    for left_over in studies.iterdir():
        left_over.unlink()
    study = f"study-{next(NUMBERS)}"
    put_study(studies, study)
    return Operation(app, storage, outside, study)


def test_a_timer_leads_to_a_delivered_report(operation: Operation) -> None:
    operation.app.tick()

    run = operation.app.ended_runs(operation.study)[0]

    told = operation.app.get(f"runs/{run['run_id']}")
    assert (told["state"], told["trigger"], told["counts"]["participants"], stable(operation.files)) == (
        "delivered",
        "monday",
        PEOPLE,
        operation.report,
    )


def test_a_call_leads_to_a_delivered_report(operation: Operation) -> None:
    told = ended(operation.app.post())

    assert (told["state"], told["trigger"], told["attempt"], stable(operation.files)) == (
        "delivered",
        "http",
        1,
        operation.report,
    )


def test_a_second_timer_finds_nothing_to_do(operation: Operation) -> None:
    operation.app.tick()
    operation.app.ended_runs(operation.study)
    operation.app.tick("catch_up")
    operation.app.wrote("catch_up: succeeded")

    assert [run["state"] for run in operation.runs()] == ["delivered"]


def test_a_failure_that_passes_is_tried_again_and_then_delivered(operation: Operation) -> None:
    operation.outside.redcap.faults.append(garbled())

    told = ended(operation.app.post())

    assert (told["state"], told["attempt"], stable(operation.files)) == ("delivered", 2, operation.report)


def test_a_failure_that_does_not_pass_is_given_up_with_its_record_closed(operation: Operation) -> None:
    operation.outside.redcap.faults.append(garbled(times=999))

    told = ended(operation.app.post())

    assert (told["state"], told["reason"], told["attempt"]) == ("failed", "source-data", 10)


def test_a_refusal_is_not_tried_again(operation: Operation) -> None:
    operation.outside.redcap.faults.append(revoked_token(times=99))

    told = ended(operation.app.post())
    eventually(lambda: operation.left(QUEUE) == 0)

    assert (told["state"], told["reason"], told["attempt"], operation.files) == ("refused", "source-refused", 1, {})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded("deliver everything!"), id="no JSON"),
        pytest.param(encoded(json.dumps({"run_id": "obri-ibd.2024-01-01"})), id="a run that nobody asked for"),
        pytest.param("deliver everything!", id="not encoded"),
    ],
)
def test_a_message_that_asks_for_nothing_is_given_up_and_does_not_come_back(operation: Operation, content: str) -> None:
    before = operation.app.written()

    operation.send(content)

    operation.app.wrote("run_failed: succeeded", since=before)
    assert eventually(lambda: (operation.left(QUEUE), operation.left(POISON)) == (0, 0))


def test_a_message_that_was_given_up_closes_its_record(operation: Operation) -> None:
    run_id = f"{operation.study}.20240101T000000Z-lost"
    status_url = operation.record(run_id)

    operation.send(encoded(message_for(run_id)), POISON)

    told = ended(status_url)
    assert (told["state"], told["reason"]) == ("failed", "lost")


def test_the_demo_takes_a_call_to_a_delivered_report_whatever_this_machine_is_set_to() -> None:
    real = {
        "REDCAP_API_URL": "https://redcap.example.org/api/",
        "CONSENT_STUDIES": "nowhere",
        "CONSENT_LEDGER": "nowhere",
        "AzureWebJobsStorage": "nothing",
    }
    with started(demo_command(), machine() | real) as app:
        told: dict[str, Any] = ended(app.post())

    assert (told["state"], told["counts"]["participants"]) == ("delivered", 1000)


def test_without_the_demo_the_settings_of_the_folder_that_was_named_are_served(
    outside: DemoWorld, azurite: Azurite, tmp_path: Path
) -> None:
    studies = tmp_path / "studies"
    studies.mkdir()
    put_study(studies, "served")
    storage = {"AzureWebJobsStorage": azurite.connection_string, "CONSENT_STUDIES": str(studies)}
    document = {"IsEncrypted": False, "Values": outside.settings | storage}
    (tmp_path / "local.settings.json").write_text(json.dumps(document), encoding="utf-8")

    with started([*serve_command(), "--settings", str(tmp_path)], machine()) as app:
        told = ended(app.post())

    assert (told["study"], told["state"]) == ("served", "delivered")
