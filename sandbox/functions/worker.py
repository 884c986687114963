"""Simulate the platform's worker process: one function app in Microsoft's own Python runtime, called by lines of JSON.

On Python 3.13 the platform's worker only passes messages between the host and ``azure_functions_runtime``, which
indexes, decodes, calls and encodes. This program does the same, log lines included.

``process.py`` starts it as a file, to run apps outside this checkout, so it imports nothing from ``sandbox``.
https://github.com/Azure/azure-functions-python-worker/tree/dev/workers/proxy_worker
"""

import argparse
import asyncio
import contextvars
import faulthandler
import importlib
import importlib.util
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Send = Callable[[dict[str, Any]], None]


class Message:
    """A message of the platform's protocol, with named values."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class OneOf(Message):
    """A message with one of several values."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's own name
        """Return the name of the value that is set."""
        return next((name for name, value in vars(self).items() if value is not None), None)


class Input(Message):
    """The value of one parameter of a function."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802
        """Return the name of the value that is set: always the data, never shared memory."""
        return "data"


class Status(Message):
    """Whether the runtime succeeded."""

    Failure, Success = 0, 1


class Binding(Message):
    """The direction of a parameter's data."""

    undefined, out, inout = 0, 1, 2


class Cookie(Message):
    """A cookie of a response."""

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
    """Sends log lines as the platform's worker sends them to the host."""

    def __init__(self, invocation_id: contextvars.ContextVar[str | None], send: Send) -> None:
        super().__init__(logging.INFO)
        self._invocation_id = invocation_id
        self._tell = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line, with its traceback if it has one."""
        line = {
            "level": record.levelname,
            "logger": record.name,
            "text": self.format(record),
            "invocation_id": self._invocation_id.get(None),
        }
        self._tell({"log": line})


class Worker:
    """Loads one app and calls its functions."""

    def __init__(self, send: Send) -> None:
        self._runtime: Any = importlib.import_module("azure_functions_runtime")  # missing before Python 3.13
        self._metadata: dict[str, Any] = {}
        self._tell = send

    async def load(self, folder: Path) -> None:
        """Load the app; send its functions, or the reason of a failure."""
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger().addHandler(PlatformLog(self._runtime.invocation_id_cv, self._tell))
        self._runtime.start_threadpool_executor()
        request = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
        started = await self._runtime.worker_init_request(_request(worker_init_request=request))
        if started.result.status != Status.Success:
            return self._tell({"failure": started.result.exception.message})
        found = await self._runtime.functions_metadata_request(_request())
        self._metadata = {function.name: function for function in found.function_metadata_results or ()}
        bindings = {name: [json.loads(raw) for raw in of.raw_bindings] for name, of in self._metadata.items()}
        return self._tell({"bindings": bindings, "package": _location_of("consent")})

    async def call(self, id: str, name: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:  # noqa: A002
        """Call a function with its trigger's data and metadata; send the result."""
        self._runtime.invocation_id_cv.set(id)  # the platform's worker does this for its own task
        function = self._metadata[name]
        trigger = next(b for b in map(json.loads, function.raw_bindings) if b["type"].endswith("Trigger"))
        request = SimpleNamespace(
            invocation_id=id,
            function_id=function.function_id,
            input_data=[Input(name=trigger["name"], data=_typed(data))],
            trigger_metadata={name: OneOf(**value) for name, value in metadata.items()},
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        result = await self._runtime.invocation_request(_request(invocation_request=request))
        if result.result.status != Status.Success:
            error = result.result.exception
            return self._tell({"done": id, "failure": error.message, "trace": error.stack_trace})
        return self._tell({"done": id, "answer": _answer(result.return_value), "outputs": _outputs(result)})


def _request(**message: Any) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**message), properties={"protos": PROTOCOL, "host": "127.0.0.1"})


def _location_of(package: str) -> str:
    """Return where a package was found, so that a test sees which code was loaded."""
    found = importlib.util.find_spec(package)
    return (found and found.origin) or ""


def _typed(data: dict[str, Any]) -> OneOf:
    if "http" not in data:
        return OneOf(**data)
    body = bytes.fromhex(data["http"]["body"])
    return OneOf(http=Message(**data["http"] | {"body": OneOf(bytes=body or None)}))


def _answer(value: OneOf | None) -> dict[str, Any] | None:
    """Return the response of an HTTP function; a text becomes a plain page, as on the platform."""
    kind = value.WhichOneof("data") if value is not None else None
    if kind == "string":
        text: str = vars(value)["string"]
        return {"status": 200, "headers": {"content-type": "text/plain; charset=utf-8"}, "body": text.encode().hex()}
    if kind != "http":
        return None
    http = vars(value)["http"]
    return {"status": int(http.status_code), "headers": dict(http.headers), "body": (http.body.bytes or b"").hex()}


def _outputs(result: Any) -> dict[str, Any]:
    """Return a function's other outputs: text, or a list of texts."""
    return {output.name: _plain(output.data) for output in result.output_data}


def _plain(data: OneOf) -> Any:
    kind = data.WhichOneof("data")
    value = vars(data)[str(kind)]
    if kind == "json":
        return json.loads(value)
    return value.decode("utf-8") if kind == "bytes" else value


class _Watch:
    """Ends this process, and prints its stack to stderr, when a call takes too long."""

    def __init__(self, longest_seconds: float | None) -> None:
        self._longest = longest_seconds
        self._running = 0

    def start(self) -> None:
        self._running += 1
        if self._longest is not None:
            faulthandler.dump_traceback_later(self._longest, exit=True)

    def end(self) -> None:
        self._running -= 1
        if not self._running:
            faulthandler.cancel_dump_traceback_later()


async def _serve(folder: Path, longest_seconds: float | None) -> None:
    """Load the app, then make a call for each input line, in one event loop, as on the platform."""
    worker, watch, lines = Worker(_sender()), _Watch(longest_seconds), asyncio.Queue[str]()
    await worker.load(folder)
    threading.Thread(target=_read_lines, args=(asyncio.get_running_loop(), lines), daemon=True).start()

    async def call(line: str) -> None:
        watch.start()
        await worker.call(**json.loads(line))
        watch.end()

    async with asyncio.TaskGroup() as calls:
        while line := await lines.get():
            calls.create_task(call(line))
        _end_at_once(0)  # the host has ended; its calls end too, as on the platform


def _read_lines(loop: asyncio.AbstractEventLoop, lines: "asyncio.Queue[str]") -> None:
    """Pass on the input lines, and an empty one at the end; in a thread, because Windows has no other way."""
    line = "not read yet"
    while line:
        line = sys.stdin.readline()
        loop.call_soon_threadsafe(lines.put_nowait, line)


def _end_at_once(status: int) -> None:
    """End this process without waiting for its threads."""
    sys.stderr.flush()
    os._exit(status)


def _sender() -> Send:
    """Return a function that sends a message to the host from any thread; prints of the app go to stderr."""
    out, sys.stdout = sys.stdout, sys.stderr
    lock = threading.Lock()

    def send(document: dict[str, Any]) -> None:
        with lock:
            out.write(json.dumps(document) + "\n")
            out.flush()

    return send


def _leave_the_checkout(folder: Path) -> None:
    """Import from the app's folder and from no checkout, which may be installed in this Python."""
    sys.path[:] = [entry for entry in sys.path if not (Path(entry) / "function_app.py").exists()]
    sys.path.append(str(folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="One function app in Microsoft's runtime, driven by lines of JSON.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--longest-seconds", type=float, help="end the process if calls take longer than this")
    parser.add_argument("--no-waiting", action="store_true", help="let time.sleep return at once")
    return parser.parse_args()


if __name__ == "__main__":
    options = _options()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the host handles Ctrl-C, and closes our input
    if options.no_waiting:
        time.sleep = lambda _seconds: None
    _leave_the_checkout(options.folder)
    try:
        asyncio.run(_serve(options.folder, options.longest_seconds))
    except SystemExit:  # the app called sys.exit, which ends the platform's worker too
        _end_at_once(1)
