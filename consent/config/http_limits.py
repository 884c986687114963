"""HTTP sessions that follow no redirect, and whose responses end at a deadline."""

import contextlib
import http.client
import io
import math
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from consent.dates import utc_now

_deadline = ContextVar("deadline", default=math.inf)


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End every response that is read within the block after so many seconds, by a read timeout.

    A socket's own timeout begins again with each byte, so it does not end a response that arrives byte by byte.
    """
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait for, or 0; the names of ``headers`` may be in lower case."""
    wanted = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]+", wanted):
        return float(wanted)
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):  # not a date
        sent = headers.get("date")  # by the server's own clock
        until = parsedate_to_datetime(wanted) - (parsedate_to_datetime(sent) if sent else utc_now())
        return max(0.0, until.total_seconds())
    return 0.0


class NoRedirectSession(requests.Session):
    """A session that treats a redirect as the response, and reads only its head.

    With ``allow_redirects=False`` the library would still read the redirect's body, of any size, into memory.
    """

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("https://", "http://"):
            self.mount(scheme, DeadlineAdapter())

    def get_redirect_target(self, resp: requests.Response) -> None:
        if resp.is_redirect:
            resp.close()


class DeadlineAdapter(HTTPAdapter):
    """Opens connections whose responses end at the deadline of ``time_limit``."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = type("Connection", (type(pool).ConnectionCls,), {"response_class": _Response})
        return pool


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _Reader(io.RawIOBase):
    """Reads from a socket, each time with no more than the time that is left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock = raw, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = _deadline.get() - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        if left < (self._sock.gettimeout() or math.inf):
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
