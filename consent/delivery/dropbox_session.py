"""Open the HTTP session of the Dropbox SDK: to Dropbox, or to the simulated Dropbox on this machine."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import BaseAdapter

from consent.config.http_limits import DeadlineAdapter, NoRedirectSession
from consent.config.http_session import new_session
from consent.config.settings import LOOPBACK_HOSTS, Network

_HOSTS = tuple(f"https://{name}.dropboxapi.com" for name in ("api", "content", "notify"))


def dropbox_session(network: Network, sandbox_url: str | None) -> requests.Session:
    """Open a session to Dropbox over the given network, or to the simulated Dropbox at ``sandbox_url``.

    The caller closes it. Raises ``ValueError`` for a ``sandbox_url`` that is not on this machine.
    """
    if sandbox_url is None:
        return new_session(network, *_HOSTS)
    parts = urlsplit(sandbox_url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("The simulated Dropbox must be at http:// on this machine.")
    session = NoRedirectSession()
    session.trust_env = False
    for prefix in ("https://", "http://"):
        session.mount(prefix, _NoNetwork())
    for host in _HOSTS:
        session.mount(host + "/", _ToSandbox(parts.netloc))
    return session


class _NoNetwork(BaseAdapter):
    """Refuse every request, so a test run cannot reach the real Dropbox."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        raise requests.ConnectionError("A run against the simulated Dropbox may not open other connections.")

    def close(self) -> None:
        """Do nothing: there is no connection."""


class _ToSandbox(DeadlineAdapter):
    """Send requests for Dropbox to this machine; the Host header keeps the original host."""

    def __init__(self, netloc: str) -> None:
        super().__init__()
        self._netloc = netloc

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        original = urlsplit(str(request.url))
        request.headers["Host"] = original.netloc
        request.url = urlunsplit(("http", self._netloc, original.path, original.query, ""))
        return super().send(request, *args, **kwargs | {"proxies": {}})
