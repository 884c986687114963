"""Delivery by the real Dropbox library to the stand-in: lost answers, contention, refusals, and what is never done."""

import contextlib
import itertools
import json
import logging
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date

import dropbox as sdk
import pytest
import requests

from consent.config.credentials import Secret
from consent.config.settings import Network
from consent.delivery.dropbox_folder import DropboxFolder
from consent.delivery.dropbox_session import dropbox_session
from consent.delivery.plan import Delivery, Destination, content_hash, deliver, gather, plan_delivery
from consent.delivery.report_set import report_set
from consent.errors import (
    ConsentReportError,
    DeliveryRefusedError,
    DeliveryUnavailableError,
    DeliveryUnverifiedError,
    LeaseLostError,
)
from consent.files import ReportFile
from sandbox.dropbox.app import DELIVERY_SCOPES, Dropbox
from sandbox.dropbox.faults import lock_contention_409, lock_contention_429, rate_limited, server_error
from sandbox.server import Fault, Server

MONDAY = date(2026, 11, 16)
ADDRESS = Destination("obri-ibd", "Consent", "/", archive=True, cutoff=MONDAY, exported_on=MONDAY, sandbox=True)
A_WEEK_LATER = replace(ADDRESS, cutoff=date(2026, 11, 23), exported_on=date(2026, 11, 23))
REPORT = (ReportFile("Consent.csv", b"a,b\n1,2\n"), ReportFile("Consent.json", b"{}", data=True))
NEXT_REPORT = (replace(REPORT[0], content=b"a,b\n1,3\n"), replace(REPORT[1], content=b"[]"))
ROUTES_OF_A_CAREFUL_WRITER = {"oauth2/token", "check/user", "files/get_metadata", "files/list_folder", "files/upload"}
JSON = {"Content-Type": "application/json"}


@dataclass
class VirtualTime:
    """A clock that only sleeping moves, and a memory of every sleep."""

    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@dataclass
class Bench:
    """The stand-in, the virtual time, and folders that are connected to both."""

    server: Server
    time: VirtualTime
    sessions: contextlib.ExitStack

    @property
    def dropbox(self) -> Dropbox:
        assert isinstance(self.server.app, Dropbox)
        return self.server.app

    def session(self) -> requests.Session:
        return self.sessions.enter_context(dropbox_session(Network(), self.server.url))

    def folder(self, **changes: object) -> DropboxFolder:
        usual = {
            "app_key": Secret("DROPBOX_KEY", "sandbox-key"),
            "app_secret": None,
            "refresh_token": Secret("DROPBOX_OAUTH2_REFRESH_TOKEN", "sandbox-refresh"),
            "session": self.session(),
            "clock": self.time.clock,
            "sleep": self.time.sleep,
        }
        return DropboxFolder(**usual | changes)  # type: ignore[arg-type]

    def deliver(self, files: tuple[ReportFile, ...] = REPORT, address: Destination = ADDRESS) -> Delivery:
        folder = self.folder()
        return deliver(plan_delivery(files, address, gather(files, address, folder)), folder)

    def fail(self, *faults: Fault) -> None:
        self.server.faults[:] = faults

    def routes(self) -> list[str]:
        return [self.server.app.name_of(request) for request in self.server.requests]

    def uploads(self) -> list[tuple[str, bytes]]:
        return [
            (self.arguments(at)["path"], request.body) for at, request in enumerate(self.server.seen("files/upload"))
        ]

    def arguments(self, at: int = 0) -> dict[str, object]:
        arguments = json.loads(self.server.seen("files/upload")[at].headers["dropbox-api-arg"])
        assert isinstance(arguments, dict)
        return arguments


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Dropbox()) as server:
        yield server


@pytest.fixture
def bench(server: Server) -> Iterator[Bench]:
    server.app, server.most_at_once = Dropbox(), 0
    server.faults.clear()
    server.requests.clear()
    with contextlib.ExitStack() as sessions:
        yield Bench(server, VirtualTime(), sessions)


def changed(**changes: object) -> Callable[[bytes], bytes]:
    """An answer with some of its fields changed, and those set to None left out."""

    def change(body: bytes) -> bytes:
        fields = json.loads(body) | changes
        return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()

    return change


def archived(name: str, files: tuple[ReportFile, ...] = REPORT, address: Destination = ADDRESS) -> str:
    return f"{report_set(files, address).archive_folder}/{name}"


PLACES_OF_THE_REPORT = [
    *(archived(name) for name in ("Consent.csv", "Consent.json", "Consent.manifest.json")),
    "/Consent.csv",
    "/data/Consent.json",
    "/data/Consent.manifest.json",
]


# --- what is stored, and how it is asked for


def test_a_file_is_stored_byte_for_byte(bench: Bench) -> None:
    bench.folder().put("/Consent.csv", b"a,b\n", replace=True)
    assert bench.dropbox.files() == {"/Consent.csv": b"a,b\n"}


def test_a_stored_file_is_known_by_hash_size_and_revision(bench: Bench) -> None:
    stored = bench.folder().put("/Consent.csv", b"a,b\n", replace=True)
    assert stored == bench.folder().look("/Consent.csv")
    assert (stored.content_hash, stored.size, len(stored.rev)) == (content_hash(b"a,b\n"), 4, 16)


def test_looking_for_what_is_not_there_finds_nothing(bench: Bench) -> None:
    assert bench.folder().look("/nowhere/Consent.csv") is None


def test_names_come_from_every_page_of_a_listing(bench: Bench) -> None:
    folder = bench.folder()
    for path in ("/A/b", "/A/c/d", "/A/a"):
        folder.put(path, b"1", replace=True)
    bench.dropbox.account.page_size = 1
    assert folder.names("/A") == ("a", "b", "c")


def test_the_names_in_the_root_are_found(bench: Bench) -> None:
    bench.folder().put("/a", b"1", replace=True)
    assert bench.folder().names("/") == ("a",)


def test_a_folder_that_does_not_exist_has_no_names(bench: Bench) -> None:
    assert bench.folder().names("/nowhere") == ()


def test_a_listing_that_dropbox_resets_is_begun_again(bench: Bench) -> None:
    folder = bench.folder()
    folder.put("/A/a", b"1", replace=True)
    folder.put("/A/b", b"1", replace=True)
    bench.dropbox.account.page_size = 1
    body = b'{"error_summary": "reset/", "error": {".tag": "reset"}}'
    bench.fail(Fault("answer", "files/list_folder/continue", status=409, headers=JSON, body=body))
    assert folder.names("/A") == ("a", "b")


@pytest.mark.parametrize("replacing", [True, False], ids=["replacing", "adding"])
def test_no_upload_lets_dropbox_choose_another_name_or_complain_of_the_same_bytes(
    bench: Bench, replacing: bool
) -> None:
    bench.folder().put("/Consent.csv", b"a", replace=replacing)
    assert bench.arguments().get("autorename", False) is False
    assert bench.arguments().get("strict_conflict", False) is False


@pytest.mark.parametrize(("replacing", "mode"), [(True, "overwrite"), (False, "add")])
def test_only_a_stable_name_is_overwritten(bench: Bench, replacing: bool, mode: str) -> None:
    bench.folder().put("/Consent.csv", b"a", replace=replacing)
    assert bench.arguments()["mode"] == {".tag": mode}


def test_every_upload_names_the_hash_of_its_bytes(bench: Bench) -> None:
    bench.folder().put("/Consent.csv", b"a", replace=True)
    assert bench.arguments()["content_hash"] == content_hash(b"a")


@pytest.mark.parametrize("content", [None, b"", "text", bytearray(b"a")], ids=["none", "empty", "text", "bytearray"])
def test_content_that_is_no_bytes_or_empty_is_refused_before_any_request(bench: Bench, content: bytes) -> None:
    with pytest.raises(ValueError, match="has no content"):
        bench.folder().put("/Consent.csv", content, replace=True)
    assert bench.server.requests == []


def test_adding_the_same_bytes_again_makes_no_new_revision(bench: Bench) -> None:
    first = bench.folder().put("/Consent.csv", b"a", replace=False)
    assert bench.folder().put("/Consent.csv", b"a", replace=False) == first


def test_adding_other_bytes_is_refused_and_changes_nothing(bench: Bench) -> None:
    bench.folder().put("/Consent.csv", b"a", replace=False)
    with pytest.raises(DeliveryRefusedError, match="a different file already stands there and is never overwritten"):
        bench.folder().put("/Consent.csv", b"b", replace=False)
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(changed(content_hash="0" * 64), id="other hash"),
        pytest.param(changed(content_hash=None), id="no hash"),
        pytest.param(changed(size=3), id="other size"),
        pytest.param(changed(path_lower="/consent (1).csv"), id="other path"),
        pytest.param(changed(path_lower=None), id="no path"),
    ],
)
def test_an_answer_about_something_else_than_was_sent_is_not_taken_for_success(
    bench: Bench, change: Callable[[bytes], bytes]
) -> None:
    bench.fail(Fault("change", "files/upload", change=change))
    with pytest.raises(DeliveryUnverifiedError, match=r"something else than what was sent to '/Consent\.csv'"):
        bench.folder().put("/Consent.csv", b"a", replace=True)


@pytest.mark.parametrize(
    "title",
    [
        pytest.param("Résumé", id="accents"),
        pytest.param("Re\u0301sume\u0301", id="accents spelt apart"),
        pytest.param("ΣΎΝΟΨΗΣ", id="a final sigma"),
        pytest.param("同意書 Ünï", id="Chinese"),
    ],
)
def test_a_report_with_a_title_in_any_script_is_delivered_and_found_again(bench: Bench, title: str) -> None:
    files = (ReportFile(f"{title}.csv", b"a"), ReportFile(f"{title}.json", b"{}", data=True))
    address = replace(ADDRESS, title=title)
    bench.deliver(files, address)
    assert bench.deliver(files, address).state == "unchanged"


# --- connecting


def test_the_log_in_is_proven_before_anything_else(bench: Bench) -> None:
    bench.folder().put("/Consent.csv", b"a", replace=True)
    assert bench.routes() == ["oauth2/token", "check/user", "files/upload"]


def test_preparing_proves_the_log_in_and_writes_nothing(bench: Bench) -> None:
    bench.folder().prepare({"/Consent.csv": b"a"})
    assert bench.routes() == ["oauth2/token", "check/user"]


def test_the_log_in_is_proven_once(bench: Bench) -> None:
    folder = bench.folder()
    folder.connect()
    folder.connect()
    assert bench.routes().count("check/user") == 1


def test_an_access_token_that_expires_under_way_is_renewed(bench: Bench) -> None:
    folder = bench.folder()
    folder.put("/a.csv", b"a", replace=True)
    bench.dropbox.expire_tokens()
    folder.put("/b.csv", b"b", replace=True)
    assert bench.dropbox.files() == {"/a.csv": b"a", "/b.csv": b"b"}


def test_an_app_secret_is_used_when_there_is_one(bench: Bench) -> None:
    bench.folder(app_secret=Secret("DROPBOX_SECRET", "sandbox-secret")).connect()
    assert b"client_secret=sandbox-secret" in bench.server.seen("oauth2/token")[0].body


def test_a_session_that_reads_the_environment_is_refused(bench: Bench) -> None:
    with requests.Session() as session, pytest.raises(ValueError, match="set trust_env to False"):
        bench.folder(session=session)


def test_the_environment_of_the_process_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/certificates.pem")
    bench.folder().connect()
    assert bench.routes() == ["oauth2/token", "check/user"]


@pytest.mark.parametrize(
    "module", ["consent.delivery.plan", "consent.delivery.dropbox_folder", "consent.delivery.dropbox_errors"]
)
def test_what_is_slow_to_import_is_not_imported_before_it_is_needed(module: str) -> None:
    program = f"import sys, {module}; print(sys.modules.keys() & {{'dropbox', 'pandas', 'requests'}})"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


# --- team spaces


@pytest.fixture
def team(bench: Bench) -> Bench:
    bench.server.app = Dropbox(home_namespace="1", root_namespace="7")
    return bench


def test_a_report_for_the_team_space_lands_there(team: Bench) -> None:
    team.folder(root_namespace="7").put("/Finance/a.csv", b"a", replace=True)
    assert (team.dropbox.files("7"), team.dropbox.files("1")) == ({"/Finance/a.csv": b"a"}, {})


def test_without_a_namespace_a_report_lands_among_the_members_own_files(team: Bench) -> None:
    team.folder().put("/a.csv", b"a", replace=True)
    assert (team.dropbox.files("7"), team.dropbox.files("1")) == ({}, {"/a.csv": b"a"})


def test_a_team_space_that_is_gone_is_refused_and_no_other_takes_its_place(team: Bench) -> None:
    with pytest.raises(DeliveryRefusedError, match="no longer has the team space that DROPBOX_ROOT_NAMESPACE names"):
        team.folder(root_namespace="8").put("/a.csv", b"a", replace=True)
    assert (team.dropbox.files("7"), team.dropbox.files("1")) == ({}, {})


def test_a_run_that_must_stop_does_not_upload_a_second_time(bench: Bench) -> None:
    def stop_once_uploaded() -> None:
        if bench.uploads():
            raise LeaseLostError("another run took over")

    bench.fail(Fault("answer", "files/upload", status=503))

    with pytest.raises(LeaseLostError, match="took over"):
        bench.folder(keep_alive=stop_once_uploaded).put("/a.csv", b"a,b\n", replace=True)

    assert len(bench.uploads()) == 1


# --- done, or not done? the answer is lost


LOST = [
    pytest.param(Fault("lost", "files/upload"), id="connection broken after the work"),
    pytest.param(Fault("cut", "files/upload", at=20), id="half an answer"),
    pytest.param(Fault("trim", "files/upload", at=20), id="an answer cut short"),
    pytest.param(Fault("change", "files/upload", change=changed(rev=None)), id="an answer without its revision"),
    pytest.param(
        Fault("change", "files/upload", change=changed(server_modified="now")), id="an answer with a bad date"
    ),
]
NOT_DONE = [
    pytest.param(Fault("reset", "files/upload"), id="connection broken before the work"),
    pytest.param(server_error(match="files/upload"), id="service down"),
    pytest.param(server_error(500, "<html>", match="files/upload"), id="server error in html"),
    pytest.param(
        Fault("answer", "files/upload", status=200, headers={"Content-Type": "text/html"}), id="a proxy's page"
    ),
    pytest.param(Fault("answer", "files/upload", status=409, headers=JSON, body=b"<html>"), id="409 that is not JSON"),
    pytest.param(
        Fault("answer", "files/upload", status=409, headers=JSON, body=b'{"error": {".tag": "other"}}'),
        id="409 that says other",
    ),
    pytest.param(
        Fault("answer", "files/upload", status=409, headers=JSON, body=b'{"error": {".tag": "content_hash_mismatch"}}'),
        id="bytes damaged on the way",
    ),
    pytest.param(
        Fault("answer", "files/upload", status=429, headers={"Retry-After": "soon"}), id="a wait that is no number"
    ),
    pytest.param(Fault("answer", "files/upload", status=404, headers=JSON, body=b"{}"), id="404 without an error"),
    pytest.param(
        Fault(
            "answer",
            "files/upload",
            status=401,
            headers=JSON,
            body=b'{"error": {".tag": "expired_access_token"}}',
            times=2,
        ),
        id="a new token that is called expired",
    ),
]
AT_LOG_IN = [
    pytest.param(server_error(match="oauth2/token"), id="service down"),
    pytest.param(Fault("reset", "oauth2/token"), id="connection broken"),
    pytest.param(Fault("answer", "oauth2/token", status=403, headers=JSON, body=b"{}"), id="403 without a token"),
    pytest.param(Fault("change", "oauth2/token", change=changed(expires_in=None)), id="a token without an end"),
    pytest.param(
        Fault("answer", "oauth2/token", status=401, headers={"Content-Type": "text/html"}), id="a proxy's 401"
    ),
    pytest.param(rate_limited(3, match="oauth2/token"), id="asked too often"),
]


@pytest.mark.parametrize("fault", LOST)
def test_a_file_that_arrived_is_found_by_looking_and_not_sent_again(bench: Bench, fault: Fault) -> None:
    bench.fail(replace(fault))
    bench.folder().put("/Consent.csv", b"a", replace=True)
    assert bench.routes()[2:] == ["files/upload", "files/get_metadata"]
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


@pytest.mark.parametrize("fault", NOT_DONE)
def test_a_file_that_did_not_arrive_is_sent_again(bench: Bench, fault: Fault) -> None:
    bench.fail(replace(fault))
    bench.folder().put("/Consent.csv", b"a", replace=True)
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


@pytest.mark.parametrize("fault", AT_LOG_IN)
def test_trouble_at_the_log_in_is_waited_out(bench: Bench, fault: Fault) -> None:
    bench.fail(replace(fault))
    bench.folder().put("/Consent.csv", b"a", replace=True)
    assert bench.dropbox.files() == {"/Consent.csv": b"a"}


def test_an_answer_that_takes_too_long_is_as_good_as_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consent.delivery.dropbox_folder._TIMEOUT", (1, 0.1))
    bench.fail(Fault("hang", "files/upload", seconds=0.3))
    bench.folder().put("/Consent.csv", b"a", replace=True)
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


def test_not_finding_a_file_just_written_proves_nothing_and_the_same_bytes_are_sent_again(bench: Bench) -> None:
    bench.dropbox.account.lag = 1
    bench.fail(Fault("lost", "files/upload"))
    bench.folder().put("/Consent.csv", b"a", replace=False)
    assert bench.uploads() == [("/Consent.csv", b"a")] * 2
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


def test_the_old_file_under_a_stable_name_is_not_mistaken_for_the_new_one(bench: Bench) -> None:
    bench.folder().put("/Consent.csv", b"old", replace=True)
    bench.fail(Fault("reset", "files/upload"))
    bench.folder().put("/Consent.csv", b"new", replace=True)
    assert bench.dropbox.revisions("/Consent.csv") == [b"old", b"new"]


def test_every_attempt_sends_the_same_bytes_and_the_same_arguments(bench: Bench) -> None:
    bench.fail(Fault("reset", "files/upload", times=3), lock_contention_409())
    bench.folder().put("/Consent.csv", b"a", replace=False)
    assert len(bench.uploads()) == 5
    assert {request.headers["dropbox-api-arg"] for request in bench.server.seen("files/upload")} == {
        json.dumps(bench.arguments())
    }
    assert set(bench.uploads()) == {("/Consent.csv", b"a")}


@pytest.mark.parametrize("route", ["files/get_metadata", "files/list_folder"])
def test_a_question_whose_answer_is_lost_is_asked_again(bench: Bench, route: str) -> None:
    bench.fail(Fault("lost", route), Fault("trim", route, at=5), server_error(match=route))
    assert bench.deliver().state == "delivered"


def test_trouble_while_looking_for_a_lost_upload_does_not_end_the_run(bench: Bench) -> None:
    bench.fail(Fault("lost", "files/upload"), Fault("reset", "files/get_metadata"))
    bench.folder().put("/Consent.csv", b"a", replace=False)
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


def test_a_careless_uploader_leaves_two_files_where_this_one_leaves_one(bench: Bench) -> None:
    client = sdk.Dropbox(oauth2_refresh_token="sandbox-refresh", app_key="sandbox-key", session=bench.session())
    bench.fail(Fault("lost", "files/upload"))
    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        client.files_upload(b"made at 07:00:00", "/Consent.csv", autorename=True)
    client.files_upload(b"made at 07:00:05", "/Consent.csv", autorename=True)
    assert len(bench.dropbox.files()) == 2


# --- waiting


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        pytest.param(rate_limited(15, match="files/upload"), 15, id="asked too often, JSON"),
        pytest.param(rate_limited(15, json=False, match="files/upload"), 15, id="asked too often, text"),
        pytest.param(lock_contention_429(15, match="files/upload"), 15, id="other writers, 429"),
        pytest.param(lock_contention_429(match="files/upload"), 1, id="other writers, 429 without a time"),
        pytest.param(lock_contention_409(), 1, id="other writers, 409"),
        pytest.param(
            Fault("answer", "files/upload", status=429, headers={"Content-Type": "text/plain"}),
            5,
            id="429 without a word",
        ),
        pytest.param(server_error(match="files/upload"), 1, id="service down"),
    ],
)
def test_dropbox_is_given_the_time_it_asks_for_by_us_and_not_by_the_library(
    bench: Bench, fault: Fault, waited: float
) -> None:
    bench.fail(replace(fault))
    bench.folder().put("/Consent.csv", b"a", replace=True)
    assert bench.time.sleeps == [waited]
    assert len(bench.uploads()) == 2


def test_pauses_grow_while_trouble_lasts(bench: Bench) -> None:
    bench.fail(server_error(match="files/upload", times=7))
    bench.folder().put("/Consent.csv", b"a", replace=True)
    assert bench.time.sleeps == [1, 2, 4, 8, 16, 30, 30]


def test_a_wait_that_does_not_fit_the_deadline_ends_the_run_at_once(bench: Bench) -> None:
    bench.fail(rate_limited(301, match="files/upload"))
    with pytest.raises(DeliveryUnavailableError, match=r"within 300 seconds .*Dropbox is being asked too often"):
        bench.folder().put("/Consent.csv", b"a", replace=True)
    assert bench.time.sleeps == []


def test_an_outage_ends_the_run_within_its_deadline(bench: Bench) -> None:
    bench.fail(server_error(times=1000))
    with pytest.raises(DeliveryUnavailableError, match=r"the log-in: HTTP status 503; .*The same run may work later"):
        bench.folder(deadline_seconds=100).connect()
    assert bench.time.now <= 100


def test_a_network_that_is_down_is_told_apart_by_what_to_check(bench: Bench) -> None:
    bench.fail(Fault("reset", times=1000))
    with pytest.raises(DeliveryUnavailableError, match=r"ConnectionError.*HTTPS_PROXY, REQUESTS_CA_BUNDLE"):
        bench.folder().connect()


def test_the_deadline_is_for_all_calls_together(bench: Bench) -> None:
    folder = bench.folder(deadline_seconds=20)
    bench.fail(rate_limited(15, match="files/get_metadata"), rate_limited(15, match="files/upload"))
    folder.look("/a.csv")
    with pytest.raises(DeliveryUnavailableError, match="within 20 seconds"):
        folder.put("/a.csv", b"a", replace=True)
    assert bench.time.sleeps == [15]


def test_time_spent_elsewhere_does_not_count_towards_the_deadline(bench: Bench) -> None:
    folder = bench.folder()
    folder.connect()
    bench.time.now += 10_000
    assert folder.put("/a.csv", b"a", replace=True).size == 1


def test_answers_that_are_all_slow_end_the_run_too(bench: Bench) -> None:
    ticking = itertools.count(step=100)
    folder = bench.folder(clock=lambda: next(ticking))
    folder.look("/a.csv")
    folder.look("/b.csv")
    with pytest.raises(DeliveryUnavailableError, match="its answers took too long"):
        folder.look("/c.csv")


def test_no_call_may_hang_for_longer_than_a_minute(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    session = bench.session()
    timeouts = []
    send = session.send
    monkeypatch.setattr(session, "send", lambda request, **how: timeouts.append(how["timeout"]) or send(request, **how))
    bench.folder(session=session).put("/a.csv", b"a", replace=True)
    assert timeouts == [(10, 60)] * 3


# --- refusals: a person must act


def refused(status: int, body: dict[str, object], route: str = "files/upload") -> Fault:
    return Fault("answer", route, status=status, headers=JSON, body=json.dumps(body).encode(), times=1000)


def tagged(*tags: str) -> dict[str, object]:
    union: dict[str, object] = {".tag": tags[-1]}
    for tag in reversed(tags[:-1]):
        union = {".tag": tag, tag: union}
    return union


def upload_error(*tags: str) -> dict[str, object]:
    error = {".tag": "path", "reason": tagged(*tags), "upload_session_id": "pid_upload_session:a"}
    return {"error_summary": "path/...", "error": error}


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("insufficient_space", "the account is full"),
        ("no_write_permission", "ask the folder's owner for the right to edit"),
        ("disallowed_name", "Dropbox does not allow that name: change the title or the folder"),
        ("malformed_path", "Dropbox does not take that path"),
        ("team_folder", "choose a folder inside it"),
        ("operation_suppressed", "ask a Dropbox administrator"),
        ("access_restricted", "kept out of that folder"),
        ("something_new", "it gave the reason 'other'"),
    ],
)
def test_a_refused_upload_stops_the_run_with_a_sentence_for_a_person(bench: Bench, reason: str, sentence: str) -> None:
    bench.fail(refused(409, upload_error(reason)))
    with pytest.raises(DeliveryRefusedError, match=f"Dropbox refused to store '/a.csv' .*{sentence}"):
        bench.folder().put("/a.csv", b"a", replace=True)
    assert (bench.time.sleeps, len(bench.uploads())) == ([], 1)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"error": {".tag": "payload_too_large"}}, "larger than one upload may be"),
        ({"error": {".tag": "encryption_not_supported"}}, "encrypted team folder"),
    ],
)
def test_a_file_that_dropbox_cannot_take_stops_the_run(bench: Bench, body: dict[str, object], sentence: str) -> None:
    bench.fail(refused(409, body))
    with pytest.raises(DeliveryRefusedError, match=sentence):
        bench.folder().put("/a.csv", b"a", replace=True)


def test_a_teams_monthly_limit_stops_the_run(bench: Bench) -> None:
    user_message = {"locale": "en", "text": "Your team has used all of its data transport API calls for the month."}
    bench.fail(refused(403, {"error": tagged("invalid_account_type", "feature"), "user_message": user_message}))
    with pytest.raises(DeliveryRefusedError, match="a limit of the team's plan is reached"):
        bench.folder().put("/a.csv", b"a", replace=True)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (tagged("user_suspended"), "the account is suspended"),
        (tagged("route_access_denied"), "this app may not use that part of Dropbox"),
        (tagged("other"), r"the log-in was refused \('other'\)"),
        (tagged("invalid_select_user"), r"the log-in was refused \('invalid_select_user'\)"),
    ],
)
def test_a_refused_log_in_stops_the_run(bench: Bench, error: dict[str, object], sentence: str) -> None:
    bench.fail(refused(401, {"error": error}, "check/user"))
    with pytest.raises(DeliveryRefusedError, match=f"Dropbox refused the log-in .*{sentence}"):
        bench.folder().connect()
    assert bench.time.sleeps == []


def test_a_disconnected_app_stops_the_run_before_any_write(bench: Bench) -> None:
    bench.dropbox.revoke()
    with pytest.raises(DeliveryRefusedError, match=r"the stored log-in is not valid .*DROPBOX_OAUTH2_REFRESH_TOKEN"):
        bench.folder().put("/a.csv", b"a", replace=True)
    assert bench.routes() == ["oauth2/token"]


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param({"app_key": Secret("DROPBOX_KEY", "another")}, id="key"),
        pytest.param({"app_secret": Secret("DROPBOX_SECRET", "another")}, id="secret"),
    ],
)
def test_a_wrong_app_key_or_secret_stops_the_run(bench: Bench, credentials: dict[str, Secret]) -> None:
    with pytest.raises(DeliveryRefusedError, match="check DROPBOX_KEY and DROPBOX_SECRET"):
        bench.folder(**credentials).connect()


def test_a_log_in_without_a_permission_stops_the_run_and_names_it(bench: Bench) -> None:
    without = DELIVERY_SCOPES - {"files.content.write"}
    bench.server.app = Dropbox(scopes=without, app_scopes=DELIVERY_SCOPES)
    with pytest.raises(DeliveryRefusedError, match=r"the log-in lacks the permission files\.content\.write: sign in"):
        bench.folder().put("/a.csv", b"a", replace=True)


def test_an_app_without_a_permission_stops_the_run_and_names_it(bench: Bench) -> None:
    bench.server.app = Dropbox(scopes=DELIVERY_SCOPES - {"files.content.write"})
    with pytest.raises(DeliveryRefusedError, match=r"the app lacks the permission files\.content\.write: tick"):
        bench.folder().put("/a.csv", b"a", replace=True)


def test_a_request_that_dropbox_does_not_understand_stops_the_run(bench: Bench) -> None:
    bench.fail(Fault("answer", "files/upload", status=400, body=b"Error in call to API function", times=9))
    with pytest.raises(DeliveryRefusedError, match="cannot make sense of the request"):
        bench.folder().put("/a.csv", b"a", replace=True)


def test_a_folder_in_the_place_of_a_file_stops_the_run(bench: Bench) -> None:
    bench.dropbox.account.tree.make_folder("/a.csv")
    with pytest.raises(DeliveryRefusedError, match="a folder of that name is in the way"):
        bench.folder().put("/a.csv", b"a", replace=True)


def test_a_folder_in_the_place_of_a_file_is_seen_by_looking(bench: Bench) -> None:
    bench.dropbox.account.tree.make_folder("/a.csv")
    with pytest.raises(DeliveryRefusedError, match=r"a folder stands at '/a\.csv', where a file belongs"):
        bench.folder().look("/a.csv")


def test_a_file_in_the_place_of_a_folder_stops_the_run(bench: Bench) -> None:
    bench.folder().put("/data", b"a", replace=True)
    with pytest.raises(DeliveryRefusedError, match="a file stands where a folder is needed"):
        bench.folder().put("/data/a.csv", b"a", replace=True)


def test_a_file_in_the_place_of_a_listed_folder_stops_the_run(bench: Bench) -> None:
    bench.folder().put("/Archive", b"a", replace=True)
    with pytest.raises(DeliveryRefusedError, match="a file stands where a folder is needed"):
        bench.folder().names("/Archive")


def test_a_full_account_leaves_the_old_report_under_the_stable_names(bench: Bench) -> None:
    bench.deliver()
    before = bench.dropbox.files()
    bench.dropbox.account.tree.quota = sum(map(len, before.values()))
    with pytest.raises(DeliveryRefusedError, match="the account is full"):
        bench.deliver(NEXT_REPORT, A_WEEK_LATER)
    assert bench.dropbox.files() == before


# --- nothing secret gets out


SECRETS = ["sandbox-refresh", "sandbox-secret", "sl.u."]
ENDINGS = [
    pytest.param([], id="success"),
    pytest.param([Fault("reset", times=1000)], id="no network"),
    pytest.param([Fault("reset", "oauth2/token", times=1000)], id="no network at the log-in"),
    pytest.param([server_error(times=1000)], id="outage"),
    pytest.param([refused(409, upload_error("insufficient_space"))], id="refused"),
    pytest.param([refused(401, {"error": tagged("invalid_access_token")})], id="log-in refused"),
    pytest.param([Fault("change", "files/upload", change=changed(size=9))], id="unverified"),
]


def outcome_of(bench: Bench) -> BaseException | None:
    secret = Secret("DROPBOX_SECRET", "sandbox-secret")
    try:
        bench.folder(app_secret=secret).put("/a.csv", b"a", replace=True)
    except ConsentReportError as error:
        return error
    return None


@pytest.mark.parametrize("faults", ENDINGS)
def test_no_log_line_of_any_level_holds_a_secret(
    bench: Bench, faults: list[Fault], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bench.fail(*map(replace, faults))
    outcome_of(bench)
    assert caplog.text
    assert [secret for secret in SECRETS if secret in caplog.text] == []


@pytest.mark.parametrize("faults", ENDINGS[1:])
def test_no_error_holds_a_secret_or_leads_to_one_that_does(bench: Bench, faults: list[Fault]) -> None:
    bench.fail(*map(replace, faults))
    error = outcome_of(bench)
    assert error is not None
    assert [secret for secret in SECRETS if secret in repr(error)] == []
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_stored_file_is_logged_with_path_revision_hash_and_request(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="consent.delivery.dropbox_folder")
    stored = bench.folder().put("/a.csv", b"a", replace=True)
    line = caplog.messages[-1]
    assert f"/a.csv, rev {stored.rev}, hash {stored.content_hash} (request " in line
    assert "request none" not in line


def test_a_refusal_names_the_request_that_dropbox_can_be_asked_about(bench: Bench) -> None:
    bench.dropbox.revoke()
    with pytest.raises(DeliveryRefusedError, match=r"\(request [0-9a-f]{32}\)"):
        bench.folder().connect()


# --- whole reports


def test_a_report_is_uploaded_archive_first_and_each_manifest_after_its_files(bench: Bench) -> None:
    bench.deliver()
    assert [path for path, _ in bench.uploads()] == PLACES_OF_THE_REPORT


def test_the_manifest_lists_name_size_hash_and_revision_of_what_dropbox_holds(bench: Bench) -> None:
    bench.deliver()
    first = json.loads(bench.dropbox.files()["/data/Consent.manifest.json"])["files"][0]
    stored = bench.folder().look(archived("Consent.csv"))
    assert stored is not None
    assert (first["name"], first["size"]) == ("Consent.csv", stored.size)
    assert (first["content_hash"], first["rev"]) == (stored.content_hash, stored.rev)


def test_a_report_already_there_costs_looks_alone(bench: Bench) -> None:
    bench.deliver()
    bench.server.requests.clear()
    assert bench.deliver().state == "unchanged"
    assert "files/upload" not in bench.routes()


def test_an_as_of_report_replaces_an_older_one_that_the_archive_knows_by_its_manifest(bench: Bench) -> None:
    bench.deliver()
    as_of = replace(A_WEEK_LATER, cutoff=date(2026, 11, 17))
    assert bench.deliver(NEXT_REPORT, as_of).state == "delivered"


def test_an_as_of_report_never_replaces_one_that_was_not_archived(bench: Bench) -> None:
    bench.deliver(REPORT, replace(A_WEEK_LATER, archive=False))
    with pytest.raises(DeliveryRefusedError, match="Run without --as-of"):
        bench.deliver(NEXT_REPORT, replace(A_WEEK_LATER, cutoff=MONDAY))


def test_no_delivery_deletes_moves_or_reads_a_file(bench: Bench) -> None:
    bench.fail(Fault("lost", "files/upload", times=2), lock_contention_409())
    bench.deliver()
    bench.deliver(NEXT_REPORT, A_WEEK_LATER)
    assert set(bench.routes()) == ROUTES_OF_A_CAREFUL_WRITER


def test_a_delivery_makes_one_request_at_a_time(bench: Bench) -> None:
    bench.fail(Fault("hang", seconds=0.02, times=5))
    bench.deliver()
    assert bench.server.most_at_once == 1


@pytest.mark.parametrize("done", range(6))
def test_a_run_broken_off_half_way_is_finished_by_the_next_without_a_second_copy(bench: Bench, done: int) -> None:
    bench.fail(Fault("reset", "files/upload", skip=done, times=1000))
    with pytest.raises(DeliveryUnavailableError, match="ConnectionError"):
        bench.deliver()
    bench.fail()
    bench.deliver()
    assert {path: len(bench.dropbox.revisions(path)) for path in bench.dropbox.files()} == dict.fromkeys(
        PLACES_OF_THE_REPORT, 1
    )


# --- any trouble at all


def any_faults(seed: int) -> list[Fault]:
    dice = random.Random(seed)
    aims = ["", "files/upload", "files/upload", "files/get_metadata", "files/list_folder", "oauth2/token"]
    makers: list[Callable[[], Fault]] = [
        lambda: Fault("reset"),
        lambda: Fault("lost"),
        lambda: Fault("cut", at=dice.randrange(200)),
        lambda: Fault("trim", at=dice.randrange(200)),
        lambda: Fault("answer", status=200, headers={"Content-Type": "text/html"}, body=b"<html>"),
        lambda: Fault("answer", status=409, headers=JSON, body=b'{"error": {".tag": "other"}}'),
        lambda: rate_limited(dice.choice([1, 15, 300]), json=dice.random() < 0.5),
        lambda: lock_contention_429(dice.choice([None, 15])),
        lock_contention_409,
        lambda: server_error(dice.choice([500, 503])),
    ]
    return [
        replace(
            dice.choice(makers)(), match=dice.choice(aims), skip=dice.randrange(8), times=dice.choice([1, 1, 2, 3, 30])
        )
        for _ in range(dice.randrange(1, 6))
    ]


def unvouched(files: dict[str, bytes]) -> list[str]:
    """The files that a manifest in the archive lists, and that do not stand beside it with the listed hash."""
    manifests = [path for path in files if path.startswith("/Archive/") and path.endswith(".manifest.json")]
    listed = [(path, entry) for path in manifests for entry in json.loads(files[path])["files"]]
    beside = {f"{path.rpartition('/')[0]}/{entry['name']}": entry["content_hash"] for path, entry in listed}
    return [path for path, expected in beside.items() if content_hash(files.get(path, b"")) != expected]


def is_current(files: dict[str, bytes], report: tuple[ReportFile, ...]) -> bool:
    stable = {"/data/" + file.name if file.data else "/" + file.name: file.content for file in report}
    return {path: files.get(path) for path in stable} == stable


@pytest.mark.parametrize("seed", range(60))
def test_whatever_goes_wrong_a_manifest_never_stands_before_its_files_and_the_next_run_mends_the_rest(
    bench: Bench, seed: int
) -> None:
    bench.deliver()
    bench.fail(*any_faults(seed))
    try:
        whole = bench.deliver(NEXT_REPORT, A_WEEK_LATER).state == "delivered"
    except DeliveryUnavailableError:
        whole = False
    files = bench.dropbox.files()
    finished = json.loads(files["/data/Consent.manifest.json"])["cutoff"] == "2026-11-23"
    assert unvouched(files) == []
    assert is_current(files, NEXT_REPORT) >= finished >= whole
    bench.fail()
    bench.deliver(NEXT_REPORT, A_WEEK_LATER)
    assert is_current(bench.dropbox.files(), NEXT_REPORT)
    assert sorted(len(bench.dropbox.revisions(path)) for path in bench.dropbox.files()) == [1] * 6 + [2] * 3
