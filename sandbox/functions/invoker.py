"""Invoke the functions of an app in a worker process, with a time limit, and write their outputs.

As on the platform, a call over the time limit ends the worker process with all its calls; the next call starts another
process. Outputs are written only after a function has succeeded.
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
from sandbox.functions.queues import Log, StorageQueues, messages_of
from sandbox.functions.routes import Route

_PLATFORM_LOGGERS = ("azure.functions", "azure_functions_runtime", "proxy_worker")  # users do not see these lines


class FunctionInvoker:
    """Invokes the functions of one app from any thread; ``functions`` must be set before the first call."""

    functions: Mapping[str, Function]

    def __init__(
        self, folder: Path, environment: Mapping[str, str], time_limit: timedelta, queues: StorageQueues, log: Log
    ) -> None:
        """Start the process; raises ``IndexingError`` if the folder has no usable app."""
        self._folder = folder
        self._environment = environment
        self._time_limit = time_limit
        self._queues = queues
        self._log = log
        self._lock = threading.Lock()
        self._closed = False
        self._process = self._start()

    @property
    def bindings(self) -> dict[str, list[dict[str, Any]]]:
        """The app's functions with their bindings, as the runtime found them."""
        return self._process.bindings

    def invoke(
        self, call: Call, every: float = threading.TIMEOUT_MAX, meanwhile: Callable[[], None] = lambda: None
    ) -> Invocation:
        """Call a function and wait for its end; run ``meanwhile`` every so many seconds."""
        started = time.monotonic()
        if not isinstance(self.functions[call.name].trigger, Route):
            self._log("INFO", f"{call.name}: started")
        done = self._outcome(call, every, meanwhile)
        if done.failure is None:
            done = self._with_outputs_written(call.name, done)
        seconds = time.monotonic() - started
        if done.failure is None:
            outcome = f"returned {done.answer.status}" if done.answer else "succeeded"
            self._log("INFO", f"{call.name}: {outcome} in {seconds:.1f} s")
        else:
            self._log("ERROR", f"{call.name}: failed in {seconds:.1f} s: {done.reason}")
        return done

    def close(self) -> None:
        """End the worker process; its calls fail."""
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
            return Invocation.failed(f"The app could not be loaded again: {error}")
        return self._wait_for(process.submit(call), process, every, meanwhile)

    def _wait_for(
        self, future: "Future[Invocation]", process: FunctionsProcess, every: float, meanwhile: Callable[[], None]
    ) -> Invocation:
        ends_at = time.monotonic() + self._time_limit.total_seconds()
        while (left := ends_at - time.monotonic()) > 0:
            try:
                return future.result(timeout=min(left, every))
            except TimeoutError:
                meanwhile()
        process.end()
        return Invocation.failed(f"The call exceeded host.json's functionTimeout, {self._time_limit}.")

    def _living_process(self) -> FunctionsProcess:
        with self._lock:
            if self._process.ended and not self._closed:
                self._log("WARNING", "The worker process has ended; starting another.")
                self._process.end()
                self._process = self._start()
            return self._process

    def _start(self) -> FunctionsProcess:
        return FunctionsProcess(self._folder, self._environment, on_log=self._forward)

    def _forward(self, line: LogLine) -> None:
        if line.invocation_id is not None and not line.logger.startswith(_PLATFORM_LOGGERS):
            self._log(line.level, line.text)

    def _with_outputs_written(self, name: str, done: Invocation) -> Invocation:
        from azure.core.exceptions import AzureError

        try:
            for output in self.functions[name].outputs:
                for text in messages_of(done.outputs.get(output.parameter, [])):
                    self._queues.send(output.storage, output.queue, text)
        except AzureError as error:
            reason = f"An output could not be written to storage ({type(error).__name__})."
            return replace(done, failure=reason, reason=reason)
        return done
