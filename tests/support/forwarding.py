"""Stands in front of another loopback server, so that the shared server's faults can be aimed at it.

Changes nothing on the way: path, query, headers and body arrive as they were sent, so that signatures stay right.
"""

from http.client import HTTPConnection
from urllib.parse import unquote, urlsplit

from sandbox.server import Request, Response

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server", "host"}


class Forwarding:
    """Carries each request to ``base_url`` and its answer back; for Azurite the client's address ends in the account.

    Names a request by its method and what it is about, without the account: ``PUT ConsentRuns``,
    ``POST consent-runs/messages``, ``GET Tables``.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "", parts.port
        self._account = parts.path.strip("/")

    def answer(self, request: Request) -> Response:
        target = f"{request.path}?{request.query}" if request.query else request.path
        connection = HTTPConnection(self._host, self._port, timeout=30)
        try:
            connection.request(request.method, target, request.body, {**_kept(request.headers), "host": self._place()})
            answer = connection.getresponse()
            return Response(answer.status, _kept(dict(answer.getheaders())), answer.read())
        finally:
            connection.close()

    def name_of(self, request: Request) -> str:
        about = unquote(request.path).strip("/").removeprefix(self._account).strip("/")
        return f"{request.method} {about.partition('(')[0]}"

    def _place(self) -> str:
        return f"{self._host}:{self._port}"


def _kept(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OF_ONE_CONNECTION}
