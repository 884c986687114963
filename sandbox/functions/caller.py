"""Carries out the calls of a host: begins them, waits no longer than is allowed, and writes what they put out.

As on the platform, a call that takes too long costs the whole worker process, with all that runs in it; another is
started for the next call. Outputs are written only once a function has succeeded.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from sandbox.functions.calls import Call
from sandbox.functions.plan import Function
from sandbox.functions.process import FunctionsProcess, IndexingError, Invocation, LogLine
from sandbox.functions.queues import Say, StorageQueues, sendable
from sandbox.functions.routes import Route

_OF_THE_PLATFORM = ("azure.functions", "azure_functions_runtime", "proxy_worker")  # loggers, which users do not see
_FOREVER = threading.TIMEOUT_MAX


class FunctionCaller:
    """Calls the functions of one app from any thread, in a worker process that is replaced when it ends."""

    def __init__(self, folder: Path, environment: Mapping[str, str], queues: StorageQueues, say: Say) -> None:
        """Start the process; raises ``IndexingError`` if there is no usable app in the folder."""
        self._folder = folder
        self._environment = environment
        self._queues = queues
        self._say = say
        self._lock = threading.Lock()
        self._closed = False
        self._process = self._start()
        self.functions: Mapping[str, Function] = {}
        self.time_limit: timedelta | None = None

    @property
    def bindings(self) -> dict[str, list[dict[str, Any]]]:
        """What the runtime found in the app: its functions, with their bindings."""
        return self._process.bindings

    def carry(self, call: Call, every: float = _FOREVER, meanwhile: Callable[[], None] = lambda: None) -> Invocation:
        """Call a function and wait for its end; ``meanwhile`` is done each time so many seconds have gone by."""
        began = time.monotonic()
        if not isinstance(self.functions[call.name].trigger, Route):  # a request is soon over
            self._say("INFO", f"{call.name}: begins")
        done = self._outcome(call, every, meanwhile)
        if done.failure is None:
            done = self._with_outputs_written(call.name, done)
        seconds = time.monotonic() - began
        if done.failure is None:
            outcome = f"answered {done.answer.status}" if done.answer else "succeeded"
            self._say("INFO", f"{call.name}: {outcome} in {seconds:.1f} s")
        else:
            self._say("ERROR", f"{call.name}: failed in {seconds:.1f} s: {self._told_of(done)}")
        return done

    def close(self) -> None:
        """End the worker process; whatever runs in it has failed."""
        with self._lock:
            self._closed = True
            self._process.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _outcome(self, call: Call, every: float, meanwhile: Callable[[], None]) -> Invocation:
        try:
            process = self._living_process()
        except IndexingError as error:
            return _failed(f"The app could not be loaded again: {error}")
        return self._wait_for(process.submit(call), process, every, meanwhile)

    def _wait_for(
        self, future: "Future[Invocation]", process: FunctionsProcess, every: float, meanwhile: Callable[[], None]
    ) -> Invocation:
        limit = self.time_limit.total_seconds() if self.time_limit else _FOREVER
        ends_at = time.monotonic() + limit
        while (left := ends_at - time.monotonic()) > 0:
            try:
                return future.result(timeout=min(left, every))
            except TimeoutError:
                meanwhile()
        process.end()
        return _failed(
            f"The call took longer than host.json's functionTimeout, {self.time_limit}; its process was ended."
        )

    def _living_process(self) -> FunctionsProcess:
        with self._lock:
            if self._process.ended and not self._closed:
                self._say("WARNING", "the worker process has ended; another is started")
                self._process.end()
                self._process = self._start()
            return self._process

    def _start(self) -> FunctionsProcess:
        return FunctionsProcess(self._folder, self._environment, on_log=self._pass_on)

    def _pass_on(self, line: LogLine) -> None:
        if line.invocation_id is not None and not line.logger.startswith(_OF_THE_PLATFORM):
            self._say(line.level, line.text)

    def _with_outputs_written(self, name: str, done: Invocation) -> Invocation:
        from azure.core.exceptions import AzureError

        try:
            for output in self.functions[name].outputs:
                for text in sendable(done.outputs.get(output.parameter, [])):
                    self._queues.send(output.storage, output.queue, text)
        except AzureError as error:
            reason = f"An output could not be written to storage ({type(error).__name__})."
            return replace(done, failure=reason, reason=reason)
        return done

    def _told_of(self, done: Invocation) -> str:
        """The reason alone, unless the platform's own switch asks for all there is."""
        whole = self._environment.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in ("1", "true")
        return str(done.failure if whole else done.reason)


def _failed(reason: str) -> Invocation:
    return Invocation("", reason, None, [], reason=reason)
