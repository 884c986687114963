"""Tests of a run of the tests without the dependency group ``check``, as ``uv run pytest`` installs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.check_group import MISSING
from tests.support.functions_runtime import ROOT

NEEDED = {
    "importlinter": "tests/unit/test_architecture.py::test_imports_go_down_the_layers_only",
    "playwright": "tests/system/test_page_in_chromium.py",
}


@pytest.mark.parametrize(("ci", "status"), [("false", 0), ("true", 1)])
def test_without_the_check_group_its_tests_say_so_and_fail_in_ci(ci: str, status: int, tmp_path: Path) -> None:
    for name in NEEDED:
        (tmp_path / f"{name}.py").write_text("raise ModuleNotFoundError", encoding="utf-8")
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "--numprocesses=1", "tests/unit/test_dates.py", *NEEDED.values()]

    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=False, encoding="utf-8")

    assert (done.returncode, [name for name in NEEDED if MISSING.format(name) not in done.stdout]) == (status, [])
