"""Runs the function app in Microsoft's own Python runtime, in a process of its own, without the platform around it.

On Python 3.13 the platform's worker only carries messages between the host and ``azure_functions_runtime``; indexing,
decoding, calling and encoding are all done there. ``RunningApp`` (for tests) starts this file as a program; the program
plays the worker: it hands the runtime what the host would send, and keeps what comes back, log lines included.
Played not at all: the host's keys, routing, schedules, retries, scaling and time limits.

The app and its process talk in lines of JSON. Waiting is skipped: ``time.sleep`` returns at once, so that retries of
the app cost no time.
https://github.com/Azure/azure-functions-python-worker/tree/dev/workers/proxy_worker
"""

import asyncio
import contextlib
import faulthandler
import json
import logging
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LONGEST_SECONDS = 120  # a call that takes longer ends the process, with the place it hung at on stderr
_NEEDED_BY_PYTHON = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "PYTHONDONTWRITEBYTECODE")


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
    body: str

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Invocation:
    """How one call of a function went; ``failure`` is what the platform would show of a failed one."""

    id: str
    failure: str | None
    answer: Answer | None
    log: list[LogLine]

    @property
    def log_text(self) -> str:
        """All that was logged during the call, by the app and its libraries."""
        return "\n".join(line.text for line in self.log)


class IndexingError(Exception):
    """The runtime found no usable app; on the platform it would then have no functions at all."""


class RunningApp:
    """A function app that was loaded by the runtime: what it offers, and a way to call it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        loaded = self._read()
        if "failure" in loaded:
            raise IndexingError(loaded["failure"])
        self.bindings: dict[str, list[dict[str, Any]]] = loaded["bindings"]
        self.package: str = loaded["package"]

    def fire_timer(self, name: str, *, past_due: bool = False) -> Invocation:
        """Let a timer go off."""
        status = {"Last": "0001-01-01T00:00:00", "Next": "2026-11-23T12:00:00", "LastUpdated": "0001-01-01T00:00:00"}
        timer = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
        return self._call(name, {"json": json.dumps(timer)})

    def post(self, name: str, url: str, body: bytes = b"") -> Invocation:
        """Send a POST request to an HTTP function; as on the platform, an empty body is not sent at all."""
        http = {"method": "POST", "url": url, "headers": {}, "params": {}, "query": {}, "body": body.hex()}
        return self._call(name, {"http": http})

    def _call(self, name: str, data: dict[str, Any]) -> Invocation:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"name": name, "data": data}) + "\n")
        self._process.stdin.flush()
        told = self._read()
        answer = Answer(**told["answer"]) if told["answer"] else None
        return Invocation(told["id"], told["failure"], answer, [LogLine(**line) for line in told["log"]])

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the app's process ended with status {self._process.wait()}; see its stderr")
        document: dict[str, Any] = json.loads(line)
        return document


def deployed_copy(folder: Path) -> Path:
    """Copy the checkout to a new folder as a deployment does: without what .funcignore names."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    names = [line.rstrip("/") for line in lines if line and not line.startswith("#")]
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*names))
    return folder


@contextlib.contextmanager
def running_app(folder: Path, settings: Mapping[str, str]) -> Iterator[RunningApp]:
    """The app in this folder, with these settings as its whole environment, for as long as the block lasts.

    Raises IndexingError if the runtime cannot load it.
    """
    environment = {name: os.environ[name] for name in _NEEDED_BY_PYTHON if name in os.environ} | dict(settings)
    command = [sys.executable, "-X", "utf8", "-P", str(Path(__file__)), str(folder)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=environment,
        cwd=folder.parent,  # the runtime promises no current folder
    ) as process:
        yield RunningApp(process)


class Message:
    """Stands in for a message of the platform's protocol: a bag of named values."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class OneOf(Message):
    """A message that holds one of several values."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's own name
        """The name of the value that is set."""
        return next((name for name, value in vars(self).items() if value is not None), None)


class Input(Message):
    """What one parameter of a function gets."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802
        """The name of the value that is set: the data itself, never a place in shared memory."""
        return "data"


class Status(Message):
    """Whether the runtime succeeded."""

    Failure, Success = 0, 1


class Binding(Message):
    """Which way a parameter's data flow."""

    undefined, out, inout = 0, 1, 2


class Cookie(Message):
    """A cookie of an answer."""

    SameSite = type("SameSite", (), {"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})


PLAIN_MESSAGES = (
    "FunctionLoadResponse",
    "FunctionMetadataResponse",
    "InvocationResponse",
    "NullableBool",
    "NullableDouble",
    "NullableString",
    "NullableTimestamp",
    "RpcException",
    "RpcFunctionMetadata",
    "RpcHttp",
    "RpcRetryOptions",
    "Timestamp",
    "WorkerInitResponse",
    "WorkerMetadata",
)
PROTOCOL = SimpleNamespace(
    **{name: type(name, (Message,), {}) for name in PLAIN_MESSAGES},
    TypedData=OneOf,
    ParameterBinding=Input,
    StatusResult=Status,
    BindingInfo=Binding,
    RpcHttpCookie=Cookie,
)


class PlatformLog(logging.Handler):
    """Collects log lines as the platform's worker would send them to the host."""

    def __init__(self, invocation_id: Callable[[], str | None]) -> None:
        super().__init__(logging.INFO)
        self._invocation_id = invocation_id
        self._lines: list[LogLine] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line, with its traceback if it has one."""
        self._lines.append(LogLine(record.levelname, record.name, self.format(record), self._invocation_id()))

    def take(self) -> list[LogLine]:
        """The lines since the last time."""
        taken, self._lines = self._lines, []
        return taken


class Worker:
    """Plays the platform's worker process for one app."""

    def __init__(self) -> None:
        import azure_functions_runtime

        self._runtime = azure_functions_runtime
        self._metadata: dict[str, Any] = {}
        self._log = PlatformLog(lambda: self._runtime.invocation_id_cv.get(None))

    async def load(self, folder: Path) -> dict[str, Any]:
        """Have the app indexed; what it offers, or why it cannot be used."""
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger().addHandler(self._log)
        self._runtime.start_threadpool_executor()
        asked = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
        begun = await self._runtime.worker_init_request(_request(worker_init_request=asked))
        if begun.result.status != Status.Success:
            return {"failure": begun.result.exception.message}
        found = await self._runtime.functions_metadata_request(_request())
        self._metadata = {function.name: function for function in found.function_metadata_results or ()}
        bindings = {name: [json.loads(raw) for raw in of.raw_bindings] for name, of in self._metadata.items()}
        return {"bindings": bindings, "package": sys.modules["consent"].__file__}

    async def call(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        """Call a function with its trigger's data; how it went, with all that was logged meanwhile."""
        self._log.take()
        invocation_id, function = str(uuid.uuid4()), self._metadata[name]
        trigger = next(b for b in map(json.loads, function.raw_bindings) if b["type"].endswith("Trigger"))
        self._runtime.invocation_id_cv.set(invocation_id)  # the platform's worker does this for its own task
        asked = SimpleNamespace(
            invocation_id=invocation_id,
            function_id=function.function_id,
            input_data=[Input(name=trigger["name"], data=_typed(data))],
            trigger_metadata={},
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        result = await self._runtime.invocation_request(_request(invocation_request=asked))
        failed = result.result.status != Status.Success
        return {
            "id": invocation_id,
            "failure": result.result.exception.message + "\n" + result.result.exception.stack_trace if failed else None,
            "answer": None if failed else _answer(result.return_value),
            "log": [asdict(line) for line in self._log.take()],
        }


def _request(**message: Any) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**message), properties={"protos": PROTOCOL, "host": "127.0.0.1"})


def _typed(data: dict[str, Any]) -> OneOf:
    if "http" not in data:
        return OneOf(**data)
    body = bytes.fromhex(data["http"]["body"])
    return OneOf(http=Message(**data["http"] | {"body": OneOf(bytes=body or None)}))


def _answer(value: OneOf | None) -> dict[str, Any] | None:
    if value is None or value.WhichOneof("data") != "http":
        return None
    http = value.__dict__["http"]
    return {"status": int(http.status_code), "headers": dict(http.headers), "body": http.body.bytes.decode("utf-8")}


async def _serve(folder: Path) -> None:
    """Load the app, then carry out a call for each line that comes in: one event loop for life, as on the platform."""
    out, sys.stdout = sys.stdout, sys.stderr

    def tell(document: dict[str, Any]) -> None:
        out.write(json.dumps(document) + "\n")
        out.flush()

    worker = Worker()
    tell(await worker.load(folder))
    for line in sys.stdin:
        faulthandler.dump_traceback_later(LONGEST_SECONDS, exit=True)
        tell(await worker.call(**json.loads(line)))
        faulthandler.cancel_dump_traceback_later()


def _leave_the_checkout(folder: Path) -> None:
    """Import from the app's folder and from no checkout; one may be installed in this very Python."""
    sys.path[:] = [entry for entry in sys.path if not (Path(entry) / "function_app.py").exists()]
    sys.path.append(str(folder))


if __name__ == "__main__":
    time.sleep = lambda _seconds: None
    _leave_the_checkout(Path(sys.argv[1]))
    asyncio.run(_serve(Path(sys.argv[1])))
