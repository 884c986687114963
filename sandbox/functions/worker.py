"""Plays the platform's worker process: one function app in Microsoft's own Python runtime, called by lines of JSON.

On Python 3.13 the platform's worker only carries messages between the host and ``azure_functions_runtime``; indexing,
decoding, calling and encoding are all done there. This program hands the runtime what the host would send, and tells
what comes back, log lines included. It knows no schedule, route, queue or time limit: those are the host's.

Started by ``functions_process.py`` as a file, so that it can run apps that lie outside this checkout; hence it imports
none of its neighbours.
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

Tell = Callable[[dict[str, Any]], None]


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
    """Tells log lines as the platform's worker would send them to the host."""

    def __init__(self, invocation_id: contextvars.ContextVar[str | None], tell: Tell) -> None:
        super().__init__(logging.INFO)
        self._invocation_id = invocation_id
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one line, with its traceback if it has one."""
        line = {
            "level": record.levelname,
            "logger": record.name,
            "text": self.format(record),
            "invocation_id": self._invocation_id.get(None),
        }
        self._tell({"log": line})


class Worker:
    """Has one app indexed and its functions called, as many at a time as it is asked to."""

    def __init__(self, tell: Tell) -> None:
        self._runtime: Any = importlib.import_module("azure_functions_runtime")  # there is none before Python 3.13
        self._metadata: dict[str, Any] = {}
        self._tell = tell

    async def load(self, folder: Path) -> None:
        """Have the app indexed; tell what it offers, or why it cannot be used."""
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger().addHandler(PlatformLog(self._runtime.invocation_id_cv, self._tell))
        self._runtime.start_threadpool_executor()
        asked = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
        begun = await self._runtime.worker_init_request(_request(worker_init_request=asked))
        if begun.result.status != Status.Success:
            return self._tell({"failure": begun.result.exception.message})
        found = await self._runtime.functions_metadata_request(_request())
        self._metadata = {function.name: function for function in found.function_metadata_results or ()}
        bindings = {name: [json.loads(raw) for raw in of.raw_bindings] for name, of in self._metadata.items()}
        return self._tell({"bindings": bindings, "package": _place_of("consent")})

    async def call(self, id: str, name: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:  # noqa: A002
        """Call a function with its trigger's data and metadata; tell how it went."""
        self._runtime.invocation_id_cv.set(id)  # the platform's worker does this for its own task
        function = self._metadata[name]
        trigger = next(b for b in map(json.loads, function.raw_bindings) if b["type"].endswith("Trigger"))
        asked = SimpleNamespace(
            invocation_id=id,
            function_id=function.function_id,
            input_data=[Input(name=trigger["name"], data=_typed(data))],
            trigger_metadata={name: OneOf(**value) for name, value in metadata.items()},
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        result = await self._runtime.invocation_request(_request(invocation_request=asked))
        if result.result.status != Status.Success:
            error = result.result.exception
            return self._tell({"done": id, "failure": error.message, "trace": error.stack_trace})
        return self._tell({"done": id, "answer": _answer(result.return_value), "outputs": _outputs(result)})


def _request(**message: Any) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**message), properties={"protos": PROTOCOL, "host": "127.0.0.1"})


def _place_of(package: str) -> str:
    """Where a package that the app may have was found, so that a test sees whose code was loaded."""
    found = importlib.util.find_spec(package)
    return (found and found.origin) or ""


def _typed(data: dict[str, Any]) -> OneOf:
    if "http" not in data:
        return OneOf(**data)
    body = bytes.fromhex(data["http"]["body"])
    return OneOf(http=Message(**data["http"] | {"body": OneOf(bytes=body or None)}))


def _answer(value: OneOf | None) -> dict[str, Any] | None:
    """What goes back to the caller of an HTTP function; a text becomes a plain page, as on the platform."""
    kind = value.WhichOneof("data") if value is not None else None
    if kind == "string":
        text: str = vars(value)["string"]
        return {"status": 200, "headers": {"content-type": "text/plain; charset=utf-8"}, "body": text.encode().hex()}
    if kind != "http":
        return None
    http = vars(value)["http"]
    return {"status": int(http.status_code), "headers": dict(http.headers), "body": (http.body.bytes or b"").hex()}


def _outputs(result: Any) -> dict[str, Any]:
    """What a function put into its other outputs: text, or a list of texts."""
    return {output.name: _plain(output.data) for output in result.output_data}


def _plain(data: OneOf) -> Any:
    kind = data.WhichOneof("data")
    value = vars(data)[str(kind)]
    if kind == "json":
        return json.loads(value)
    return value.decode("utf-8") if kind == "bytes" else value


class _Watch:
    """Ends this process, with the place it hung at on stderr, once calls have been under way for too long."""

    def __init__(self, longest_seconds: float | None) -> None:
        self._longest = longest_seconds
        self._under_way = 0

    def begin(self) -> None:
        self._under_way += 1
        if self._longest is not None:
            faulthandler.dump_traceback_later(self._longest, exit=True)

    def end(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            faulthandler.cancel_dump_traceback_later()


async def _serve(folder: Path, longest_seconds: float | None) -> None:
    """Load the app, then carry out a call for each line that comes in: one event loop for life, as on the platform."""
    worker, watch, lines = Worker(_teller()), _Watch(longest_seconds), asyncio.Queue[str]()
    await worker.load(folder)
    threading.Thread(target=_read_lines, args=(asyncio.get_running_loop(), lines), daemon=True).start()

    async def carry_out(line: str) -> None:
        watch.begin()
        await worker.call(**json.loads(line))
        watch.end()

    async with asyncio.TaskGroup() as calls:
        while line := await lines.get():
            calls.create_task(carry_out(line))
        _end_at_once(0)  # the host is gone, and whatever it had asked for goes with it, as on the platform


def _read_lines(loop: asyncio.AbstractEventLoop, lines: "asyncio.Queue[str]") -> None:
    """Hand on what comes in, and an empty line at its end; a thread, since Windows has no other way."""
    line = "to begin with"
    while line:
        line = sys.stdin.readline()
        loop.call_soon_threadsafe(lines.put_nowait, line)


def _end_at_once(status: int) -> None:
    """End this process without waiting for any of its threads."""
    sys.stderr.flush()
    os._exit(status)


def _teller() -> Tell:
    """A way to tell the host things, from any thread; what the app prints goes elsewhere."""
    out, sys.stdout = sys.stdout, sys.stderr
    lock = threading.Lock()

    def tell(document: dict[str, Any]) -> None:
        with lock:
            out.write(json.dumps(document) + "\n")
            out.flush()

    return tell


def _leave_the_checkout(folder: Path) -> None:
    """Import from the app's folder and from no checkout; one may be installed in this very Python."""
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's to act on: it closes our input
    if options.no_waiting:
        time.sleep = lambda _seconds: None
    _leave_the_checkout(options.folder)
    try:
        asyncio.run(_serve(options.folder, options.longest_seconds))
    except SystemExit:  # the app called sys.exit, which ends the platform's worker too
        _end_at_once(1)
