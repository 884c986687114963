"""One case of the fault campaign, from the first timer of a Monday until its report is delivered.

The stand-ins, the storage and the product's functions are real; the clock and the queue are simulated.
"""

import random
import threading
from collections import Counter, deque
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from consent.config.settings import Settings
from consent.dates import WEEK
from consent.runs.due import is_reported
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import scheduled_id
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.ledger.storage_account import table_storage
from consent.runs.ledger.store import open_ledger
from consent.runs.ledger.table import TableLedger
from consent.runs.scheduler import run_id_in
from sandbox.azurite import KEY
from sandbox.dropbox.app import Dropbox
from sandbox.people import TOKEN
from sandbox.redcap.app import Redcap
from sandbox.redcap.faults import DATABASE_PASSWORD
from sandbox.server import App, Fault
from tests.campaign.bench import Bench, Child
from tests.campaign.captured_log import logging_to
from tests.campaign.cases import Case, Outage, Place
from tests.campaign.faults import Hooked, VirtualClock, faults_of, seconds_of
from tests.campaign.final_state import FinalState, problems_of
from tests.campaign.platform import DUE_AT, MONDAY, Platform
from tests.campaign.queue import Message
from tests.campaign.reader import Reader
from tests.campaign.registry import MARKS, GrowingRegistry
from tests.campaign.workers import Execute, Worker
from tests.support.forwarding import Forwarding

BEFORE_THE_OUTAGE = timedelta(minutes=2)
SECRETS = (*MARKS, TOKEN, KEY, DATABASE_PASSWORD, "sandbox-refresh", "sandbox-secret")


@dataclass(frozen=True)
class Outcome:
    """What did not hold, a sentence each, and other events by name."""

    problems: list[str]
    counted: Counter[str]


class World:
    """A case, its stand-ins and everything that happens to them; ``opened`` closes the platform's connections."""

    def __init__(self, case: Case, bench: Bench, execute: Execute, key: str, opened: ExitStack) -> None:
        self.case, self.bench, self.study = case, bench, bench.study(key)
        self.clock = VirtualClock(datetime.combine(MONDAY - WEEK, DUE_AT))
        self.registry, self.account = GrowingRegistry(), Dropbox()
        self.reader = Reader(self.study.title, self.registry)
        self.platform = Platform(case, self.study, self.clock, execute, self._workers(opened))
        direct = _closing(open_ledger(bench.direct, default="table"), opened)
        self._histories = [direct, *(worker.ledger for worker in self.platform.machines[1:])]
        self._monday = MONDAY
        self._outages: list[Outage] = []
        self._faults: list[tuple[Fault, int]] = []
        self._strikes: deque[str] = deque()
        self._strike, self._requests = "", 0
        self._lateness = random.Random(case.seed)
        self._taken: Message | None = None
        self._child: Child | None = None
        self._lock = threading.Lock()

    def play(self) -> list[str]:
        """Run the case and return everything that did not hold."""
        with logging_to(self.platform.log):
            self._serve()
            if self.case.has_history:
                self._run_until_settled(MONDAY - WEEK)
            self._schedule_faults()
            self._run_until_settled(MONDAY)
        return [*self.platform.faults, *problems_of(self._final_state())]

    def _workers(self, opened: ExitStack) -> list[Worker]:
        settings = Settings(self.bench.settings(self.study.key))
        storage, sleep = table_storage(settings), self.clock.sleep
        clocks = {"first": self.clock.now, "second": lambda: self.clock.now() + self.case.skew}
        other = SqliteLedger(self.bench.folder / self.study.key / "other machine.sqlite")
        elsewhere = [Worker("elsewhere", settings, other, self.clock.now, self.clock.seconds, sleep)]
        own = [
            Worker(
                name,
                settings,
                _closing(TableLedger(storage, network=settings.network, sleep=sleep), opened),
                now,
                self.clock.seconds,
                sleep,
            )
            for name, now in clocks.items()
        ]
        return own + elsewhere if self.case.two_histories else own

    def _serve(self) -> None:
        apps: dict[Place, App] = {
            "redcap": Redcap([self.registry.project]),
            "dropbox": self.account,
            "storage": Forwarding(self.bench.azurite.table_url),
        }
        for place, app in apps.items():
            server = self.bench.servers[place]
            server.app = hooked = Hooked(app, partial(self._before, place), self._look, self._after)
            server.faults = []
            server.requests.clear()
            server.late.clear()
            if place == "dropbox":
                self._dropbox = hooked

    # What goes wrong by the clock

    def _schedule_faults(self) -> None:
        """Schedule every fault; a process is killed without an outage, so that it gets far enough."""
        start = datetime.combine(MONDAY, DUE_AT)
        calm = BEFORE_THE_OUTAGE if self.case.killed_at else timedelta(0)
        for outage in self.case.spells:
            self.clock.at(start + calm, partial(self._change_outages, [outage], []))
            self.clock.at(start + calm + outage.lasts, partial(self._change_outages, [], [outage]))
        for growth in self.case.growths:
            self.clock.at(start + growth, partial(self.registry.grow, self.platform.chance.randint(1, 3)))
        happens = {"kill": self.case.killed_at, "at once": self.case.at_once, "freeze": self.case.frozen_at}
        self._strikes.extend(strike for strike, wanted in happens.items() if wanted)
        self.platform.deliver = self._deliver

    def _change_outages(self, begins: list[Outage], ends: list[Outage]) -> None:
        self._outages = [outage for outage in (*self._outages, *begins) if outage not in ends]
        self.platform.counted["requests struck"] += sum(times - fault.times for fault, times in self._faults)
        self._faults = []
        for place, server in self.bench.servers.items():
            server.faults = [fault for outage in self._outages if outage.place == place for fault in faults_of(outage)]
            self._faults += [(fault, fault.times) for fault in server.faults]

    # What goes wrong with a message

    def _run_until_settled(self, monday: date) -> None:
        self._monday = monday
        self.platform.run_until_settled(monday, self._is_settled)

    def _is_settled(self) -> bool:
        histories = (history.runs(self.study.key) for history in self._histories)
        return all(is_reported(records, self._monday, sandbox=True) for records in histories)

    def _deliver(self, message: Message) -> None:
        """Hand a message on; each of the first messages of the Monday's own run gets one fault."""
        own_run = run_id_in(message.text) == scheduled_id(self.study.key, MONDAY, sandbox=True)
        is_struck = self._strikes and own_run and not message.elsewhere
        self._taken, self._strike, self._requests = message, (self._strikes.popleft() if is_struck else ""), 0
        if self._strike == "kill":
            self._attempt_in_child(message)
        elif self._strike == "at once":
            self._attempt_at_once(message)
        else:
            self.platform.attempt(message, self.platform.anybody)
        self._strike = ""

    def _attempt_at_once(self, message: Message) -> None:
        attempts = zip((message, self.platform.rival_of(message)), self.platform.workers, strict=True)
        threads = [threading.Thread(target=self.platform.attempt, args=attempt) for attempt in attempts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _attempt_in_child(self, message: Message) -> None:
        """Let a separate process start and be killed; its message becomes visible again later."""
        self.platform.count_attempt(message)
        settings, now = self.bench.settings(self.study.key), self.clock.now().isoformat()
        with self.bench.child() as self._child:
            self._child.handle({"settings": settings, "message": message.text, "now": now})
            self.platform.log += self._child.log()
            self.platform.counted["processes killed"] += self._child.was_killed
            if not self._child.was_killed:
                self.platform.faults.append("the process ended before it could be killed")

    # What goes wrong with a request

    def _before(self, place: Place, name: str) -> int | None:
        """Return the number of the request for this message; None if it is not to be served."""
        self.clock.sleep(sum(seconds_of(outage) for outage in self._outages if outage.place == place))
        with self._lock:
            self._requests += 1
            number = self._requests
            self._let_uploads_arrive_later()
        if self._strike == "at once" and name == "record" and self.platform.chance.random() < 0.5:
            self.registry.grow(1)
        if number == self.case.frozen_at and not self.case.frozen_after_work:
            self._freeze()
        if number == self.case.killed_at and not self.case.killed_after_work and self._kill():
            return None
        return number

    def _let_uploads_arrive_later(self) -> None:
        """Handle each late upload seconds or minutes later: after the next attempt, or after another run."""
        server = self.bench.servers["dropbox"]
        while server.late:
            minutes = self._lateness.choice((0.05, 0.5, 5, self._lateness.uniform(5, 100)))
            handle = partial(self._dropbox.handle, server.late.pop(0))
            self.clock.at(self.clock.now() + timedelta(minutes=minutes), handle)
            self.platform.counted["uploads that arrived late"] += 1

    def _look(self, name: str) -> None:
        if name == "files/upload":
            self.reader.look(self.account.files())

    def _after(self, name: str, number: int) -> None:
        if number == self.case.frozen_at:
            self._freeze()
        if number == self.case.killed_at:
            self._kill()

    def _kill(self) -> bool:
        """Kill the process, if this message is handled by one."""
        if self._strike == "kill" and self._child:
            self._child.kill()
        return self._strike == "kill"

    def _freeze(self) -> None:
        """Stop a worker in the middle of its request, once, while the other worker gets a message."""
        if self._strike == "freeze" and self._taken:
            self._strike = ""
            self.registry.grow(1)
            self.clock.advance(self.case.frozen_for)
            self.platform.attempt(self.platform.rival_of(self._taken), self.platform.workers[1])

    # The end

    def _final_state(self) -> FinalState:
        files = [{"file": path.read_bytes()} for path in (self.bench.folder / self.study.key).glob("*.sqlite")]
        asked = self.bench.servers["dropbox"].requests
        tokens = {request.headers.get("authorization", "").removeprefix("Bearer ") for request in asked}
        return FinalState(
            case=self.case,
            monday=self._monday,
            reader=self.reader,
            account=self.account,
            records=[history.runs(self.study.key) for history in self._histories],
            lasts=[history.last_report(self.study.key, sandbox=True) for history in self._histories],
            rows=[*self.bench.rows(self.study.key), *files],
            started=self.platform.started,
            log=self.platform.log,
            secrets=(*SECRETS, *sorted(tokens - {""})),
        )


def play(case: Case, bench: Bench, execute: Execute, key: str) -> Outcome:
    """Run a case with the given job, as the study of that key."""
    with ExitStack() as opened:
        world = World(case, bench, execute, key, opened)
        return Outcome(world.play(), world.platform.counted)


def _closing(ledger: RunLedger, opened: ExitStack) -> RunLedger:
    opened.callback(ledger.close)
    return ledger
