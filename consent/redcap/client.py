"""Send requests to REDCap's API, one at a time: the only module that sends the token or waits between attempts."""

import contextlib
import logging
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from consent.config.credentials import Secret
from consent.config.http_limits import retry_after, time_limit
from consent.errors import ConsentReportError, SourceRefusedError, SourceUnavailableError, log_text
from consent.redcap import responses
from consent.redcap.csv_blocks import CsvTable
from consent.redcap.csv_response import read_table
from consent.redcap.error_mapping import OverloadedError, TooLargeError, TransientError, error_from_response
from consent.redcap.text_blocks import TextBlock

T = TypeVar("T")
Parameter = str | int | Sequence[str]
Read = Callable[[Iterable[bytes], Mapping[str, str]], T]

CONNECT_SECONDS, READ_SECONDS = 10, 240
WAITS = (2, 4, 8)  # seconds before the second, third and fourth attempt
TOTAL_SECONDS = 1200  # for all requests of a run: it must end within 25 minutes, and delivery needs 5
PAUSE = 0.2  # seconds between requests; the server's limit is 600 a minute for a whole site
WITHOUT_PAUSE = 8  # the first requests, as many as a healthy registry takes
LONGEST_SLEEP = 60  # seconds without a call of keep_alive
PIECE = 65_536  # bytes

logger = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class RedcapClient:
    """A client of one REDCap project.

    ``keep_alive`` is called before each attempt and for each piece of a response; its exception ends the run.
    """

    url: str
    token: Secret
    session: requests.Session
    _: KW_ONLY
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    read_seconds: float = READ_SECONDS
    keep_alive: Callable[[], None] = lambda: None
    _first_request_at: float | None = field(default=None, init=False)
    _sent: int = field(default=0, init=False)  # requests so far
    _wait: float = field(default=0.0, init=False)  # seconds before the next request

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return urlsplit(self.url).hostname or "?"

    def rows(self, content: str, **parameters: Parameter) -> list[dict[str, str]]:
        """Return all rows of a small response, such as the data dictionary."""
        return self._send(content, responses.read_small_rows, parameters)

    def read_columns(
        self,
        content: str,
        parameters: Mapping[str, Parameter],
        wanted: Container[str],
        consume: Callable[[Iterator[tuple[list[str], TextBlock]]], T],
    ) -> T:
        """Pass the wanted columns of a JSON response to ``consume`` as they are received, and return its result.

        When an attempt fails midway, ``consume`` is called again with the next attempt. Its result is returned only
        for a complete response.
        """
        return self._send(content, lambda body, head: consume(responses.read_columns(body, head, wanted)), parameters)

    def read_table(self, parameters: Mapping[str, Parameter], consume: Callable[[CsvTable], T]) -> T:
        """Pass an export of records as CSV to ``consume`` as ``read_columns`` does.

        It may be too large for the server, so it is not repeated unchanged after a TooLargeError.
        """

        def read(body: Iterable[bytes], head: Mapping[str, str]) -> T:
            return consume(read_table(body, head))

        return self._send("record", read, {**parameters, "format": "csv"}, heavy=True)

    def project(self) -> dict[str, str]:
        """Return REDCap's description of the token's project."""
        return self._send("project", responses.read_object)

    def users(self) -> list[dict[str, Any]]:
        """Return the project's users and their rights; the token needs the *User Rights* privilege."""
        return self._send("user", responses.read_nested_rows)

    def version(self) -> str:
        """Return REDCap's version, such as ``16.1.3``; a first request that detects web pages and wrong addresses."""
        return self._send("version", responses.read_version)

    def _send(
        self, content: str, read: Read[T], parameters: Mapping[str, Parameter] | None = None, *, heavy: bool = False
    ) -> T:
        form = _encoded({"content": content, "format": "json", "returnFormat": "json", **(parameters or {})})
        for attempt, wait in enumerate((*WAITS, None), 1):
            try:
                return self._attempt(form, read)
            except TransientError as failure:
                if wait is None or (heavy and isinstance(failure, TooLargeError)):
                    raise
                self._wait = max(wait, self._wait)
                details = (content, attempt, self._wait, log_text(failure))
                logger.warning("event=redcap_retry content=%s attempt=%d wait=%.0f %s", *details)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, form: Mapping[str, str], read: Read[T]) -> T:
        self._pause()
        self.keep_alive()
        started = self.clock()
        try:
            with (
                time_limit(self._seconds_left()),
                self.session.post(
                    self.url,
                    data={"token": self.token.reveal(), **form},
                    headers={"User-Agent": "consent-summary", "Accept": "*/*"},
                    timeout=(CONNECT_SECONDS, self.read_seconds),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                head = {name.lower(): value for name, value in response.headers.items()}
                body = self._within_limit(response.iter_content(PIECE))
                if (status := response.status_code) != 200:
                    self._wait = max(PAUSE, retry_after(head))
                    start = "" if 300 <= status < 400 else responses.beginning(_until_broken(body))
                    raise error_from_response(status, head, start)
                result = read(body, head)
                seconds = self.clock() - started
                logger.info("event=redcap_response content=%s seconds=%.1f", form["content"], seconds)
                return result
        except requests.RequestException as error:
            failure = self._failure(error)
        self._seconds_left()  # the run's limit may have ended the response
        raise failure  # outside the handler: the library's exception holds the token

    def _pause(self) -> None:
        if self._first_request_at is None:
            self._first_request_at = self.clock()
        if self._wait > self._seconds_left():
            raise SourceUnavailableError(
                f"REDCap at {self.host} is not available, and the next attempt would be after this run's time limit.",
                "Run again later. If it happens again, ask the REDCap administrator.",
            )
        self._sent += 1
        wait, self._wait = self._wait, PAUSE if self._sent >= WITHOUT_PAUSE else 0
        while wait > 0:
            self.sleep(min(wait, LONGEST_SLEEP))
            wait -= LONGEST_SLEEP
            if wait > 0:
                self.keep_alive()

    def _within_limit(self, body: Iterable[bytes]) -> Iterator[bytes]:
        pieces = iter(body)
        while True:
            try:
                piece = next(pieces, b"")
            except ValueError:  # a chunk of negative length; urllib3 does not translate it
                raise requests.ConnectionError from None
            if not piece:
                return
            self.keep_alive()
            self._seconds_left()
            yield piece

    def _seconds_left(self) -> float:
        """Return the rest of the time for all requests of this run; raise SourceUnavailableError if there is none."""
        left = TOTAL_SECONDS - (self.clock() - (self._first_request_at or 0))
        if left < 0:
            raise SourceUnavailableError(
                f"REDCap at {self.host} took more than {TOTAL_SECONDS / 60:.0f} minutes in total.",
                "Run again later. If it happens again, ask the REDCap administrator.",
            )
        return left

    def _failure(self, error: Exception) -> ConsentReportError:
        """Map an exception of the HTTP library, whose own text may hold addresses or the token."""
        if isinstance(error, requests.exceptions.SSLError):
            return SourceRefusedError(
                f"The certificate of REDCap at {self.host} cannot be verified.",
                "If your hospital has its own certificate authority, put the path of its file into REQUESTS_CA_BUNDLE.",
            )
        if isinstance(error, requests.exceptions.ProxyError):
            what = f"The proxy did not connect to REDCap at {self.host}."
            return SourceUnavailableError(what, "Check HTTPS_PROXY and NO_PROXY.")
        if isinstance(error, requests.exceptions.ReadTimeout) or "Read timed out" in str(error):
            what = f"REDCap at {self.host} took longer than {self.read_seconds:g} s to respond."
            return OverloadedError(what, "Try again later.")
        if isinstance(error, requests.exceptions.ConnectTimeout):
            what = f"REDCap at {self.host} cannot be reached from this computer (no response in {CONNECT_SECONDS} s)."
            return TransientError(what, "Check the address, the VPN and the firewall.")
        what = f"The connection to REDCap at {self.host} failed."
        return TransientError(what, "Check the address and the network, then run again.")


def _until_broken(body: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the body up to a broken connection: a truncated refusal is still a refusal."""
    with contextlib.suppress(requests.RequestException):
        yield from body


def _encoded(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """Encode lists as ``fields[0]=``, the only form that every REDCap version reads."""
    form: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, str | int):
            form[name] = str(value)
        else:
            form |= {f"{name}[{index}]": entry for index, entry in enumerate(value)}
    return form
