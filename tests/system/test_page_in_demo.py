"""Claims about the page as ``consent serve --demo`` shows it: from a call to what a person sees in the browser."""

import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.support.browsing import Page, Visitor, grave_findings, running_browser
from tests.support.functions_runtime import ROOT
from tests.support.hosting import ended, machine, started

pytestmark = pytest.mark.runtime


@dataclass(frozen=True)
class Demo:
    """The demo's page after one report, what its record tells, and everything that the browser asked for."""

    page: Page
    run: dict[str, Any]
    hints: list[str]
    asked: list[str]
    complaints: list[str]


def demo_command() -> list[str]:
    """``consent serve --demo`` on a port that is free."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    return [sys.executable, "-m", "consent", "serve", "--demo", "--port", str(port)]


@pytest.fixture(name="demo", scope="module")
def _demo() -> Iterator[Demo]:
    with started(demo_command(), machine()) as app, running_browser() as browser:
        assert app.wrote("Start a timer")
        hints = [line.split(":  ")[1].strip() for line in app.lines if ":  " in line]
        run = ended(app.post())
        with closing(Visitor(browser, app.url, bypass_csp=True)) as visitor:
            yield Demo(visitor.page("api/report"), run, hints, visitor.asked, visitor.complaints)


def test_the_page_shows_the_numbers_of_the_record(demo: Demo) -> None:
    counts, shown = demo.run["counts"], demo.page.locator(".figures div").all_inner_texts()

    assert f"have consented of {counts['participants']:,} participants {counts['consented']:,}" in " ".join(
        " ".join(shown).split()
    )
    assert [text.split()[-1] for text in shown if "still taking part" in text] == [f"{counts['taking_part']:,}"]


def test_the_page_names_the_files_of_the_record(demo: Demo) -> None:
    shown = demo.page.locator(".files li").all_inner_texts()

    assert shown == [f"{file['path']} {file['size']:,} bytes" for file in demo.run["files"]]


def test_the_page_says_that_it_is_a_trial(demo: Demo) -> None:
    assert "Trial" in demo.page.locator("main > .notice").inner_text()


def test_the_page_lists_the_run(demo: Demo) -> None:
    assert demo.page.locator("table.runs tbody tr").count() == 1


@pytest.mark.not_windows  # there the last is a PowerShell command
def test_what_the_host_shows_works_as_it_is(demo: Demo) -> None:
    request, page, timer = demo.hints
    done = subprocess.run(shlex.split(request), cwd=ROOT, capture_output=True, check=False, timeout=120)
    counts = demo.run["counts"]
    outcome = f"{counts['consented']:,} of {counts['participants']:,} participants consented"
    assert (done.returncode, outcome.encode() in done.stdout) == (0, True)
    assert requests.get(page, timeout=30).status_code == 200
    assert subprocess.run(shlex.split(timer), capture_output=True, check=False, timeout=30).returncode == 0


def test_nobody_is_shut_out(demo: Demo) -> None:
    assert grave_findings(demo.page) == []


def test_the_browser_asked_for_the_page_alone(demo: Demo) -> None:
    assert (demo.asked, demo.complaints) == (["/api/report"], [])
