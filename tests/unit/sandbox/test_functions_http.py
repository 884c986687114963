"""Tests of which requests the local host passes to a function: none of a web page of another server."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from sandbox.functions.calls import Call
from sandbox.functions.http_server import FunctionsHttp
from sandbox.functions.plan import HostRules, QueueRules, plan_app
from sandbox.functions.process import Answer, Invocation
from sandbox.server import Request

HTTP = {"name": "req", "type": "httpTrigger", "direction": "IN", "authLevel": "FUNCTION", "route": "runs"}
TIMER = {"name": "timer", "type": "timerTrigger", "direction": "IN", "schedule": "0 0 0 1 1 *"}
OWN = {"host": "localhost:7071"}
JSON = {"content-type": "application/json; charset=utf-8"}
ROUTES = pytest.mark.parametrize(("path", "accepted"), [("/api/runs", 200), ("/admin/functions/tick", 202)])


def status_of(path: str, headers: Mapping[str, str], method: str = "POST") -> int:
    """Return the status of a request to an app of one route and one timer."""
    rules = HostRules("api", timedelta(minutes=1), QueueRules())
    plan = plan_app({"start": [HTTP], "tick": [TIMER]}, rules, {})
    done = Invocation("1", None, Answer(200, {}, b""), [], {})
    app = FunctionsHttp(plan, lambda _call: done, lambda name: Call(name, {}))
    return app.answer(Request(method, path, "", {**OWN, **JSON, **headers}, b"{}")).status


@ROUTES
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "127.0.0.1:7071"},
        {"host": "[::1]:7071"},
        {"host": "LOCALHOST"},
        {"origin": "http://localhost:7071", "sec-fetch-site": "same-origin"},
        {"origin": "http://127.0.0.1:7071"},
    ],
    ids=str,
)
def test_a_request_of_this_computer_is_accepted(path: str, accepted: int, headers: dict[str, str]) -> None:
    assert status_of(path, headers) == accepted


@ROUTES
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example.org:7071"},
        {"host": "localhost.example.org"},
        {"host": "example.org@localhost"},
        {"host": ""},
        {"origin": "https://example.org"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://localhost:7071"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://localhost:7071.example.org"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_of_another_servers_page_is_refused(
    path: str, accepted: int, method: str, headers: dict[str, str]
) -> None:
    assert status_of(path, headers, method) == 403


@ROUTES
@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"]
)
def test_only_json_can_be_posted(path: str, accepted: int, kind: str) -> None:
    assert status_of(path, {"content-type": kind}) == 415
