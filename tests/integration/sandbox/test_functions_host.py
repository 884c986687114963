"""Tests of the local host: a small app in Microsoft's runtime, called over HTTP, by queues and manually."""

import json
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.azurite import Azurite
from sandbox.functions.host import NOT_EMULATED, HostError, running_host
from tests.support.hosting import JSON, PATIENCE, eventually, machine

pytestmark = pytest.mark.runtime

APP = """
import json, logging, os, sys, time, typing
from pathlib import Path
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
logger = logging.getLogger(__name__)
STORAGE = "AzureWebJobsStorage"


@app.route(route="jobs", methods=["POST"])
@app.queue_output(arg_name="job", queue_name="%PREFIX%-jobs", connection=STORAGE)
def add_job(req: func.HttpRequest, job: func.Out[str]) -> func.HttpResponse:
    job.set(req.get_body().decode())
    return func.HttpResponse("added", status_code=202, headers={"Location": "/api/jobs/1"})


@app.route(route="jobs/many", methods=["POST"])
@app.queue_output(arg_name="jobs", queue_name="%PREFIX%-jobs", connection=STORAGE)
def add_jobs(req: func.HttpRequest, jobs: func.Out[typing.List[str]]) -> str:
    jobs.set([json.dumps(job) for job in req.get_json()])
    return "added"


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
def handle_poison(msg: func.QueueMessage) -> None:
    logger.info("poisoned: %s", msg.get_json()["name"])


@app.route(route="echo/{id}", methods=["GET", "POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {"method": req.method, "url": req.url, "params": dict(req.params), "route": dict(req.route_params),
            "headers": dict(req.headers), "body": req.get_body().decode()}
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers={"Retry-After": 5})


@app.route(route="bytes", methods=["GET"])
def some_bytes(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(b"\\x00\\xff", mimetype="application/pdf")


@app.route(route="breaks", methods=["GET"])
def breaks(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("internal error")


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
    logger.info("ran although disabled")


@app.timer_trigger(arg_name="timer", schedule="%NOT_SET%")
def never(timer: func.TimerRequest) -> None:
    pass
"""
HOST_JSON = {
    "version": "2.0",
    "functionTimeout": "00:00:02",
    "extensions": {"queues": {"batchSize": 2, "maxDequeueCount": 3, "visibilityTimeout": "00:05:00"}},
}


@dataclass(frozen=True)
class Hosted:
    """A running host, and its log lines so far."""

    url: str
    lines: list[str]

    def get(self, path: str) -> requests.Response:
        """Send a GET request below /api."""
        return requests.get(f"{self.url}/api/{path}", timeout=PATIENCE)

    def post(self, path: str, body: Any) -> requests.Response:
        """Send a POST request with JSON below /api."""
        return requests.post(f"{self.url}/api/{path}", json.dumps(body), headers=JSON, timeout=PATIENCE)

    def start(self, name: str) -> int:
        """Start a timer manually; return the status of the response."""
        return requests.post(f"{self.url}/admin/functions/{name}", json={}, timeout=PATIENCE).status_code

    def logs(self, text: str) -> bool:
        """Return whether the host logs this, now or soon."""
        return eventually(lambda: any(text in line for line in list(self.lines)))


def put_app(folder: Path, program: str = APP) -> Path:
    """Create a folder with this function app."""
    folder.mkdir()
    (folder / "function_app.py").write_text(program, encoding="utf-8")
    (folder / "host.json").write_text(json.dumps(HOST_JSON), encoding="utf-8")
    return folder


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
    lines: list[str] = []
    with running_host(folder, environment, lambda level, text: lines.append(f"{level} {text}"), port=0) as running:
        yield Hosted(running.url, lines)


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
        ("GET", "/admin/functions/tick", 404),
        ("POST", "/admin/functions/echo", 404),
        ("POST", "/admin/functions/never", 404),
    ],
)
def test_a_request_gets_the_status(host: Hosted, method: str, path: str, status: int) -> None:
    answer = requests.request(method, host.url + path, json={"name": "status"}, timeout=PATIENCE)

    assert answer.status_code == status


def test_a_function_gets_the_whole_request(host: Hosted) -> None:
    address = f"{host.url}/api/echo/a%2Fb?limit=3&full=&name=a%20b"
    headers = {**JSON, "X-Asked-By": "A Person"}
    answer = requests.post(address, data="Ärztin".encode(), headers=headers, timeout=PATIENCE)
    seen = answer.json()

    assert seen | {"headers": seen["headers"]["x-asked-by"]} == {
        "method": "POST",
        "url": address,
        "params": {"limit": "3", "name": "a b"},
        "route": {"id": "a/b"},
        "headers": "A Person",
        "body": "Ärztin",
    }
    assert (answer.headers["Retry-After"], answer.headers["Content-Type"]) == ("5", "application/json")


def test_a_response_can_have_any_bytes(host: Hosted) -> None:
    assert host.get("bytes").content == b"\x00\xff"


def test_the_error_of_a_function_is_logged(host: Hosted) -> None:
    assert host.get("breaks").content == b""

    assert host.logs("ValueError: internal error")


def test_a_call_over_the_time_limit_fails_and_the_next_one_succeeds(host: Hosted) -> None:
    assert host.get("hangs").status_code == 500

    assert host.get("echo/1").status_code == 200


def test_an_app_that_ended_its_process_is_started_again(host: Hosted) -> None:
    host.get("exits")

    assert host.get("echo/1").status_code == 200


def test_functions_run_at_the_same_time(host: Hosted) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(host.get, "waits/seen")
        host.post("raises-flag/seen", None)

        assert waiting.result().text == "seen"


def test_a_message_of_a_function_starts_the_next_one(host: Hosted) -> None:
    host.post("jobs", {"name": "one"})

    assert host.logs("done: one at try 1")


def test_several_messages_of_one_function_arrive(host: Hosted) -> None:
    answer = host.post("jobs/many", [{"name": "first"}, {"name": "second"}, {"name": "third"}])

    assert [host.logs(f"done: {name} at try 1") for name in ("first", "second", "third")] == [True] * 3
    assert (answer.text, answer.headers["Content-Type"]) == ("added", "text/plain; charset=utf-8")


def test_a_failed_function_is_retried_and_writes_no_output(host: Hosted) -> None:
    host.post("jobs", {"name": "silent", "fails": 2})
    assert host.logs("done: silent at try 3")

    assert [line for line in host.lines if "done: silent" in line] == ["INFO done: silent at try 3"]


def test_a_message_that_always_fails_reaches_the_function_of_the_poison_queue(host: Hosted) -> None:
    host.post("jobs", {"name": "hopeless", "fails": 99})

    assert host.logs("poisoned: hopeless")


def test_a_timer_can_be_started_manually(host: Hosted) -> None:
    assert host.start("tick") == 202

    assert host.logs("done: ticked")


def test_a_disabled_timer_can_be_started_manually(host: Hosted) -> None:
    host.start("rest")

    assert host.logs("ran although disabled")


def test_the_start_logs_what_is_not_emulated(host: Hosted) -> None:
    assert f"INFO {NOT_EMULATED}" in host.lines


def test_the_start_logs_which_function_cannot_be_used(host: Hosted) -> None:
    problem = "never cannot be used: %NOT_SET% does not resolve to a value: give the setting NOT_SET"

    assert f"ERROR {problem}" in host.lines


def test_a_timer_fires_by_the_hosts_clock(folder: Path, environment: Mapping[str, str]) -> None:
    lines: list[str] = []
    now = [datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)]
    settings = {**environment, "PREFIX": f"t{uuid.uuid4().hex}"}
    with running_host(folder, settings, lambda _level, text: lines.append(text), port=0, now=lambda: now[0]) as running:
        now[0] += timedelta(seconds=1)

        assert Hosted(running.url, lines).logs("done: ticked")


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
    with pytest.raises(HostError, match=r"no readable host\.json"), _started(tmp_path, machine()):
        pass


def test_a_host_json_that_is_not_json_is_refused(tmp_path: Path) -> None:
    folder = put_app(tmp_path / "app")
    (folder / "host.json").write_text("{", encoding="utf-8")

    with pytest.raises(HostError, match=r"host\.json in .* is not valid"), _started(folder, machine()):
        pass


def test_no_thread_is_left_running(folder: Path, environment: Mapping[str, str]) -> None:
    before = set(threading.enumerate())
    with _started(folder, environment):
        pass

    assert eventually(lambda: set(threading.enumerate()) <= before)
