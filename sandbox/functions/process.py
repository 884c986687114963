"""A function app in a worker process of its own: starts it, calls its functions, several at a time, and ends it.

``functions_worker.py`` is what runs there. Nothing here decides when a function is called, or what follows from it.
"""

import contextlib
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sandbox.functions.calls import Call

WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class LogLine:
    """A line as the platform's log shows it; the host drops lines without an invocation id."""

    level: str
    logger: str
    text: str
    invocation_id: str | None


@dataclass(frozen=True)
class Answer:
    """What an HTTP function answered."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8")

    def json(self) -> Any:
        """The content, read as JSON."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Invocation:
    """How one call of a function went; ``failure`` is what the platform would show of a failed one.

    outputs: what the function handed to its output bindings, a text or a list of texts each; none if it failed.
    reason: the first part of ``failure``, without the traceback.
    """

    id: str
    failure: str | None
    answer: Answer | None
    log: list[LogLine]
    outputs: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None

    @property
    def log_text(self) -> str:
        """All that was logged during the call, by the app and its libraries."""
        return "\n".join(line.text for line in self.log)


class IndexingError(Exception):
    """The runtime found no usable app; on the platform it would then have no functions at all."""


class FunctionsProcess:
    """One worker process with one app, from making this until ``end``; may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        on_log: Callable[[LogLine], None],
        options: tuple[str, ...] = (),
    ) -> None:
        """Start the process and wait until the app is loaded.

        environment: the whole environment of the process. options: of the worker program. Raises ``IndexingError``.
        """
        command = [sys.executable, "-X", "utf8", "-P", str(WORKER), str(folder), *options]
        self._process = subprocess.Popen(  # noqa: S603 - this very Python, and a file of ours
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=dict(environment),
            cwd=folder.parent,  # the runtime promises no current folder
            start_new_session=True,  # Ctrl-C is for the host, which ends this process in its turn
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        self._on_log = on_log
        self._lock = threading.Lock()
        self._pending: dict[str, Future[Invocation]] = {}
        self._ended = False
        loaded: Future[dict[str, Any]] = Future()
        self._reader = threading.Thread(target=self._read, args=(loaded,), daemon=True)
        self._reader.start()
        told = loaded.result()
        if "failure" in told:
            self.end()
            raise IndexingError(told["failure"])
        self.bindings: dict[str, list[dict[str, Any]]] = told["bindings"]
        self.package: str = told["package"]

    def submit(self, call: Call) -> Future[Invocation]:
        """Begin a call; a process that ends before the answer is a failed call."""
        invocation_id, future = str(uuid.uuid4()), Future[Invocation]()
        asked = {"id": invocation_id, "name": call.name, "data": call.data, "metadata": call.metadata}
        with self._lock:
            if not self._ended:
                self._pending[invocation_id] = future
                self._send(json.dumps(asked) + "\n")
                return future
        future.set_result(_lost(invocation_id))
        return future

    @property
    def ended(self) -> bool:
        """Whether the process is gone, by itself or not."""
        return self._ended

    def end(self) -> int:
        """End the process, whatever it is doing; its exit status."""
        self._process.kill()
        status = self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        with contextlib.suppress(OSError):  # the reader notices as well, and says so to whoever waits
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _read(self, loaded: "Future[dict[str, Any]]") -> None:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        for line in self._process.stdout:
            if not line.endswith("\n"):  # the process was ended in the middle of it
                break
            told = json.loads(line)
            if "log" in told:
                self._on_log(LogLine(**told["log"]))
            elif "done" in told:
                self._settle(told)
            else:
                loaded.set_result(told)
        if not loaded.done():
            loaded.set_result({"failure": "the app's process ended while it was being loaded; see its stderr"})
        with self._lock:
            self._ended = True
            lost, self._pending = self._pending, {}
        for invocation_id, future in lost.items():
            future.set_result(_lost(invocation_id))

    def _settle(self, told: dict[str, Any]) -> None:
        with self._lock:
            future = self._pending.pop(told["done"])
        future.set_result(_invocation(told))


def _invocation(told: dict[str, Any]) -> Invocation:
    if "failure" in told:
        return Invocation(told["done"], f"{told['failure']}\n{told['trace']}", None, [], reason=told["failure"])
    answer = told["answer"] and Answer(
        told["answer"]["status"], told["answer"]["headers"], bytes.fromhex(told["answer"]["body"])
    )
    return Invocation(told["done"], None, answer, [], told["outputs"])


def _lost(invocation_id: str) -> Invocation:
    reason = "The worker process ended during the call."
    return Invocation(invocation_id, reason, None, [], reason=reason)
