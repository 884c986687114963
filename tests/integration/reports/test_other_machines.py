"""Tests of the report files in other processes: no setting of a machine changes a byte."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PRINT_FILES = """
import hashlib
from consent.reports.render import render_reports
from tests.support.sample_summaries import a_full_summary
for file in render_reports(a_full_summary()):
    print(file.name, hashlib.sha256(file.content).hexdigest())
"""


def printed(code: str, **environment: str) -> str:
    """What a process prints under these settings."""
    known = {name: value for name, value in os.environ.items() if name not in ("TZ", "LANG", "LC_ALL")}
    command, settings = [sys.executable, "-c", code], known | environment
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True, encoding="utf-8")
    return done.stdout


def test_no_zone_locale_or_hash_seed_of_a_machine_changes_a_byte() -> None:
    here = printed(PRINT_FILES, TZ="Pacific/Auckland", LC_ALL="C", PYTHONHASHSEED="1")

    assert len(here.splitlines()) == 4
    assert here == printed(PRINT_FILES, TZ="America/Vancouver", LC_ALL="de_DE.UTF-8", PYTHONHASHSEED="2")
