"""The loopback HTTP server of all simulated services: it passes requests to an app, and simulates faults.

An app responds to requests (``answer``) and names them (``name_of``), so that a test can select a request for a fault.
The server listens on 127.0.0.1 only, and keeps all requests for tests that count them.
"""

import contextlib
import io
import os
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol, Self, TypedDict
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Response:
    """A response; a body in pieces is sent chunked, bytes with their length."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""


class App(Protocol):
    """A simulated service."""

    def answer(self, request: Request) -> Response:
        """Handle the request and return the response."""

    def name_of(self, request: Request) -> str:
        """Return a short name of the request, e.g. ``record`` or ``files/upload``, for ``Fault.match``."""


@dataclass
class Fault:
    """A failure of the requests named ``match`` (default: all): the first ``skip`` succeed, the next ``times`` fail.

    kind:
        ``answer``  send ``status``, ``headers`` and ``body`` without handling the request
        ``reset``   break the connection without handling the request
        ``lost``    handle the request, then break the connection without a response
        ``late``    break the connection and add the request to ``Server.late``, for ``Server.handle_late``
        ``hang``    wait ``seconds``, then handle the request
        ``cut``     send only the first ``at`` bytes of the body, then break the connection
        ``trim``    send only the first ``at`` bytes of the body, as a complete response
        ``change``  send ``change(body)`` in place of the body
        ``drip``    after the first ``at`` bytes of the response, head included, send a byte every ``seconds``
    """

    kind: str
    match: str = ""
    skip: int = 0
    times: int = 1
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    at: int = 0
    change: Callable[[bytes], bytes] = bytes


class Aim(TypedDict, total=False):
    """The fields of a fault that select its requests."""

    match: str
    skip: int
    times: int


class Server:
    """Serves an app on a loopback port (default: a free one) within its ``with`` block."""

    def __init__(self, app: App, *, port: int = 0) -> None:
        self.app = app
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.late: list[Request] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._http = _Listener(self, port)

    @property
    def url(self) -> str:
        """The address, e.g. ``http://127.0.0.1:41234``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def seen(self, name: str) -> list[Request]:
        """Return the requests so far with this name."""
        return [request for request in self.requests if self.app.name_of(request) == name]

    def handle_late(self) -> None:
        """Handle the late requests; nobody receives the responses."""
        while self.late:
            self.app.answer(self.late.pop(0))

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _fault_for(self, request: Request) -> Fault | None:
        name = self.app.name_of(request)
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.match in ("", name):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    @contextlib.contextmanager
    def _counted(self, request: Request) -> Iterator[None]:
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # no wait after a restart; on Windows two servers could share a port

    def __init__(self, stand_in: Server, port: int) -> None:
        self.stand_in = stand_in
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore broken connections: this server simulates them."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for head and body: without it every call waits 40 ms
    disable_nagle_algorithm = True
    timeout = 30

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 - names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """Print nothing: requests are kept in ``Server.requests``."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, parts.query, headers, body)
        with self.server.stand_in._counted(request):
            fault = self.server.stand_in._fault_for(request)
            if fault is None:
                self._send(self.server.stand_in.app.answer(request), request)
            else:
                self._fail(fault, request)

    def _fail(self, fault: Fault, request: Request) -> None:
        if fault.kind == "answer":
            return self._send(Response(fault.status, fault.headers, fault.body), request)
        if fault.kind == "late":
            self.server.stand_in.late.append(request)
        if fault.kind in ("reset", "late"):
            return self._reset()
        if fault.kind == "hang":
            time.sleep(fault.seconds)
        response = self.server.stand_in.app.answer(request)
        if fault.kind == "lost":
            return self._reset()
        if fault.kind == "change":
            response.body = fault.change(_whole(response.body))
        if fault.kind == "trim":
            response.body = _whole(response.body)[: fault.at]
        if fault.kind == "cut":
            whole = _whole(response.body)
            self._head(response, {"Content-Length": str(len(whole) + 1)})
            self.wfile.write(whole[: fault.at])
            self.wfile.flush()
            return self._reset()
        if fault.kind == "drip":
            return self._drip(response, request, fault)
        return self._send(response, request)

    def _drip(self, response: Response, request: Request, fault: Fault) -> None:
        connection, self.wfile = self.wfile, io.BytesIO()
        self._send(response, request)
        whole, self.wfile = self.wfile.getvalue(), connection
        self.wfile.write(whole[: fault.at])
        for byte in whole[fault.at :]:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(fault.seconds)

    def _head(self, response: Response, more: dict[str, str]) -> None:
        self.send_response(response.status)
        for name, value in {**response.headers, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, response: Response, request: Request) -> None:
        body = response.body
        if isinstance(body, bytes):
            self._head(response, {"Content-Length": str(len(body))})
            if request.method != "HEAD":
                self.wfile.write(body)
            return
        more = {"Transfer-Encoding": "chunked"}
        pieces: Iterable[bytes] = body
        if "gzip" in request.headers.get("accept-encoding", ""):
            more |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            pieces = _gzipped(body)
        self._head(response, more)
        for piece in pieces:
            if piece:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


def _whole(body: bytes | Iterable[bytes]) -> bytes:
    return body if isinstance(body, bytes) else b"".join(body)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Compress the pieces one by one, so that a large response is not held in memory."""
    compressor = zlib.compressobj(level=1, wbits=31)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()
