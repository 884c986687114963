"""Claims about many studies at once: all queued by one timer, carried out by two hosts, from two REDCap servers."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient

from sandbox.azurite import Azurite, running_azurite
from sandbox.demo import demo_world
from sandbox.people import TOKEN, registry
from sandbox.redcap.app import Redcap
from sandbox.server import Server
from tests.support.functions_runtime import deployed_copy
from tests.support.hosting import ENDED, HostedApp, eventually, hosted_app, put_study

pytestmark = pytest.mark.runtime

STUDIES = [f"study-{number:02}" for number in range(1, 21)]
PEOPLE = 200
HOSTS = 2


@dataclass(frozen=True)
class Drained:
    """What there was once every run had ended."""

    runs: list[dict[str, Any]]
    seconds: float
    files: dict[str, bytes]
    most_at_once: list[int]
    carried_out: list[int]
    messages_left: int

    def figures(self) -> str:
        """The figures, for people."""
        by_host = ", ".join(map(str, self.carried_out))
        return (
            f"{len(self.runs)} studies of {PEOPLE} people on {len(self.most_at_once)} REDCap servers, {HOSTS} hosts: "
            f"{self.seconds:.1f} s, {60 * len(self.runs) / self.seconds:.0f} runs a minute; runs by host {by_host}; "
            f"most requests at once by REDCap server {', '.join(map(str, self.most_at_once))}"
        )


@pytest.fixture(name="storage", scope="module")
def _storage() -> Iterator[Azurite]:
    """An account of its own, since the app uses the same names in any."""
    with running_azurite() as storage:
        yield storage


@pytest.fixture(name="studies", scope="module")
def _studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    for index, study in enumerate(STUDIES):
        put_study(folder, study, number=f"_{index % 2}")
    return folder


@pytest.fixture(name="drained", scope="module")
def _drained(
    storage: Azurite, studies: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Drained:
    today = datetime.now(UTC).date()
    app = deployed_copy(tmp_path_factory.mktemp("deployed") / "app")
    with ExitStack() as opened:
        world = opened.enter_context(demo_world(PEOPLE, today=today))
        second = opened.enter_context(Server(Redcap([registry(PEOPLE, seed=7, today=today)])))
        settings = world.settings | {
            "AzureWebJobsStorage": storage.connection_string,
            "CONSENT_STUDIES": str(studies),
            "REDCAP_API_URL_0": world.settings["REDCAP_API_URL"],
            "REDCAP_API_URL_1": f"{second.url}/api/",
            "REDCAP_ACCESS_TOKEN_0": TOKEN,
            "REDCAP_ACCESS_TOKEN_1": TOKEN,
        }
        hosts = [opened.enter_context(hosted_app(app, settings)) for _ in range(HOSTS)]
        seconds = _seconds_to_drain(hosts[0])
        eventually(lambda: _messages_left(storage) == 0)  # a message is deleted just after its record is closed
        runs, messages_left = _runs(hosts[0]), _messages_left(storage)
    drained = Drained(
        runs=runs,
        seconds=seconds,
        files=world.account.files(),
        most_at_once=[world.redcap.most_at_once, second.most_at_once],
        carried_out=[sum("execute_run: succeeded" in line for line in host.lines) for host in hosts],
        messages_left=messages_left,
    )
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stdout.write(f"\nload: {drained.figures()}\n")
    return drained


def _seconds_to_drain(host: HostedApp) -> float:
    began = time.monotonic()
    host.tick()
    eventually(lambda: len([run for run in _runs(host) if run["state"] in ENDED]) == len(STUDIES))
    return time.monotonic() - began


def _runs(host: HostedApp) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = host.get("runs?limit=100")["runs"]
    return found


def _messages_left(storage: Azurite) -> int:
    with QueueClient.from_connection_string(storage.connection_string, "consent-runs") as client:
        return client.get_queue_properties().approximate_message_count or 0


def test_every_study_is_delivered(drained: Drained) -> None:
    assert sorted((run["study"], run["state"]) for run in drained.runs) == [(study, "delivered") for study in STUDIES]


def test_every_study_is_delivered_at_the_first_attempt(drained: Drained) -> None:
    assert {run["attempt"] for run in drained.runs} == {1}


def test_every_study_has_its_report_in_dropbox(drained: Drained) -> None:
    assert {f"/{study}.pdf" for study in STUDIES} <= drained.files.keys()


def test_every_report_was_archived_once(drained: Drained) -> None:
    manifests = [path for path in drained.files if path.startswith("/Archive/") and path.endswith(".manifest.json")]

    assert sorted(path.split("/")[2] for path in manifests) == STUDIES


def test_no_message_is_left(drained: Drained) -> None:
    assert drained.messages_left == 0


def test_both_hosts_took_part(drained: Drained) -> None:
    assert (min(drained.carried_out) > 0, sum(drained.carried_out)) == (True, len(STUDIES))


def test_no_redcap_server_was_asked_by_more_than_one_run_of_each_host_at_once(drained: Drained) -> None:
    assert max(drained.most_at_once) <= HOSTS
