"""Tests of delivery with the real Dropbox SDK to the simulated Dropbox: lost responses, contention and refusals."""

import contextlib
import itertools
import json
import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import pytest
import requests

from consent.config.credentials import Secret
from consent.config.settings import Network
from consent.delivery.dropbox_folder import DropboxFolder
from consent.delivery.dropbox_session import dropbox_session
from consent.delivery.plan import Delivery, Destination, content_hash, deliver, plan_delivery
from consent.delivery.report_set import ReportSet
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
DESTINATION = Destination("obri-ibd", "Consent", "/", archive=True, cutoff=MONDAY, exported_on=MONDAY, sandbox=True)
A_WEEK_LATER = replace(DESTINATION, cutoff=date(2026, 11, 23), exported_on=date(2026, 11, 23))
REPORT = (ReportFile("Consent.csv", b"a,b\n1,2\n"), ReportFile("Consent.json", b"{}", data=True))
NEXT_REPORT = (replace(REPORT[0], content=b"a,b\n1,3\n"), replace(REPORT[1], content=b"[]"))
ALLOWED_ROUTES = {"oauth2/token", "check/user", "files/get_metadata", "files/list_folder", "files/upload"}
JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}


@dataclass
class VirtualTime:
    """A clock that only sleeping moves; it records every sleep."""

    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@dataclass
class Bench:
    """The simulated Dropbox, a virtual clock, and folders that use both."""

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

    def deliver(self, files: tuple[ReportFile, ...] = REPORT, destination: Destination = DESTINATION) -> Delivery:
        folder = self.folder()
        return deliver(plan_delivery(ReportSet(files, destination), folder), folder)

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
    """Change some fields of a response; None removes a field."""

    def change(body: bytes) -> bytes:
        fields = json.loads(body) | changes
        return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()

    return change


def archived(name: str, files: tuple[ReportFile, ...] = REPORT, destination: Destination = DESTINATION) -> str:
    return f"{ReportSet(files, destination).archive_folder}/{name}"


REPORT_PATHS = [
    *(archived(name) for name in ("Consent.csv", "Consent.json", "Consent.manifest.json")),
    "/Consent.csv",
    "/data/Consent.json",
    "/data/Consent.manifest.json",
]


# --- upload, stat and list


def test_a_file_is_stored_byte_for_byte(bench: Bench) -> None:
    bench.folder().put("/Consent.csv", b"a,b\n", replaces=None)
    assert bench.dropbox.files() == {"/Consent.csv": b"a,b\n"}


def test_a_missing_file_is_none(bench: Bench) -> None:
    assert bench.folder().stat("/nowhere/Consent.csv") is None


def test_a_folder_is_listed_from_every_page(bench: Bench) -> None:
    folder = bench.folder()
    for path in ("/A/b", "/A/c/d", "/A/a"):
        folder.put(path, b"1", replaces=None)
    bench.dropbox.account.page_size = 1
    assert folder.list_folder("/A") == ("a", "b", "c")


def test_the_root_folder_is_listed(bench: Bench) -> None:
    bench.folder().put("/a", b"1", replaces=None)
    assert bench.folder().list_folder("/") == ("a",)


def test_a_missing_folder_is_empty(bench: Bench) -> None:
    assert bench.folder().list_folder("/nowhere") == ()


def test_a_listing_that_dropbox_resets_starts_again(bench: Bench) -> None:
    folder = bench.folder()
    folder.put("/A/a", b"1", replaces=None)
    folder.put("/A/b", b"1", replaces=None)
    bench.dropbox.account.page_size = 1
    body = b'{"error_summary": "reset/", "error": {".tag": "reset"}}'
    bench.fail(Fault("answer", "files/list_folder/continue", status=409, headers=JSON, body=body))
    assert folder.list_folder("/A") == ("a", "b")


def test_an_upload_sends_its_hash_and_the_revision_it_replaces_and_allows_no_other_name(bench: Bench) -> None:
    first = bench.folder().put("/Consent.csv", b"a", replaces=None)
    bench.folder().put("/Consent.csv", b"b", replaces=first)
    added, updated = bench.arguments(0), bench.arguments(1)
    assert (added["mode"], added["content_hash"]) == ({".tag": "add"}, content_hash(b"a"))
    assert (updated["mode"], updated["content_hash"]) == ({".tag": "update", "update": first.rev}, content_hash(b"b"))
    assert {sent.get(name, False) for sent in (added, updated) for name in ("autorename", "strict_conflict")} == {False}


@pytest.mark.parametrize("content", [None, b"", "text"], ids=["none", "empty", "text"])
def test_empty_content_is_refused_before_any_request(bench: Bench, content: bytes) -> None:
    with pytest.raises(ValueError, match="has no content"):
        bench.folder().put("/Consent.csv", content, replaces=None)
    assert bench.server.requests == []


def test_adding_the_same_bytes_again_makes_no_new_revision(bench: Bench) -> None:
    first = bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.folder().put("/Consent.csv", b"a", replaces=None) == first


def test_a_file_that_another_run_wrote_is_not_replaced(bench: Bench) -> None:
    planned = bench.folder().put("/Consent.csv", b"a", replaces=None)
    bench.folder().put("/Consent.csv", b"b", replaces=planned)
    for replaces in (None, planned):
        with pytest.raises(DeliveryUnverifiedError, match="was changed by another run or a person"):
            bench.folder().put("/Consent.csv", b"c", replaces=replaces)
    assert bench.dropbox.revisions("/Consent.csv") == [b"a", b"b"]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_request_that_arrives_late_replaces_no_newer_file(bench: Bench, deleted: bool) -> None:
    planned = bench.folder().put("/Consent.csv", b"old", replaces=None)
    bench.fail(Fault("late", "files/upload", times=1000))
    with pytest.raises(DeliveryUnavailableError):
        bench.folder().put("/Consent.csv", b"late", replaces=planned)
    bench.fail()
    if deleted:
        bench.dropbox.account.tree.delete("/Consent.csv")
    bench.folder().put("/Consent.csv", b"new", replaces=planned)
    bench.server.handle_late()
    assert bench.dropbox.files() == {"/Consent.csv": b"new"}


def test_a_stored_replacement_counts_even_if_its_repetition_conflicts(bench: Bench) -> None:
    planned = bench.folder().put("/Consent.csv", b"old", replaces=None)
    conflict = replace(refused(409, upload_error("conflict", "file")), times=1)
    bench.fail(Fault("lost", "files/upload"), Fault("reset", "files/get_metadata"), conflict)
    bench.folder().put("/Consent.csv", b"new", replaces=planned)
    assert bench.dropbox.revisions("/Consent.csv") == [b"old", b"new"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(changed(content_hash="0" * 64), id="other hash"),
        pytest.param(changed(content_hash=None), id="no hash"),
        pytest.param(changed(size=3), id="other size"),
        pytest.param(changed(path_lower="/consent (1).csv"), id="other path"),
    ],
)
def test_a_response_that_does_not_match_the_upload_is_an_error(bench: Bench, change: Callable[[bytes], bytes]) -> None:
    bench.fail(Fault("change", "files/upload", change=change))
    with pytest.raises(DeliveryUnverifiedError, match=r"does not match the upload: '/Consent\.csv'"):
        bench.folder().put("/Consent.csv", b"a", replaces=None)


@pytest.mark.parametrize("title", ["Re\u0301sume\u0301", "ΣΎΝΟΨΗΣ"], ids=["decomposed accents", "a final sigma"])
def test_a_title_in_any_script_is_delivered_and_found_again(bench: Bench, title: str) -> None:
    files = (ReportFile(f"{title}.csv", b"a"), ReportFile(f"{title}.json", b"{}", data=True))
    destination = replace(DESTINATION, title=title)
    bench.deliver(files, destination)
    assert bench.deliver(files, destination).state == "unchanged"


# --- sign-in


def test_the_sign_in_is_checked_first(bench: Bench) -> None:
    bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.routes() == ["oauth2/token", "check/user", "files/upload"]


def test_an_expired_access_token_is_renewed(bench: Bench) -> None:
    folder = bench.folder()
    folder.put("/a.csv", b"a", replaces=None)
    bench.dropbox.expire_tokens()
    folder.put("/b.csv", b"b", replaces=None)
    assert bench.dropbox.files() == {"/a.csv": b"a", "/b.csv": b"b"}


def test_a_session_that_reads_the_environment_is_an_error(bench: Bench) -> None:
    with requests.Session() as session, pytest.raises(ValueError, match="trust_env"):
        bench.folder(session=session)


def test_the_environment_of_the_process_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/certificates.pem")
    bench.folder().connect()
    assert bench.routes() == ["oauth2/token", "check/user"]


# --- team spaces


@pytest.fixture
def team(bench: Bench) -> Bench:
    bench.server.app = Dropbox(root_namespace="7")
    return bench


def test_a_report_for_the_team_space_is_stored_there(team: Bench) -> None:
    team.folder(root_namespace="7").put("/Finance/a.csv", b"a", replaces=None)
    assert (team.dropbox.files("7"), team.dropbox.files("1")) == ({"/Finance/a.csv": b"a"}, {})


def test_without_a_namespace_a_report_is_stored_in_the_members_own_files(team: Bench) -> None:
    team.folder().put("/a.csv", b"a", replaces=None)
    assert (team.dropbox.files("7"), team.dropbox.files("1")) == ({}, {"/a.csv": b"a"})


def test_a_missing_team_space_is_refused_and_no_other_is_used(team: Bench) -> None:
    with pytest.raises(DeliveryRefusedError, match="DROPBOX_ROOT_NAMESPACE"):
        team.folder(root_namespace="8").put("/a.csv", b"a", replaces=None)
    assert (team.dropbox.files("7"), team.dropbox.files("1")) == ({}, {})


def test_a_run_that_lost_its_lease_does_not_upload_again(bench: Bench) -> None:
    def stop_after_upload() -> None:
        if bench.uploads():
            raise LeaseLostError("Another run took over.")

    bench.fail(Fault("answer", "files/upload", status=503))
    with pytest.raises(LeaseLostError):
        bench.folder(keep_alive=stop_after_upload).put("/a.csv", b"a,b\n", replaces=None)
    assert len(bench.uploads()) == 1


# --- the response is lost: stored or not?


def answered(
    status: int, route: str = "files/upload", *, headers: Mapping[str, str] = JSON, body: bytes = b"{}", times: int = 1
) -> Fault:
    return Fault("answer", route, status=status, headers=headers, body=body, times=times)


LOST = [
    pytest.param(Fault("lost", "files/upload"), id="connection lost after the upload"),
    pytest.param(Fault("trim", "files/upload", at=20), id="truncated response"),
    pytest.param(Fault("change", "files/upload", change=changed(rev=None)), id="response without a revision"),
]
NOT_DONE = [
    pytest.param(Fault("reset", "files/upload"), id="connection lost before the upload"),
    pytest.param(server_error(match="files/upload"), id="service down"),
    pytest.param(answered(200, headers=HTML, body=b""), id="page of a proxy"),
    pytest.param(answered(409, body=b"<html>"), id="409 that is not JSON"),
    pytest.param(answered(409, body=b'{"error": {".tag": "other"}}'), id="409 that says other"),
    pytest.param(answered(409, body=b'{"error": {".tag": "content_hash_mismatch"}}'), id="bytes damaged in transit"),
    pytest.param(answered(429, headers={"Retry-After": "soon"}, body=b""), id="429 with an unreadable wait"),
    pytest.param(answered(404), id="404 without an error"),
    *(pytest.param(answered(status), id=f"status {status}") for status in (408, 425, 502, 504, 520)),
    pytest.param(
        answered(401, body=b'{"error": {".tag": "expired_access_token"}}', times=2), id="new token refused as expired"
    ),
]
AT_SIGN_IN = [
    pytest.param(server_error(match="oauth2/token"), id="service down"),
    pytest.param(answered(403, "oauth2/token"), id="403 without a token"),
    pytest.param(answered(401, "oauth2/token", headers=HTML, body=b""), id="proxy"),
    pytest.param(rate_limited(3, match="oauth2/token"), id="rate limit"),
]


@pytest.mark.parametrize("fault", LOST)
def test_a_stored_file_is_found_and_not_sent_again(bench: Bench, fault: Fault) -> None:
    bench.fail(replace(fault))
    bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.routes()[2:] == ["files/upload", "files/get_metadata"]
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


@pytest.mark.parametrize("fault", NOT_DONE)
def test_a_file_that_was_not_stored_is_sent_again(bench: Bench, fault: Fault) -> None:
    bench.fail(replace(fault))
    bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


@pytest.mark.parametrize("fault", AT_SIGN_IN)
def test_a_failing_sign_in_is_retried(bench: Bench, fault: Fault) -> None:
    bench.fail(replace(fault))
    bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.dropbox.files() == {"/Consent.csv": b"a"}


def test_a_slow_response_counts_as_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consent.delivery.dropbox_folder._TIMEOUT", (1, 0.1))
    bench.fail(Fault("hang", "files/upload", seconds=0.3))
    bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


def test_a_new_file_that_is_not_listed_yet_is_sent_again_with_the_same_bytes(bench: Bench) -> None:
    bench.dropbox.account.lag = 1
    bench.fail(Fault("lost", "files/upload"))
    bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.uploads() == [("/Consent.csv", b"a")] * 2
    assert bench.dropbox.revisions("/Consent.csv") == [b"a"]


def test_an_old_file_under_the_stable_name_is_not_taken_for_the_new_one(bench: Bench) -> None:
    old = bench.folder().put("/Consent.csv", b"old", replaces=None)
    bench.fail(Fault("reset", "files/upload"))
    bench.folder().put("/Consent.csv", b"new", replaces=old)
    assert bench.dropbox.revisions("/Consent.csv") == [b"old", b"new"]


def test_every_attempt_sends_the_same_bytes_and_the_same_arguments(bench: Bench) -> None:
    bench.fail(Fault("reset", "files/upload", times=3), lock_contention_409())
    bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert len(bench.uploads()) == 5
    assert {request.headers["dropbox-api-arg"] for request in bench.server.seen("files/upload")} == {
        json.dumps(bench.arguments())
    }
    assert set(bench.uploads()) == {("/Consent.csv", b"a")}


@pytest.mark.parametrize("route", ["files/get_metadata", "files/list_folder"])
def test_a_read_without_a_response_is_repeated(bench: Bench, route: str) -> None:
    bench.fail(Fault("lost", route), Fault("trim", route, at=5), server_error(match=route))
    assert bench.deliver().state == "delivered"


# --- waiting


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        pytest.param(rate_limited(15, match="files/upload"), 15, id="rate limit"),
        pytest.param(lock_contention_429(match="files/upload"), 1, id="other writers, 429 without a time"),
        pytest.param(lock_contention_409(), 1, id="other writers, 409"),
        pytest.param(answered(429, headers={"Content-Type": "text/plain"}, body=b""), 5, id="429 without a body"),
        pytest.param(answered(503, headers={"Retry-After": "20"}, body=b""), 20, id="503 with a time"),
        pytest.param(server_error(match="files/upload"), 1, id="service down"),
        pytest.param(answered(503, headers={"Retry-After": "20"}), 20, id="503 with a time"),
        pytest.param(answered(425, headers={"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}), 1, id="425 with a date"),
        pytest.param(answered(429, headers=JSON | {"Retry-After": "15"}), 15, id="429 with a time in its head only"),
    ],
)
def test_we_wait_as_long_as_dropbox_asks_and_the_sdk_does_not(bench: Bench, fault: Fault, waited: float) -> None:
    bench.fail(replace(fault))
    bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.time.sleeps == [waited]
    assert len(bench.uploads()) == 2


def test_pauses_grow_with_every_failure(bench: Bench) -> None:
    bench.fail(server_error(match="files/upload", times=7))
    bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.time.sleeps == [1, 2, 4, 8, 16, 30, 30]


def test_a_wait_beyond_the_deadline_ends_the_run_at_once(bench: Bench) -> None:
    bench.fail(rate_limited(301, match="files/upload"))
    with pytest.raises(DeliveryUnavailableError, match=r"300 seconds .*too many requests"):
        bench.folder().put("/Consent.csv", b"a", replaces=None)
    assert bench.time.sleeps == []


def test_an_outage_ends_the_run_within_its_deadline(bench: Bench) -> None:
    bench.fail(server_error(times=1000))
    with pytest.raises(DeliveryUnavailableError, match=r"the sign-in: HTTP status 503"):
        bench.folder(deadline_seconds=100).connect()
    assert bench.time.now <= 100


def test_a_broken_network_names_the_settings_to_check(bench: Bench) -> None:
    bench.fail(Fault("reset", times=1000))
    with pytest.raises(
        DeliveryUnavailableError, match=r"in: ConnectionError; request none\).*HTTPS_PROXY, REQUESTS_CA_BUNDLE"
    ):
        bench.folder().connect()


def test_the_deadline_is_for_all_calls_together(bench: Bench) -> None:
    folder = bench.folder(deadline_seconds=20)
    bench.fail(rate_limited(15, match="files/get_metadata"), rate_limited(15, match="files/upload"))
    folder.stat("/a.csv")
    with pytest.raises(DeliveryUnavailableError, match="20 seconds"):
        folder.put("/a.csv", b"a", replaces=None)
    assert bench.time.sleeps == [15]


def test_time_spent_elsewhere_does_not_count_towards_the_deadline(bench: Bench) -> None:
    folder = bench.folder()
    folder.connect()
    bench.time.now += 10_000
    assert folder.put("/a.csv", b"a", replaces=None).size == 1


def test_slow_responses_end_the_run_too(bench: Bench) -> None:
    folder = bench.folder(clock=itertools.count(step=200).__next__)
    folder.stat("/a.csv")
    with pytest.raises(DeliveryUnavailableError, match="slow responses"):
        folder.stat("/c.csv")


def test_a_response_that_arrives_byte_by_byte_ends_at_the_deadline(bench: Bench) -> None:
    bench.fail(Fault("drip", "files/upload", seconds=0.2))
    with pytest.raises(DeliveryUnavailableError, match="slow responses"):
        bench.folder(deadline_seconds=1, clock=time.monotonic).put("/a.csv", b"a", replaces=None)


def test_every_call_has_a_timeout(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    session = bench.session()
    timeouts = []
    send = session.send
    monkeypatch.setattr(session, "send", lambda request, **how: timeouts.append(how["timeout"]) or send(request, **how))
    bench.folder(session=session).put("/a.csv", b"a", replaces=None)
    assert timeouts == [(10, 60)] * 3


# --- refusals: a person must act


def refused(status: int, body: dict[str, object], route: str = "files/upload") -> Fault:
    return answered(status, route, body=json.dumps(body).encode(), times=1000)


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
        ("no_write_permission", "may not write there. Ask the folder's owner for permission to edit."),
        ("something_new", "gave the reason 'other'. Ask a Dropbox administrator."),
    ],
)
def test_a_refused_upload_stops_the_run_with_a_reason_and_a_fix(bench: Bench, reason: str, sentence: str) -> None:
    bench.fail(refused(409, upload_error(reason)))
    with pytest.raises(DeliveryRefusedError) as error:
        bench.folder().put("/a.csv", b"a", replaces=None)
    assert re.match(r"Dropbox refused storing '/a\.csv' \(request none\): ", error.value.what)
    assert str(error.value).endswith(sentence)
    assert (bench.time.sleeps, len(bench.uploads())) == ([], 1)


def test_a_teams_monthly_limit_stops_the_run(bench: Bench) -> None:
    error = tagged("invalid_account_type", "feature")
    bench.fail(refused(403, {"error": error, "user_message": {"locale": "en", "text": "Your team has used all."}}))
    with pytest.raises(DeliveryRefusedError, match="the team's plan has reached a limit"):
        bench.folder().put("/a.csv", b"a", replaces=None)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (tagged("user_suspended"), "the account is suspended"),
        (tagged("invalid_select_user"), "'invalid_select_user'. Sign in again with 'consent login dropbox'."),
    ],
)
def test_a_refused_sign_in_stops_the_run(bench: Bench, error: dict[str, object], sentence: str) -> None:
    bench.fail(refused(401, {"error": error}, "check/user"))
    with pytest.raises(DeliveryRefusedError, match=f"Dropbox refused the sign-in .*{sentence}"):
        bench.folder().connect()
    assert bench.time.sleeps == []


def test_a_disconnected_app_stops_the_run_before_any_write(bench: Bench) -> None:
    bench.dropbox.revoke()
    with pytest.raises(DeliveryRefusedError, match=r"\(request [0-9a-f]{32}\): the stored sign-in is not valid"):
        bench.folder().put("/a.csv", b"a", replaces=None)
    assert bench.routes() == ["oauth2/token"]


@pytest.mark.parametrize("headers", [JSON, {"Content-Type": "application/json; charset=utf-8"}, HTML])
@pytest.mark.parametrize("status", [400, 401])
def test_a_wrong_app_key_or_secret_stops_the_run(bench: Bench, status: int, headers: Mapping[str, str]) -> None:
    body = b'{"error": "invalid_client", "error_description": "Invalid client_id or client_secret"}'
    bench.fail(answered(status, "oauth2/token", headers=headers, body=body))
    with pytest.raises(DeliveryRefusedError, match=r"app key or app secret is wrong.*DROPBOX_KEY and DROPBOX_SECRET"):
        bench.folder().connect()


def test_a_proxy_that_passes_no_uploads_on_stops_the_run(bench: Bench) -> None:
    bench.fail(answered(501))
    with pytest.raises(DeliveryRefusedError, match=r"HTTP status 501.*HTTPS_PROXY"):
        bench.folder().put("/a.csv", b"a", replaces=None)


def test_a_sign_in_without_a_permission_stops_the_run_and_names_it(bench: Bench) -> None:
    without = DELIVERY_SCOPES - {"files.content.write"}
    bench.server.app = Dropbox(scopes=without, app_scopes=DELIVERY_SCOPES)
    with pytest.raises(DeliveryRefusedError, match=r"the sign-in lacks the permission files\.content\.write"):
        bench.folder().put("/a.csv", b"a", replaces=None)


def test_an_app_without_a_permission_stops_the_run_and_names_it(bench: Bench) -> None:
    bench.server.app = Dropbox(scopes=DELIVERY_SCOPES - {"files.content.write"})
    with pytest.raises(DeliveryRefusedError, match=r"the app lacks the permission files\.content\.write"):
        bench.folder().put("/a.csv", b"a", replaces=None)


def test_a_request_that_dropbox_does_not_understand_stops_the_run(bench: Bench) -> None:
    bench.fail(Fault("answer", "files/upload", status=400, body=b"Error in call to API function", times=9))
    with pytest.raises(DeliveryRefusedError, match="HTTP status 400"):
        bench.folder().put("/a.csv", b"a", replaces=None)


def test_a_folder_in_place_of_a_file_stops_the_run(bench: Bench) -> None:
    bench.dropbox.account.tree.make_folder("/a.csv")
    with pytest.raises(DeliveryRefusedError, match="a folder with that name exists there"):
        bench.folder().put("/a.csv", b"a", replaces=None)
    with pytest.raises(DeliveryRefusedError, match=r"'/a\.csv' is a folder"):
        bench.folder().stat("/a.csv")


@pytest.mark.parametrize("act", [lambda folder: folder.put("/d/a", b"a", replaces=None), lambda f: f.list_folder("/d")])
def test_a_file_in_place_of_a_folder_stops_the_run(bench: Bench, act: Callable[[DropboxFolder], object]) -> None:
    bench.folder().put("/d", b"a", replaces=None)
    with pytest.raises(DeliveryRefusedError, match="a file exists where a folder is needed"):
        act(bench.folder())


def test_a_full_account_leaves_the_old_report_under_the_stable_names(bench: Bench) -> None:
    bench.deliver()
    before = bench.dropbox.files()
    bench.dropbox.account.tree.quota = sum(map(len, before.values()))
    with pytest.raises(DeliveryRefusedError, match="the account is full"):
        bench.deliver(NEXT_REPORT, A_WEEK_LATER)
    assert bench.dropbox.files() == before


# --- secrets


SECRETS = ["sandbox-refresh", "sandbox-secret", "sl.u."]
ENDINGS = [
    pytest.param([], id="success"),
    pytest.param([Fault("reset", times=1000)], id="no network"),
    pytest.param([Fault("reset", "oauth2/token", times=1000)], id="no network at sign-in"),
    pytest.param([server_error(times=1000)], id="outage"),
    pytest.param([refused(409, upload_error("insufficient_space"))], id="refused"),
    pytest.param([refused(401, {"error": tagged("invalid_access_token")})], id="sign-in refused"),
    pytest.param([Fault("change", "files/upload", change=changed(size=9))], id="unverified"),
]


def outcome_of(bench: Bench) -> BaseException | None:
    secret = Secret("DROPBOX_SECRET", "sandbox-secret")
    try:
        bench.folder(app_secret=secret).put("/a.csv", b"a", replaces=None)
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
def test_no_error_or_its_cause_holds_a_secret(bench: Bench, faults: list[Fault]) -> None:
    bench.fail(*map(replace, faults))
    error = outcome_of(bench)
    assert error is not None
    assert [secret for secret in SECRETS if secret in repr(error)] == []
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_stored_file_is_logged_with_path_revision_hash_and_request(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="consent.delivery.dropbox_folder")
    stored = bench.folder().put("/a.csv", b"a", replaces=None)
    line = f"event=file_stored path=/a.csv rev={stored.rev} hash={stored.content_hash} request=[0-9a-f]{{32}}"
    assert re.fullmatch(line, caplog.messages[-1])


# --- whole reports


def test_a_report_is_uploaded_archive_first_and_each_manifest_after_its_files(bench: Bench) -> None:
    bench.deliver()
    assert [path for path, _ in bench.uploads()] == REPORT_PATHS


def test_the_final_look_is_repeated_while_dropbox_shows_an_older_state(bench: Bench) -> None:
    bench.dropbox.account.lag = 2
    assert bench.deliver().state == "delivered"
    assert bench.time.sleeps == [1, 2] * 3


def test_no_delivery_deletes_moves_or_reads_a_file(bench: Bench) -> None:
    bench.fail(Fault("lost", "files/upload", times=2), lock_contention_409())
    bench.deliver()
    bench.deliver(NEXT_REPORT, A_WEEK_LATER)
    assert set(bench.routes()) == ALLOWED_ROUTES


def test_a_delivery_makes_one_request_at_a_time(bench: Bench) -> None:
    bench.fail(Fault("hang", seconds=0.02, times=5))
    bench.deliver()
    assert bench.server.most_at_once == 1


# --- random faults


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


def missing_files(files: dict[str, bytes]) -> list[str]:
    """Return the files in a manifest of the archive that are missing or have another hash."""
    manifests = [path for path in files if path.startswith("/Archive/") and path.endswith(".manifest.json")]
    listed = [(path, entry) for path in manifests for entry in json.loads(files[path])["files"]]
    beside = {f"{path.rpartition('/')[0]}/{entry['name']}": entry["content_hash"] for path, entry in listed}
    return [path for path, expected in beside.items() if content_hash(files.get(path, b"")) != expected]


def is_current(files: dict[str, bytes], report: tuple[ReportFile, ...]) -> bool:
    stable = {"/data/" + file.name if file.data else "/" + file.name: file.content for file in report}
    return {path: files.get(path) for path in stable} == stable


@pytest.mark.parametrize("seed", range(40))
def test_no_fault_leaves_a_manifest_without_its_files_and_the_next_run_completes_the_report(
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
    assert missing_files(files) == []
    assert is_current(files, NEXT_REPORT) >= finished >= whole
    bench.fail()
    bench.deliver(NEXT_REPORT, A_WEEK_LATER)
    assert is_current(bench.dropbox.files(), NEXT_REPORT)
    assert sorted(len(bench.dropbox.revisions(path)) for path in bench.dropbox.files()) == [1] * 6 + [2] * 3
