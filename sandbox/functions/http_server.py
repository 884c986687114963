"""The HTTP side of a local host: requests to functions by their routes, and the manual start of timers.

As on the platform, a wrong method gets the same response as a wrong path, and a function that raises gives a 500
without a body. Not simulated: keys (every program on this machine is allowed), cookies, chunked request bodies.
A browser also sends requests for web pages of other servers, so those are refused, as is a name that is not loopback.
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
_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])((?::[0-9]+)?)", re.IGNORECASE)
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


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
        if refusal := _refuse(request):
            return refusal
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


def _refuse(request: Request) -> Response | None:
    """Refuse what a web page of another server can send: another name (DNS rebinding), another origin, or its form.

    https://fetch.spec.whatwg.org/#origin-header and https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
    """
    headers = request.headers
    host = _LOOPBACK.fullmatch(headers.get("host", ""))
    if host is None:
        return _plain(403, "The Host is not localhost.")
    scheme, _, origin = headers.get("origin", f"http://{headers['host']}").partition("://")
    own = _LOOPBACK.fullmatch(origin)
    if scheme != "http" or own is None or own[1] != host[1]:
        return _plain(403, "The Origin is another server.")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return _plain(403, "The request comes from a page of another server.")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_own_form = kind == _FORM and "origin" in headers
    if request.method == "POST" and kind != _JSON and not is_own_form:
        return _plain(415, f'The Content-Type is not {_JSON}. With curl, add -H "Content-Type: {_JSON}".')
    return None


def _plain(status: int, text: str) -> Response:
    return Response(status, {"Content-Type": "text/plain", "X-Content-Type-Options": "nosniff"}, f"{text}\n".encode())


def _response(answer: Answer) -> Response:
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    return Response(answer.status, headers, answer.content)
