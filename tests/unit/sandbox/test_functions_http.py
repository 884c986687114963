"""Tests of which requests the local host passes to a function: none of a web page of another server."""

from datetime import timedelta

import pytest

from sandbox.functions.calls import Call
from sandbox.functions.http_server import FunctionsHttp
from sandbox.functions.plan import HostRules, QueueRules, plan_app
from sandbox.functions.process import Answer, Invocation
from sandbox.server import Request

HTTP = {"name": "req", "type": "httpTrigger", "direction": "IN", "authLevel": "FUNCTION", "route": "runs"}
TIMER = {"name": "timer", "type": "timerTrigger", "direction": "IN", "schedule": "0 0 0 1 1 *"}
USUAL = {"host": "localhost:7071", "content-type": "application/json; charset=utf-8"}
OWN = (
    {},
    {"host": "127.0.0.1:7071"},
    {"host": "[::1]:7071"},
    {"host": "LOCALHOST"},
    {"origin": "http://localhost:7071", "sec-fetch-site": "same-origin"},
    {"origin": "http://127.0.0.1:7071"},
)
HOSTS = ("rebound.example.org:7071", "localhost.example.org", "example.org@localhost", "127.0.0.1.example.org:7071", "")
ORIGINS = (
    "https://example.org",
    "null",
    "",
    "https://localhost:7071",
    "http://localhost:3000",
    "http://localhost:7071.a",
)
FOREIGN = (
    *({"host": host} for host in HOSTS),
    *({"origin": origin} for origin in ORIGINS),
    *({"sec-fetch-site": site} for site in ("cross-site", "same-site")),
)
TYPES = ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain; application/json")
OWN_FORM = {"content-type": "application/x-www-form-urlencoded", "origin": "http://localhost:7071"}
CASES = [
    *(("POST", headers, {200, 202}) for headers in (*OWN, OWN_FORM)),
    *((method, headers, {403}) for method in ("GET", "POST") for headers in FOREIGN),
    *(("POST", {"content-type": kind}, {415}) for kind in TYPES),
]


@pytest.mark.parametrize("path", ["/api/runs", "/admin/functions/tick"])
@pytest.mark.parametrize(("method", "headers", "statuses"), CASES)
def test_only_json_and_forms_and_only_pages_of_this_host_start_a_function(
    path: str, method: str, headers: dict[str, str], statuses: set[int]
) -> None:
    plan = plan_app({"start": [HTTP], "tick": [TIMER]}, HostRules("api", timedelta(minutes=1), QueueRules()), {})
    done = Invocation("1", None, Answer(200, {}, b""), [])
    app = FunctionsHttp(plan, lambda _call: done, lambda name: Call(name, {}))
    assert app.answer(Request(method, path, "", {**USUAL, **headers}, b"{}")).status in statuses
