"""Tests of the cold start: what importing the function app loads, and that the deployed files are enough."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.azurite import Azurite
from tests.support.functions_runtime import ROOT, deployed_copy

PRODUCT = {".python_packages", "LICENSE.txt", "consent", "function_app.py", "host.json", "requirements.txt"}
NEVER_FOR_A_REQUEST = {"consent.runs.pipeline", "dropbox", "numpy", "pandas", "rich", "typst"}
NEVER_AT_IMPORT = NEVER_FOR_A_REQUEST | {
    "azure.core",
    "azure.data",
    "azure.identity",
    "azure.keyvault",
    "consent.app.handlers",
    "requests",
    "sqlite3",
}
IMPORT = """
import json, logging, sys
import function_app
print(json.dumps({"modules": list(sys.modules), "azure_log_level": logging.getLogger("azure").level}))
"""
REQUESTS = """
import json, sys
from types import SimpleNamespace
import azure.functions as func
import function_app
request = func.HttpRequest(method="GET", url="http://localhost/api", params={}, route_params={}, body=b"")
context = SimpleNamespace(invocation_id="i-1")
responses = [
    function_app.health(req=request),
    function_app.list_runs(req=request, context=context),
    function_app.report(req=request, context=context),
]
print(json.dumps({"modules": list(sys.modules), "statuses": [response.status_code for response in responses]}))
"""
IMPORT_ALONE = """
import importlib.util, json, sys
from pathlib import Path
sys.path[1:] = [entry for entry in sys.path[1:] if not (Path(entry) / "function_app.py").exists()]  # any checkout
import function_app, consent.runs.pipeline, consent.runs.services, consent.delivery.dropbox_folder
print(json.dumps({"consent": consent.__file__, "sandbox": importlib.util.find_spec("sandbox") is not None}))
"""


def output_of(program: str, *, folder: Path, **settings: str) -> dict[str, Any]:
    """The JSON output of a Python program that runs in this folder with these settings."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        check=True,
        encoding="utf-8",
        timeout=120,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture(name="copy", scope="module")
def _copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed_copy(tmp_path_factory.mktemp("deployed") / "app")


def test_importing_the_function_app_loads_nothing_heavy() -> None:
    found = output_of(IMPORT, folder=ROOT)

    assert NEVER_AT_IMPORT & set(found["modules"]) == set()
    assert found["azure_log_level"] == 30  # WARNING


@pytest.mark.parametrize("ledger", ["sqlite", "table"])
def test_health_history_and_page_load_nothing_heavy(
    ledger: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if ledger == "sqlite":
        found = output_of(REQUESTS, folder=ROOT, CONSENT_LEDGER=str(tmp_path / "runs.sqlite"))
    else:
        azurite: Azurite = request.getfixturevalue("azurite")
        found = output_of(REQUESTS, folder=ROOT, AzureWebJobsStorage=azurite.connection_string)

    assert (found["statuses"], NEVER_FOR_A_REQUEST & set(found["modules"])) == ([200, 200, 200], set())


def test_only_the_product_is_deployed_with_its_study_files(copy: Path) -> None:
    assert {path.name for path in copy.iterdir()} <= PRODUCT
    assert (copy / "consent" / "studies" / "obri-ibd.toml").is_file()


def test_the_app_and_a_run_can_be_imported_from_the_deployed_files(copy: Path) -> None:
    found = output_of(IMPORT_ALONE, folder=copy)

    assert found == {"consent": str(copy / "consent" / "__init__.py"), "sandbox": False}


def test_funcignore_holds_plain_names_only() -> None:
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if not line.startswith("#") and ("/" in line.rstrip("/") or "!" in line)] == []
