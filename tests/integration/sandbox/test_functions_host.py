"""Claims about the local host: a small app in Microsoft's runtime, called over HTTP, by queues and by hand."""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.azurite import Azurite
from sandbox.functions.host import NOT_EMULATED, HostError, running_host, settings_of

pytestmark = pytest.mark.runtime

PATIENCE = 30  # seconds until something that should happen counts as not happening
APP = """
import json, logging, os, sys, time, typing
from pathlib import Path
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
logger = logging.getLogger(__name__)
STORAGE = "AzureWebJobsStorage"


@app.route(route="jobs", methods=["POST"])
@app.queue_output(arg_name="job", queue_name="%PREFIX%-jobs", connection=STORAGE)
def ask(req: func.HttpRequest, job: func.Out[str]) -> func.HttpResponse:
    job.set(req.get_body().decode())
    return func.HttpResponse("asked", status_code=202, headers={"Location": "/api/jobs/1"})


@app.route(route="jobs/many", methods=["POST"])
@app.queue_output(arg_name="jobs", queue_name="%PREFIX%-jobs", connection=STORAGE)
def ask_many(req: func.HttpRequest, jobs: func.Out[typing.List[str]]) -> str:
    jobs.set([json.dumps(job) for job in req.get_json()])
    return "asked"


@app.queue_trigger(arg_name="msg", queue_name="%PREFIX%-jobs", connection=STORAGE)
@app.queue_output(arg_name="done", queue_name="%PREFIX%-done", connection=STORAGE)
def work(msg: func.QueueMessage, done: func.Out[str]) -> None:
    job = msg.get_json()
    done.set(f"{job['name']} at try {msg.dequeue_count}")
    if msg.dequeue_count <= job.get("fails", 0):
        raise ValueError("not yet")


@app.queue_trigger(arg_name="msg", queue_name="%PREFIX%-done", connection=STORAGE)
def finish(msg: str) -> None:
    logger.info("done: %s", msg)


@app.queue_trigger(arg_name="msg", queue_name="%PREFIX%-jobs-poison", connection=STORAGE)
def bury(msg: func.QueueMessage) -> None:
    logger.info("given up: %s", msg.get_json()["name"])


@app.route(route="echo/{id}", methods=["GET", "POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    told = {"method": req.method, "url": req.url, "params": dict(req.params), "route": dict(req.route_params),
            "headers": dict(req.headers), "body": req.get_body().decode()}
    return func.HttpResponse(json.dumps(told), mimetype="application/json", headers={"Retry-After": 5})


@app.route(route="bytes", methods=["GET"])
def some_bytes(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(b"\\x00\\xff", mimetype="application/pdf")


@app.route(route="breaks", methods=["GET"])
def breaks(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("a fault in the program")


@app.route(route="hangs", methods=["GET"])
def hangs(req: func.HttpRequest) -> str:
    time.sleep(600)
    return "never"


@app.route(route="exits", methods=["GET"])
def exits(req: func.HttpRequest) -> str:
    sys.exit(3)


@app.route(route="waits/{name}", methods=["GET"])
def waits(req: func.HttpRequest) -> str:
    flag = Path(os.environ["FLAGS"]) / req.route_params["name"]
    while not flag.exists():
        time.sleep(0.01)
    return "seen"


@app.route(route="raises-flag/{name}", methods=["POST"])
def raise_flag(req: func.HttpRequest) -> str:
    (Path(os.environ["FLAGS"]) / req.route_params["name"]).touch()
    return "raised"


@app.route(route="off", methods=["GET"])
def off(req: func.HttpRequest) -> str:
    return "on"


@app.timer_trigger(arg_name="timer", schedule="%TICKS%")
@app.queue_output(arg_name="done", queue_name="%PREFIX%-done", connection=STORAGE)
def tick(timer: func.TimerRequest, done: func.Out[str]) -> None:
    done.set("ticked")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def rest(timer: func.TimerRequest) -> None:
    logger.info("rested, although disabled")


@app.timer_trigger(arg_name="timer", schedule="%NOT_SET%")
def never(timer: func.TimerRequest) -> None:
    pass
"""
HOST_JSON = {
    "version": "2.0",
    "functionTimeout": "00:00:02",
    "extensions": {"queues": {"batchSize": 2, "maxDequeueCount": 3, "visibilityTimeout": "00:05:00"}},
}
NEEDED = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")


@dataclass(frozen=True)
class Hosted:
    """A running host, and what it has said so far."""

    url: str
    said: list[str]

    def get(self, path: str) -> requests.Response:
        """Ask for something below /api."""
        return requests.get(f"{self.url}/api/{path}", timeout=PATIENCE)

    def post(self, path: str, body: Any) -> requests.Response:
        """Send JSON to something below /api."""
        return requests.post(f"{self.url}/api/{path}", json=body, timeout=PATIENCE)

    def call(self, name: str, body: bytes) -> int:
        """Start a function by hand; the status of the answer."""
        return requests.post(f"{self.url}/admin/functions/{name}", data=body, timeout=PATIENCE).status_code

    def says(self, text: str) -> bool:
        """Whether the host says this, now or soon."""
        return eventually(lambda: any(text in line for line in list(self.said)))


def eventually(check: Callable[[], bool]) -> bool:
    """Whether something comes true before patience ends."""
    until = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def put_app(folder: Path, program: str = APP) -> Path:
    """A folder with this function app."""
    folder.mkdir()
    (folder / "function_app.py").write_text(program, encoding="utf-8")
    (folder / "host.json").write_text(json.dumps(HOST_JSON), encoding="utf-8")
    return folder


def machine() -> dict[str, str]:
    """What any program needs of this machine's environment."""
    return {name: os.environ[name] for name in NEEDED if name in os.environ}


@pytest.fixture(name="environment", scope="module")
def _environment(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return machine() | {
        "AzureWebJobsStorage": azurite.connection_string,
        "AzureWebJobs.off.Disabled": "true",
        "AzureWebJobs.rest.Disabled": "1",
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:00",
        "PREFIX": f"t{uuid.uuid4().hex}",
        "TICKS": "0 0 0 1 1 *",
        "FLAGS": str(tmp_path_factory.mktemp("flags")),
    }


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_app(tmp_path_factory.mktemp("hosted") / "app")


@pytest.fixture(name="host", scope="module")
def _host(folder: Path, environment: Mapping[str, str]) -> Iterator[Hosted]:
    said: list[str] = []
    with running_host(folder, environment, lambda level, text: said.append(f"{level} {text}"), port=0) as running:
        yield Hosted(running.url, said)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/echo/1", 200),
        ("POST", "/api/jobs", 202),
        ("GET", "/api/jobs", 404),
        ("PUT", "/api/echo/1", 404),
        ("HEAD", "/api/echo/1", 404),
        ("GET", "/echo/1", 404),
        ("GET", "/api/off", 404),
        ("GET", "/api/never", 404),
        ("GET", "/api/breaks", 500),
        ("GET", "/admin/host/status", 200),
        ("GET", "/admin/functions/tick", 404),
    ],
)
def test_a_request_is_answered_with_its_status(host: Hosted, method: str, path: str, status: int) -> None:
    answer = requests.request(method, host.url + path, data=b'{"name": "status"}', timeout=PATIENCE)

    assert answer.status_code == status


def test_a_function_gets_its_query_without_empty_values(host: Hosted) -> None:
    assert host.get("echo/1?limit=3&full=&name=a%20b").json()["params"] == {"limit": "3", "name": "a b"}


def test_a_function_gets_the_parts_of_its_route(host: Hosted) -> None:
    assert host.get("echo/a%2Fb").json()["route"] == {"id": "a/b"}


def test_a_function_gets_header_names_in_lower_case(host: Hosted) -> None:
    told = requests.get(f"{host.url}/api/echo/1", headers={"X-Asked-By": "A Person"}, timeout=PATIENCE).json()

    assert told["headers"]["x-asked-by"] == "A Person"


def test_a_function_gets_the_whole_address(host: Hosted) -> None:
    assert host.get("echo/1?limit=3").json()["url"] == f"{host.url}/api/echo/1?limit=3"


def test_a_function_gets_the_body(host: Hosted) -> None:
    assert host.post("echo/1", {"name": "Ärztin"}).json()["body"] == '{"name": "\\u00c4rztin"}'


def test_without_a_body_a_function_gets_none(host: Hosted) -> None:
    assert host.get("echo/1").json()["body"] == ""


def test_headers_of_an_answer_arrive(host: Hosted) -> None:
    answer = host.get("echo/1")

    assert (answer.headers["Retry-After"], answer.headers["Content-Type"]) == ("5", "application/json")


def test_an_answer_may_be_any_bytes(host: Hosted) -> None:
    assert host.get("bytes").content == b"\x00\xff"


def test_an_answer_may_be_a_plain_text(host: Hosted) -> None:
    answer = host.post("jobs/many", [])

    assert (answer.text, answer.headers["Content-Type"]) == ("asked", "text/plain; charset=utf-8")


def test_a_function_that_raises_is_answered_without_a_word(host: Hosted) -> None:
    assert host.get("breaks").content == b""


def test_a_function_that_raises_is_in_the_log(host: Hosted) -> None:
    host.get("breaks")

    assert host.says("ValueError: a fault in the program")


def test_a_call_that_takes_too_long_is_ended(host: Hosted) -> None:
    assert host.get("hangs").status_code == 500


def test_after_a_call_that_took_too_long_the_next_one_is_answered(host: Hosted) -> None:
    host.get("hangs")

    assert host.get("echo/1").status_code == 200


def test_an_app_that_ends_its_process_is_started_again(host: Hosted) -> None:
    host.get("exits")

    assert host.get("echo/1").status_code == 200


def test_functions_run_side_by_side(host: Hosted) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(host.get, "waits/seen")
        host.post("raises-flag/seen", None)

        assert waiting.result().text == "seen"


def test_a_message_put_out_by_a_function_starts_the_next_one(host: Hosted) -> None:
    host.post("jobs", {"name": "one"})

    assert host.says("done: one at try 1")


def test_several_messages_put_out_at_once_all_arrive(host: Hosted) -> None:
    host.post("jobs/many", [{"name": "first"}, {"name": "second"}, {"name": "third"}])

    assert [host.says(f"done: {name} at try 1") for name in ("first", "second", "third")] == [True] * 3


def test_a_function_that_fails_is_tried_again(host: Hosted) -> None:
    host.post("jobs", {"name": "weak", "fails": 2})

    assert host.says("done: weak at try 3")


def test_a_function_that_fails_puts_nothing_out(host: Hosted) -> None:
    host.post("jobs", {"name": "silent", "fails": 2})
    host.says("done: silent at try 3")

    assert [line for line in host.said if "done: silent" in line] == ["INFO done: silent at try 3"]


def test_a_message_that_always_fails_reaches_the_function_of_the_poison_queue(host: Hosted) -> None:
    host.post("jobs", {"name": "hopeless", "fails": 99})

    assert host.says("given up: hopeless")


def test_a_timer_started_by_hand_is_accepted_at_once(host: Hosted) -> None:
    assert host.call("tick", b"{}") == 202


def test_a_timer_started_by_hand_runs(host: Hosted) -> None:
    host.call("TICK", b'{"input": ""}')

    assert host.says("done: ticked")


def test_a_queues_function_can_be_started_by_hand(host: Hosted) -> None:
    host.call("finish", b'{"input": "by hand"}')

    assert host.says("done: by hand")


def test_a_disabled_function_can_be_started_by_hand(host: Hosted) -> None:
    host.call("rest", b"{}")

    assert host.says("rested, although disabled")


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        pytest.param("tick", b"", 400, id="no body"),
        pytest.param("tick", b"now", 400, id="no JSON"),
        pytest.param("tick", b"[]", 400, id="no object"),
        pytest.param("nobody", b"{}", 404, id="no such function"),
        pytest.param("never", b"{}", 404, id="a function that cannot be used"),
        pytest.param("echo", b"{}", 400, id="a function that has an address of its own"),
    ],
)
def test_a_start_by_hand_is_refused_for(host: Hosted, name: str, body: bytes, status: int) -> None:
    assert host.call(name, body) == status


def test_the_functions_can_be_listed(host: Hosted) -> None:
    listed = requests.get(f"{host.url}/admin/functions", timeout=PATIENCE).json()

    assert [entry for entry in listed if entry["name"] in ("off", "never")] == [
        {"name": "off", "route": "api/off", "isDisabled": True},
        {"name": "never", "error": "%NOT_SET% does not resolve to a value: give the setting NOT_SET"},
    ]


def test_the_start_says_what_is_not_emulated(host: Hosted) -> None:
    assert f"INFO {NOT_EMULATED}" in host.said


def test_the_start_says_which_function_cannot_be_used(host: Hosted) -> None:
    problem = "never cannot be used: %NOT_SET% does not resolve to a value: give the setting NOT_SET"

    assert f"ERROR {problem}" in host.said


def test_the_start_says_where_a_function_is(host: Hosted) -> None:
    assert f"INFO echo: GET, POST {host.url}/api/echo/{{id}}" in host.said


def test_a_timer_goes_off_by_the_hosts_clock(folder: Path, environment: Mapping[str, str]) -> None:
    said: list[str] = []
    now = [datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)]
    settings = {**environment, "PREFIX": f"t{uuid.uuid4().hex}"}
    with running_host(folder, settings, lambda _level, text: said.append(text), port=0, now=lambda: now[0]) as running:
        now[0] += timedelta(seconds=1)

        assert Hosted(running.url, said).says("done: ticked")


def test_a_port_that_is_in_use_is_named(folder: Path, environment: Mapping[str, str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostError, match=f"Port {port} is in use"), _started(folder, environment, port):
            pass


def _started(folder: Path, environment: Mapping[str, str], port: int = 0) -> Any:
    return running_host(folder, environment, lambda _level, _text: None, port=port)


def test_an_app_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    folder = put_app(tmp_path / "app", "import not_there\n")

    with pytest.raises(HostError, match=r"no usable app in .*not_there"), _started(folder, machine()):
        pass


def test_a_folder_without_an_app_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"holds no host\.json"), _started(tmp_path, machine()):
        pass


def test_a_host_json_that_is_no_json_is_refused(tmp_path: Path) -> None:
    folder = put_app(tmp_path / "app")
    (folder / "host.json").write_text("{", encoding="utf-8")

    with pytest.raises(HostError, match=r"host\.json in .* cannot be used"), _started(folder, machine()):
        pass


def test_the_environment_goes_before_local_settings(tmp_path: Path) -> None:
    document = {"IsEncrypted": False, "Values": {"BOTH": "file", "ONE": "file"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(document), encoding="utf-8")

    assert settings_of(tmp_path, {"BOTH": "environment"}) == {"BOTH": "environment", "ONE": "file"}


@pytest.mark.parametrize("content", ["{", "[]", '{"Values": 1}', "{}"])
def test_local_settings_that_cannot_be_read_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "local.settings.json").write_text(content, encoding="utf-8")

    with pytest.raises(HostError, match=r"local\.settings\.json cannot be read"):
        settings_of(tmp_path, {})


def test_nothing_is_left_running(folder: Path, environment: Mapping[str, str]) -> None:
    before = set(threading.enumerate())
    with _started(folder, environment):
        pass

    assert eventually(lambda: set(threading.enumerate()) <= before)
