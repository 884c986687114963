"""Runs the function app in Microsoft's own Python runtime, in a process of its own, without the platform around it.

``RunningApp`` hands the runtime what the host would send, and keeps what comes back, log lines included. Played not at
all: the host's keys, routing, schedules, retries, scaling and time limits. Waiting is skipped in the app's process:
``time.sleep`` returns at once, so that retries of the app cost no time.
"""

import contextlib
import os
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
LONGEST_SECONDS = 120  # a call that takes longer ends the process, with the place it hung at on stderr
NEXT_MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
_NEEDED_BY_PYTHON = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "PYTHONDONTWRITEBYTECODE")


class RunningApp:
    """A function app that was loaded by the runtime: what it offers, and a way to call it."""

    def __init__(self, process: FunctionsProcess, log: list[LogLine]) -> None:
        self._process = process
        self._log = log
        self.bindings: dict[str, list[dict[str, Any]]] = process.bindings
        self.package: str = process.package

    def fire_timer(self, name: str, *, past_due: bool = False) -> Invocation:
        """Let a timer go off."""
        return self._call(timer_call(name, past_due=past_due, next_at=NEXT_MONDAY))

    def post(self, name: str, url: str, body: bytes = b"") -> Invocation:
        """Send a POST request to an HTTP function; as on the platform, an empty body is not sent at all."""
        return self._call(http_call(name, "POST", url, body=body))

    def get(
        self, name: str, url: str, query: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None
    ) -> Invocation:
        """Send a GET request to an HTTP function, with its query and with the parts of its route."""
        return self._call(http_call(name, "GET", url, query=query, params=params))

    def deliver(self, name: str, message: str, dequeue_count: int = 1) -> Invocation:
        """Hand a message to a queue's function, for the first time or for the n-th."""
        return self._call(queue_call(name, QueueDelivery(message, dequeue_count)))

    def _call(self, call: Call) -> Invocation:
        self._log.clear()
        done = self._process.submit(call).result()
        if self._process.ended:
            raise RuntimeError(f"the app's process ended with status {self._process.end()}; see its stderr")
        return replace(done, log=list(self._log))


def deployed_copy(folder: Path) -> Path:
    """Copy the app of the checkout to a new folder, as a deployment does."""
    return copy_app(ROOT, folder)


@contextlib.contextmanager
def running_app(folder: Path, settings: Mapping[str, str]) -> Iterator[RunningApp]:
    """The app in this folder, with these settings as its whole environment, for as long as the block lasts.

    Raises IndexingError if the runtime cannot load it.
    """
    environment = {name: os.environ[name] for name in _NEEDED_BY_PYTHON if name in os.environ} | dict(settings)
    options = ("--no-waiting", "--longest-seconds", str(LONGEST_SECONDS))
    log: list[LogLine] = []
    with FunctionsProcess(folder, environment, on_log=log.append, options=options) as process:
        yield RunningApp(process, log)
