"""Claims about the function app in Microsoft's own runtime, as deployed, against stand-ins for REDCap and Dropbox."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.demo import DemoWorld, demo_world
from sandbox.dropbox import Dropbox
from sandbox.people import TOKEN
from sandbox.redcap_faults import revoked_token
from sandbox.server import Fault
from tests.functions_runtime import ROOT, Answer, IndexingError, Invocation, RunningApp, deployed_copy, running_app

pytestmark = pytest.mark.runtime

PEOPLE = 60
RUNS = "http://localhost/api/runs"
RECORD_ID = re.compile(r"\b(0\d{5}|[1-5]-\d+)\b")  # as the made-up registry gives them out
INDEX = {
    "monday": [
        {
            "name": "timer",
            "type": "timerTrigger",
            "direction": "IN",
            "schedule": "0 0 12 * * Mon",
            "runOnStartup": False,
            "useMonitor": True,
        }
    ],
    "start_run": [
        {
            "name": "req",
            "type": "httpTrigger",
            "direction": "IN",
            "route": "runs",
            "methods": ["POST"],
            "authLevel": "FUNCTION",
        },
        {"name": "$return", "type": "http", "direction": "OUT"},
    ],
}


def answer_of(invocation: Invocation) -> Answer:
    """What an HTTP function answered; it must not have failed."""
    assert invocation.answer is not None, invocation.failure
    return invocation.answer


def leaked_in(text: str) -> list[str]:
    """The secrets, names and record ids that a text holds."""
    return [word for word in (TOKEN, "sandbox-refresh", "Invented") if word in text] + RECORD_ID.findall(text)


@dataclass(frozen=True)
class World:
    """The app, its folder of study files, and what it talks to."""

    app: RunningApp
    studies: Path
    outside: DemoWorld
    account: Dropbox

    def post(self, body: bytes = b'{"study": "adults"}') -> Invocation:
        """Ask for a run over HTTP."""
        return self.app.post("start_run", RUNS, body)

    def ask(self, body: bytes = b'{"study": "adults"}') -> Answer:
        """The same, for those who care for the answer alone."""
        return answer_of(self.post(body))

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


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed_copy(tmp_path_factory.mktemp("deployed") / "app")


@pytest.fixture(name="outside", scope="module")
def _outside() -> Iterator[DemoWorld]:
    with demo_world(PEOPLE, today=datetime.now(UTC).date()) as outside:
        yield outside


@pytest.fixture(name="settings", scope="module")
def _settings(outside: DemoWorld, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    tokens = {"ADULTS_TOKEN": TOKEN, "CHILDREN_TOKEN": TOKEN}
    return outside.settings | tokens | {"CONSENT_STUDIES": str(tmp_path_factory.mktemp("studies"))}


@pytest.fixture(name="app", scope="module")
def _app(folder: Path, settings: Mapping[str, str]) -> Iterator[RunningApp]:
    with running_app(folder, settings) as app:
        yield app


@pytest.fixture(name="world")
def _world(app: RunningApp, outside: DemoWorld, settings: Mapping[str, str]) -> World:
    """Two healthy studies, no faults, an empty Dropbox."""
    world = World(app, Path(settings["CONSENT_STUDIES"]), outside, Dropbox())
    outside.dropbox.app = world.account
    outside.redcap.faults.clear()
    outside.dropbox.faults.clear()
    for left_over in world.studies.iterdir():
        left_over.unlink()
    world.put_study("adults", title="Adults", token_setting="ADULTS_TOKEN")
    world.put_study("children", title="Children", token_setting="CHILDREN_TOKEN")
    return world


@pytest.fixture(name="broken", scope="module")
def _broken(settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Invocation]:
    """What came of asking an app with a fault in its program for a run."""
    folder = deployed_copy(tmp_path_factory.mktemp("broken") / "app")
    (folder / "consent" / "run.py").write_text("raise KeyError('000417')\n", encoding="utf-8")
    with running_app(folder, settings) as app:
        yield app.post("start_run", RUNS)


def test_the_platform_finds_exactly_these_functions(app: RunningApp) -> None:
    assert app.bindings == INDEX


def test_the_schedule_is_the_setting_where_there_is_one(folder: Path) -> None:
    with running_app(folder, {"CONSENT_SCHEDULE": "0 30 6 * * Tue"}) as app:
        assert app.bindings["monday"][0]["schedule"] == "%CONSENT_SCHEDULE%"


def test_what_was_loaded_is_the_deployed_copy(app: RunningApp, folder: Path) -> None:
    assert Path(app.package).parent.parent == folder


def test_monday_delivers_every_study(world: World) -> None:
    world.app.fire_timer("monday")

    assert {"/Adults.csv", "/Children.csv"} <= world.account.files().keys()


def test_monday_succeeds_without_a_result(world: World) -> None:
    assert world.app.fire_timer("monday").failure is None


def test_a_late_monday_says_so(world: World) -> None:
    assert "This run is late" in world.app.fire_timer("monday", past_due=True).log_text


def test_a_study_that_fails_does_not_stop_the_next(world: World) -> None:
    world.outside.redcap.faults.append(revoked_token())

    world.app.fire_timer("monday")

    assert {path for path in world.account.files() if path.endswith(".csv") and path.count("/") == 1} == {
        "/Children.csv"
    }


def test_the_platform_is_told_which_study_failed(world: World) -> None:
    world.outside.redcap.faults.append(revoked_token())

    assert str(world.app.fire_timer("monday").failure).startswith("ConsentReportError: No report for adults. ")


def test_a_study_that_failed_is_logged_as_an_error_with_what_to_do(world: World) -> None:
    world.outside.redcap.faults.append(revoked_token())

    lines = [line for line in world.app.fire_timer("monday").log if line.level == "ERROR"]

    assert [line.text.startswith("No report for adults: SourceRefusedError: REDCap") for line in lines] == [True]


def test_a_broken_study_file_does_not_stop_the_other_studies(world: World) -> None:
    world.break_study("adults")

    world.app.fire_timer("monday")

    assert "/Children.csv" in world.account.files()


def test_the_platform_is_told_which_study_file_is_broken(world: World) -> None:
    world.break_study("adults")

    assert str(world.app.fire_timer("monday").failure).startswith("ConsentReportError: No report for adults. ")


def test_a_broken_study_file_is_logged_as_an_error_with_what_to_do(world: World) -> None:
    world.break_study("adults")

    lines = [line for line in world.app.fire_timer("monday").log if line.level == "ERROR"]

    assert [line.text.startswith("No report for adults: StudyFileError: The study file") for line in lines] == [True]


def test_a_study_can_be_asked_for_while_the_file_of_another_is_broken(world: World) -> None:
    world.break_study("children")

    assert world.ask().json()["state"] == "delivered"


def test_asking_for_a_study_whose_file_is_broken_is_answered_with_its_problems(world: World) -> None:
    world.break_study("adults")

    answer = world.ask()

    assert (answer.status, [text.partition(":")[0] for text in answer.json()["problems"]]) == (500, ["not valid TOML"])


def test_without_a_study_file_monday_fails(world: World) -> None:
    (world.studies / "adults.toml").unlink()
    (world.studies / "children.toml").unlink()

    assert "There is no study file" in str(world.app.fire_timer("monday").failure)


def test_a_run_asked_for_is_answered_with_its_outcome(world: World) -> None:
    answer = world.ask()

    assert (answer.status, answer.headers["content-type"], answer.json()["state"], answer.json()["participants"]) == (
        200,
        "application/json",
        "delivered",
        PEOPLE,
    )


def test_a_run_asked_for_delivers_that_study_alone(world: World) -> None:
    world.post()

    assert {path.rpartition("/")[2].partition(".")[0] for path in world.account.files()} == {"Adults"}


def test_the_answer_lists_the_files_that_now_stand_in_dropbox(world: World) -> None:
    answer = world.ask()

    assert {file["path"] for file in answer.json()["files"]} == {
        path for path in world.account.files() if not path.startswith("/Archive/")
    }


def test_an_empty_request_runs_the_only_study(world: World) -> None:
    (world.studies / "children.toml").unlink()

    answer = world.ask(b"")

    assert (answer.status, answer.json()["study"]) == (200, "adults")


def test_as_of_chooses_the_cut_off(world: World) -> None:
    answer = world.ask(b'{"study": "adults", "as_of": "2024-03-03"}')

    assert answer.json()["cutoff"] == "2024-03-03"


def test_a_dry_run_writes_nothing(world: World) -> None:
    answer = world.ask(b'{"study": "adults", "dry_run": true}')

    assert (answer.json()["state"], world.account.files()) == ("planned", {})


@pytest.mark.parametrize(
    ("request_body", "status", "name"),
    [
        pytest.param(b'{"stdy": 1}', 400, "bad-request", id="unknown key"),
        pytest.param(b"study=adults", 400, "bad-request", id="not JSON"),
        pytest.param(b'{"study": "adults", "as_of": "2999-01-01"}', 400, "cutoff", id="a day to come"),
        pytest.param(b'{"study": "nobody"}', 404, "unknown-study", id="unknown study"),
        pytest.param(b'{"study": "\\ud800"}', 404, "unknown-study", id="half a character"),
        pytest.param(b"", 404, "unknown-study", id="which of the two"),
    ],
)
def test_a_request_that_cannot_be_met_is_answered_with_a_problem(
    world: World, request_body: bytes, status: int, name: str
) -> None:
    answer = world.ask(request_body)

    assert (answer.status, answer.headers["content-type"], answer.json()["type"]) == (
        status,
        "application/problem+json",
        f"urn:consent-summary:problem:{name}",
    )


def test_every_problem_of_a_request_is_answered_at_once(world: World) -> None:
    answer = world.ask(b'{"study": 1, "as_of": "soon", "dry_run": "no", "accept_fall": true}')

    assert len(answer.json()["problems"]) == 4


def test_a_missing_setting_is_a_problem_of_the_set_up(world: World) -> None:
    world.put_study("adults", title="Adults", token_setting="NOT_SET")

    answer = world.ask()

    assert (answer.status, answer.json()["problems"]) == (500, ["NOT_SET is missing: give it as a setting"])


@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        pytest.param(revoked_token(), 502, "source-refused", id="REDCap refuses the token"),
        pytest.param(Fault("answer", status=503, times=99), 503, "source-unavailable", id="REDCap is down"),
    ],
)
def test_what_redcap_does_wrong_is_answered_with_a_problem(world: World, fault: Fault, status: int, name: str) -> None:
    world.outside.redcap.faults.append(fault)

    answer = world.ask()

    assert (answer.status, answer.json()["type"]) == (status, f"urn:consent-summary:problem:{name}")


def test_what_dropbox_does_wrong_is_answered_with_a_problem(world: World) -> None:
    world.account.revoke()

    answer = world.ask()

    assert (answer.status, answer.json()["type"]) == (502, "urn:consent-summary:problem:delivery-refused")


def test_a_run_that_failed_is_logged_with_what_to_do(world: World) -> None:
    world.outside.redcap.faults.append(revoked_token())

    assert "No report: SourceRefusedError: REDCap" in world.post().log_text


def test_a_request_that_cannot_be_met_is_no_error_in_the_log(world: World) -> None:
    assert [line for line in world.post(b'{"study": "nobody"}').log if line.level != "INFO"] == []


def test_every_line_of_the_log_belongs_to_its_invocation(world: World) -> None:
    invocation = world.app.fire_timer("monday")

    assert {line.invocation_id for line in invocation.log} == {invocation.id}


def test_the_log_tells_how_the_run_ended(world: World) -> None:
    assert re.search(r"adults as of [\d-]{10}: delivered in", world.post().log_text)


def test_the_log_of_a_good_run_holds_no_secret_and_no_record_id(world: World) -> None:
    assert leaked_in(world.app.fire_timer("monday").log_text) == []


def test_a_failed_run_tells_no_secret_and_no_record_id(world: World) -> None:
    world.outside.redcap.faults.append(revoked_token())

    invocation = world.app.fire_timer("monday")

    assert leaked_in(f"{invocation.log_text}\n{invocation.failure}") == []


def test_a_fault_in_the_program_is_answered_with_the_invocation_to_look_for(
    broken: Invocation,
) -> None:
    answer = answer_of(broken)

    assert (answer.status, answer.json()["invocation_id"]) == (500, broken.id)


def test_a_fault_in_the_program_is_answered_without_details(broken: Invocation) -> None:
    assert [word for word in ("000417", "KeyError", "run.py") if word in answer_of(broken).body] == []


def test_a_fault_in_the_program_is_logged_with_its_place_but_not_in_its_own_words(
    broken: Invocation,
) -> None:
    assert [word in broken.log_text for word in ("run.py", "KeyError (", "KeyError: '000417'")] == [
        True,
        True,
        False,
    ]


def test_an_app_that_cannot_be_imported_is_noticed(tmp_path: Path) -> None:
    folder = deployed_copy(tmp_path / "app")
    (folder / "function_app.py").write_text("import not_there\n", encoding="utf-8")

    with pytest.raises(IndexingError, match="not_there"), running_app(folder, {}):
        pass
