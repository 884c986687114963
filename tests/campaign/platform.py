"""The platform in the fault campaign: timers, HTTP requests and queues, in simulated time."""

import contextlib
import random
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from consent.errors import ConsentReportError
from consent.runs.ledger.record import Trigger
from consent.runs.request import RunRequest
from consent.runs.scheduler import queue_due, request_run, run_id_in
from consent.runs.worker import mark_failed
from consent.studies.model import StudyConfig
from tests.campaign.cases import Case
from tests.campaign.faults import VirtualClock
from tests.campaign.queue import Message, SimulatedQueue
from tests.campaign.workers import Execute, Worker

MONDAY = date(2026, 11, 23)
AN_OLDER_DAY = date(2026, 11, 9)
DUE_AT = time(12, tzinfo=UTC)  # seven in the morning in Toronto, in winter


@dataclass(frozen=True)
class Tick:
    """A timer fires, or a person requests a run."""

    instant: datetime
    trigger: Trigger


class Platform:
    """Two workers, a queue with its poison queue, and the timers; with two histories a third worker has its own.

    Attributes:
        deliver: what is done with a message that was taken; ``attempt`` by a chance worker, unless replaced.
        begun: how often a worker was handed a message of each run; ``counted`` what else happened.
        log: what the platform would show of failures; ``faults`` are those that no error of the product's tells of.
    """

    def __init__(
        self, case: Case, study: StudyConfig, clock: VirtualClock, execute: Execute, workers: Sequence[Worker]
    ) -> None:
        self._case, self._study, self._clock, self._execute = case, study, clock, execute
        self.workers, self.machines = workers[:2], (workers[0], *workers[2:])
        self.chance = random.Random(case.seed)
        self.queue = SimulatedQueue(self.chance, case.duplicated)
        self.poison = SimulatedQueue(self.chance, duplicates=False)
        self.deliver: Callable[[Message], None] = lambda message: self.attempt(message, self.anybody)
        self.started: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.counted: Counter[str] = Counter()
        self.log: list[str] = []
        self.faults: list[str] = []
        self._is_idle = False
        self._lock = threading.Lock()

    @property
    def anybody(self) -> Worker:
        return self.chance.choice(self.workers)

    def run_until_settled(self, monday: date, is_settled: Callable[[], bool]) -> None:
        """Run a Monday until its report is delivered and nothing is left to do, at most three days."""
        ticks = deque(self._ticks(monday))
        while instants := self._coming(ticks):
            self._clock.advance_to(min(instants))
            if ticks and ticks[0].instant <= self._clock.now():
                self._tick(ticks.popleft())
            elif message := self.poison.take(self._clock.now()):
                self._give_up(message)
            elif message := self.queue.take(self._clock.now()):
                self.deliver(message)
            if not self._has_work() and is_settled():
                return

    def attempt(self, message: Message, worker: Worker) -> None:
        """Let a worker of its machine handle a message, then do what the platform does with the message."""
        self.count_attempt(message)
        try:
            self._execute(message.text, self.machines[1] if message.elsewhere else worker)
        except ConsentReportError as error:
            self._note(error)
            self._retry_or_poison(message)
        except Exception as error:
            self.faults.append(f"a fault in the program escaped: {''.join(traceback.format_exception(error))}")
            self._retry_or_poison(message)
        else:
            self.queue.done(message)

    def count_attempt(self, message: Message) -> None:
        """Count the start of an attempt."""
        with self._lock:
            self.started[message.elsewhere][run_id_in(message.text)] += 1
            self.counted["attempts"] += 1

    def rival_of(self, message: Message) -> Message:
        """Return a second message for the other worker: a new request's, or the same again."""
        self.counted["taken by two at once"] += 1
        elsewhere = [other for other in self.queue.waiting if other.elsewhere]
        if elsewhere:
            self.counted["runs of two machines at once"] += 1
            return self.queue.hold(elsewhere[0], self._clock.now())
        texts = [message.text]
        if self._case.asked == "now":
            with contextlib.suppress(ConsentReportError):
                texts += self._asked()
        rival = self.queue.hold(Message(texts[-1], self._clock.now()), self._clock.now())
        self.queue.waiting.append(rival)
        return rival

    def _ticks(self, monday: date) -> list[Tick]:
        first = datetime.combine(monday, DUE_AT)
        ticks = [Tick(first + timedelta(hours=hours), "monday") for hours in range(12)]
        ticks += [Tick(first + timedelta(days=days, hours=17.5), "catch_up") for days in range(3)]
        if monday == MONDAY and self._case.asked != "nothing":
            ticks.append(Tick(first + timedelta(minutes=self.chance.uniform(0, 70)), "http"))
        return sorted(ticks, key=lambda tick: tick.instant)

    def _coming(self, ticks: deque[Tick]) -> list[datetime]:
        instants = (ticks[0].instant if ticks else None, self.queue.next_at, self.poison.next_at)
        return [instant for instant in instants if instant]

    def _has_work(self) -> bool:
        """Whether anything is left to do before the next timer."""
        return bool(self.queue.waiting or self.poison.waiting or self._clock.scheduled or not self._is_idle)

    def _tick(self, tick: Tick) -> None:
        self._is_idle = False
        try:
            messages = [(text, False) for text in self._asked()] if tick.trigger == "http" else self._due(tick.trigger)
        except ConsentReportError as error:
            self._note(error)
            return
        self._is_idle = not messages
        if self._case.loses_messages and tick.instant == datetime.combine(MONDAY, DUE_AT):
            self.counted["messages that never reached the queue"] += len(messages)
            return
        for text, elsewhere in messages:
            self.queue.send(text, self._clock.now(), elsewhere=elsewhere)

    def _due(self, trigger: Trigger) -> list[tuple[str, bool]]:
        """Return the messages that are due at each machine, and whether it is the other one."""
        due: list[tuple[str, bool]] = []
        for elsewhere, worker in enumerate([self.anybody, *self.machines[1:]]):
            texts = queue_due(worker.ledger, [self._study], trigger=trigger, now=worker.now(), sandbox=True)
            due += [(text, bool(elsewhere)) for text in texts]
        return due

    def _asked(self) -> list[str]:
        worker = self.anybody
        asked = request_run(
            worker.ledger,
            self._study,
            RunRequest(
                as_of=AN_OLDER_DAY if self._case.asked == "an older day" else None,
                accept_drop=self._case.asked == "now",  # or the Monday's own run, being equal, would be the answer
            ),
            worker.now(),
            sandbox=True,
        )
        return [asked.message] if asked.message else []

    def _retry_or_poison(self, message: Message) -> None:
        with self._lock:
            self.counted["attempts that were tried again"] += 1
            self.queue.failed(message, self._clock.now())
            while self.queue.poisoned:
                self.counted["messages given up"] += 1
                given_up = self.queue.poisoned.pop()
                self.poison.send(given_up.text, self._clock.now(), elsewhere=given_up.elsewhere)

    def _give_up(self, message: Message) -> None:
        worker = self.machines[1] if message.elsewhere else self.anybody
        try:
            mark_failed(message.text, worker.ledger, now=worker.now)
            self.poison.done(message)
        except ConsentReportError as error:
            self._note(error)
            self.poison.failed(message, self._clock.now())

    def _note(self, error: ConsentReportError) -> None:
        self.log += traceback.format_exception(error)
