"""Fire timers by their schedules and the given clock.

As on the platform, a timer does not fire again while its function runs; what it missed is skipped. When a timer last
fired is not stored, so nothing is caught up after a pause of the host.
"""

import threading
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime

from sandbox.functions.calls import NEVER, Call, timer_call
from sandbox.functions.plan import TimerTrigger

LOOK_SECONDS = 0.5


def next_after(schedule: str, moment: datetime) -> datetime:
    """Return the first moment after this one that matches every field of an NCRONTAB schedule, in the same zone."""
    from croniter import croniter

    found: datetime = croniter(schedule, moment, second_at_beginning=True, day_or=False, ret_type=datetime).get_next()
    return found


@dataclass
class _Timer:
    trigger: TimerTrigger
    next_at: datetime
    last_at: datetime = NEVER
    running: bool = False


class Timers:
    """The timers of an app: which are due, and the calls to make for them."""

    def __init__(
        self, triggers: Mapping[str, TimerTrigger], now: Callable[[], datetime], *, disabled: Container[str] = ()
    ) -> None:
        """disabled: the names of those that nothing but a hand starts."""
        self._now = now
        self._disabled = disabled
        self._lock = threading.Lock()
        self._timers = {
            name: _Timer(trigger, next_after(trigger.schedule, now())) for name, trigger in triggers.items()
        }

    def take_due(self) -> list[Call]:
        """The calls of the timers whose time has come; each is running until ``ended`` says otherwise."""
        with self._lock:
            due = [name for name in self._timers if self._is_due(name)]
            for name in due:
                self._timers[name].running = True
            return [self.call(name) for name in due]

    def call(self, name: str) -> Call:
        """The call of a timer that somebody starts by hand; its schedule takes no notice."""
        timer = self._timers[name]
        return timer_call(
            name, past_due=False, next_at=timer.next_at, last_at=timer.last_at, monitored=timer.trigger.monitored
        )

    def ended(self, name: str) -> None:
        """The function of a timer that was due has ended, well or not."""
        with self._lock:
            timer = self._timers[name]
            timer.running, timer.last_at = False, timer.next_at
            timer.next_at = next_after(timer.trigger.schedule, self._now())

    def next_at(self, name: str) -> datetime:
        """When a timer goes off next."""
        return self._timers[name].next_at

    def _is_due(self, name: str) -> bool:
        timer = self._timers[name]
        return name not in self._disabled and not timer.running and timer.next_at <= self._now()
