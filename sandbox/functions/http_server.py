"""The HTTP side of a local host: requests to functions by their routes, and the manual start of timers.

As on the platform, a wrong method gets the same response as a wrong path, and a function that raises gives a 500
without a body. Not simulated: keys (every caller on this machine is allowed), cookies, chunked request bodies.
"""

import re
import threading
from collections.abc import Callable
from urllib.parse import parse_qsl

from sandbox.functions.calls import Call, http_call
from sandbox.functions.plan import Plan, TimerTrigger
from sandbox.functions.process import Answer, Invocation
from sandbox.functions.routes import Route, find_function
from sandbox.server import Request, Response

_ADMIN_FUNCTION = re.compile(r"/admin/functions/([^/]+)")


class FunctionsHttp:
    """Responds to the HTTP requests of a host; to be served by ``sandbox.server``."""

    def __init__(self, plan: Plan, invoke: Callable[[Call], Invocation], timer_call: Callable[[str], Call]) -> None:
        """timer_call: makes the call of a timer that is started manually."""
        self._plan = plan
        self._invoke = invoke
        self._timer_call = timer_call
        self._routes = [
            function.trigger
            for function in plan.functions.values()
            if isinstance(function.trigger, Route) and not function.disabled
        ]

    def name_of(self, request: Request) -> str:
        """Return the path."""
        return request.path

    def answer(self, request: Request) -> Response:
        """Respond to a request with the function of its route."""
        if admin := _ADMIN_FUNCTION.fullmatch(request.path):
            return self._start_timer(request.method, admin[1])
        match = find_function(self._routes, request.method, request.path)
        if match is None:
            return Response(404)
        query = f"?{request.query}" if request.query else ""
        done = self._invoke(
            http_call(
                match.function,
                request.method,
                f"http://{request.headers.get('host', 'localhost')}{request.path}{query}",
                headers=request.headers,
                query=dict(parse_qsl(request.query)),
                params=match.params,
                body=request.body,
            )
        )
        return Response(500) if done.answer is None else _response(done.answer)

    def _start_timer(self, method: str, name: str) -> Response:
        """Start a timer's function, even a disabled one, without waiting for its end."""
        function = self._plan.functions.get(name)
        if method != "POST" or function is None or not isinstance(function.trigger, TimerTrigger):
            return Response(404)
        threading.Thread(target=self._invoke, args=(self._timer_call(name),), daemon=True).start()
        return Response(202)


def _response(answer: Answer) -> Response:
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    return Response(answer.status, headers, answer.content)
