"""Tests of ``consent request``: what is sent where, and how each response ends the command."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from consent.cli.main import main
from consent.cli.request import AppClient, app_address
from consent.config.credentials import Secret
from consent.errors import AppUnavailableError, ConfigurationError, RunTooLongError
from sandbox.server import Fault, Request, Response, Server

RUN = "a-study.20261116T120000Z-a574d0"
KEY = "made-up-function-key"


@dataclass
class App:
    """An app whose run has these states in turn; a function app in Microsoft's runtime is in test_page_in_demo."""

    states: list[str] = field(default_factory=lambda: ["requested", "running", "delivered"])
    answers: dict[str, Response] = field(default_factory=dict)

    def name_of(self, request: Request) -> str:
        return request.method

    def answer(self, request: Request) -> Response:
        if request.method in self.answers:
            return self.answers[request.method]
        if request.method == "POST":
            return Response(202, body=json.dumps({"run_id": RUN, "status_url": f"/api/runs/{RUN}"}).encode())
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        counts = {"consented": 812, "participants": 1000} if state == "delivered" else None
        document = {"run_id": RUN, "state": state, "reason": "", "what": "", "fix": "", "counts": counts}
        return Response(200, body=json.dumps(document).encode())


@pytest.fixture(name="server")
def _server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("CONSENT_FUNCTION_KEY", KEY)
    with Server(App()) as server:
        yield server


def request(server: Server, *options: str) -> int:
    return main(["request", "--url", server.url, *options])


def test_a_run_is_requested_and_followed_to_its_end(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert request(server, "--study", "a-study", "--as-of", "2026-11-16", "--accept-drop") == 0
    sent = json.loads(server.requests[0].body)
    assert sent == {"study": "a-study", "as_of": "2026-11-16", "accept_drop": True}
    assert [each.path for each in server.requests] == ["/api/runs"] + 3 * [f"/api/runs/{RUN}"]
    assert capsys.readouterr().out == f"{RUN}: delivered.\n812 of 1,000 participants consented.\n"


def test_the_key_is_in_a_header_and_nowhere_else(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    request(server, "--json")
    printed = capsys.readouterr()
    assert {each.headers["x-functions-key"] for each in server.requests} == {KEY}
    assert KEY not in printed.out + printed.err + "".join(f"{each.path}?{each.query}" for each in server.requests)


@pytest.mark.parametrize(
    ("state", "status"), [("delivered", 0), ("unchanged", 0), ("refused", 1), ("failed", 1), ("lost", 1)]
)
def test_the_exit_status_says_whether_the_report_is_in_dropbox(state: str, status: int, server: Server) -> None:
    server.app = App([state])
    assert request(server) == status


def test_without_waiting_the_run_is_only_requested(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert request(server, "--no-wait") == 0
    assert (len(server.requests), RUN in capsys.readouterr().out) == (1, True)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (Response(401), "refused the function key"),
        (Response(404, body=b"not found"), "no consent app"),
        (Response(302, {"Location": "https://elsewhere.example.org/"}), "no consent app"),
        (Response(202, body=b'{"run_id": "../../else"}'), "names no run"),
        (Response(400, body=b'{"problems": [{"what": "as_of is not a date.", "fix": "Correct it."}]}'), "as_of is not"),
    ],
)
def test_a_refused_request_is_explained(
    response: Response, text: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.app = App(answers={"POST": response})
    assert request(server) == 1
    assert text in capsys.readouterr().err


def client(server: Server, clock: Callable[[], float] = lambda: 0.0) -> AppClient:
    import requests

    return AppClient(server.url, Secret("CONSENT_FUNCTION_KEY", KEY), requests.Session(), lambda seconds: None, clock)


def test_an_app_that_starts_slowly_is_asked_again_and_one_that_never_responds_is_an_error(server: Server) -> None:
    server.faults.append(Fault("answer", status=503, times=3))
    assert client(server).request({}) == RUN
    server.faults.append(Fault("reset", times=99))
    with pytest.raises(AppUnavailableError) as caught:
        client(server).request({})
    assert KEY not in repr(caught.value.__context__)


def test_a_run_that_does_not_end_is_given_up(server: Server) -> None:
    server.app = App(["running"])
    times = iter(range(0, 10_000, 1000))
    with pytest.raises(RunTooLongError, match=RUN):
        client(server, lambda: float(next(times))).follow(RUN, print)


@pytest.mark.parametrize(
    "url",
    ["http://app.example.org", "https://key@app.example.org", "https://app.example.org/api/runs", "app", "ftp://a"],
)
def test_the_key_is_never_sent_to_an_address_that_is_not_safe(url: str) -> None:
    with pytest.raises(ConfigurationError):
        app_address(url)


def test_without_a_key_and_a_terminal_nothing_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["request", "--url", "https://app.example.org"]) == 1
    assert "CONSENT_FUNCTION_KEY is missing" in capsys.readouterr().err
