"""Claims about the function app in Microsoft's own runtime, as deployed, against stand-ins for the world outside."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from consent.runs.ledger.record import LeaseRecord, RunCounts, RunRecord, asked_id
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
    IndexingError,
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
RECORD_ID = re.compile(r"\b(0\d{5}|[1-5]-\d+)\b")  # as the made-up registry gives them out
SCHEDULED = re.compile(r'\{"run_id": "(\w+)\.sandbox-\d{4}-\d\d-\d\d"\}')
FAULT = "ConsentReportError: A fault in the program; its place is in the log of this call."
NOT_REDCAP = Fault("answer", status=503, times=99)
NOWHERE = "http://127.0.0.1:1/devstoreaccount1"


def timer(schedule: str) -> dict[str, Any]:
    return {
        "name": "timer",
        "type": "timerTrigger",
        "direction": "IN",
        "schedule": schedule,
        "runOnStartup": False,
        "useMonitor": True,
    }


def queue(name: str, kind: str, direction: str, queue_name: str = "consent-runs") -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "direction": direction,
        "queueName": queue_name,
        "connection": "AzureWebJobsStorage",
    }


def route(path: str, method: str, level: str = "FUNCTION") -> list[dict[str, Any]]:
    asked = {"name": "req", "type": "httpTrigger", "direction": "IN", "route": path, "methods": [method]}
    return [asked | {"authLevel": level}, {"name": "$return", "type": "http", "direction": "OUT"}]


INDEX = {
    "monday": [queue("messages", "queue", "OUT"), timer("0 0 * * * Sun,Mon,Tue")],
    "catch_up": [queue("messages", "queue", "OUT"), timer("0 30 5 * * *")],
    "execute_run": [queue("msg", "queueTrigger", "IN")],
    "run_failed": [queue("msg", "queueTrigger", "IN", "consent-runs-poison")],
    "start_run": [queue("message", "queue", "OUT"), *route("runs", "POST")],
    "list_runs": route("runs", "GET"),
    "show_run": route("runs/{run_id}", "GET"),
    "report": route("report", "GET"),
    "health": route("health", "GET", "ANONYMOUS"),
}


class Monitor:
    """Waits for the heartbeat, and answers with nothing."""

    def answer(self, request: Request) -> Response:
        return Response()

    def name_of(self, request: Request) -> str:
        return "heartbeat"


def answer_of(invocation: Invocation) -> Answer:
    """What an HTTP function answered; it must not have failed."""
    assert invocation.answer is not None, invocation.failure
    return invocation.answer


def problem_in(invocation: Invocation) -> tuple[int, str, str]:
    """The status, media type and name of the problem that an HTTP function answered."""
    answer = answer_of(invocation)
    return answer.status, answer.headers["content-type"], answer.json()["type"].rpartition(":")[2]


def leaked_in(text: str) -> list[str]:
    """The secrets, names and record ids that a text holds."""
    return [word for word in (TOKEN, "sandbox-refresh", "Invented") if word in text] + RECORD_ID.findall(text)


def studies_queued(invocation: Invocation) -> list[str]:
    """The studies whose scheduled runs a timer queued."""
    found = [SCHEDULED.fullmatch(message) for message in invocation.outputs["messages"]]
    return [match[1] for match in found if match]


def errors_in(invocation: Invocation) -> list[str]:
    return [line.text for line in invocation.log if line.level == "ERROR"]


@dataclass(frozen=True)
class World:
    """The app, its folder of study files and its ledger, and what it talks to."""

    app: RunningApp
    studies: Path
    ledger: SqliteLedger
    outside: DemoWorld
    account: Dropbox
    monitor: Server

    def tick(self, name: str = "monday", *, past_due: bool = False) -> Invocation:
        """Let a timer go off."""
        return self.app.fire_timer(name, past_due=past_due)

    def post(self, body: bytes = b'{"study": "adults"}') -> Invocation:
        """Ask for a run over HTTP."""
        return self.app.post("start_run", RUNS, body)

    def history(self, **query: str) -> Invocation:
        """Ask for the history."""
        return self.app.get("list_runs", RUNS, query=query)

    def show(self, run_id: str) -> Invocation:
        """Ask for one run."""
        return self.app.get("show_run", f"{RUNS}/{run_id}", params={"run_id": run_id})

    def page(self, **query: str) -> Invocation:
        """Ask for the page."""
        return self.app.get("report", "http://localhost/api/report", query=query)

    def health(self) -> Invocation:
        """Ask whether all is well."""
        return self.app.get("health", "http://localhost/api/health")

    def queued(self) -> str:
        """The message of a run of the adults that was just asked for."""
        message: str = self.post().outputs["message"]
        return message

    def execute(self, message: str, dequeue_count: int = 1) -> Invocation:
        """Deliver a message of the queue."""
        return self.app.deliver("execute_run", message, dequeue_count)

    def record_of(self, message: str) -> RunRecord:
        """The record of the run that a message asks for."""
        record = self.ledger.read(json.loads(message)["run_id"])
        assert record is not None
        return record

    def run_all(self) -> list[Invocation]:
        """Deliver every study's report as a Monday does."""
        return [self.execute(message) for message in self.tick().outputs["messages"]]

    def put_study(self, key: str, *, title: str, token_setting: str) -> None:
        """Put a study file into the folder: the packaged one with another title and token."""
        text = (ROOT / "consent" / "studies" / "obri-ibd.toml").read_text(encoding="utf-8")
        text = text.replace('"OBRI Consent Summary"', f'"{title}"').replace(
            '"REDCAP_ACCESS_TOKEN"', f'"{token_setting}"'
        )
        (self.studies / f"{key}.toml").write_text(text, encoding="utf-8")

    def break_study(self, key: str) -> None:
        """Leave a study file behind that is not TOML."""
        (self.studies / f"{key}.toml").write_text("title = ", encoding="utf-8")

    def break_ledger(self) -> None:
        """Leave something in the ledger's place that is none."""
        self.ledger.path.write_bytes(b"no ledger " * 1_000)

    def lease(self, study: str) -> None:
        """Have another run be at work on a study."""
        self.ledger.put_lease(
            LeaseRecord(study, f"{study}.other", 1, "elsewhere", datetime.now(UTC) + timedelta(minutes=9))
        )


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
    own = {
        "ADULTS_TOKEN": TOKEN,
        "CHILDREN_TOKEN": TOKEN,
        "CONSENT_STUDIES": str(tmp_path_factory.mktemp("studies")),
        "CONSENT_LEDGER": str(tmp_path_factory.mktemp("ledger") / "runs.sqlite"),
        "HEARTBEAT_URL": monitor.url,
    }
    return outside.settings | own


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
    world.put_study("adults", title="Adults", token_setting="ADULTS_TOKEN")
    world.put_study("children", title="Children", token_setting="CHILDREN_TOKEN")
    return world


@pytest.fixture(name="unreachable", scope="module")
def _unreachable(folder: Path, settings: Mapping[str, str]) -> Iterator[RunningApp]:
    """The app while nobody answers at the storage account."""
    storage = {"CONSENT_LEDGER": "table", "AzureWebJobsStorage": connection_string(NOWHERE, NOWHERE, NOWHERE)}
    with running_app(folder, {**settings, **storage}) as app:
        yield app


@pytest.fixture(name="broken", scope="module")
def _broken(settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """The app with a fault in its program, of the kind that quotes a participant."""
    folder = deployed_copy(tmp_path_factory.mktemp("broken") / "app")
    (folder / "consent" / "run.py").write_text("raise KeyError('000417')\n", encoding="utf-8")
    due = folder / "consent" / "due.py"
    due.write_text(due.read_text(encoding="utf-8") + "\ndef due_at(*_): raise KeyError('000417')\n", encoding="utf-8")
    with running_app(folder, settings) as app:
        yield app


def test_the_platform_finds_exactly_these_functions(app: RunningApp) -> None:
    assert app.bindings == INDEX


def test_the_schedule_is_the_setting_where_there_is_one(folder: Path) -> None:
    with running_app(folder, {"CONSENT_SCHEDULE": "0 30 6 * * Tue"}) as app:
        assert app.bindings["monday"] == [queue("messages", "queue", "OUT"), timer("%CONSENT_SCHEDULE%")]


def test_what_was_loaded_is_the_deployed_copy(app: RunningApp, folder: Path) -> None:
    assert Path(app.package).parent.parent == folder


def test_an_app_that_cannot_be_imported_is_noticed(tmp_path: Path) -> None:
    folder = deployed_copy(tmp_path / "app")
    (folder / "function_app.py").write_text("import not_there\n", encoding="utf-8")

    with pytest.raises(IndexingError, match="not_there"), running_app(folder, {}):
        pass


@pytest.mark.parametrize("name", ["monday", "catch_up"])
def test_a_timer_queues_every_study_that_is_due(world: World, name: str) -> None:
    invocation = world.tick(name)

    assert (invocation.failure, studies_queued(invocation)) == (None, ["adults", "children"])


@pytest.mark.parametrize("name", ["monday", "catch_up"])
def test_a_timer_records_what_it_queues(world: World, name: str) -> None:
    message = world.tick(name).outputs["messages"][0]

    assert (world.record_of(message).state, world.record_of(message).trigger) == ("requested", name)


def test_a_timer_delivers_nothing_itself(world: World) -> None:
    world.tick()

    assert world.account.files() == {}


def test_a_timer_does_not_queue_again_what_is_queued(world: World) -> None:
    world.tick()

    assert world.tick().outputs["messages"] == []


def test_a_timer_queues_nothing_once_every_report_is_delivered(world: World) -> None:
    world.run_all()

    assert world.tick("catch_up").outputs["messages"] == []


def test_a_timer_queues_again_what_got_lost(world: World) -> None:
    message = world.tick().outputs["messages"][0]
    world.ledger.write(replace(world.record_of(message), queued_at=NOW - timedelta(hours=1)))

    assert world.tick().outputs["messages"] == [message]


def test_a_late_timer_says_so(world: World) -> None:
    assert "This call is late" in world.tick(past_due=True).log_text


def test_a_broken_study_file_does_not_stop_the_other_studies(world: World) -> None:
    world.break_study("adults")

    invocation = world.tick()

    assert (invocation.failure, studies_queued(invocation)) == (None, ["children"])


def test_a_broken_study_file_is_logged_as_an_error_with_what_to_do(world: World) -> None:
    world.break_study("adults")

    assert [line.split(" cannot")[0] for line in errors_in(world.tick())] == [
        "Nothing was queued for adults: StudyFileError: The study file of 'adults'"
    ]


def test_without_a_usable_study_file_a_timer_fails(world: World) -> None:
    world.break_study("adults")
    world.break_study("children")

    assert str(world.tick().failure).startswith("ConfigurationError: No study file can be used")


def test_without_a_study_file_a_timer_fails(world: World) -> None:
    (world.studies / "adults.toml").unlink()
    (world.studies / "children.toml").unlink()

    assert "There is no study file" in str(world.tick().failure)


def test_without_a_ledger_a_timer_fails_and_queues_nothing(world: World) -> None:
    world.break_ledger()

    invocation = world.tick()

    assert (str(invocation.failure).partition(":")[0], invocation.outputs) == ("LedgerRefusedError", {})


@pytest.mark.parametrize("name", ["monday", "catch_up"])
def test_while_the_storage_is_down_a_timer_fails(unreachable: RunningApp, world: World, name: str) -> None:
    invocation = unreachable.fire_timer(name)

    assert (str(invocation.failure).partition(":")[0], invocation.outputs) == ("LedgerUnavailableError", {})


def test_counts_that_are_older_than_they_are_kept_are_forgotten_once_a_day(world: World) -> None:
    old = a_report(monday=date(2020, 1, 6), requested_at=NOW - timedelta(days=800), sandbox=True)
    world.ledger.add(old)
    world.ledger.add(a_report(monday=date(2020, 1, 13), requested_at=NOW - timedelta(days=90), sandbox=True))

    world.tick("catch_up")

    assert world.ledger.read(old.run_id) == replace(old, counts=None, week_counts=None, version=ANY)


def test_what_is_late_is_said_aloud_once_a_day(world: World) -> None:
    world.ledger.first_seen("adults", LONG_AGO)

    assert "The report of adults is late: see what became of its last runs." in errors_in(world.tick("catch_up"))


def test_a_setting_that_cannot_be_used_does_not_cost_the_daily_messages(
    world: World, folder: Path, settings: Mapping[str, str]
) -> None:
    with running_app(folder, {**settings, "CONSENT_KEEP_MONTHS": "two"}) as app:
        invocation = app.fire_timer("catch_up")

    assert (studies_queued(invocation), "CONSENT_KEEP_MONTHS must be" in "".join(errors_in(invocation))) == (
        ["adults", "children"],
        True,
    )


def test_the_monitor_is_told_daily_while_every_report_is_delivered(world: World) -> None:
    world.run_all()
    world.monitor.requests.clear()

    world.tick("catch_up")

    assert len(world.monitor.requests) == 1


def test_the_monitor_is_not_told_while_a_report_is_missing(world: World) -> None:
    world.tick("catch_up")

    assert world.monitor.requests == []


def test_a_run_that_is_asked_for_is_accepted(world: World) -> None:
    answer = answer_of(world.post())

    assert (answer.status, answer.headers["content-type"], answer.json().keys(), answer.json()["state"]) == (
        202,
        "application/json",
        {"run_id", "status_url", "state"},
        "requested",
    )


def test_whoever_asked_for_a_run_is_told_where_to_watch_it_and_when(world: World) -> None:
    answer = answer_of(world.post())

    assert (answer.headers["Location"], answer.headers["Retry-After"], answer.json()["status_url"]) == (
        f"/api/runs/{answer.json()['run_id']}",
        "10",
        f"/api/runs/{answer.json()['run_id']}",
    )


def test_a_run_that_is_asked_for_is_queued(world: World) -> None:
    invocation = world.post()

    assert json.loads(invocation.outputs["message"]) == {"run_id": answer_of(invocation).json()["run_id"]}


def test_a_run_that_is_asked_for_is_recorded_as_it_was_wanted(world: World) -> None:
    asked = b'{"study": "adults", "as_of": "2024-03-03", "dry_run": true, "accept_drop": true}'

    record = world.record_of(world.post(asked).outputs["message"])

    assert (record.study, record.trigger, record.as_of, record.dry_run, record.accept_drop, record.sandbox) == (
        "adults",
        "http",
        date(2024, 3, 3),
        True,
        True,
        True,
    )


def test_an_empty_request_asks_for_the_only_study(world: World) -> None:
    (world.studies / "children.toml").unlink()

    assert world.record_of(world.post(b"").outputs["message"]).study == "adults"


def test_a_request_equal_to_an_open_run_is_answered_with_that_run(world: World) -> None:
    first, second = world.post(), world.post()

    assert (answer_of(second).json(), second.outputs) == (answer_of(first).json(), {})


@pytest.mark.parametrize(
    ("request_body", "status", "name"),
    [
        pytest.param(b'{"stdy": 1}', 400, "bad-request", id="unknown key"),
        pytest.param(b"study=adults", 400, "bad-request", id="not JSON"),
        pytest.param(b" " * 10_000 + b"{}", 400, "bad-request", id="too long"),
        pytest.param(b'{"study": "adults", "as_of": "2999-01-01"}', 400, "cutoff", id="a day to come"),
        pytest.param(b'{"study": "adults", "as_of": "1999-01-01"}', 400, "cutoff", id="before the study"),
        pytest.param(b'{"study": "nobody"}', 404, "unknown-study", id="unknown study"),
        pytest.param(b'{"study": "\\ud800"}', 404, "unknown-study", id="half a character"),
        pytest.param(b"", 400, "study-not-chosen", id="which of the two"),
    ],
)
def test_a_request_that_cannot_be_met_is_answered_with_a_problem(
    world: World, request_body: bytes, status: int, name: str
) -> None:
    assert problem_in(world.post(request_body)) == (status, "application/problem+json", name)


def test_a_request_that_cannot_be_met_queues_and_records_nothing(world: World) -> None:
    invocation = world.post(b'{"study": "adults", "as_of": "2999-01-01"}')

    assert (invocation.outputs, world.ledger.runs()) == ({}, [])


def test_every_problem_of_a_request_is_answered_at_once(world: World) -> None:
    answer = answer_of(world.post(b'{"study": 1, "as_of": "soon", "dry_run": "no", "accept_drop": 1, "x": 1}'))

    assert len(answer.json()["problems"]) == 5


def test_a_request_that_cannot_be_met_is_no_error_in_the_log(world: World) -> None:
    assert [line for line in world.post(b'{"study": "nobody"}').log if line.level != "INFO"] == []


def test_a_study_can_be_asked_for_while_the_file_of_another_is_broken(world: World) -> None:
    world.break_study("children")

    assert answer_of(world.post()).status == 202


def test_asking_for_a_study_whose_file_is_broken_is_answered_with_its_problems(world: World) -> None:
    world.break_study("adults")

    answer = answer_of(world.post())

    assert (answer.status, [text.partition(":")[0] for text in answer.json()["problems"]]) == (500, ["not valid TOML"])


def test_a_run_that_cannot_be_recorded_is_not_queued(unreachable: RunningApp, world: World) -> None:
    invocation = unreachable.post("start_run", RUNS, b'{"study": "adults"}')

    assert (problem_in(invocation), invocation.outputs) == (
        (503, "application/problem+json", "ledger-unavailable"),
        {},
    )


def test_a_request_that_failed_is_logged_with_what_to_do(world: World) -> None:
    world.break_ledger()

    assert [line.split(":")[1] for line in errors_in(world.post())] == [" LedgerRefusedError"]


def test_the_history_is_listed_newest_first(world: World) -> None:
    world.ledger.add(a_run(run_id="adults.older", requested_at=NOW - timedelta(days=7)))
    world.ledger.add(a_run(run_id="children.newer", study="children", requested_at=NOW))

    answer = answer_of(world.history())

    assert (answer.status, [run["run_id"] for run in answer.json()["runs"]]) == (
        200,
        ["children.newer", "adults.older"],
    )


def test_the_history_of_one_study_can_be_listed(world: World) -> None:
    world.tick()

    assert [run["study"] for run in answer_of(world.history(study="children")).json()["runs"]] == ["children"]


def test_the_history_of_a_study_whose_file_is_broken_can_be_listed(world: World) -> None:
    world.tick()
    world.break_study("children")

    assert len(answer_of(world.history(study="children")).json()["runs"]) == 1


def test_the_history_can_be_cut_short(world: World) -> None:
    world.tick()

    assert len(answer_of(world.history(limit="1")).json()["runs"]) == 1


@pytest.mark.parametrize(
    ("query", "status", "name"),
    [
        pytest.param({"study": "nobody"}, 404, "unknown-study", id="unknown study"),
        pytest.param({"limit": "all"}, 400, "bad-request", id="no number"),
        pytest.param({"stdy": "adults"}, 400, "bad-request", id="unknown parameter"),
    ],
)
def test_a_history_that_cannot_be_listed_is_answered_with_a_problem(
    world: World, query: dict[str, str], status: int, name: str
) -> None:
    assert problem_in(world.history(**query)) == (status, "application/problem+json", name)


def test_a_report_tells_since_which_earlier_one_it_is_new(world: World) -> None:
    last_week = NOW.date() - timedelta(days=7)
    counts = RunCounts(participants=PEOPLE, consented=3, records_listed=PEOPLE, records_received=PEOPLE)
    earlier = a_report(run_id="adults.x", sandbox=True, cutoff=last_week, counts=counts)
    world.ledger.add(replace(earlier, week_counts=page_counts(1, 2)))
    world.execute(world.queued())

    changes = json.loads(world.account.files()["/data/Adults.json"])["changes"]

    assert changes["since"] == last_week.isoformat()


def test_a_second_report_of_a_day_is_new_since_the_same_earlier_one(world: World) -> None:
    world.execute(world.queued())

    second = world.queued()
    world.execute(second)

    assert world.record_of(second).state == "unchanged"


def test_the_page_of_a_study_tells_of_its_latest_report(world: World) -> None:
    world.run_all()

    answer = answer_of(world.page(study="adults"))

    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"of {PEOPLE} participants" in answer.body


def test_the_page_comes_with_its_policy(world: World) -> None:
    assert "default-src 'none'" in answer_of(world.page()).headers["Content-Security-Policy"]


def test_without_a_study_the_page_lists_them_all(world: World) -> None:
    text = answer_of(world.page()).body

    assert ('href="?study=adults"' in text, 'href="?study=children"' in text) == (True, True)


@pytest.mark.parametrize(
    ("query", "status", "name"),
    [
        pytest.param({"study": "nobody"}, 404, "unknown-study", id="unknown study"),
        pytest.param({"limit": "1"}, 400, "bad-request", id="unknown parameter"),
    ],
)
def test_a_page_that_there_is_not_is_answered_with_a_problem(
    world: World, query: dict[str, str], status: int, name: str
) -> None:
    assert problem_in(world.page(**query)) == (status, "application/problem+json", name)


def test_a_run_that_was_cut_off_is_listed_as_lost(world: World) -> None:
    world.ledger.add(a_run(state="running", attempt=1, started_at=NOW - timedelta(hours=1)))

    assert [run["state"] for run in answer_of(world.history()).json()["runs"]] == ["lost"]


def test_one_run_is_shown_as_it_is_listed(world: World) -> None:
    message = world.queued()

    shown = answer_of(world.show(json.loads(message)["run_id"]))

    assert (shown.status, [shown.json()]) == (200, answer_of(world.history()).json()["runs"])


@pytest.mark.parametrize(
    "run_id", [asked_id("adults", NOW, "3f9a0b"), "nobody", "..%2f", "adults.'or''='", "x" * 5_000]
)
def test_a_run_that_nobody_asked_for_is_unknown(world: World, run_id: str) -> None:
    assert problem_in(world.show(run_id)) == (404, "application/problem+json", "unknown-run")


def test_while_the_storage_is_down_the_history_cannot_be_listed(unreachable: RunningApp, world: World) -> None:
    assert problem_in(unreachable.get("list_runs", RUNS)) == (503, "application/problem+json", "ledger-unavailable")


def test_a_new_app_is_healthy(world: World) -> None:
    answer = answer_of(world.health())

    assert (answer.status, answer.json()) == (200, {"status": "ok"})


def test_an_app_that_delivered_every_report_is_healthy(world: World) -> None:
    world.ledger.first_seen("adults", LONG_AGO)
    world.ledger.first_seen("children", LONG_AGO)
    world.run_all()

    assert answer_of(world.health()).status == 200


def late_report(world: World) -> None:
    world.ledger.first_seen("adults", LONG_AGO)


def broken_study(world: World) -> None:
    world.break_study("adults")


def no_ledger(world: World) -> None:
    world.break_ledger()


@pytest.mark.parametrize("trouble", [late_report, broken_study, no_ledger])
def test_an_app_in_trouble_says_that_it_is_late_and_nothing_else(world: World, trouble: Any) -> None:
    trouble(world)

    answer = answer_of(world.health())

    assert (answer.status, answer.json()) == (503, {"status": "late"})


def test_while_the_storage_is_down_the_app_is_not_healthy(unreachable: RunningApp, world: World) -> None:
    assert answer_of(unreachable.get("health", "http://localhost/api/health")).status == 503


def test_the_log_says_which_study_is_late(world: World) -> None:
    late_report(world)

    assert "Late, or with an unusable study file: adults" in world.health().log_text


@pytest.mark.parametrize("asked", [World.post, World.history, World.health, lambda world: world.show("nobody")])
def test_no_answer_is_kept_by_whoever_carries_it(world: World, asked: Any) -> None:
    assert answer_of(asked(world)).headers["Cache-Control"] == "no-store"


def test_a_message_has_its_run_carried_out(world: World) -> None:
    message = world.queued()

    invocation = world.execute(message)

    assert (invocation.failure, world.record_of(message).state, "/Adults.csv" in world.account.files()) == (
        None,
        "delivered",
        True,
    )


def test_the_record_lists_the_files_that_now_stand_in_dropbox(world: World) -> None:
    message = world.queued()
    world.execute(message)

    assert {file.path for file in world.record_of(message).files} == {
        path for path in world.account.files() if not path.startswith("/Archive/")
    }


def test_a_run_is_carried_out_as_it_was_wanted(world: World) -> None:
    message = world.post(b'{"study": "adults", "as_of": "2024-03-03", "dry_run": true}').outputs["message"]
    world.execute(message)

    assert (world.record_of(message).cutoff, world.account.files()) == (date(2024, 3, 3), {})


def test_a_message_that_comes_twice_changes_nothing(world: World) -> None:
    message = world.queued()
    world.execute(message)
    before = world.record_of(message)

    invocation = world.execute(message, dequeue_count=2)

    assert (invocation.failure, world.record_of(message)) == (None, before)


def test_a_passing_failure_has_the_message_tried_again(world: World) -> None:
    message = world.queued()
    world.outside.redcap.faults.append(replace(NOT_REDCAP))

    invocation = world.execute(message)

    record = world.record_of(message)
    assert (invocation.failure is None, record.state, record.reason) == (False, "requested", "source-unavailable")


def test_a_message_that_is_tried_again_delivers_the_report(world: World) -> None:
    message = world.queued()
    world.outside.redcap.faults.append(replace(NOT_REDCAP))
    world.execute(message)
    world.outside.redcap.faults.clear()

    world.execute(message, dequeue_count=2)

    assert (world.record_of(message).state, world.record_of(message).attempt) == ("delivered", 2)


def test_a_refusal_is_raised_so_that_the_alarm_goes_off(world: World) -> None:
    message = world.queued()
    world.outside.redcap.faults.append(revoked_token())

    invocation = world.execute(message)

    assert (str(invocation.failure).partition(":")[0], world.record_of(message).state) == (
        "SourceRefusedError",
        "refused",
    )


def test_a_refusal_is_raised_only_once(world: World) -> None:
    message = world.queued()
    world.outside.redcap.faults.append(revoked_token())
    world.execute(message)

    assert world.execute(message, dequeue_count=2).failure is None


def test_a_run_waits_while_another_of_its_study_is_at_work(world: World) -> None:
    message = world.queued()
    world.lease("adults")

    invocation = world.execute(message)

    assert (str(invocation.failure).partition(":")[0], world.record_of(message).state) == ("BusyError", "requested")


@pytest.mark.parametrize(
    "message",
    ["", "run adults", "[]", '{"run_id": 7}', '{"run_id": "../adults"}', '{"run_id": "adults.nobody-asked"}'],
)
def test_a_message_that_names_no_run_fails(world: World, message: str) -> None:
    assert str(world.execute(message).failure).startswith("BadMessageError: A message")


def test_while_the_storage_is_down_a_message_fails(unreachable: RunningApp, world: World) -> None:
    invocation = unreachable.deliver("execute_run", '{"run_id": "adults.2026-11-16"}')

    assert str(invocation.failure).startswith("LedgerUnavailableError: ")


def test_a_run_that_was_given_up_is_closed(world: World) -> None:
    message = world.queued()
    world.outside.redcap.faults.append(replace(NOT_REDCAP))
    world.execute(message)

    invocation = world.app.deliver("run_failed", message)

    assert (invocation.failure, world.record_of(message).state, world.record_of(message).reason) == (
        None,
        "failed",
        "source-unavailable",
    )


def test_a_run_that_was_given_up_is_an_error_in_the_log(world: World) -> None:
    message = world.queued()

    assert [json.loads(message)["run_id"] in line for line in errors_in(world.app.deliver("run_failed", message))] == [
        True
    ]


def test_giving_up_the_message_of_a_delivered_run_changes_nothing(world: World) -> None:
    message = world.queued()
    world.execute(message)
    world.app.deliver("run_failed", message)

    assert world.record_of(message).state == "delivered"


def test_a_message_that_names_no_run_is_given_up_without_a_loop(world: World) -> None:
    assert world.app.deliver("run_failed", "run adults").failure is None


def test_while_the_storage_is_down_a_run_cannot_be_given_up(unreachable: RunningApp, world: World) -> None:
    invocation = unreachable.deliver("run_failed", '{"run_id": "adults.2026-11-16"}')

    assert str(invocation.failure).startswith("LedgerUnavailableError: ")


def test_the_monitor_is_told_once_the_last_report_is_delivered(world: World) -> None:
    first, second = world.tick().outputs["messages"]
    world.execute(first)
    told_before = len(world.monitor.requests)
    world.execute(second)

    assert (told_before, len(world.monitor.requests)) == (0, 1)


def test_the_monitor_is_not_told_of_a_run_that_is_no_report(world: World) -> None:
    world.run_all()
    world.monitor.requests.clear()

    world.execute(world.post(b'{"study": "adults", "dry_run": true}').outputs["message"])

    assert world.monitor.requests == []


def test_a_monitor_that_cannot_be_told_fails_no_run(world: World) -> None:
    world.monitor.faults.append(Fault("reset", times=9))

    assert [invocation.failure for invocation in world.run_all()] == [None, None]


def test_every_line_of_a_run_carries_its_name(world: World) -> None:
    message = world.queued()
    at_work = world.execute(message)
    name = f"[run {json.loads(message)['run_id']}, study adults, attempt 1] "

    assert [line.text for line in at_work.log if line.logger.startswith("consent") and name not in line.text] == []


def test_the_log_tells_how_a_run_ended_and_how_long_it_took(world: World) -> None:
    assert re.search(r"attempt 1\] Ended as delivered in \d+\.\d s", world.execute(world.queued()).log_text)


def test_every_line_of_the_log_belongs_to_its_invocation(world: World) -> None:
    invocation = world.execute(world.queued())

    assert {line.invocation_id for line in invocation.log} == {invocation.id}


def test_the_azure_libraries_log_no_requests(table_app: RunningApp, world: World) -> None:
    assert [line.logger for line in table_app.get("list_runs", RUNS).log if line.logger.startswith("azure.core")] == []


def test_the_log_of_a_good_monday_holds_no_secret_and_no_record_id(world: World) -> None:
    log = world.tick().log_text + "".join(invocation.log_text for invocation in world.run_all())

    assert leaked_in(log) == []


@pytest.mark.parametrize("fault", [revoked_token(), NOT_REDCAP, Fault("cut", match="record", at=900, times=9)])
def test_a_failed_run_tells_no_secret_and_no_record_id(world: World, fault: Fault) -> None:
    message = world.queued()
    world.outside.redcap.faults.append(replace(fault))

    invocation = world.execute(message)

    assert (invocation.failure is None, leaked_in(f"{invocation.log_text}\n{invocation.failure}")) == (False, [])


def test_what_is_shown_of_a_run_holds_no_secret_and_no_record_id(world: World) -> None:
    message = world.queued()
    world.execute(message)

    assert leaked_in(answer_of(world.show(json.loads(message)["run_id"])).body) == []


def test_a_fault_in_a_run_reaches_the_platform_without_its_own_words(broken: RunningApp, world: World) -> None:
    failure = str(broken.deliver("execute_run", world.queued()).failure)

    assert (failure.startswith(FAULT), "000417" in failure, "KeyError" in failure) == (True, False, False)


@pytest.mark.parametrize("name", ["monday", "catch_up"])
def test_a_fault_in_a_timer_reaches_the_platform_without_its_own_words(
    broken: RunningApp, world: World, name: str
) -> None:
    failure = str(broken.fire_timer(name).failure)

    assert (failure.startswith(FAULT), "000417" in failure, "KeyError" in failure) == (True, False, False)


def test_a_fault_in_a_run_is_logged_with_its_place_but_not_in_its_own_words(broken: RunningApp, world: World) -> None:
    log = broken.deliver("execute_run", world.queued()).log_text

    assert [word in log for word in ("run.py", "KeyError (", "KeyError: '000417'")] == [True, True, False]


def test_a_fault_is_answered_with_the_invocation_to_look_for(broken: RunningApp, world: World) -> None:
    invocation = broken.post("start_run", RUNS, b'{"study": "adults"}')

    assert (answer_of(invocation).status, answer_of(invocation).json()["invocation_id"]) == (500, invocation.id)


def test_a_fault_is_answered_without_details(broken: RunningApp, world: World) -> None:
    body = answer_of(broken.post("start_run", RUNS, b'{"study": "adults"}')).body

    assert [word for word in ("000417", "KeyError", "due.py") if word in body] == []


@pytest.fixture(name="table_app", scope="module")
def _table_app(folder: Path, settings: Mapping[str, str], azurite: Azurite) -> Iterator[RunningApp]:
    """The app with its ledger in Azure's tables, as in production."""
    without = {name: value for name, value in settings.items() if name != "CONSENT_LEDGER"}
    with running_app(folder, {**without, "AzureWebJobsStorage": azurite.connection_string}) as app:
        yield app


def test_a_run_asked_for_is_delivered_and_shown_with_the_ledger_in_azure_tables(
    table_app: RunningApp, world: World
) -> None:
    asked = table_app.post("start_run", RUNS, b'{"study": "adults"}')
    run_id = answer_of(asked).json()["run_id"]
    table_app.deliver("execute_run", asked.outputs["message"])

    shown = answer_of(table_app.get("show_run", f"{RUNS}/{run_id}", params={"run_id": run_id})).json()

    assert (shown["state"], shown["counts"]["participants"], shown["sandbox"]) == ("delivered", PEOPLE, True)


def test_a_monday_is_queued_and_delivered_with_the_ledger_in_azure_tables(table_app: RunningApp, world: World) -> None:
    done = [table_app.deliver("execute_run", text) for text in table_app.fire_timer("monday").outputs["messages"]]

    listed = answer_of(table_app.get("list_runs", RUNS, query={"study": "children"})).json()["runs"]

    assert ([run.failure for run in done if run.failure], [run["state"] for run in listed]) == ([], ["delivered"])
