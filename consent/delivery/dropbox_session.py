"""Opens the connection that the Dropbox library uses: to Dropbox itself, or to a stand-in on this machine.

Holds no token and knows no route. A connection to the stand-in can reach nothing else.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from consent.config.http_session import new_session
from consent.config.settings import LOOPBACK_HOSTS, Network

_HOSTS = tuple(f"https://{name}.dropboxapi.com" for name in ("api", "content", "notify"))


def dropbox_session(network: Network, sandbox_url: str | None) -> requests.Session:
    """Open a session to Dropbox the way this machine's network wants it, or to the stand-in at ``sandbox_url``.

    The caller closes it. Raises ``ValueError`` for a stand-in that is not on this machine.
    """
    if sandbox_url is None:
        return new_session(network, *_HOSTS)
    parts = urlsplit(sandbox_url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("a stand-in for Dropbox must be at http:// on this machine")
    session = requests.Session()
    session.trust_env = False
    for prefix in ("https://", "http://"):
        session.mount(prefix, _NoWayOut())
    for host in _HOSTS:
        session.mount(host + "/", _ToStandIn(parts.netloc))
    return session


class _NoWayOut(BaseAdapter):
    """Refuses every address, so that a run against the stand-in cannot touch the real service."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        raise requests.ConnectionError("a run against the stand-in reaches nothing but the stand-in")

    def close(self) -> None:
        """There is nothing to close."""


class _ToStandIn(HTTPAdapter):
    """Sends a request for Dropbox to this machine instead, and keeps the host it was meant for in its header."""

    def __init__(self, netloc: str) -> None:
        super().__init__()
        self._netloc = netloc

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        meant = urlsplit(str(request.url))
        request.headers["Host"] = meant.netloc
        request.url = urlunsplit(("http", self._netloc, meant.path, meant.query, ""))
        return super().send(request, stream, timeout, verify, cert, proxies={})
