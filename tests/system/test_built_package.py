"""Tests of the built package, as Azure runs it: its own packages alone, Microsoft's runtime, simulated services."""

import json
import re
import subprocess
import sys
import venv
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pytest

from infra.package import SITE_PACKAGES, build, is_azure_like
from sandbox.azurite import Azurite
from sandbox.demo import demo_world
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


class Packaged(NamedTuple):
    """The built package, a Python without packages of its own, and what came of calling every function once."""

    packages: Path
    python: str
    functions: set[str]
    calls: dict[str, Invocation]
    delivered: set[str]
    monitor: list[str]


@pytest.fixture(name="packaged", scope="module")
def _packaged(tmp_path_factory: pytest.TempPathFactory, azurite: Azurite) -> Packaged:
    if not is_azure_like():
        pytest.skip("NOT RUN: the wheels in the package are for Linux on x64")
    folder = tmp_path_factory.mktemp("built")
    package, packages, python = folder / "package", folder / "package" / SITE_PACKAGES, f"{folder}/bare/bin/python"
    assert [*build(folder=package, archive=folder / "package.zip")]
    venv.create(folder / "bare")
    put_study(folder, STUDY)
    with (folder / f"{STUDY}.toml").open("a", encoding="utf-8") as study:
        study.write("\n[notify]\n")
    with demo_world(60, today=datetime.now(UTC).date()) as outside, Server(Monitor()) as monitor:
        settings = {
            "AzureWebJobsStorage": azurite.connection_string,
            "CONSENT_NOTIFY": f"json://{monitor.url.partition('//')[2]}/notice",
            "CONSENT_STUDIES": str(folder),
            "PYTHONPATH": str(packages),
        }
        with running_app(package, outside.settings | SIGN_IN | settings, python=python) as app:
            calls, names = every_call(app), map(PurePosixPath, outside.account.files())
            received = [request.path for request in monitor.requests]
            return Packaged(packages, python, {*app.bindings}, calls, {name.suffix for name in names}, received)


def every_call(app: RunningApp) -> dict[str, Invocation]:
    """Call every function once: a Monday's report is delivered, then a person asks for another."""
    monday, page = app.fire_timer("monday"), app.get("page", PAGE, headers=ADA)
    (message,) = monday.outputs["messages"]
    run_id = json.loads(message)["run_id"]
    assert page.answer
    form = f"study={STUDY}&token={token_in(page.answer)}".encode()
    return {
        "monday": monday,
        "page": page,
        "execute_run": app.deliver("execute_run", message),
        "run_failed": app.deliver("run_failed", message),
        "catch_up": app.fire_timer("catch_up"),
        "health": app.get("health", "http://localhost/api/health"),
        "list_runs": app.get("list_runs", RUNS),
        "show_run": app.get("show_run", f"{RUNS}/{run_id}", params={"run_id": run_id}),
        "report": app.get("report", "http://localhost/api/report"),
        "start_run": app.post("start_run", RUNS, b"{}"),
        "run_now": app.post("run_now", PAGE, form, headers=FORM | ADA),
    }


def test_every_function_of_the_package_works(packaged: Packaged) -> None:
    assert {name: call.failure for name, call in packaged.calls.items()} == dict.fromkeys(packaged.functions)
    assert {name: call.answer.status for name, call in packaged.calls.items() if call.answer} == PAGES


def test_the_package_delivers_every_file_and_sends_a_notice(packaged: Packaged) -> None:
    assert (packaged.delivered, packaged.monitor) == ({".csv", ".json", ".pdf", ".xlsx"}, ["/notice"])


def test_the_package_has_every_service_for_notices(packaged: Packaged) -> None:
    def services_of(python: str, **environment: str) -> Any:
        command = [python, "-c", SERVICES]
        return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)

    assert services_of(packaged.python, PYTHONPATH=str(packaged.packages)) == services_of(sys.executable)


def test_every_licence_that_a_library_names_is_in_the_package(packaged: Packaged) -> None:
    named = [
        (path.parent, name)
        for path in packaged.packages.glob("*.dist-info/METADATA")
        for name in re.findall(r"^License-File: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    missing = [name for folder, name in named if not any((folder / at / name).is_file() for at in ("licenses", "."))]

    assert (len(named) > 40, missing) == (True, [])
