"""Tests of what the commands import before they start."""

import subprocess
import sys


def test_only_compare_imports_pandas() -> None:
    program = "import sys, consent.cli.commands, consent.runs.worker; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "False"
