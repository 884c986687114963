"""Forward requests to another loopback server, so that the simulated faults work for it too.

Path, query, headers and body are not changed, so that signatures stay valid.
"""

from http.client import HTTPConnection
from urllib.parse import unquote, urlsplit

from sandbox.server import Request, Response

_CONNECTION_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server", "host"}


class Forwarding:
    """Forwards each request to ``base_url``, which for Azurite ends in the account.

    A request is named by its method and its resource, without the account: ``PUT ConsentRuns``,
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
            headers = {**_kept(request.headers), "host": f"{self._host}:{self._port}"}
            connection.request(request.method, target, request.body, headers)
            answer = connection.getresponse()
            return Response(answer.status, _kept(dict(answer.getheaders())), answer.read())
        finally:
            connection.close()

    def name_of(self, request: Request) -> str:
        resource = unquote(request.path).strip("/").removeprefix(self._account).strip("/")
        return f"{request.method} {resource.partition('(')[0]}"


def _kept(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _CONNECTION_HEADERS}
