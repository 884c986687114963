"""Claims about how the local host reads an app: its routes, its host.json, its timers and its settings."""

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

RULES = HostRules(route_prefix="api", time_limit=None, queues=QueueRules())
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
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON - timedelta(seconds=10)

    def __call__(self) -> datetime:
        return self.now


def planned(*bindings: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Plan:
    """What the host makes of a function with these bindings."""
    found = [dict(binding) for binding in bindings]
    return plan_app({"work": found}, RULES, STORAGE if environment is None else environment)


def function(*bindings: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Function:
    """The same, where it can be used."""
    return planned(*bindings, environment=environment).functions["work"]


def rules_of(folder: Path, document: Mapping[str, Any], **environment: str) -> HostRules:
    """The rules of an app with this host.json."""
    (folder / "host.json").write_text(json.dumps(document), encoding="utf-8")
    return read_rules(folder, environment)


def timers(clock: Clock, schedule: str = "0 0 12 * * *", disabled: tuple[str, ...] = ()) -> Timers:
    """One timer, called tick."""
    trigger = TimerTrigger(schedule, monitored=True, on_start=False)
    return Timers({"tick": trigger}, clock, disabled=disabled)


def names(calls: list[Call]) -> list[str]:
    """The functions that are called."""
    return [call.name for call in calls]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        pytest.param("POST", "/api/runs", Match("start_run", {}), id="by method"),
        pytest.param("GET", "/api/runs", Match("list_runs", {}), id="the same path, another method"),
        pytest.param("GET", "/api/runs/", Match("list_runs", {}), id="a slash at the end"),
        pytest.param("GET", "/API/Runs", Match("list_runs", {}), id="any case"),
        pytest.param("GET", "/api/runs/a.2026-11-23", Match("show_run", {"run_id": "a.2026-11-23"}), id="a token"),
        pytest.param("GET", "/api/runs/a%20b", Match("show_run", {"run_id": "a b"}), id="an escaped token"),
        pytest.param("GET", "/api/runs/latest", Match("latest", {}), id="a word goes before a token"),
        pytest.param("GET", "/api/ibd/count/Mon", Match("count", {"study": "ibd", "day": "Mon"}), id="two tokens"),
        pytest.param("PUT", "/api/runs", None, id="a method that no function has"),
        pytest.param("HEAD", "/api/runs", None, id="HEAD is not GET"),
        pytest.param("GET", "/runs", None, id="without the prefix"),
        pytest.param("GET", "/api/runs/a/b", None, id="more than the route"),
        pytest.param("GET", "/api/run", None, id="less than the route"),
        pytest.param("GET", "/api/xruns", None, id="a longer word"),
    ],
)
def test_a_request_is_for(method: str, path: str, expected: Match | None) -> None:
    assert find_function(ROUTES, method, path) == expected


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        pytest.param("api/run-{id}", "a part that this host cannot read: run-{id}", id="half a token"),
        pytest.param("api/{id=1}", "a part that this host cannot read: {id=1}", id="a default value"),
    ],
)
def test_a_route_is_refused_if_it_has(route: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_route("work", route, [])


def test_a_function_without_a_route_is_called_by_its_name() -> None:
    assert _template(function(HTTP, ANSWER)) == "api/work"


def test_a_route_gets_the_prefix() -> None:
    assert _template(function(HTTP | {"route": "runs/{id}"}, ANSWER)) == "api/runs/{id}"


def _template(found: Function) -> str:
    assert isinstance(found.trigger, Route)
    return found.trigger.template


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
        pytest.param(TIMER | {"type": "blobTrigger"}, {}, "no trigger of the kind blobTrigger", id="other trigger"),
    ],
)
def test_a_function_cannot_be_used_if(binding: Mapping[str, Any], environment: Mapping[str, str], problem: str) -> None:
    assert problem in planned(binding, environment=environment).problems["work"]


def test_a_function_with_an_unknown_output_cannot_be_used() -> None:
    assert "no binding of the kind blob" in planned(HTTP, ANSWER, OUT | {"type": "blob"}).problems["work"]


def test_a_function_that_cannot_be_used_costs_only_itself() -> None:
    found = plan_app({"broken": [TIMER], "work": [HTTP, ANSWER]}, RULES, STORAGE)

    assert (list(found.functions), list(found.problems)) == (["work"], ["broken"])


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"AzureWebJobs.work.Disabled": "true"}, True),
        ({"AzureWebJobs.work.Disabled": "1"}, True),
        ({"AZUREWEBJOBS.WORK.DISABLED": "TRUE"}, True),
        ({"AzureWebJobs.work.Disabled": "false"}, False),
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
        queues=QueueRules(16, 8, 5, timedelta(0), base64=True),
    )


def test_host_json_is_read_whole(tmp_path: Path) -> None:
    queues = {
        "batchSize": 1,
        "newBatchThreshold": 0,
        "maxDequeueCount": 10,
        "visibilityTimeout": "00:05:00",
        "messageEncoding": "none",
    }
    document = {"functionTimeout": "-1", "extensions": {"http": {"routePrefix": ""}, "queues": queues}}

    assert rules_of(tmp_path, document) == HostRules(
        route_prefix="",
        time_limit=None,
        queues=QueueRules(1, 0, 10, timedelta(minutes=5), base64=False),
    )


@pytest.mark.parametrize(
    "setting",
    [
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout",
        "AzureFunctionsJobHost:extensions:queues:visibilityTimeout",
        "AZUREFUNCTIONSJOBHOST__EXTENSIONS__QUEUES__VISIBILITYTIMEOUT",
    ],
)
def test_a_setting_goes_before_host_json(tmp_path: Path, setting: str) -> None:
    document = {"extensions": {"queues": {"visibilityTimeout": "00:05:00", "maxDequeueCount": 10}}}

    found = rules_of(tmp_path, document, **{setting: "00:00:01"}).queues

    assert (found.visibility_timeout, found.max_dequeue_count) == (timedelta(seconds=1), 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:05:00", timedelta(minutes=5)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("00:00:00.25", timedelta(seconds=0.25)),
    ],
)
def test_a_time_span_is_read(text: str, expected: timedelta) -> None:
    assert time_span(text) == expected


@pytest.mark.parametrize("text", ["", "5", "00:05", "-00:05:00", "soon"])
def test_a_time_span_is_refused_if_it_is_not_written_out(text: str) -> None:
    with pytest.raises(ValueError, match="is no time span"):
        time_span(text)


def test_a_timer_waits_for_its_time() -> None:
    assert timers(Clock()).take_due() == []


def test_a_timer_goes_off_when_its_time_has_come() -> None:
    clock = Clock()
    tick = timers(clock)
    clock.now = NOON

    assert names(tick.take_due()) == ["tick"]


def test_a_timer_does_not_go_off_again_while_its_function_runs() -> None:
    clock = Clock()
    tick = timers(clock)
    clock.now = NOON
    tick.take_due()
    clock.now = NOON + timedelta(days=2)

    assert tick.take_due() == []


def test_what_a_timer_missed_while_its_function_ran_is_skipped() -> None:
    clock = Clock()
    tick = timers(clock)
    clock.now = NOON
    tick.take_due()
    clock.now = NOON + timedelta(days=2, hours=1)
    tick.ended("tick")

    assert tick.next_at("tick") == NOON + timedelta(days=3)


def test_a_timer_is_told_when_it_goes_off_next() -> None:
    clock = Clock()
    tick = timers(clock)
    clock.now = NOON

    status = json.loads(tick.take_due()[0].data["json"])["ScheduleStatus"]

    assert status["Next"] == "2026-11-23T12:00:00+00:00"


def test_a_timer_that_a_hand_starts_is_not_late() -> None:
    assert json.loads(timers(Clock()).call("tick").data["json"])["IsPastDue"] is False


def test_a_disabled_timer_never_goes_off() -> None:
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


@pytest.mark.parametrize("schedule", ["60 * * * * *", "0 0 24 * * *", "0 0 0 * * Caturday", "00:05:00"])
def test_a_schedule_that_cannot_be_kept_is_refused(schedule: str) -> None:
    assert "must have six valid fields" in planned(TIMER, environment=STORAGE | {"WHEN": schedule}).problems["work"]


def test_five_fields_begin_with_the_minute() -> None:
    trigger = function(TIMER, environment=STORAGE | {"WHEN": "30 6 * * *"}).trigger
    assert isinstance(trigger, TimerTrigger)
    assert trigger.schedule == "0 30 6 * * *"
