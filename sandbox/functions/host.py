"""Run a function app on this machine without Azure Functions Core Tools: HTTP, timers and queues.

The functions run in Microsoft's own runtime for Python 3.13; storage is a real queue service such as Azurite. Each
start logs what is ``NOT_EMULATED``. ``python -m sandbox.functions.host FOLDER`` runs any app.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox.functions.calls import Call
from sandbox.functions.http_server import FunctionsHttp
from sandbox.functions.invoker import FunctionInvoker
from sandbox.functions.plan import Function, HostRules, Plan, QueueTrigger, TimerTrigger, plan_app, read_rules
from sandbox.functions.process import IndexingError
from sandbox.functions.queues import Log, QueueListener, StorageQueues
from sandbox.functions.routes import Route
from sandbox.functions.sign_in import SignIn
from sandbox.functions.timers import POLL_SECONDS, Timers
from sandbox.server import App, Server

PORT = 7071
NOT_EMULATED = (
    "Not emulated: function keys (every program on this machine may call), several instances, retry policies, missed "
    "timers, identity-based connections, cookies, Application Insights, and all triggers and bindings other than HTTP, "
    "timers and queues. Schedules are in UTC, as on Linux plans."
)


class HostError(Exception):
    """The host cannot start."""


@dataclass(frozen=True)
class RunningHost:
    """A host at ``url``, with its plan."""

    url: str
    plan: Plan


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


@contextlib.contextmanager
def running_host(
    folder: Path,
    environment: Mapping[str, str],
    log: Log,
    *,
    port: int = PORT,
    sign_in: str | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Iterator[RunningHost]:
    """Host the app in this folder.

    environment: the app's whole environment, settings included. port: 0 for a free one. sign_in: the name of the person
    whom the simulated authentication signs in; None to have none. now: the clock of the timers. Raises ``HostError``.
    """
    rules = _rules_of(folder, environment)
    with contextlib.ExitStack() as opened:
        queues = opened.enter_context(StorageQueues())
        invoker = opened.enter_context(_invoker_for(folder, environment, rules, queues, log))
        plan = plan_app(invoker.bindings, rules, environment)
        invoker.functions = plan.functions
        timers = _timers_of(plan, now)
        http = FunctionsHttp(plan, invoker.invoke, timers.call)
        server = opened.enter_context(_server_for(SignIn(http, sign_in) if sign_in else http, port))
        _announce(plan, timers, server.url, log)
        stopping = threading.Event()
        loops: list[Callable[[], None]] = [lambda: _run_timers(timers, invoker, stopping)]
        for function in plan.functions.values():
            if isinstance(function.trigger, QueueTrigger) and not function.disabled:
                listener = QueueListener(
                    function.name, function.trigger, queues, rules.queues, invoker.invoke, log, stopping=stopping
                )
                loops.append(listener.listen)
        for thread in [threading.Thread(target=loop) for loop in loops]:
            thread.start()
            opened.callback(thread.join)
        opened.callback(invoker.close)  # ends the calls that the loops wait for
        opened.callback(stopping.set)
        yield RunningHost(server.url, plan)


def _run_timers(timers: Timers, invoker: FunctionInvoker, stopping: threading.Event) -> None:
    """Invoke the timers' functions when they are due, each in its own thread."""

    def invoke(call: Call) -> None:
        try:
            invoker.invoke(call)
        finally:
            timers.ended(call.name)

    while not stopping.wait(POLL_SECONDS):
        for call in timers.take_due():
            threading.Thread(target=invoke, args=(call,), daemon=True).start()


def _rules_of(folder: Path, environment: Mapping[str, str]) -> HostRules:
    try:
        return read_rules(folder, environment)
    except OSError:
        raise HostError(f"{folder} has no readable host.json. Give the folder of a function app.") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise HostError(f"host.json in {folder} is not valid: {error}.") from None


def _invoker_for(
    folder: Path, environment: Mapping[str, str], rules: HostRules, queues: StorageQueues, log: Log
) -> FunctionInvoker:
    try:
        return FunctionInvoker(folder, environment, rules.time_limit, queues, log)
    except IndexingError as error:
        raise HostError(f"The runtime found no usable app in {folder}: {error}") from None


def _server_for(app: App, port: int) -> Server:
    try:
        return Server(app, port=port)
    except OSError:
        raise HostError(f"Port {port} is in use. End the program that uses it, or give another --port.") from None


def _timers_of(plan: Plan, now: Callable[[], datetime]) -> Timers:
    functions = plan.functions.values()
    triggers = {one.name: one.trigger for one in functions if isinstance(one.trigger, TimerTrigger)}
    return Timers(triggers, now, disabled={function.name for function in functions if function.disabled})


def _announce(plan: Plan, timers: Timers, url: str, log: Log) -> None:
    for function in plan.functions.values():
        disabled = " (disabled)" if function.disabled else ""
        log("INFO", f"{function.name}: {_description(function, timers, url)}{disabled}")
    for name, problem in plan.problems.items():
        log("ERROR", f"{name} cannot be used: {problem}")
    log("INFO", NOT_EMULATED)
    log("INFO", f"Listening at {url}. Press Ctrl-C to stop.")


def _description(function: Function, timers: Timers, url: str) -> str:
    trigger = function.trigger
    if isinstance(trigger, Route):
        return f"{', '.join(sorted(trigger.methods)) or 'any method'} {url}/{trigger.template}"
    if isinstance(trigger, QueueTrigger):
        return f"messages of the queue {trigger.queue}"
    return f"timer, next at {timers.next_at(function.name):%a %d %b %Y %H:%M:%S} UTC"


def log_line(level: str, text: str) -> str:
    """Return a log line with the time in UTC."""
    return f"{utc_now():%H:%M:%S} {level:<7} {text}"


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, so that the block ends what it started; in the main thread only."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_for_interrupt() -> None:
    """Wait for Ctrl-C; in short waits, because on Windows a long one would not notice it."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(0.5)


def main() -> int:
    """Host the app named on the command line until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A local host for an Azure function app in Python.")
    parser.add_argument("folder", type=Path, help="the folder with host.json and function_app.py")
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0 for a free one")
    parser.add_argument("--sign-in", metavar="NAME", help="simulate the platform's authentication of this person")
    options = parser.parse_args()
    chosen = {"port": options.port, "sign_in": options.sign_in}
    try:
        with sigterm_as_interrupt(), running_host(options.folder.resolve(), os.environ, _write, **chosen):
            wait_for_interrupt()
    except HostError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _write(level: str, text: str) -> None:
    sys.stdout.write(f"{log_line(level, text)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
