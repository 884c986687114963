"""Run the function app in Microsoft's own Python runtime, in a separate process, without the platform.

``RunningApp`` sends what the host sends, and returns the response with the log lines. It does not simulate keys,
routing, schedules, retries, scaling and time limits. In the app's process ``time.sleep`` returns at once, so retries
are fast.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.package import copy_app
from sandbox.functions.calls import Call, QueueDelivery, http_call, queue_call, timer_call
from sandbox.functions.process import Answer, FunctionsProcess, IndexingError, Invocation, LogLine

__all__ = ["ROOT", "Answer", "IndexingError", "Invocation", "LogLine", "RunningApp", "deployed_copy", "running_app"]

ROOT = Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 120  # a longer call ends the process and prints its stack to stderr
NEXT_MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
_NEEDED_BY_PYTHON = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "PYTHONDONTWRITEBYTECODE")


class RunningApp:
    """A function app loaded by the runtime: its bindings, and methods to invoke its functions."""

    def __init__(self, process: FunctionsProcess, log: list[LogLine]) -> None:
        self._process = process
        self._log = log
        self.bindings: dict[str, list[dict[str, Any]]] = process.bindings
        self.package: str = process.package

    def fire_timer(self, name: str, *, past_due: bool = False) -> Invocation:
        """Invoke a timer function."""
        return self._call(timer_call(name, past_due=past_due, next_at=NEXT_MONDAY))

    def post(self, name: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Invocation:
        """Send a POST request to an HTTP function; as on the platform, an empty body is not sent."""
        return self._call(http_call(name, "POST", url, body=body, headers=headers))

    def get(self, name: str, url: str, **parts: Mapping[str, str] | None) -> Invocation:
        """Send a GET request to an HTTP function, with its headers, query and route parameters."""
        return self._call(http_call(name, "GET", url, **parts))

    def head(self, name: str, url: str) -> Invocation:
        """Send a HEAD request to an HTTP function."""
        return self._call(http_call(name, "HEAD", url))

    def deliver(self, name: str, message: str, dequeue_count: int = 1) -> Invocation:
        """Deliver a queue message to a function, for the first or the n-th time."""
        return self._call(queue_call(name, QueueDelivery(message, dequeue_count)))

    def _call(self, call: Call) -> Invocation:
        self._log.clear()
        done = self._process.submit(call).result()
        if self._process.ended:
            raise RuntimeError(f"The app's process ended with status {self._process.end()}; see its stderr")
        return replace(done, log=list(self._log))


def deployed_copy(folder: Path) -> Path:
    """Copy the app of the checkout to a new folder, as a deployment does."""
    return copy_app(ROOT, folder)


@contextlib.contextmanager
def running_app(folder: Path, settings: Mapping[str, str], *, python: str = sys.executable) -> Iterator[RunningApp]:
    """Yield the app in this folder, with these settings as its whole environment, in this Python.

    Raises IndexingError if the runtime cannot load it.
    """
    environment = {name: os.environ[name] for name in _NEEDED_BY_PYTHON if name in os.environ} | dict(settings)
    options = ("--no-waiting", "--longest-seconds", str(LONGEST_SECONDS))
    log: list[LogLine] = []
    with FunctionsProcess(folder, environment, on_log=log.append, options=options, python=python) as process:
        yield RunningApp(process, log)
