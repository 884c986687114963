"""Run the function app under the local host in a separate process, and call it over HTTP."""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.support.functions_runtime import ROOT

JSON = {"Content-Type": "application/json"}
PATIENCE = 90  # seconds to wait for an expected event
ENDED = ("delivered", "unchanged", "refused", "failed")
_LISTENING = re.compile(r"Listening at (http://127\.0\.0\.1:\d+)")
_NEEDED = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "HOME", "USERPROFILE", "LOCALAPPDATA")


@dataclass(frozen=True)
class HostedApp:
    """A host at this address, and its output lines so far."""

    url: str
    lines: list[str]

    def get(self, path: str) -> Any:
        """Return the JSON response to a GET request below /api."""
        return requests.get(f"{self.url}/api/{path}", timeout=PATIENCE).json()

    def post(self, body: str = "{}") -> str:
        """Request a run; return the address of its status."""
        answer = requests.post(f"{self.url}/api/runs", data=body, headers=JSON, timeout=PATIENCE)
        assert answer.status_code == 202, answer.text
        return f"{self.url}{answer.json()['status_url']}"

    def tick(self, name: str = "monday") -> None:
        """Invoke a timer function now."""
        requests.post(f"{self.url}/admin/functions/{name}", json={}, timeout=PATIENCE).raise_for_status()

    def runs(self, study: str) -> list[dict[str, Any]]:
        """Return the recorded runs of a study."""
        found: list[dict[str, Any]] = self.get(f"runs?study={study}")["runs"]
        return found

    def ended_runs(self, study: str) -> list[dict[str, Any]]:
        """Wait until a study has runs and all have ended; return them."""
        eventually(lambda: {run["state"] in ENDED for run in self.runs(study)} == {True})
        return self.runs(study)

    def written(self) -> int:
        """Return the number of output lines."""
        return len(self.lines)

    def wrote(self, text: str, *, since: int = 0) -> bool:
        """Wait for a text in the output after the first ``since`` lines; return whether it came."""
        return eventually(lambda: any(text in line for line in self.lines[since:]))


def ended(status_url: str) -> dict[str, Any]:
    """Wait until a run has ended; return its document."""
    found: dict[str, Any] = {}

    def has_ended() -> bool:
        found.update(requests.get(status_url, timeout=PATIENCE).json())
        return found["state"] in ENDED

    eventually(has_ended)
    return found


def eventually(check: Callable[[], bool]) -> bool:
    """Wait until a check is true; return False after ``PATIENCE`` seconds."""
    until = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def put_study(folder: Path, key: str, *, number: str = "") -> None:
    """Write a study file: the packaged one with its key as title, and numbered settings."""
    text = (ROOT / "consent" / "studies" / "obri-ibd.toml").read_text(encoding="utf-8")
    for old, new in (
        ('"OBRI Consent Summary"', f'"{key}"'),
        ('"REDCAP_API_URL"', f'"REDCAP_API_URL{number}"'),
        ('"REDCAP_ACCESS_TOKEN"', f'"REDCAP_ACCESS_TOKEN{number}"'),
    ):
        text = text.replace(old, new)
    (folder / f"{key}.toml").write_text(text, encoding="utf-8")


@contextlib.contextmanager
def hosted_app(folder: Path, settings: Mapping[str, str], *options: str) -> Iterator[HostedApp]:
    """Yield the app in this folder on a free port, with these settings."""
    command = [sys.executable, "-m", "sandbox.functions.host", str(folder), "--port", "0", *options]
    with started(command, machine() | dict(settings)) as hosted:
        yield hosted


@contextlib.contextmanager
def started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[HostedApp]:
    """Run a program that hosts the app; yield it once it listens."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=dict(environment) | {"PYTHONUTF8": "1"},
        cwd=ROOT,
    ) as process:
        reader = threading.Thread(target=_keep_lines, args=(process, lines))
        reader.start()
        try:
            eventually(lambda: _url_in(lines) is not None or not reader.is_alive())
            url = _url_in(lines)
            assert url is not None, "\n".join(lines)
            yield HostedApp(url, lines)
        finally:
            process.terminate()
            process.wait()
            reader.join()


def machine() -> dict[str, str]:
    """Return the environment variables that any program needs."""
    return {name: os.environ[name] for name in _NEEDED if name in os.environ}


def _keep_lines(process: "subprocess.Popen[str]", lines: list[str]) -> None:
    assert process.stdout is not None
    lines.extend(iter(process.stdout.readline, ""))


def _url_in(lines: Sequence[str]) -> str | None:
    found = (_LISTENING.search(line) for line in list(lines))
    return next((match[1] for match in found if match), None)
