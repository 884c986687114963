"""What a local host will do for an app: its functions with their triggers and outputs, and the rules of host.json.

Starts nothing. Triggers other than HTTP, timer and queue, and inputs and outputs other than queues, are not known here:
a function that has one is reported as not usable, with the reason.
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
_OVERRIDE = re.compile(r"AzureFunctionsJobHost(?:__|:)(.+)", re.IGNORECASE)
_SPAN = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2}(?:\.\d{1,7})?)")


@dataclass(frozen=True)
class QueueRules:
    """How messages are handed out, as host.json names it.

    max_dequeue_count: how often a message is tried. visibility_timeout: how long a message that failed rests.
    """

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    base64: bool = True


@dataclass(frozen=True)
class HostRules:
    """What host.json says; time_limit: of one call, None for no limit."""

    route_prefix: str
    time_limit: timedelta | None
    queues: QueueRules


@dataclass(frozen=True)
class TimerTrigger:
    """A function that a schedule starts."""

    schedule: str
    monitored: bool
    on_start: bool


@dataclass(frozen=True)
class QueueTrigger:
    """A function that the messages of a queue start; storage: the connection string of its account."""

    queue: str
    storage: str


@dataclass(frozen=True)
class QueueOutput:
    """A queue that a function's parameter writes to."""

    parameter: str
    queue: str
    storage: str


@dataclass(frozen=True)
class Function:
    """A function that can be called, what calls it, and where its outputs go."""

    name: str
    trigger: Route | TimerTrigger | QueueTrigger
    outputs: tuple[QueueOutput, ...]
    disabled: bool


@dataclass(frozen=True)
class Plan:
    """The functions of an app, and by name why others of it cannot be used."""

    functions: Mapping[str, Function]
    problems: Mapping[str, str]


def read_rules(folder: Path, environment: Mapping[str, str]) -> HostRules:
    """The rules of this app's host.json, with any ``AzureFunctionsJobHost__...`` setting put in place of its own.

    Raises ``ValueError`` naming what cannot be understood.
    """
    document = json.loads((folder / "host.json").read_text(encoding="utf-8-sig"))
    for name, value in environment.items():
        if override := _OVERRIDE.fullmatch(name):
            _put(document, re.split("__|:", override[1]), value)
    queues = _under(document, "extensions", "queues")
    batch_size = int(queues.get("batchsize", 16))
    return HostRules(
        route_prefix=str(_under(document, "extensions", "http").get("routeprefix", "api")).strip("/"),
        time_limit=_limit(str(_under(document).get("functiontimeout", "00:30:00"))),
        queues=QueueRules(
            batch_size=batch_size,
            new_batch_threshold=int(queues.get("newbatchthreshold", batch_size // 2)),
            max_dequeue_count=int(queues.get("maxdequeuecount", 5)),
            visibility_timeout=time_span(str(queues.get("visibilitytimeout", "00:00:00"))),
            base64=str(queues.get("messageencoding", "base64")).lower() == "base64",
        ),
    )


def plan_app(bindings: Mapping[str, list[dict[str, Any]]], rules: HostRules, environment: Mapping[str, str]) -> Plan:
    """Sort the functions that the runtime found into those that can be used, and the others with the reason."""
    functions: dict[str, Function] = {}
    problems: dict[str, str] = {}
    for name, found in bindings.items():
        try:
            functions[name] = _function(name, found, rules, environment)
        except ValueError as error:
            problems[name] = str(error)
    return Plan(functions, problems)


def time_span(text: str) -> timedelta:
    """Read ``hh:mm:ss`` or ``d.hh:mm:ss``, with or without parts of a second; raises ``ValueError``."""
    read = _SPAN.fullmatch(text)
    if read is None:
        raise ValueError(f"'{text}' is no time span: write it as hh:mm:ss")
    return timedelta(
        days=int(read["days"] or 0),
        hours=int(read["hours"]),
        minutes=int(read["minutes"]),
        seconds=float(read["seconds"]),
    )


def _limit(text: str) -> timedelta | None:
    return None if text == "-1" else time_span(text)


def _put(document: dict[str, Any], path: list[str], value: str) -> None:
    """Set one value deep in host.json; names match in any case, as everywhere in it."""
    for name in path[:-1]:
        document = document.setdefault(_own_name(document, name), {})
    document[_own_name(document, path[-1])] = value


def _own_name(document: Mapping[str, Any], name: str) -> str:
    return next((own for own in document if own.lower() == name.lower()), name)


def _under(document: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """One part of host.json, its names in lower case."""
    for name in path:
        document = document.get(_own_name(document, name)) or {}
    return {name.lower(): value for name, value in document.items()}


def _function(name: str, bindings: list[dict[str, Any]], rules: HostRules, environment: Mapping[str, str]) -> Function:
    trigger = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
    others = [binding for binding in bindings if binding is not trigger]
    outputs = [binding for binding in others if binding["type"] != "http"]
    if unknown := [b["type"] for b in outputs if b["type"] != "queue" or b["direction"] != "OUT"]:
        raise ValueError(f"this host knows no binding of the kind {unknown[0]}")
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
        schedule = _schedule(_resolved(trigger["schedule"], environment))
        return TimerTrigger(schedule, trigger.get("useMonitor", True) is not False, bool(trigger.get("runOnStartup")))
    if trigger["type"] == "queueTrigger":
        return QueueTrigger(_resolved(trigger["queueName"], environment), _storage(trigger, environment))
    raise ValueError(f"this host knows no trigger of the kind {trigger['type']}")


def _schedule(text: str) -> str:
    """Return an NCRONTAB schedule with its six fields; with five, the second is 0."""
    from croniter import croniter

    six_fields = f"0 {text}" if len(text.split()) == 5 else text
    if len(six_fields.split()) != 6 or not croniter.is_valid(six_fields, second_at_beginning=True):
        raise ValueError(f"the schedule '{text}' must have six valid fields: second minute hour day month day-of-week")
    return six_fields


def _resolved(text: str, environment: Mapping[str, str]) -> str:
    """The text with each ``%NAME%`` replaced by that setting."""

    def value_of(reference: re.Match[str]) -> str:
        value = _setting(reference[1], environment)
        if value is None:
            raise ValueError(f"%{reference[1]}% does not resolve to a value: give the setting {reference[1]}")
        return value

    return re.sub("%([^%]+)%", value_of, text)


def _storage(binding: Binding, environment: Mapping[str, str]) -> str:
    """The connection string of a binding's storage account, looked up as the platform does."""
    name = binding.get("connection") or "AzureWebJobsStorage"
    found = _setting(f"AzureWebJobs{name}", environment) or _setting(name, environment)
    if not found:
        raise ValueError(f"the setting {name} is missing: this host needs a connection string in it")
    return found


def _setting(name: str, environment: Mapping[str, str]) -> str | None:
    """A setting by name, in any case, as the platform looks it up (and as Windows keeps it)."""
    return next((value for own, value in environment.items() if own.lower() == name.lower()), None)
