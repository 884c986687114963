"""The HTTP side of a local host: requests to functions by their routes, and the few admin addresses that are needed.

As on the platform, a wrong method is as unknown as a wrong path, and a function that raises is a 500 without a body.
Not done: keys (everything is open to this machine), cookies, request bodies sent in chunks.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.functions.calls import Call, QueueDelivery, http_call, queue_call
from sandbox.functions.plan import Function, Plan, QueueTrigger, TimerTrigger
from sandbox.functions.process import Answer, Invocation
from sandbox.functions.routes import Route, find_function
from sandbox.server import Request, Response

_ADMIN_FUNCTION = re.compile(r"/admin/functions/([^/]+)")


class FunctionsDoor:
    """Answers the requests that a host gets; to be served by ``sandbox.server``."""

    def __init__(self, plan: Plan, carry: Callable[[Call], Invocation], timer_call: Callable[[str], Call]) -> None:
        """carry: carries out a call. timer_call: the call of a timer that is started by hand."""
        self._plan = plan
        self._carry = carry
        self._timer_call = timer_call
        self._routes = [
            function.trigger
            for function in plan.functions.values()
            if isinstance(function.trigger, Route) and not function.disabled
        ]

    def name_of(self, request: Request) -> str:
        """The path, which is name enough."""
        return request.path

    def answer(self, request: Request) -> Response:
        """Have the request answered by the function that it is for."""
        if request.path.lower().startswith("/admin/"):
            return self._administer(request)
        if "transfer-encoding" in request.headers:
            return Response(411)
        match = find_function(self._routes, request.method, request.path)
        if match is None:
            return Response(404)
        done = self._carry(
            http_call(
                match.function,
                request.method,
                _url(request),
                headers=request.headers,
                query=_query(request),
                params=match.params,
                body=request.body,
            )
        )
        return Response(500) if done.answer is None else _response(done.answer)

    def _administer(self, request: Request) -> Response:
        if (request.method, request.path) == ("GET", "/admin/host/status"):
            return _json_response({"state": "Running"})
        if (request.method, request.path) == ("GET", "/admin/functions"):
            return _json_response([_description(name, self._plan) for name in _all_names(self._plan)])
        asked_for = _ADMIN_FUNCTION.fullmatch(request.path)
        if asked_for is None or request.method != "POST":
            return Response(404)
        function = next((f for n, f in self._plan.functions.items() if n.lower() == asked_for[1].lower()), None)
        return Response(404) if function is None else self._start(function, request.body)

    def _start(self, function: Function, body: bytes) -> Response:
        """Begin a call by hand, even of a function that is disabled; its outcome is in the log."""
        text = _input_in(body)
        if text is None or isinstance(function.trigger, Route):
            return Response(400)
        call = self._call_by_hand(function.name, function.trigger, text)
        threading.Thread(target=self._carry, args=(call,), daemon=True).start()
        return Response(202)

    def _call_by_hand(self, name: str, trigger: TimerTrigger | QueueTrigger, text: str) -> Call:
        if isinstance(trigger, TimerTrigger):
            return self._timer_call(name)
        return queue_call(name, QueueDelivery(text, dequeue_count=1))


def _input_in(body: bytes) -> str | None:
    """The input of a call by hand, ``{"input": "text"}``; None if that is not what the body is."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return str(document.get("input") or "") if isinstance(document, dict) else None


def _url(request: Request) -> str:
    query = f"?{request.query}" if request.query else ""
    return f"http://{request.headers.get('host', 'localhost')}{request.path}{query}"


def _query(request: Request) -> dict[str, str]:
    """The parameters that have a value; several of one name are joined by commas."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(request.query):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _response(answer: Answer) -> Response:
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    return Response(answer.status, headers, answer.content)


def _json_response(document: Any) -> Response:
    return Response(200, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _all_names(plan: Plan) -> list[str]:
    return [*plan.functions, *plan.problems]


def _description(name: str, plan: Plan) -> Mapping[str, Any]:
    function = plan.functions.get(name)
    if function is None:
        return {"name": name, "error": plan.problems[name]}
    route = function.trigger.template if isinstance(function.trigger, Route) else None
    return {"name": name, "route": route, "isDisabled": function.disabled}
