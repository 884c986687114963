"""Claims about starting: what importing the function app loads, and that it needs nothing that is not deployed."""

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
HEAVY = [
    "azure.core",
    "azure.data",
    "azure.identity",
    "azure.keyvault",
    "consent.runs.pipeline",
    "dropbox",
    "matplotlib",
    "numpy",
    "pandas",
    "requests",
    "rich",
    "sqlite3",
]
IMPORTED = """
import json, logging, sys
import function_app
print(json.dumps({"modules": list(sys.modules), "azure_log_level": logging.getLogger("azure").level}))
"""
ASKED = """
import json, sys
from types import SimpleNamespace
import azure.functions as func
import function_app
request = func.HttpRequest(method="GET", url="http://localhost/api", params={}, route_params={}, body=b"")
context = SimpleNamespace(invocation_id="i-1")
answers = [
    function_app.health(request),
    function_app.list_runs(request, context),
    function_app.report(request, context),
]
print(json.dumps({"modules": list(sys.modules), "statuses": [answer.status_code for answer in answers]}))
"""
IMPORTED_ALONE = """
import importlib.util, json, sys
from pathlib import Path
sys.path[1:] = [entry for entry in sys.path[1:] if not (Path(entry) / "function_app.py").exists()]  # any checkout
import function_app, consent.runs.pipeline, consent.runs.services, consent.delivery.dropbox_folder
print(json.dumps({"consent": consent.__file__, "sandbox": importlib.util.find_spec("sandbox") is not None}))
"""


def told_by(program: str, *, folder: Path, **settings: str) -> dict[str, Any]:
    """What a Python program says, in JSON, when it runs in this folder with these settings."""
    command = [sys.executable, "-c", program]
    environment = {**os.environ, **settings}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True, encoding="utf-8", timeout=120
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture(name="after_import", scope="module")
def _after_import() -> dict[str, Any]:
    return told_by(IMPORTED, folder=ROOT)


@pytest.fixture(name="after_asking", scope="module", params=["sqlite", "table"])
def _after_asking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if request.param == "sqlite":
        return told_by(ASKED, folder=ROOT, CONSENT_LEDGER=str(tmp_path_factory.mktemp("ledger") / "runs.sqlite"))
    azurite: Azurite = request.getfixturevalue("azurite")
    return told_by(ASKED, folder=ROOT, AzureWebJobsStorage=azurite.connection_string)


@pytest.fixture(name="copy", scope="module")
def _copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed_copy(tmp_path_factory.mktemp("deployed") / "app")


@pytest.mark.parametrize("module", HEAVY)
def test_importing_the_function_app_does_not_load(module: str, after_import: dict[str, Any]) -> None:
    assert module not in after_import["modules"]


def test_the_health_the_history_and_the_page_can_be_asked_for(after_asking: dict[str, Any]) -> None:
    assert after_asking["statuses"] == [200, 200, 200]


@pytest.mark.parametrize("module", ["consent.runs.pipeline", "dropbox", "matplotlib", "numpy", "pandas", "rich"])
def test_asking_for_the_health_the_history_and_the_page_does_not_load(
    module: str, after_asking: dict[str, Any]
) -> None:
    assert module not in after_asking["modules"]


def test_importing_the_function_app_quietens_the_request_logs_of_the_azure_libraries(
    after_import: dict[str, Any],
) -> None:
    assert after_import["azure_log_level"] == 30


def test_nothing_but_the_product_is_deployed(copy: Path) -> None:
    assert {path.name for path in copy.iterdir()} <= PRODUCT


def test_the_study_files_are_deployed(copy: Path) -> None:
    assert (copy / "consent" / "studies" / "obri-ibd.toml").is_file()


def test_the_app_and_its_job_can_be_imported_from_what_is_deployed(copy: Path) -> None:
    told = told_by(IMPORTED_ALONE, folder=copy)

    assert told == {"consent": str(copy / "consent" / "__init__.py"), "sandbox": False}


def test_funcignore_holds_plain_names_only() -> None:
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if not line.startswith("#") and ("/" in line.rstrip("/") or "!" in line)] == []
