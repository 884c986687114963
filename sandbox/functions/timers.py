"""Fire timers by their schedules and the given clock.

As on the platform, a timer does not fire again while its function runs; missed times are skipped. The last time of a
timer is not stored, so nothing is made up after a restart of the host.
"""

import threading
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime

from sandbox.functions.calls import NEVER, Call, timer_call
from sandbox.functions.plan import TimerTrigger

POLL_SECONDS = 0.5


def next_after(schedule: str, moment: datetime) -> datetime:
    """Return the first moment after this one that matches every field of an NCRONTAB schedule, in the same zone."""
    from croniter import croniter

    found: datetime = croniter(schedule, moment, second_at_beginning=True, day_or=False, ret_type=datetime).get_next()
    return found


@dataclass
class _Timer:
    schedule: str
    next_at: datetime
    last_at: datetime = NEVER
    running: bool = False


class Timers:
    """The timers of an app."""

    def __init__(
        self, triggers: Mapping[str, TimerTrigger], now: Callable[[], datetime], *, disabled: Container[str] = ()
    ) -> None:
        """disabled: names of timers that can only be started manually."""
        self._now = now
        self._disabled = disabled
        self._lock = threading.Lock()
        self._timers = {
            name: _Timer(trigger.schedule, next_after(trigger.schedule, now())) for name, trigger in triggers.items()
        }

    def take_due(self) -> list[Call]:
        """Return the calls of the timers that are due; each counts as running until ``ended``."""
        with self._lock:
            due = [name for name in self._timers if self._is_due(name)]
            for name in due:
                self._timers[name].running = True
            return [self.call(name) for name in due]

    def call(self, name: str) -> Call:
        """Return the call of a timer; its schedule is not changed."""
        timer = self._timers[name]
        return timer_call(name, past_due=False, next_at=timer.next_at, last_at=timer.last_at)

    def ended(self, name: str) -> None:
        """Record that the function of a timer has ended."""
        with self._lock:
            timer = self._timers[name]
            timer.running, timer.last_at = False, timer.next_at
            timer.next_at = next_after(timer.schedule, self._now())

    def next_at(self, name: str) -> datetime:
        """Return when a timer fires next."""
        return self._timers[name].next_at

    def _is_due(self, name: str) -> bool:
        timer = self._timers[name]
        return name not in self._disabled and not timer.running and timer.next_at <= self._now()
