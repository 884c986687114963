"""Faults for the stand-ins during an outage, and a clock that only the campaign moves.

A slow server moves the clock; the test does not wait.
"""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from sandbox.dropbox.faults import rate_limited, server_error
from sandbox.redcap import faults as redcap_faults
from sandbox.server import App, Fault, Request, Response
from tests.campaign.cases import Outage, Place

ALWAYS = 10**9
LONGEST = 600  # requests of one place in one spell
MOST_APART: dict[Place, int] = {"redcap": 5, "dropbox": 8, "storage": 7}  # of the 5, 31 and 20 requests of a run
HTML, JSON = {"Content-Type": "text/html; charset=utf-8"}, {"Content-Type": "application/json"}
PAGE = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>"


class VirtualClock:
    """A clock that moves only by ``sleep`` and ``advance``, and runs scheduled actions at their time."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._scheduled: list[tuple[datetime, Callable[[], None]]] = []
        self._lock = threading.RLock()

    def now(self) -> datetime:
        return self._now

    def seconds(self) -> float:
        """Return the time in seconds, in place of a monotonic clock."""
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))

    def at(self, instant: datetime, action: Callable[[], None]) -> None:
        with self._lock:
            self._scheduled = sorted([*self._scheduled, (instant, action)], key=lambda one: one[0])

    def advance(self, by: timedelta) -> None:
        self.advance_to(self._now + by)

    def advance_to(self, instant: datetime) -> None:
        """Move on to an instant, unless it has passed."""
        with self._lock:
            while self._scheduled and self._scheduled[0][0] <= instant:
                due, action = self._scheduled.pop(0)
                self._now = max(self._now, due)
                action()
            self._now = max(self._now, instant)

    @property
    def scheduled(self) -> int:
        """How many scheduled actions are left."""
        return len(self._scheduled)


class Hooked:
    """An app with hooks: ``before`` numbers each request, and returns None for one that is not to be served.

    ``at_rest`` sees the app after the work, before it works for anybody else; ``after`` comes before an answer is sent.
    """

    def __init__(
        self,
        app: App,
        before: Callable[[str], int | None],
        at_rest: Callable[[str], None],
        after: Callable[[str, int], None],
    ) -> None:
        self._app = app
        self._before = before
        self._at_rest = at_rest
        self._after = after
        self._lock = threading.Lock()

    def name_of(self, request: Request) -> str:
        return self._app.name_of(request)

    def answer(self, request: Request) -> Response:
        name = self.name_of(request)
        number = self._before(name)
        if number is None:
            return Response(503)
        response = self.handle(request)
        self._after(name, number)
        return response

    def handle(self, request: Request) -> Response:
        """Handle a request without the hooks that may hold it up."""
        with self._lock:
            response = self._app.answer(request)
            if not isinstance(response.body, bytes):
                response.body = list(response.body)  # what is told is as of now, however late it is sent
            self._at_rest(self.name_of(request))
        return response


def faults_of(outage: Outage) -> list[Fault]:
    """Return the faults of an outage, always the same; a slow place has none and moves the clock."""
    chance = random.Random(outage.seed)
    if outage.trouble == "slow":
        return []
    if outage.trouble == "down":
        return [
            replace(chance.choice(_DOWN[outage.place]), skip=chance.randint(0, MOST_APART[outage.place]), times=ALWAYS)
        ]
    if outage.trouble == "rubbish" and chance.random() < 0.3:
        return [
            replace(
                chance.choice(_RUBBISH[outage.place]), skip=chance.randint(0, MOST_APART[outage.place]), times=ALWAYS
            )
        ]
    return [
        replace(_one_fault(outage, chance), skip=skip, times=chance.randint(1, 4))
        for skip in _now_and_then(outage.place, chance)
    ]


def seconds_of(outage: Outage) -> float:
    """Return how long each request takes at a slow place."""
    return random.Random(outage.seed).choice((2.0, 20.0, 55.0, 200.0)) if outage.trouble == "slow" else 0.0


def _one_fault(outage: Outage, chance: random.Random) -> Fault:
    match outage.trouble:
        case "answers lost":
            return Fault("lost")
        case "answers cut":
            return Fault(chance.choice(("cut", "trim")), at=chance.randint(0, 120))
        case "rubbish":
            return chance.choice(_RUBBISH[outage.place])
        case "uploads late":
            return Fault("late", "files/upload")
        case _:
            return Fault("reset")


def _now_and_then(place: Place, chance: random.Random) -> Iterator[int]:
    """Return the numbers of the requests with a fault."""
    number = chance.randint(0, MOST_APART[place] - 1)
    while number < LONGEST:
        yield number
        number += chance.randint(1, MOST_APART[place])


def _page(status: int, headers: dict[str, str], body: bytes) -> Fault:
    return Fault("answer", status=status, headers=headers, body=body)


_REFUSAL_OF_STORAGE = b'{"odata.error":{"code":"ServerBusy","message":{"lang":"en-US","value":"Busy."}}}'
_DOWN: dict[Place, list[Fault]] = {
    "redcap": [
        Fault("reset"),
        redcap_faults.gateway_timeout(),
        redcap_faults.empty_500(),
        redcap_faults.database_down(),
    ],
    "dropbox": [Fault("reset"), server_error(503), server_error(500), rate_limited(30)],
    "storage": [Fault("reset"), _page(503, JSON, _REFUSAL_OF_STORAGE), _page(500, HTML, PAGE), _page(429, JSON, b"")],
}
_JUNK = [_page(200, HTML, PAGE), *(_page(200, JSON, body) for body in (b"", b"{}", b"[1]", b"null", b'{"a": '))]
_RUBBISH: dict[Place, list[Fault]] = {
    "redcap": [
        *_JUNK,
        redcap_faults.login_page(),
        redcap_faults.browser_tabs_page(),
        redcap_faults.memory_text(),
        redcap_faults.error_object("Something went wrong"),
        redcap_faults.html_404(),
        redcap_faults.with_invalid_utf8(match=""),
    ],
    "dropbox": _JUNK,
    "storage": _JUNK,
}
