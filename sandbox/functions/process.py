"""Run a function app in a worker process (``worker.py``) and call its functions, several at a time."""

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

_LOST = "The worker process ended during the call."
WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class LogLine:
    """A line of the platform's log; the host drops lines without an invocation id."""

    level: str
    logger: str
    text: str
    invocation_id: str | None


@dataclass(frozen=True)
class Answer:
    """The response of an HTTP function."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8")

    def json(self) -> Any:
        """Return the content, parsed as JSON."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Invocation:
    """The result of one call of a function.

    failure: the platform's text of a failure, with the traceback. reason: the same without the traceback. outputs: a
    text or a list of texts for each output binding; none after a failure.
    """

    id: str
    failure: str | None
    answer: Answer | None
    log: list[LogLine]
    outputs: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None

    @classmethod
    def failed(cls, reason: str, id: str = "") -> Self:  # noqa: A002
        """Return a failure without a traceback."""
        return cls(id, reason, None, [], reason=reason)

    @property
    def log_text(self) -> str:
        """The log lines of the call, of the app and its libraries."""
        return "\n".join(line.text for line in self.log)


class IndexingError(Exception):
    """The runtime found no usable app; on the platform it would have no functions."""


class FunctionsProcess:
    """One worker process with one app, until ``end``; usable from any thread."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        on_log: Callable[[LogLine], None],
        options: tuple[str, ...] = (),
        python: str = sys.executable,
    ) -> None:
        """Start the process and wait until the app is loaded.

        environment: of the process. options: of the worker program. python: the interpreter. Raises ``IndexingError``.
        """
        command = [python, "-X", "utf8", "-P", str(WORKER), str(folder), *options]
        self._process = subprocess.Popen(  # noqa: S603 - this Python and our own file
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=dict(environment),
            cwd=folder.parent,  # the platform guarantees no current folder
            start_new_session=True,  # Ctrl-C is for the host, which then ends this process
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        self._on_log = on_log
        self._lock = threading.Lock()
        self._pending: dict[str, Future[Invocation]] = {}
        self._ended = False
        loaded: Future[dict[str, Any]] = Future()
        self._reader = threading.Thread(target=self._read, args=(loaded,), daemon=True)
        self._reader.start()
        message = loaded.result()
        if "failure" in message:
            self.end()
            raise IndexingError(message["failure"])
        self.bindings: dict[str, list[dict[str, Any]]] = message["bindings"]
        self.package: str = message["package"]

    def submit(self, call: Call) -> Future[Invocation]:
        """Start a call; it fails if the process ends first."""
        invocation_id, future = str(uuid.uuid4()), Future[Invocation]()
        message = {"id": invocation_id, "name": call.name, "data": call.data, "metadata": call.metadata}
        with self._lock:
            if not self._ended:
                self._pending[invocation_id] = future
                self._send(json.dumps(message) + "\n")
                return future
        future.set_result(Invocation.failed(_LOST, invocation_id))
        return future

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._ended

    def end(self) -> int:
        """End the process at once; return its exit status."""
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
        with contextlib.suppress(OSError):  # the reader notices it too, and fails the pending calls
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _read(self, loaded: "Future[dict[str, Any]]") -> None:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        for line in self._process.stdout:
            if not line.endswith("\n"):  # the process ended in the middle of a line
                break
            message = json.loads(line)
            if "log" in message:
                self._on_log(LogLine(**message["log"]))
            elif "done" in message:
                self._settle(message)
            else:
                loaded.set_result(message)
        if not loaded.done():
            loaded.set_result({"failure": "the app's process ended while loading; see its stderr"})
        with self._lock:
            self._ended = True
            lost, self._pending = self._pending, {}
        for invocation_id, future in lost.items():
            future.set_result(Invocation.failed(_LOST, invocation_id))

    def _settle(self, message: dict[str, Any]) -> None:
        with self._lock:
            future = self._pending.pop(message["done"])
        future.set_result(_invocation(message))


def _invocation(message: dict[str, Any]) -> Invocation:
    if "failure" in message:
        return Invocation(
            message["done"], f"{message['failure']}\n{message['trace']}", None, [], reason=message["failure"]
        )
    answer = message["answer"] and Answer(
        message["answer"]["status"], message["answer"]["headers"], bytes.fromhex(message["answer"]["body"])
    )
    return Invocation(message["done"], None, answer, [], message["outputs"])
