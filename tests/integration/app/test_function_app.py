"""Tests of the function app in Microsoft's own runtime, as deployed, against simulated services."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from consent.runs.ledger.record import RunCounts, RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from sandbox.azurite import Azurite, connection_string
from sandbox.demo import DemoWorld, demo_world
from sandbox.dropbox.app import Dropbox
from sandbox.people import TOKEN
from sandbox.redcap.faults import revoked_token
from sandbox.server import Fault, Request, Response, Server
from tests.support.functions_runtime import (
    ROOT,
    Answer,
    Invocation,
    RunningApp,
    deployed_copy,
    running_app,
)
from tests.support.page_builders import page_counts
from tests.support.run_builders import a_report, a_run

pytestmark = pytest.mark.runtime

PEOPLE = 60
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=30)
RUNS = "http://localhost/api/runs"
RECORD = "000417"  # in the message of the app's own faults
RECORD_ID = re.compile(r"\b(0\d{5}|[1-5]-\d+)\b")  # as the invented registry numbers its records
SCHEDULED = re.compile(r'\{"run_id": "(\w+)\.sandbox-\d{4}-\d\d-\d\d"\}')
REDCAP_IS_DOWN = Fault("answer", status=503, times=99)
NOWHERE = "http://127.0.0.1:1/devstoreaccount1"
TIMERS = pytest.mark.parametrize("name", ["monday", "catch_up"])


def timer(schedule: str) -> dict[str, Any]:
    found = {"name": "timer", "type": "timerTrigger", "direction": "IN", "schedule": schedule}
    return found | {"runOnStartup": False, "useMonitor": True}


def queue(name: str, kind: str, direction: str, queue_name: str = "consent-runs") -> dict[str, Any]:
    found = {"name": name, "type": kind, "direction": direction, "queueName": queue_name}
    return found | {"connection": "AzureWebJobsStorage"}


def route(path: str, *methods: str, level: str = "FUNCTION") -> list[dict[str, Any]]:
    trigger = {"name": "req", "type": "httpTrigger", "direction": "IN", "route": path, "methods": [*methods]}
    return [trigger | {"authLevel": level}, {"name": "$return", "type": "http", "direction": "OUT"}]


INDEX = {
    "monday": [queue("messages", "queue", "OUT"), timer("0 0 * * * Sun,Mon,Tue")],
    "catch_up": [queue("messages", "queue", "OUT"), timer("0 30 5 * * *")],
    "execute_run": [queue("msg", "queueTrigger", "IN")],
    "run_failed": [queue("msg", "queueTrigger", "IN", "consent-runs-poison")],
    "start_run": [queue("message", "queue", "OUT"), *route("runs", "POST")],
    "list_runs": route("runs", "GET"),
    "show_run": route("runs/{run_id}", "GET"),
    "report": route("report", "GET"),
    "page": route("page", "GET", level="ANONYMOUS"),
    "run_now": [queue("message", "queue", "OUT"), *route("page", "POST", level="ANONYMOUS")],
    "health": route("health", "GET", "HEAD", level="ANONYMOUS"),
}


class Monitor:
    """Receives the heartbeat and answers with an empty response."""

    def answer(self, request: Request) -> Response:
        return Response()

    def name_of(self, request: Request) -> str:
        return "heartbeat"


def answer_of(invocation: Invocation) -> Answer:
    """The response of an HTTP function, which must not have failed."""
    assert invocation.answer is not None, invocation.failure
    return invocation.answer


def problem_in(invocation: Invocation) -> tuple[int, str, str]:
    """The status, media type and code of a problem document."""
    answer = answer_of(invocation)
    return answer.status, answer.headers["content-type"], answer.json()["code"]


def problem(status: int, code: str) -> tuple[int, str, str]:
    return status, "application/problem+json", code


def leaked_in(text: str) -> list[str]:
    """The secrets, names and record ids that a text holds."""
    return [word for word in (TOKEN, "sandbox-refresh", "Invented") if word in text] + RECORD_ID.findall(text)


def studies_queued(invocation: Invocation) -> list[str]:
    """The studies whose scheduled runs a timer queued."""
    found = [SCHEDULED.fullmatch(message) for message in invocation.outputs["messages"]]
    return [match[1] for match in found if match]


def errors_in(invocation: Invocation) -> list[str]:
    return [line.text for line in invocation.log if line.level == "ERROR"]


def failure_in(invocation: Invocation) -> str:
    """The class of the error that the platform received; "" if none."""
    return str(invocation.failure or "").partition(":")[0]


@dataclass(frozen=True)
class World:
    """The app, its study files, its run history, and the simulated services."""

    app: RunningApp
    studies: Path
    ledger: SqliteLedger
    outside: DemoWorld
    account: Dropbox
    monitor: Server

    def tick(self, name: str = "monday", *, past_due: bool = False) -> Invocation:
        return self.app.fire_timer(name, past_due=past_due)

    def post(self, body: bytes = b'{"study": "adults"}') -> Invocation:
        return self.app.post("start_run", RUNS, body)

    def history(self, **query: str) -> Invocation:
        return self.app.get("list_runs", RUNS, query=query)

    def show(self, run_id: str) -> Invocation:
        return self.app.get("show_run", f"{RUNS}/{run_id}", params={"run_id": run_id})

    def page(self, **query: str) -> Invocation:
        return self.app.get("report", "http://localhost/api/report", query=query)

    def health(self, head: bool = False) -> Invocation:
        return (self.app.head if head else self.app.get)("health", "http://localhost/api/health")

    def queued(self, **request: Any) -> str:
        """The queue message of a run of the adults that was just requested."""
        message: str = self.post(json.dumps({"study": "adults", **request}).encode()).outputs["message"]
        return message

    def execute(self, message: str, dequeue_count: int = 1) -> Invocation:
        return self.app.deliver("execute_run", message, dequeue_count)

    def record_of(self, message: str) -> RunRecord:
        """The record of the run that a message names."""
        record = self.ledger.read(json.loads(message)["run_id"])
        assert record is not None
        return record

    def run_all(self) -> list[Invocation]:
        """Deliver every study's report as on a Monday."""
        return [self.execute(message) for message in self.tick().outputs["messages"]]

    def put_study(self, key: str) -> None:
        """Write a study file: the packaged one with its own title and token."""
        text = (ROOT / "consent" / "studies" / "obri-ibd.toml").read_text(encoding="utf-8")
        text = text.replace('"OBRI Consent Summary"', f'"{key.title()}"')
        text = text.replace('"REDCAP_ACCESS_TOKEN"', f'"{key.upper()}_TOKEN"')
        (self.studies / f"{key}.toml").write_text(text, encoding="utf-8")

    def break_study(self, key: str = "adults") -> None:
        """Write a study file that is not TOML."""
        (self.studies / f"{key}.toml").write_text("x = " + "9" * 5_000, encoding="utf-8")

    def break_ledger(self) -> None:
        """Overwrite the run history with something else."""
        self.ledger.path.write_bytes(b"no ledger " * 1_000)

    def make_late(self) -> None:
        """Have the report of the adults missing for weeks."""
        self.ledger.first_seen("adults", LONG_AGO)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed_copy(tmp_path_factory.mktemp("deployed") / "app")


@pytest.fixture(name="outside", scope="module")
def _outside() -> Iterator[DemoWorld]:
    with demo_world(PEOPLE, today=NOW.date()) as outside:
        yield outside


@pytest.fixture(name="monitor", scope="module")
def _monitor() -> Iterator[Server]:
    with Server(Monitor()) as monitor:
        yield monitor


@pytest.fixture(name="settings", scope="module")
def _settings(outside: DemoWorld, monitor: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return outside.settings | {
        "ADULTS_TOKEN": TOKEN,
        "CHILDREN_TOKEN": TOKEN,
        "CONSENT_STUDIES": str(tmp_path_factory.mktemp("studies")),
        "CONSENT_LEDGER": str(tmp_path_factory.mktemp("ledger") / "runs.sqlite"),
        "HEARTBEAT_URL": monitor.url,
        "CONSENT_NOTIFY": f"json://{monitor.url.partition('//')[2]}/notice",
    }


@pytest.fixture(name="app", scope="module")
def _app(folder: Path, settings: Mapping[str, str]) -> Iterator[RunningApp]:
    with running_app(folder, settings) as app:
        yield app


@pytest.fixture(name="world")
def _world(app: RunningApp, outside: DemoWorld, settings: Mapping[str, str], monitor: Server) -> World:
    """Two healthy studies, no faults, an empty Dropbox, no run so far."""
    ledger = SqliteLedger(Path(settings["CONSENT_LEDGER"]))
    world = World(app, Path(settings["CONSENT_STUDIES"]), ledger, outside, Dropbox(), monitor)
    outside.dropbox.app = world.account
    for server in (outside.redcap, outside.dropbox, monitor):
        server.faults.clear()
    monitor.requests.clear()
    for left_over in [*world.studies.iterdir(), *ledger.path.parent.iterdir()]:
        left_over.unlink()
    world.put_study("adults")
    world.put_study("children")
    return world


@pytest.fixture(name="unreachable", scope="module")
def _unreachable(folder: Path, settings: Mapping[str, str]) -> Iterator[RunningApp]:
    """The app while its storage account does not answer."""
    storage = {"CONSENT_LEDGER": "table", "AzureWebJobsStorage": connection_string(NOWHERE, NOWHERE, NOWHERE)}
    with running_app(folder, {**settings, **storage}) as app:
        yield app


@pytest.fixture(name="faulty", scope="module")
def _faulty(settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """The app with bugs that raise exceptions with a record id."""
    folder = deployed_copy(tmp_path_factory.mktemp("faulty") / "app")
    (folder / "consent" / "runs" / "pipeline.py").write_text(f"raise KeyError('{RECORD}')\n", encoding="utf-8")
    with (folder / "consent" / "studies" / "schedule.py").open("a", encoding="utf-8") as schedule:
        schedule.write(f"\ndef due_at(*_): raise KeyError('{RECORD}')\n")
    with running_app(folder, settings) as app:
        yield app


# --- loading


def test_the_platform_finds_exactly_these_functions(app: RunningApp, folder: Path) -> None:
    assert app.bindings == INDEX
    assert Path(app.package).parent.parent == folder


def test_the_schedule_can_be_set(folder: Path) -> None:
    with running_app(folder, {"CONSENT_SCHEDULE": "0 30 6 * * Tue"}) as app:
        assert app.bindings["monday"] == [queue("messages", "queue", "OUT"), timer("%CONSENT_SCHEDULE%")]


# --- timers


@TIMERS
def test_a_timer_records_and_queues_every_study_that_is_due(world: World, name: str) -> None:
    invocation = world.tick(name)

    assert (invocation.failure, studies_queued(invocation)) == (None, ["adults", "children"])
    records = [world.record_of(message) for message in invocation.outputs["messages"]]
    assert {(record.state, record.trigger) for record in records} == {("requested", name)}
    assert world.account.files() == {}


def test_a_timer_queues_nothing_that_is_queued_or_delivered(world: World) -> None:
    messages = world.tick().outputs["messages"]
    assert world.tick().outputs["messages"] == []

    for message in messages:
        world.execute(message)
    assert world.tick("catch_up").outputs["messages"] == []


def test_a_delayed_timer_is_logged(world: World) -> None:
    assert "event=timer_delayed" in world.tick(past_due=True).log_text


def test_a_broken_study_file_stops_only_its_own_study(world: World) -> None:
    world.break_study()

    invocation = world.tick()

    assert (invocation.failure, studies_queued(invocation)) == (None, ["children"])
    (line,) = errors_in(invocation)
    assert line.startswith("event=timer_failed study=adults error=configuration ")


def test_without_a_usable_study_file_a_timer_fails(world: World) -> None:
    world.break_study("adults")
    world.break_study("children")

    assert failure_in(world.tick()) == "ConfigurationError"


def test_without_a_run_history_a_timer_fails_and_queues_nothing(world: World) -> None:
    world.break_ledger()

    invocation = world.tick()

    assert (failure_in(invocation), invocation.outputs) == ("LedgerRefusedError", {})


@TIMERS
def test_while_the_storage_is_down_a_timer_fails(unreachable: RunningApp, world: World, name: str) -> None:
    invocation = unreachable.fire_timer(name)

    assert (failure_in(invocation), invocation.outputs) == ("LedgerUnavailableError", {})


# --- daily maintenance


def test_old_counts_are_purged_once_a_day(world: World) -> None:
    old = a_report(monday=date(2020, 1, 6), requested_at=NOW - timedelta(days=800), sandbox=True)
    world.ledger.add(old)
    world.ledger.add(a_report(monday=date(2020, 1, 13), requested_at=NOW - timedelta(days=90), sandbox=True))

    invocation = world.tick("catch_up")

    assert world.ledger.read(old.run_id) == replace(old, counts=None, week_counts=None, version=ANY)
    assert "event=counts_purged runs=1" in invocation.log_text


def test_an_unusable_setting_of_the_maintenance_loses_no_messages(
    world: World, folder: Path, settings: Mapping[str, str]
) -> None:
    with running_app(folder, {**settings, "CONSENT_KEEP_MONTHS": "two"}) as app:
        invocation = app.fire_timer("catch_up")

    assert studies_queued(invocation) == ["adults", "children"]
    (line,) = errors_in(invocation)
    assert line.startswith("event=maintenance_failed task=purge_old_counts error=configuration ")


@pytest.mark.parametrize(("delivered", "heartbeats"), [(True, 1), (False, 0)])
def test_the_daily_heartbeat_is_sent_only_if_every_report_is_delivered(
    world: World, delivered: bool, heartbeats: int
) -> None:
    if delivered:
        world.run_all()
    world.monitor.requests.clear()

    world.tick("catch_up")

    assert len(world.monitor.requests) == heartbeats


# --- POST /api/runs


def test_a_requested_run_is_accepted_recorded_and_queued(world: World) -> None:
    body = b'{"study": "adults", "as_of": "2024-03-03", "dry_run": true, "accept_drop": true}'

    invocation = world.post(body)

    answer, run_id = answer_of(invocation), answer_of(invocation).json()["run_id"]
    url = f"/api/runs/{run_id}"
    assert (answer.status, answer.headers["content-type"]) == (202, "application/json")
    assert answer.json() == {"run_id": run_id, "status_url": url, "state": "requested"}
    assert (answer.headers["Location"], answer.headers["Retry-After"]) == (url, "10")
    assert json.loads(invocation.outputs["message"]) == {"run_id": run_id}
    record = world.record_of(invocation.outputs["message"])
    assert (record.study, record.trigger, record.as_of, record.sandbox) == ("adults", "http", date(2024, 3, 3), True)
    assert (record.dry_run, record.accept_drop) == (True, True)


def test_an_empty_body_requests_the_only_study(world: World) -> None:
    (world.studies / "children.toml").unlink()

    assert world.record_of(world.post(b"").outputs["message"]).study == "adults"


def test_a_request_equal_to_an_open_run_returns_that_run(world: World) -> None:
    first, second = world.post(), world.post()

    assert (answer_of(second).json(), second.outputs) == (answer_of(first).json(), {})


@pytest.mark.parametrize(
    ("request_body", "status", "code"),
    [
        pytest.param(b'{"stdy": 1}', 400, "bad-request", id="unknown key"),
        pytest.param(b" " * 1_000_000, 400, "bad-request", id="too long"),
        pytest.param(b'{"study": "adults", "as_of": "2999-01-01"}', 400, "cutoff", id="in the future"),
        pytest.param(b'{"study": "adults", "as_of": "1999-01-01"}', 400, "cutoff", id="before the study"),
        pytest.param(b'{"study": "nobody"}', 404, "unknown-study", id="unknown study"),
        pytest.param(b'{"study": "\\ud800"}', 404, "unknown-study", id="half a character"),
        pytest.param(b"", 400, "study-not-chosen", id="several studies"),
    ],
)
def test_a_request_that_cannot_be_met_is_answered_with_a_problem(
    world: World, request_body: bytes, status: int, code: str
) -> None:
    invocation = world.post(request_body)

    assert problem_in(invocation) == problem(status, code)
    assert (invocation.outputs, world.ledger.runs()) == ({}, [])
    assert [line for line in invocation.log if line.level != "INFO"] == []


def test_a_broken_study_file_stops_only_requests_for_its_own_study(world: World) -> None:
    world.break_study("adults")

    answer = answer_of(world.post(b'{"study": "adults"}'))

    assert (answer.status, answer.json()["code"], len(answer.json()["problems"])) == (500, "configuration", 1)
    assert answer_of(world.post(b'{"study": "children"}')).status == 202


def test_a_run_that_cannot_be_recorded_is_not_queued(unreachable: RunningApp, world: World) -> None:
    invocation = unreachable.post("start_run", RUNS, b'{"study": "adults"}')

    assert (problem_in(invocation), invocation.outputs) == (problem(503, "ledger-unavailable"), {})


def test_a_failed_request_is_logged(world: World) -> None:
    world.break_ledger()

    assert errors_in(world.post())[0].startswith("event=request_failed error=ledger-refused ")


# --- GET /api/runs


def test_the_history_is_listed_newest_first(world: World) -> None:
    world.ledger.add(a_run(run_id="adults.older", requested_at=NOW - timedelta(days=7), state="running"))
    world.ledger.add(a_run(run_id="children.newer", study="children", requested_at=NOW))

    answer = answer_of(world.history())

    found = [(run["run_id"], run["state"]) for run in answer.json()["runs"]]
    assert (answer.status, found) == (200, [("children.newer", "requested"), ("adults.older", "lost")])


def test_the_history_is_filtered_by_study_even_if_its_file_is_broken_and_limited(world: World) -> None:
    world.tick()
    world.break_study("children")

    assert [run["study"] for run in answer_of(world.history(study="children")).json()["runs"]] == ["children"]
    assert len(answer_of(world.history(limit="1")).json()["runs"]) == 1


def test_one_run_is_shown_as_it_is_listed(world: World) -> None:
    shown = answer_of(world.show(json.loads(world.queued())["run_id"]))

    assert (shown.status, [shown.json()]) == (200, answer_of(world.history()).json()["runs"])


@pytest.mark.parametrize("run_id", ["adults.20261122T120000Z-3f9a0b", "nobody", "..%2f", "adults.'or''='"])
def test_a_run_that_does_not_exist_is_unknown(world: World, run_id: str) -> None:
    assert problem_in(world.show(run_id)) == problem(404, "unknown-run")


@pytest.mark.parametrize("asked", [World.history, World.page])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"study": "nobody"}, problem(404, "unknown-study"), id="unknown study"),
        pytest.param({"stdy": "adults"}, problem(400, "bad-request"), id="unknown parameter"),
    ],
)
def test_an_invalid_query_is_answered_with_a_problem(
    world: World, asked: Callable[..., Invocation], query: dict[str, str], expected: tuple[int, str, str]
) -> None:
    assert problem_in(asked(world, **query)) == expected


# --- GET /api/report and /api/health


def test_the_page_of_a_study_shows_its_latest_report(world: World) -> None:
    world.run_all()

    answer = answer_of(world.page(study="adults"))

    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert f"of {PEOPLE} participants" in answer.body


def test_without_a_study_the_page_lists_them_all(world: World) -> None:
    world.break_study("children")

    text = answer_of(world.page()).body

    assert ('href="?study=adults"' in text, "The study file of children cannot be used" in text) == (True, True)


def test_an_app_is_healthy_when_new_and_after_every_report(world: World) -> None:
    for answer in (answer_of(world.health()), answer_of(world.health(head=True))):
        assert (answer.status, answer.json()) == (200, {"status": "ok"})

    world.make_late()
    world.run_all()
    assert answer_of(world.health()).status == 200


@pytest.mark.parametrize(
    ("trouble", "logged"),
    [
        (World.make_late, "event=report_late study=adults"),
        (World.break_study, "event=study_unusable study=adults"),
        (World.break_ledger, "event=health_check_failed error=ledger-refused"),
    ],
)
def test_an_unhealthy_app_answers_late_without_details(
    world: World, trouble: Callable[[World], None], logged: str
) -> None:
    trouble(world)

    invocation = world.health()

    assert (answer_of(invocation).status, answer_of(invocation).json()) == (503, {"status": "late"})
    assert logged in invocation.log_text


def test_while_the_storage_is_down_requests_are_answered_with_503(unreachable: RunningApp, world: World) -> None:
    assert problem_in(unreachable.get("list_runs", RUNS)) == problem(503, "ledger-unavailable")
    assert answer_of(unreachable.get("health", "http://localhost/api/health")).status == 503


@pytest.mark.parametrize(
    "asked", [World.post, World.history, World.health, World.page, lambda world: world.show("nobody")]
)
def test_no_response_may_be_cached_or_taken_for_another_type(world: World, asked: Any) -> None:
    headers = answer_of(asked(world)).headers
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


# --- runs


def test_a_message_executes_its_run(world: World) -> None:
    message = world.queued()

    invocation = world.execute(message)

    record = world.record_of(message)
    assert (invocation.failure, record.state, "/Adults.csv" in world.account.files()) == (None, "delivered", True)
    assert {file.path for file in record.files} == {
        path for path in world.account.files() if not path.startswith("/Archive/")
    }


def test_a_dry_run_as_of_another_day_writes_nothing(world: World) -> None:
    message = world.queued(as_of="2024-03-03", dry_run=True)
    world.execute(message)

    assert (world.record_of(message).cutoff, world.account.files()) == (date(2024, 3, 3), {})


def test_a_report_names_the_previous_report_that_it_is_compared_with(world: World) -> None:
    last_week = NOW.date() - timedelta(days=7)
    counts = RunCounts(participants=PEOPLE, consented=3, records_listed=PEOPLE, records_received=PEOPLE, taking_part=3)
    earlier = a_report(run_id="adults.x", sandbox=True, cutoff=last_week, counts=counts)
    world.ledger.add(replace(earlier, week_counts=page_counts(1, 2)))
    world.execute(world.queued())

    changes = json.loads(world.account.files()["/data/Adults.json"])["changes"]

    assert changes["since"] == last_week.isoformat()


@pytest.mark.parametrize("name", ["execute_run", "run_failed"])
def test_another_delivery_of_the_message_of_a_delivered_run_changes_nothing(world: World, name: str) -> None:
    message = world.queued()
    world.execute(message)
    before = world.record_of(message)

    invocation = world.app.deliver(name, message, 2)

    assert (before.state, invocation.failure, world.record_of(message)) == ("delivered", None, before)


def test_after_a_retryable_failure_the_next_delivery_succeeds(world: World) -> None:
    message = world.queued()
    world.outside.redcap.faults.append(replace(REDCAP_IS_DOWN))

    assert failure_in(world.execute(message)) != ""
    assert (world.record_of(message).state, world.record_of(message).reason) == ("requested", "source-unavailable")

    world.outside.redcap.faults.clear()
    world.execute(message, dequeue_count=2)
    assert (world.record_of(message).state, world.record_of(message).attempt) == ("delivered", 2)


@pytest.mark.parametrize("message", ["", "[]", '{"run_id": "../adults"}', '{"run_id": "adults.nobody-asked"}'])
def test_a_message_without_a_recorded_run_fails_but_not_as_a_poison_message(world: World, message: str) -> None:
    assert failure_in(world.execute(message)) == "BadMessageError"
    assert world.app.deliver("run_failed", message).failure is None


@pytest.mark.parametrize("name", ["execute_run", "run_failed"])
def test_while_the_storage_is_down_a_message_fails(unreachable: RunningApp, world: World, name: str) -> None:
    assert failure_in(unreachable.deliver(name, '{"run_id": "adults.2026-11-16"}')) == "LedgerUnavailableError"


def test_after_the_last_delivery_the_run_is_marked_failed(world: World) -> None:
    message = world.queued()
    world.outside.redcap.faults.append(replace(REDCAP_IS_DOWN))
    world.execute(message)

    invocation = world.app.deliver("run_failed", message)

    record = world.record_of(message)
    assert (invocation.failure, record.state, record.reason) == (None, "failed", "source-unavailable")
    assert [record.run_id in line for line in errors_in(invocation)] == [True]


# --- heartbeat after a run


def test_the_heartbeat_is_sent_after_the_last_report_and_not_after_a_dry_run(world: World) -> None:
    first, second = world.tick().outputs["messages"]
    sent = []
    for message in (first, second, world.queued(dry_run=True)):
        world.execute(message)
        sent.append(len(world.monitor.requests))

    assert sent == [0, 1, 1]


def test_a_delivery_is_noticed_once_also_if_its_message_comes_twice(world: World) -> None:
    with (world.studies / "adults.toml").open("a", encoding="utf-8") as study:
        study.write("\n[notify]\n")
    for message in world.tick().outputs["messages"] * 2:
        world.execute(message)

    noticed = [json.loads(request.body) for request in world.monitor.requests if request.path == "/notice"]
    assert [(notice["title"], leaked_in(notice["message"])) for notice in noticed] == [("Adults: delivered", [])]


def test_a_failed_heartbeat_fails_no_run(world: World) -> None:
    world.monitor.faults.append(Fault("reset", times=9))

    runs = world.run_all()

    assert [run.failure for run in runs] == [None, None]
    assert "event=heartbeat_failed" in runs[-1].log_text


# --- the log


def test_the_log_of_a_run_names_the_run_the_invocation_and_how_it_ended(world: World) -> None:
    message = world.queued()
    invocation = world.execute(message)
    lines = [line for line in invocation.log if line.logger.startswith("consent")]

    assert [line.text for line in lines if json.loads(message)["run_id"] not in line.text] == []
    assert {line.invocation_id for line in invocation.log} == {invocation.id}
    assert re.search(r"event=run_finished .*state=delivered seconds=\d+\.\d", invocation.log_text)


def test_the_azure_libraries_log_no_requests(table_app: RunningApp, world: World) -> None:
    assert [line.logger for line in table_app.get("list_runs", RUNS).log if line.logger.startswith("azure.core")] == []


# --- secrets and participant data


def test_the_log_and_history_of_a_good_monday_hold_no_secret_and_no_record_id(world: World) -> None:
    log = "".join(invocation.log_text for invocation in world.run_all())

    assert leaked_in(log + answer_of(world.history()).body) == []


@pytest.mark.parametrize("fault", [revoked_token(), REDCAP_IS_DOWN, Fault("cut", match="record", at=900, times=9)])
def test_a_failed_run_reveals_no_secret_and_no_record_id(world: World, fault: Fault) -> None:
    message = world.queued()
    world.outside.redcap.faults.append(replace(fault))

    invocation = world.execute(message)

    shown = answer_of(world.show(json.loads(message)["run_id"])).body
    assert invocation.failure is not None
    assert leaked_in(f"{invocation.log_text}\n{invocation.failure}\n{shown}") == []


def broken_run(app: RunningApp, world: World) -> Invocation:
    return app.deliver("execute_run", world.queued())


@pytest.mark.parametrize(
    "invoke",
    [broken_run, lambda app, world: app.fire_timer("monday"), lambda app, world: app.fire_timer("catch_up")],
    ids=["run", "monday", "catch_up"],
)
def test_an_internal_error_reaches_the_platform_without_its_message(
    faulty: RunningApp, world: World, invoke: Callable[[RunningApp, World], Invocation]
) -> None:
    invocation = invoke(faulty, world)

    assert str(invocation.failure).startswith("ConsentReportError: Internal error.")
    assert [word for word in (RECORD, "KeyError") if word in str(invocation.failure)] == []
    assert f"KeyError: '{RECORD}'" not in invocation.log_text


def test_an_internal_error_of_a_run_is_logged_with_its_location(faulty: RunningApp, world: World) -> None:
    log = broken_run(faulty, world).log_text

    assert ("pipeline.py" in log, "KeyError (" in log) == (True, True)


def test_an_internal_error_is_answered_with_the_invocation_and_without_details(
    faulty: RunningApp, world: World
) -> None:
    invocation = faulty.post("start_run", RUNS, b'{"study": "adults"}')

    answer = answer_of(invocation)
    assert (answer.status, answer.json()["invocation_id"]) == (500, invocation.id)
    assert [word for word in (RECORD, "KeyError", "schedule.py") if word in answer.body] == []


# --- the run history in Azure tables


@pytest.fixture(name="table_app", scope="module")
def _table_app(folder: Path, settings: Mapping[str, str], azurite: Azurite) -> Iterator[RunningApp]:
    """The app with its run history in Azure tables, as in production."""
    without = {name: value for name, value in settings.items() if name != "CONSENT_LEDGER"}
    with running_app(folder, {**without, "AzureWebJobsStorage": azurite.connection_string}) as app:
        yield app


def test_a_monday_is_queued_and_delivered_with_azure_tables(table_app: RunningApp, world: World) -> None:
    runs = [table_app.deliver("execute_run", text) for text in table_app.fire_timer("monday").outputs["messages"]]

    listed = answer_of(table_app.get("list_runs", RUNS, query={"study": "children"})).json()["runs"]

    assert ([run.failure for run in runs if run.failure], [run["state"] for run in listed]) == ([], ["delivered"])
