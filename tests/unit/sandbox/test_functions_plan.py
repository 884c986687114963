"""Tests of how the local host reads an app: routes, host.json, timers and settings."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.functions.calls import Call
from sandbox.functions.plan import (
    Function,
    HostRules,
    Plan,
    QueueOutput,
    QueueRules,
    QueueTrigger,
    TimerTrigger,
    plan_app,
    read_rules,
    time_span,
)
from sandbox.functions.routes import Match, Route, find_function, parse_route
from sandbox.functions.timers import Timers, next_after

RULES = HostRules(route_prefix="api", time_limit=timedelta(minutes=30), queues=QueueRules())
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STORAGE = {"AzureWebJobsStorage": "the account"}
TIMER = {"name": "timer", "type": "timerTrigger", "direction": "IN", "schedule": "%WHEN%"}
QUEUE = {
    "name": "msg",
    "type": "queueTrigger",
    "direction": "IN",
    "queueName": "%WHERE%-in",
    "connection": "AzureWebJobsStorage",
}
OUT = QUEUE | {"name": "out", "type": "queue", "direction": "OUT", "queueName": "out"}
HTTP = {"name": "req", "type": "httpTrigger", "direction": "IN", "authLevel": "FUNCTION"}
ANSWER = {"name": "$return", "type": "http", "direction": "OUT"}
ROUTES = [
    parse_route("start_run", "api/runs", ["POST"]),
    parse_route("list_runs", "api/runs", ["GET"]),
    parse_route("show_run", "api/runs/{run_id}", ["GET"]),
    parse_route("latest", "api/runs/latest", ["GET"]),
    parse_route("count", "api/{study}/count/{day}", []),
]


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOON - timedelta(seconds=10)

    def __call__(self) -> datetime:
        return self.now


def planned(*bindings: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Plan:
    """Return the plan of a function with these bindings."""
    found = [dict(binding) for binding in bindings]
    return plan_app({"work": found}, RULES, STORAGE if environment is None else environment)


def function(*bindings: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Function:
    """Return a function with these bindings."""
    return planned(*bindings, environment=environment).functions["work"]


def rules_of(folder: Path, document: Mapping[str, Any], **environment: str) -> HostRules:
    """Return the rules of an app with this host.json."""
    (folder / "host.json").write_text(json.dumps(document), encoding="utf-8")
    return read_rules(folder, environment)


def timers(clock: Clock, schedule: str = "0 0 12 * * *", disabled: tuple[str, ...] = ()) -> Timers:
    """Return one timer, called tick."""
    return Timers({"tick": TimerTrigger(schedule)}, clock, disabled=disabled)


def names(calls: list[Call]) -> list[str]:
    """Return the names of the called functions."""
    return [call.name for call in calls]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        pytest.param("POST", "/api/runs", Match("start_run", {}), id="by method"),
        pytest.param("GET", "/api/runs", Match("list_runs", {}), id="the same path, another method"),
        pytest.param("GET", "/api/runs/", Match("list_runs", {}), id="a slash at the end"),
        pytest.param("GET", "/API/Runs", Match("list_runs", {}), id="any case"),
        pytest.param("GET", "/api/runs/a%20b", Match("show_run", {"run_id": "a b"}), id="an escaped token"),
        pytest.param("GET", "/api/runs/latest", Match("latest", {}), id="a word goes before a token"),
        pytest.param("GET", "/api/ibd/count/Mon", Match("count", {"study": "ibd", "day": "Mon"}), id="two tokens"),
        pytest.param("PUT", "/api/runs", None, id="a method that no function has"),
        pytest.param("HEAD", "/api/runs", None, id="HEAD is not GET"),
        pytest.param("GET", "/api/runs/a/b", None, id="more than the route"),
        pytest.param("GET", "/api/run", None, id="less than the route"),
    ],
)
def test_a_request_is_for(method: str, path: str, expected: Match | None) -> None:
    assert find_function(ROUTES, method, path) == expected


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        pytest.param("api/run-{id}", "not simulated: run-{id}", id="half a token"),
    ],
)
def test_a_route_is_refused_if_it_has(route: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_route("work", route, [])


@pytest.mark.parametrize(
    ("binding", "template"), [(HTTP, "api/work"), (HTTP | {"route": "runs/{id}"}, "api/runs/{id}")], ids=str
)
def test_a_route_has_the_prefix_and_by_default_the_functions_name(binding: Mapping[str, Any], template: str) -> None:
    trigger = function(binding, ANSWER).trigger
    assert isinstance(trigger, Route)
    assert trigger.template == template


def test_a_setting_in_a_queues_name_is_put_in() -> None:
    found = function(QUEUE, environment=STORAGE | {"WHERE": "runs"})

    assert found.trigger == QueueTrigger("runs-in", "the account")


def test_an_output_names_its_parameter_and_queue() -> None:
    found = function(HTTP, ANSWER, OUT)

    assert found.outputs == (QueueOutput("out", "out", "the account"),)


@pytest.mark.parametrize(
    ("binding", "environment", "problem"),
    [
        pytest.param(TIMER, {}, "%WHEN% does not resolve to a value: give the setting WHEN", id="schedule"),
        pytest.param(TIMER, {"WHEN": "soon"}, "the schedule 'soon' must have six valid fields", id="no schedule"),
        pytest.param(QUEUE, STORAGE, "%WHERE% does not resolve to a value: give the setting WHERE", id="queue"),
        pytest.param(QUEUE, {"WHERE": "a"}, "the setting AzureWebJobsStorage is missing", id="no storage"),
        pytest.param(
            TIMER | {"type": "blobTrigger"}, {}, "the trigger blobTrigger is not simulated", id="other trigger"
        ),
    ],
)
def test_a_function_cannot_be_used_if(binding: Mapping[str, Any], environment: Mapping[str, str], problem: str) -> None:
    assert problem in planned(binding, environment=environment).problems["work"]


def test_a_function_with_an_unknown_output_cannot_be_used() -> None:
    assert "the binding blob is not simulated" in planned(HTTP, ANSWER, OUT | {"type": "blob"}).problems["work"]


def test_a_function_that_cannot_be_used_leaves_the_others_usable() -> None:
    found = plan_app({"broken": [TIMER], "work": [HTTP, ANSWER]}, RULES, STORAGE)

    assert (list(found.functions), list(found.problems)) == (["work"], ["broken"])


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"AzureWebJobs.work.Disabled": "true"}, True),
        ({"AzureWebJobs.work.Disabled": "1"}, True),
        ({"AZUREWEBJOBS.WORK.DISABLED": "TRUE"}, True),
        ({"AzureWebJobs.other.Disabled": "true"}, False),
    ],
    ids=str,
)
def test_a_function_is_disabled_by_a_setting(environment: Mapping[str, str], *, expected: bool) -> None:
    assert function(HTTP, ANSWER, environment=environment).disabled is expected


def test_an_empty_host_json_means_the_platforms_own_rules(tmp_path: Path) -> None:
    assert rules_of(tmp_path, {"version": "2.0"}) == HostRules(
        route_prefix="api",
        time_limit=timedelta(minutes=30),
        queues=QueueRules(16, 8, 5, timedelta(0)),
    )


def test_host_json_is_read_whole(tmp_path: Path) -> None:
    queues = {
        "batchSize": 1,
        "newBatchThreshold": 0,
        "maxDequeueCount": 10,
        "visibilityTimeout": "00:05:00",
    }
    document = {"functionTimeout": "00:35:00", "extensions": {"http": {"routePrefix": ""}, "queues": queues}}

    assert rules_of(tmp_path, document) == HostRules(
        route_prefix="",
        time_limit=timedelta(minutes=35),
        queues=QueueRules(1, 0, 10, timedelta(minutes=5)),
    )


@pytest.mark.parametrize(
    "setting",
    [
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout",
        "AzureFunctionsJobHost:extensions:queues:visibilityTimeout",
        "AZUREFUNCTIONSJOBHOST__EXTENSIONS__QUEUES__VISIBILITYTIMEOUT",
    ],
)
def test_a_setting_replaces_a_value_of_host_json(tmp_path: Path, setting: str) -> None:
    document = {"extensions": {"queues": {"visibilityTimeout": "00:05:00", "maxDequeueCount": 10}}}

    found = rules_of(tmp_path, document, **{setting: "00:00:01"}).queues

    assert (found.visibility_timeout, found.max_dequeue_count) == (timedelta(seconds=1), 10)


def test_another_message_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="base64"):
        rules_of(tmp_path, {"extensions": {"queues": {"messageEncoding": "none"}}})


def test_a_time_span_has_hours_minutes_and_seconds() -> None:
    assert time_span("01:02:03") == timedelta(hours=1, minutes=2, seconds=3)


def test_another_time_span_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a time span"):
        time_span("1.00:05:00")


def test_a_timer_fires_when_it_is_due() -> None:
    clock = Clock()
    tick = timers(clock)
    assert tick.take_due() == []
    clock.now = NOON
    assert names(tick.take_due()) == ["tick"]


def test_a_timer_does_not_fire_again_while_its_function_runs() -> None:
    clock = Clock()
    tick = timers(clock)
    clock.now = NOON
    tick.take_due()
    clock.now = NOON + timedelta(days=2)

    assert tick.take_due() == []


def test_times_missed_while_the_function_ran_are_skipped() -> None:
    clock = Clock()
    tick = timers(clock)
    clock.now = NOON
    tick.take_due()
    clock.now = NOON + timedelta(days=2, hours=1)
    tick.ended("tick")

    assert tick.next_at("tick") == NOON + timedelta(days=3)


def test_a_disabled_timer_never_fires() -> None:
    clock = Clock()
    tick = timers(clock, disabled=("tick",))
    clock.now = NOON + timedelta(days=1)

    assert tick.take_due() == []


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param("0 0 * * * Sun,Mon,Tue", "2026-11-22 19:00:00", id="hourly on three days"),
        pytest.param("0 30 5 * * *", "2026-11-23 05:30:00", id="daily"),
        pytest.param("0 0 0 13 * Fri", "2027-08-13 00:00:00", id="day and weekday must both match"),
        pytest.param("42 44 18 22 11 *", "2027-11-22 18:44:42", id="this very second is not after itself"),
    ],
)
def test_a_timer_fires_next(schedule: str, expected: str) -> None:
    assert next_after(schedule, datetime(2026, 11, 22, 18, 44, 42, tzinfo=UTC)) == datetime.fromisoformat(
        f"{expected}Z"
    )


def test_five_fields_start_with_the_minute() -> None:
    trigger = function(TIMER, environment=STORAGE | {"WHEN": "30 6 * * *"}).trigger
    assert isinstance(trigger, TimerTrigger)
    assert trigger.schedule == "0 30 6 * * *"
