"""Asks REDCap, one question at a time: the only place that sends the token or waits between attempts.

Knows nothing of consent, and keeps no answer. What an answer means is told by ``responses.py``.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from consent.config.credentials import Secret
from consent.errors import ConsentReportError, SourceRefusedError, SourceUnavailableError
from consent.redcap.error_mapping import OverloadedError, TooLargeError, TransientError, error_from_response
from consent.redcap.responses import beginning, read_nested_rows, read_object, read_rows, read_version

T = TypeVar("T")
Parameter = str | int | Sequence[str]

CONNECT_SECONDS, READ_SECONDS = 10, 240  # a silent server is given up after four minutes
WAITS = (2, 4, 8)  # seconds before the second, third and fourth attempt
MOST_SECONDS = 1200  # for all questions of a run together: it ends itself after 25 minutes, and delivery needs 5
PAUSE = 0.2  # seconds between requests; the server's limit is 600 a minute for a whole site
PIECE = 65_536  # bytes

logger = logging.getLogger(__name__)


class RedcapClient:
    """Sends questions to one REDCap project; ``session`` carries them (proxy, certificates), ``sleep`` waits.

    A server that is silent for ``read_seconds`` has taken too long. ``beat`` is called before each attempt and for each
    piece of an answer; what it raises ends the run.
    """

    def __init__(
        self,
        url: str,
        token: Secret,
        session: requests.Session,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        read_seconds: float = READ_SECONDS,
        keep_alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = url
        self._token = token
        self._session = session
        self._sleep = sleep
        self._read_seconds = read_seconds
        self._clock = clock
        self._beat = keep_alive
        self._first_asked_at: float | None = None

    @property
    def host(self) -> str:
        """The server's name, fit for messages."""
        return urlsplit(self._url).hostname or "?"

    def rows(self, content: str, **parameters: Parameter) -> list[dict[str, str]]:
        """All rows of a small answer, such as the data dictionary."""
        return self.read_rows(content, parameters, list)

    def read_rows(
        self,
        content: str,
        parameters: Mapping[str, Parameter],
        consume: Callable[[Iterator[dict[str, str]]], T],
        *,
        heavy: bool = False,
    ) -> T:
        """Hand the rows of an answer to ``consume`` as they arrive, and return what it makes of them.

        When an attempt fails on the way, ``consume`` is called anew with the rows of the next one; its result counts
        only when the whole answer arrived.

        Args:
            heavy: the question may be too large for the server; then it is not repeated as it is.

        Raises:
            TooLargeError: memory or time did not suffice.
            ConsentReportError: any other failure, after the attempts that it deserves.
        """
        asked = {"format": "json", "returnFormat": "json", **parameters}
        return self._attempts(content, asked, lambda body, head: consume(read_rows(body, head)), heavy=heavy)

    def project(self) -> dict[str, str]:
        """What REDCap says of the project that the token belongs to."""
        return self._attempts("project", {"format": "json", "returnFormat": "json"}, read_object)

    def users(self) -> list[dict[str, Any]]:
        """Everybody who has rights in the project, and which; only a token with the right *User Rights* is told."""
        return self._attempts("user", {"format": "json", "returnFormat": "json"}, read_nested_rows)

    def version(self) -> str:
        """REDCap's version, such as ``16.1.3``; a first question that finds web pages and wrong addresses early."""
        return self._attempts("version", {"format": "json", "returnFormat": "json"}, read_version)

    def _attempts(
        self,
        content: str,
        parameters: Mapping[str, Parameter],
        read: Callable[[Iterable[bytes], Mapping[str, str]], T],
        *,
        heavy: bool = False,
    ) -> T:
        for attempt, wait in enumerate((*WAITS, None), 1):
            try:
                return self._once(content, parameters, read)
            except TransientError as failure:
                if wait is None or (heavy and isinstance(failure, TooLargeError)):
                    raise
                reason = str(failure).partition(". ")[0]
                logger.warning("%s. Trying again in %s s (%s of %s).", reason, wait, attempt, len(WAITS))
                self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _once(
        self,
        content: str,
        parameters: Mapping[str, Parameter],
        read: Callable[[Iterable[bytes], Mapping[str, str]], T],
    ) -> T:
        self._take_a_pause()
        started = self._clock()
        form = {"token": self._token.reveal(), "content": content, **_encoded(parameters)}
        try:
            with self._session.post(
                self._url,
                data=form,
                headers={"User-Agent": "consent-summary", "Accept": "*/*"},
                timeout=(CONNECT_SECONDS, self._read_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                head = {name.lower(): value for name, value in response.headers.items()}
                body = self._in_time(response.iter_content(PIECE))
                if response.status_code != 200:
                    raise error_from_response(response.status_code, head, beginning(_as_far_as_it_comes(body)))
                result = read(body, head)
                logger.info("REDCap %s answered in %.1f s", content, self._clock() - started)
                return result
        except requests.RequestException as error:
            failure = self._failure(error)
        raise failure  # here, where the library's exception, which holds the token, is gone

    def _take_a_pause(self) -> None:
        if self._first_asked_at is None:
            self._first_asked_at = self._clock()
        else:
            self._sleep(PAUSE)
        self._ensure_not_late()

    def _in_time(self, body: Iterable[bytes]) -> Iterator[bytes]:
        for piece in body:
            self._ensure_not_late()
            yield piece

    def _ensure_not_late(self) -> None:
        self._beat()
        if self._clock() - (self._first_asked_at or 0) > MOST_SECONDS:
            raise SourceUnavailableError(
                f"REDCap at {self.host} took more than {MOST_SECONDS / 60:.0f} minutes in all. Nothing was counted or "
                "delivered; the next run tries again. If it happens again, ask the REDCap administrator."
            )

    def _failure(self, error: Exception) -> ConsentReportError:
        """Our word for an exception of the HTTP library, whose own text could hold addresses or the token."""
        if isinstance(error, requests.exceptions.SSLError):
            return SourceRefusedError(
                f"The certificate of REDCap at {self.host} cannot be verified. If your hospital uses its own "
                "certificate authority, put the path of its file into REQUESTS_CA_BUNDLE."
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return SourceUnavailableError(
                f"The proxy did not let the connection to REDCap at {self.host} through. "
                "Check HTTPS_PROXY and NO_PROXY."
            )
        if isinstance(error, requests.exceptions.ReadTimeout) or "Read timed out" in str(error):
            return OverloadedError(
                f"REDCap at {self.host} took longer than {self._read_seconds:g} s to answer. Try again later."
            )
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return TransientError(
                f"REDCap at {self.host} cannot be reached from this computer (no answer within {CONNECT_SECONDS} s). "
                "Check the address, the VPN and the firewall."
            )
        return TransientError(
            f"The connection to REDCap at {self.host} failed or broke off. Nothing was counted or delivered. "
            "Check the address and the network; the next run tries again."
        )


def _as_far_as_it_comes(body: Iterator[bytes]) -> Iterator[bytes]:
    """A refusal stays a refusal when its text breaks off."""
    with contextlib.suppress(requests.RequestException):
        yield from body


def _encoded(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """Lists in the array form ``fields[0]=``: the only one that every REDCap version reads."""
    form: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, str | int):
            form[name] = str(value)
        else:
            form |= {f"{name}[{index}]": entry for index, entry in enumerate(value)}
    return form
