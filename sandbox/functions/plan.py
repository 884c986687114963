"""Read an app's bindings and host.json into the plan of a local host.

Only HTTP, timer and queue triggers and queue outputs are simulated. A function with another binding is a problem.
https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.functions.routes import Route, parse_route

Binding = Mapping[str, Any]
POISON = "-poison"
_OVERRIDE = re.compile(r"AzureFunctionsJobHost(?:__|:)(.+)", re.IGNORECASE)
_SPAN = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})")


@dataclass(frozen=True)
class QueueRules:
    """The queue settings of host.json; ``visibility_timeout`` is the wait after a failed attempt."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)


@dataclass(frozen=True)
class HostRules:
    """The settings of host.json; ``time_limit`` is that of one call."""

    route_prefix: str
    time_limit: timedelta
    queues: QueueRules


@dataclass(frozen=True)
class TimerTrigger:
    """The NCRONTAB schedule of a function."""

    schedule: str


@dataclass(frozen=True)
class QueueTrigger:
    """The queue of a function; ``storage`` is a connection string."""

    queue: str
    storage: str

    @property
    def poison(self) -> str | None:
        """The queue for messages that failed too often; a poison queue has none."""
        return None if self.queue.endswith(POISON) else self.queue + POISON


@dataclass(frozen=True)
class QueueOutput:
    """A function's parameter that writes to a queue."""

    parameter: str
    queue: str
    storage: str


@dataclass(frozen=True)
class Function:
    """A function with its trigger and outputs."""

    name: str
    trigger: Route | TimerTrigger | QueueTrigger
    outputs: tuple[QueueOutput, ...]
    disabled: bool


@dataclass(frozen=True)
class Plan:
    """The functions of an app by name, and the problems of those that cannot be used."""

    functions: Mapping[str, Function]
    problems: Mapping[str, str]


def read_rules(folder: Path, environment: Mapping[str, str]) -> HostRules:
    """Return the rules of this app's host.json; an ``AzureFunctionsJobHost__...`` setting replaces a value of it.

    Raises ``ValueError`` with the value that is not valid.
    """
    document = json.loads((folder / "host.json").read_text(encoding="utf-8-sig"))
    for name, value in environment.items():
        if override := _OVERRIDE.fullmatch(name):
            _put(document, re.split("__|:", override[1]), value)
    queues = _section(document, "extensions", "queues")
    if str(queues.get("messageencoding", "base64")).lower() != "base64":
        raise ValueError("only the message encoding base64 is simulated")
    batch_size = int(queues.get("batchsize", 16))
    return HostRules(
        route_prefix=str(_section(document, "extensions", "http").get("routeprefix", "api")).strip("/"),
        time_limit=time_span(str(_section(document).get("functiontimeout", "00:30:00"))),
        queues=QueueRules(
            batch_size=batch_size,
            new_batch_threshold=int(queues.get("newbatchthreshold", batch_size // 2)),
            max_dequeue_count=int(queues.get("maxdequeuecount", 5)),
            visibility_timeout=time_span(str(queues.get("visibilitytimeout", "00:00:00"))),
        ),
    )


def plan_app(bindings: Mapping[str, list[dict[str, Any]]], rules: HostRules, environment: Mapping[str, str]) -> Plan:
    """Separate the functions that can be used from those that cannot."""
    functions: dict[str, Function] = {}
    problems: dict[str, str] = {}
    for name, found in bindings.items():
        try:
            functions[name] = _function(name, found, rules, environment)
        except ValueError as error:
            problems[name] = str(error)
    return Plan(functions, problems)


def time_span(text: str) -> timedelta:
    """Parse ``hh:mm:ss``; raises ``ValueError``."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a time span: write it as hh:mm:ss")
    hours, minutes, seconds = map(int, match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _put(document: dict[str, Any], path: list[str], value: str) -> None:
    """Set one value in host.json; names match in any case."""
    for name in path[:-1]:
        document = document.setdefault(_own_name(document, name), {})
    document[_own_name(document, path[-1])] = value


def _own_name(document: Mapping[str, Any], name: str) -> str:
    return next((own for own in document if own.lower() == name.lower()), name)


def _section(document: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return one section of host.json, with its names in lower case."""
    for name in path:
        document = document.get(_own_name(document, name)) or {}
    return {name.lower(): value for name, value in document.items()}


def _function(name: str, bindings: list[dict[str, Any]], rules: HostRules, environment: Mapping[str, str]) -> Function:
    trigger = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
    outputs = [binding for binding in bindings if binding is not trigger and binding["type"] != "http"]
    if unknown := [b["type"] for b in outputs if b["type"] != "queue" or b["direction"] != "OUT"]:
        raise ValueError(f"the binding {unknown[0]} is not simulated")
    return Function(
        name,
        _trigger(name, trigger, rules, environment),
        tuple(
            QueueOutput(b["name"], _resolved(b["queueName"], environment), _storage(b, environment)) for b in outputs
        ),
        disabled=str(_setting(f"AzureWebJobs.{name}.Disabled", environment)).lower() in ("1", "true"),
    )


def _trigger(
    name: str, trigger: Binding, rules: HostRules, environment: Mapping[str, str]
) -> Route | TimerTrigger | QueueTrigger:
    if trigger["type"] == "httpTrigger":
        template = _resolved(trigger.get("route") or name, environment)
        return parse_route(name, f"{rules.route_prefix}/{template}", trigger.get("methods") or ())
    if trigger["type"] == "timerTrigger":
        return TimerTrigger(_schedule(_resolved(trigger["schedule"], environment)))
    if trigger["type"] == "queueTrigger":
        return QueueTrigger(_resolved(trigger["queueName"], environment), _storage(trigger, environment))
    raise ValueError(f"the trigger {trigger['type']} is not simulated")


def _schedule(text: str) -> str:
    """Return an NCRONTAB schedule with its six fields; with five, the second is 0."""
    from croniter import croniter

    six_fields = f"0 {text}" if len(text.split()) == 5 else text
    if len(six_fields.split()) != 6 or not croniter.is_valid(six_fields, second_at_beginning=True):
        raise ValueError(f"the schedule '{text}' must have six valid fields: second minute hour day month day-of-week")
    return six_fields


def _resolved(text: str, environment: Mapping[str, str]) -> str:
    """Replace each ``%NAME%`` in the text by that setting."""

    def value_of(reference: re.Match[str]) -> str:
        value = _setting(reference[1], environment)
        if value is None:
            raise ValueError(f"%{reference[1]}% does not resolve to a value: give the setting {reference[1]}")
        return value

    return re.sub("%([^%]+)%", value_of, text)


def _storage(binding: Binding, environment: Mapping[str, str]) -> str:
    """Return the connection string of a binding's storage account, looked up as the platform does."""
    name = binding.get("connection") or "AzureWebJobsStorage"
    found = _setting(f"AzureWebJobs{name}", environment) or _setting(name, environment)
    if not found:
        raise ValueError(f"the setting {name} is missing: it must be a connection string")
    return found


def _setting(name: str, environment: Mapping[str, str]) -> str | None:
    """Return a setting by name in any case, as the platform and Windows do."""
    return next((value for own, value in environment.items() if own.lower() == name.lower()), None)
