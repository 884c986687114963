"""Test of the app under Microsoft's own host: Azure Functions Core Tools, with Azurite and the stand-ins.

Core Tools and the extension bundle of its host are downloaded from Microsoft's servers. A job of GitHub runs this test;
`.ci/run` does not.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.azurite import Azurite
from sandbox.demo import demo_world
from tests.support.functions_runtime import deployed_copy, running_app
from tests.support.hosting import PATIENCE, HostedApp, ended, eventually, machine
from tests.system.test_smoke import DELIVERED

FUNC = shutil.which("func")
COMPARED = ("name", "type", "direction", "authLevel", "methods", "route", "schedule", "queueName", "connection")


@contextmanager
def core_tools(folder: Path, settings: Mapping[str, str]) -> Iterator[HostedApp]:
    """Yield the app in this folder once it answers; what the host printed is in ``folder``/host.log."""
    values = {"FUNCTIONS_WORKER_RUNTIME": "python", **settings}
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # the host starts this Python
    app = HostedApp(f"http://127.0.0.1:{port}", [])

    def answers() -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"{app.url}/api/health", timeout=PATIENCE).status_code == 200
        return False

    log = folder / "host.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(FUNC), "start", "--port", str(port)],
            cwd=folder,
            env={**machine(), "PATH": path, "FUNCTIONS_CORE_TOOLS_TELEMETRY_OPTOUT": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            assert eventually(lambda: process.poll() is not None or answers()), log.read_text(encoding="utf-8")
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield app
        finally:
            process.terminate()
            process.wait()


def compared(bindings: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What is compared of a function's bindings; the host may write a value with other capitals."""
    kept = [{key: str(binding[key]).lower() for key in COMPARED if binding.get(key)} for binding in bindings]
    return sorted(kept, key=lambda binding: binding["name"])


@pytest.mark.runtime
@pytest.mark.skipif(FUNC is None, reason="NOT RUN: needs Azure Functions Core Tools (func)")
def test_the_app_runs_under_core_tools_as_under_our_host(azurite: Azurite, tmp_path: Path) -> None:
    folder = deployed_copy(tmp_path / "app")
    with demo_world(50, today=datetime.now(UTC).date()) as world:
        settings = {**world.settings, "AzureWebJobsStorage": azurite.connection_string}
        with running_app(folder, settings) as ours:
            expected = {name: compared(bindings) for name, bindings in ours.bindings.items()}
        with core_tools(folder, settings) as app:
            functions = requests.get(f"{app.url}/admin/functions", timeout=PATIENCE).json()
            health = app.get("health")
            run = ended(app.post())
        delivered = {path.removeprefix("/") for path in world.account.files()}

    assert {each["name"]: compared(each["config"]["bindings"]) for each in functions} == expected
    assert health == {"status": "ok"}
    assert (run["state"], delivered >= DELIVERED) == ("delivered", True), run
