"""A local host for a function app, without Azure Functions Core Tools: HTTP, timers and queues on this machine.

The functions run in Microsoft's own runtime for Python 3.13; storage is a real queue service such as Azurite. What
Azure does and this does not is said at every start (``NOT_EMULATED``). ``python -m sandbox.functions_host FOLDER``
runs any app.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox.functions.caller import FunctionCaller
from sandbox.functions.calls import Call
from sandbox.functions.http_server import FunctionsDoor
from sandbox.functions.plan import Function, HostRules, Plan, QueueTrigger, TimerTrigger, plan_app, read_rules
from sandbox.functions.process import IndexingError
from sandbox.functions.queues import Listened, QueueListener, Say, StorageQueues
from sandbox.functions.routes import Route
from sandbox.functions.timers import LOOK_SECONDS, Timers
from sandbox.server import Server

PORT = 7071
NOT_EMULATED = (
    "Not emulated: function keys (anybody on this machine may call), more than one instance, retry policies, catching "
    "up on a timer that was missed, identity-based connections, cookies, Application Insights, and all triggers and "
    "bindings but HTTP, timers and queues. Schedules are in UTC, as on Linux plans."
)


class HostError(Exception):
    """The host cannot start; the message says why in a sentence."""


@dataclass(frozen=True)
class RunningHost:
    """A host that answers at ``url``, with the functions of its plan."""

    url: str
    plan: Plan


def utc_now() -> datetime:
    """This instant (aware, UTC)."""
    return datetime.now(UTC)


@contextlib.contextmanager
def running_host(
    folder: Path,
    environment: Mapping[str, str],
    say: Say,
    *,
    port: int = PORT,
    now: Callable[[], datetime] = utc_now,
) -> Iterator[RunningHost]:
    """Host the app in this folder until the ``with`` block is left.

    environment: the app's whole environment, settings included. port: 0 for a free one. now: what timers go by. Raises
    ``HostError``.
    """
    rules = _rules_of(folder, environment)
    with contextlib.ExitStack() as opened:
        queues = opened.enter_context(StorageQueues(base64=rules.queues.base64))
        caller = opened.enter_context(_caller_for(folder, environment, queues, say))
        plan = plan_app(caller.bindings, rules, environment)
        caller.functions, caller.time_limit = plan.functions, rules.time_limit
        timers = _timers_of(plan, now)
        server = opened.enter_context(_server_for(FunctionsDoor(plan, caller.carry, timers.call), port))
        _announce(plan, timers, server.url, say)
        stopping = threading.Event()
        loops = [_TimeKeeper(timers, plan, caller, stopping).keep]
        for listened in _listened(plan):
            loops.append(QueueListener(listened, queues, rules.queues, caller.carry, say, stopping=stopping).listen)
        _run_until_the_end_of(opened, loops)
        opened.callback(caller.close)  # ends the calls that the loops wait for
        opened.callback(stopping.set)
        yield RunningHost(server.url, plan)


def settings_of(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of an app: this one, and beneath it the ``Values`` of its local.settings.json, if it has one.

    Raises ``HostError``.
    """
    file = folder / "local.settings.json"
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))["Values"] if file.is_file() else {}
        return dict(values) | dict(environment)
    except (OSError, ValueError, TypeError, KeyError):
        problem = f"{file} cannot be read: it must be a JSON object with an object named Values."
    raise HostError(problem)  # here, where the parser's error, which holds the file, is gone


class _TimeKeeper:
    """Has the timers' functions called when they are due, each in a thread of its own."""

    def __init__(self, timers: Timers, plan: Plan, caller: FunctionCaller, stopping: threading.Event) -> None:
        self._timers = timers
        self._plan = plan
        self._caller = caller
        self._stopping = stopping

    def keep(self) -> None:
        """Watch the clock until the host stops."""
        for name, trigger in _timer_triggers(self._plan).items():
            if trigger.on_start and not self._plan.functions[name].disabled:
                self._start(self._caller.carry, self._timers.call(name))
        while not self._stopping.wait(LOOK_SECONDS):
            for call in self._timers.take_due():
                self._start(self._carry, call)

    def _carry(self, call: Call) -> None:
        try:
            self._caller.carry(call)
        finally:
            self._timers.ended(call.name)

    def _start(self, carry: Callable[[Call], object], call: Call) -> None:
        threading.Thread(target=carry, args=(call,), daemon=True).start()


def _rules_of(folder: Path, environment: Mapping[str, str]) -> HostRules:
    try:
        return read_rules(folder, environment)
    except OSError:
        raise HostError(f"{folder} holds no host.json that can be read: give the folder of a function app.") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise HostError(f"host.json in {folder} cannot be used: {error}.") from None


def _caller_for(folder: Path, environment: Mapping[str, str], queues: StorageQueues, say: Say) -> FunctionCaller:
    try:
        return FunctionCaller(folder, environment, queues, say)
    except IndexingError as error:
        raise HostError(f"The runtime found no usable app in {folder}: {error}") from None


def _server_for(door: FunctionsDoor, port: int) -> Server:
    try:
        return Server(door, port=port)
    except OSError:
        raise HostError(f"Port {port} is in use: end the program that uses it, or give --port another.") from None


def _timer_triggers(plan: Plan) -> dict[str, TimerTrigger]:
    triggers = ((function.name, function.trigger) for function in plan.functions.values())
    return {name: trigger for name, trigger in triggers if isinstance(trigger, TimerTrigger)}


def _timers_of(plan: Plan, now: Callable[[], datetime]) -> Timers:
    disabled = {function.name for function in plan.functions.values() if function.disabled}
    return Timers(_timer_triggers(plan), now, disabled=disabled)


def _listened(plan: Plan) -> Iterator[Listened]:
    for function in plan.functions.values():
        if isinstance(function.trigger, QueueTrigger) and not function.disabled:
            yield Listened(function.name, function.trigger.storage, function.trigger.queue)


def _run_until_the_end_of(opened: contextlib.ExitStack, loops: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=loop) for loop in loops]
    for thread in threads:
        thread.start()
        opened.callback(thread.join)


def _announce(plan: Plan, timers: Timers, url: str, say: Say) -> None:
    for function in plan.functions.values():
        say("INFO", f"{function.name}: {_summons(function, timers, url)}{' (disabled)' if function.disabled else ''}")
    for name, problem in plan.problems.items():
        say("ERROR", f"{name} cannot be used: {problem}")
    say("INFO", NOT_EMULATED)
    say("INFO", f"Listening at {url}; by hand: POST {url}/admin/functions/NAME with the body {{}}. Ctrl-C ends it.")


def _summons(function: Function, timers: Timers, url: str) -> str:
    """What calls a function, for people."""
    trigger = function.trigger
    if isinstance(trigger, Route):
        return f"{', '.join(sorted(trigger.methods)) or 'any method'} {url}/{trigger.template}"
    if isinstance(trigger, QueueTrigger):
        return f"messages of the queue {trigger.queue}"
    return f"timer, next at {timers.next_at(function.name):%a %d %b %Y %H:%M:%S} UTC"


def log_line(level: str, text: str) -> str:
    """A line for people: the time (UTC), how grave it is, what happened."""
    return f"{utc_now():%H:%M:%S} {level:<7} {text}"


@contextlib.contextmanager
def stopping_when_told() -> Iterator[None]:
    """Have a request to terminate end the block as Ctrl-C does, with everything it started; in the main thread only."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_for_interrupt() -> None:
    """Return once Ctrl-C is pressed; in short waits, since on Windows a long one would not notice."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(0.5)


def main() -> int:
    """Host the app named on the command line until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A local host for an Azure function app in Python.")
    parser.add_argument("folder", type=Path, help="where host.json and function_app.py are")
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0 for a free one")
    options = parser.parse_args()
    folder = options.folder.resolve()
    try:
        host = running_host(folder, settings_of(folder, os.environ), _write, port=options.port)
        with stopping_when_told(), host:
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
