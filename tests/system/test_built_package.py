"""Tests of the built package, as Azure runs it: its own packages alone, Microsoft's runtime, simulated services."""

import json
import re
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from infra.package import SITE_PACKAGES, build, is_azure_like
from sandbox.azurite import Azurite
from sandbox.demo import DemoWorld, demo_world
from sandbox.server import Server
from tests.integration.app.test_function_app import RUNS, Monitor
from tests.integration.app.test_page_sign_in import ADA, FORM, PAGE, SIGN_IN, token_in
from tests.support.functions_runtime import Invocation, RunningApp, running_app
from tests.support.hosting import put_study

pytestmark = [pytest.mark.runtime, pytest.mark.not_windows]

STUDY = "packaged"
SERVICES = """
import apprise, json
print(json.dumps(sorted(str(service["service_name"]) for service in apprise.Apprise().details()["schemas"])))
"""
PAGES = {"page": 200, "report": 200, "list_runs": 200, "show_run": 200, "health": 200, "start_run": 202, "run_now": 303}


@pytest.fixture(name="package", scope="module")
def _package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not is_azure_like():
        pytest.skip("NOT RUN: the wheels in the package are for Linux on x64")
    folder = tmp_path_factory.mktemp("built")
    assert [*build(folder=folder / "package", archive=folder / "package.zip")]
    return folder / "package"


@pytest.fixture(name="python", scope="module")
def _python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python without any package of its own."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder)
    return str(folder / "bin" / "python")


@pytest.fixture(name="outside", scope="module")
def _outside() -> Iterator[DemoWorld]:
    with demo_world(60, today=datetime.now(UTC).date()) as outside:
        yield outside


@pytest.fixture(name="monitor", scope="module")
def _monitor() -> Iterator[Server]:
    with Server(Monitor()) as monitor:
        yield monitor


@pytest.fixture(name="app", scope="module")
def _app(
    package: Path,
    python: str,
    outside: DemoWorld,
    monitor: Server,
    azurite: Azurite,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningApp]:
    studies = tmp_path_factory.mktemp("studies")
    put_study(studies, STUDY)
    with (studies / f"{STUDY}.toml").open("a", encoding="utf-8") as study:
        study.write("\n[notify]\n")
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "CONSENT_NOTIFY": f"json://{monitor.url.partition('//')[2]}/notice",
        "CONSENT_STUDIES": str(studies),
        "PYTHONPATH": str(package / SITE_PACKAGES),
    }
    with running_app(package, outside.settings | SIGN_IN | settings, python=python) as app:
        yield app


@pytest.fixture(name="calls", scope="module")
def _calls(app: RunningApp) -> dict[str, Invocation]:
    """Every function, called once: a Monday's report is delivered, then a person asks for another."""
    monday = app.fire_timer("monday")
    (message,) = monday.outputs["messages"]
    run_id = json.loads(message)["run_id"]
    calls = {
        "monday": monday,
        "execute_run": app.deliver("execute_run", message),
        "run_failed": app.deliver("run_failed", message),
        "catch_up": app.fire_timer("catch_up"),
        "health": app.get("health", "http://localhost/api/health"),
        "list_runs": app.get("list_runs", RUNS),
        "show_run": app.get("show_run", f"{RUNS}/{run_id}", params={"run_id": run_id}),
        "report": app.get("report", "http://localhost/api/report"),
        "page": app.get("page", PAGE, headers=ADA),
        "start_run": app.post("start_run", RUNS, b"{}"),
    }
    assert calls["page"].answer
    form = f"study={STUDY}&token={token_in(calls['page'].answer)}".encode()
    return calls | {"run_now": app.post("run_now", PAGE, form, headers=FORM | ADA)}


def test_every_function_of_the_package_works(app: RunningApp, calls: Mapping[str, Invocation]) -> None:
    assert {name: call.failure for name, call in calls.items()} == dict.fromkeys(app.bindings)
    assert {name: call.answer.status for name, call in calls.items() if call.answer} == PAGES


@pytest.mark.usefixtures("calls")
def test_the_package_delivers_every_file(outside: DemoWorld) -> None:
    assert {PurePosixPath(name).suffix for name in outside.account.files()} == {".csv", ".json", ".pdf", ".xlsx"}


@pytest.mark.usefixtures("calls")
def test_the_package_sends_a_notice(monitor: Server) -> None:
    assert [request.path for request in monitor.requests] == ["/notice"]


def test_the_package_knows_every_service_for_notices(package: Path, python: str) -> None:
    def services_of(python: str, **environment: str) -> Any:
        command = [python, "-c", SERVICES]
        return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)

    assert services_of(python, PYTHONPATH=str(package / SITE_PACKAGES)) == services_of(sys.executable)


def test_every_licence_that_a_library_names_is_in_the_package(package: Path) -> None:
    named = [
        (path.parent, name)
        for path in (package / SITE_PACKAGES).glob("*.dist-info/METADATA")
        for name in re.findall(r"^License-File: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    missing = [name for folder, name in named if not any((folder / at / name).is_file() for at in ("licenses", "."))]

    assert (len(named) > 40, missing) == (True, [])
