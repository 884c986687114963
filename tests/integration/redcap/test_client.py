"""Tests of the REDCap client: requests, retries, timeouts and secrets, over real HTTP against a simulator."""

import gzip
import logging
import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from consent.config.credentials import Secret
from consent.config.http_session import new_session
from consent.config.settings import Network
from consent.errors import (
    ConfigurationError,
    ConsentReportError,
    LeaseLostError,
    SourceDataError,
    SourceRefusedError,
    SourceUnavailableError,
)
from consent.redcap.client import PAUSE, WAITS, WITHOUT_PAUSE, RedcapClient
from consent.redcap.error_mapping import TooLargeError
from sandbox.redcap import faults
from sandbox.redcap.app import Project, Redcap, Switches
from sandbox.redcap.formats import CONTENT_TYPES
from sandbox.server import Fault, Request, Response, Server
from tests.integration.config.test_http_session import Quiet, QuietServer, write_certificate
from tests.support.builders import (
    TOKEN,
    Asking,
    Open,
    a_redcap_project,
    a_redcap_row,
    all_texts_of,
    asking,
    rows_of_table,
)

MakeFault = Callable[[int], Fault]

CANARY = "CANARY-7"
JSON = {"Content-Type": CONTENT_TYPES["json"]}
ATTEMPTS = len(WAITS) + 1
EXPORT = {"fields": ("record_id", "consent_date", "consent_obtained"), "type": "flat"}


def form_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def export(redcap: Asking) -> list[dict[str, str]]:
    """All rows, requested as something that may be too large."""
    return redcap.client.read_table(EXPORT, rows_of_table)


# Requests


def test_a_request_is_a_post_to_the_address_with_the_token_only_in_the_body(redcap: Asking) -> None:
    redcap.client.version()
    (request,) = redcap.server.requests
    assert (request.method, request.path, request.query) == ("POST", "/api/", "")
    assert request.headers["user-agent"] == "consent-summary"
    assert TOKEN not in str(request.headers)


def test_a_request_is_a_form_for_json_with_lists_as_numbered_keys(redcap: Asking) -> None:
    redcap.client.rows("record", fields=("record_id", "consent_date"))
    form = {"token": TOKEN, "content": "record", "format": "json", "returnFormat": "json"}
    assert form_of(redcap.server.requests[0]) == {**form, "fields[0]": "record_id", "fields[1]": "consent_date"}


def test_requests_stay_far_below_600_a_minute(redcap: Asking) -> None:
    for _ in range(WITHOUT_PAUSE + 2):
        redcap.client.version()
    assert redcap.slept == [PAUSE, PAUSE]
    assert WITHOUT_PAUSE + 60 / PAUSE <= 310


# Retries


CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}
TRANSIENT: dict[str, MakeFault] = {
    "connection reset": lambda n: Fault("reset", times=n),
    "response lost": lambda n: Fault("lost", times=n),
    "connection broken midway": lambda n: Fault("cut", at=20, times=n),
    "end missing": lambda n: Fault("trim", at=20, times=n),
    "503": lambda n: faults.ban_page(503, b"<html>Maintenance</html>", times=n),
    "database down": lambda n: faults.database_down(times=n),
    "429": lambda n: faults.busy(429, "", times=n),
    "malformed chunk": lambda n: Fault("answer", status=200, headers=CHUNKED, body=b"-10\r\n[]\r\n", times=n),
    "529": lambda n: faults.busy(529, "soon", times=n),
}
SLOW: dict[str, MakeFault] = {
    "504": lambda n: faults.gateway_timeout(times=n),
    "zero bytes": lambda n: faults.zero_bytes(times=n),
    "PHP's time": lambda n: faults.php_fatal_error("Maximum execution time of 30 seconds exceeded", times=n),
}
OUT_OF_MEMORY: dict[str, MakeFault] = {
    "memory at 200": lambda n: faults.memory_text(times=n),
    "PHP's memory": lambda n: faults.php_fatal_error("Allowed memory size of 134217728 bytes exhausted", times=n),
}
LASTING: dict[str, MakeFault] = {
    "400 with the database's text": lambda n: Fault("answer", status=400, body=faults.database_down().body, times=n),
    "403": lambda n: faults.ban_page(403, b"<html>Forbidden</html>", times=n),
    "revoked token": lambda n: faults.revoked_token(times=n),
    "login page": lambda n: faults.login_page(times=n),
    "redirect": lambda n: faults.redirect("https://new.example.org/api/", times=n),
    "invalid UTF-8": lambda n: faults.with_invalid_utf8(match="", times=n),
    "control character": lambda n: Fault("change", change=lambda body: re.sub(rb'":"|\n', rb"\g<0>\0", body), times=n),
    "PHP's warning": lambda n: Fault("change", change=lambda body: b"<b>Notice</b>:  x" + body, times=n),
    "another shape": lambda n: Fault("answer", status=200, headers=JSON, body=b"[1]", times=n),
}


def table(*makers: dict[str, MakeFault]) -> pytest.MarkDecorator:
    """One test for each fault in these tables."""
    named = [pytest.param(make, id=name) for some in makers for name, make in some.items()]
    return pytest.mark.parametrize("make_fault", named)


@table(TRANSIENT, SLOW)
def test_a_transient_failure_is_retried(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(1))
    assert redcap.client.rows("metadata")[0]["field_name"] == "record_id"
    assert redcap.waits == [2]


@table(TRANSIENT, SLOW)
def test_a_lasting_failure_is_an_error_after_three_retries(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(100))
    with pytest.raises(SourceUnavailableError, match="REDCap"):
        redcap.client.rows("metadata")
    assert (len(redcap.server.requests), redcap.waits) == (4, [2, 4, 8])


@table(LASTING, OUT_OF_MEMORY)
def test_a_refusal_is_not_retried(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(100))
    with pytest.raises(ConsentReportError, match="REDCap"):
        redcap.client.rows("metadata")
    assert (len(redcap.server.requests), redcap.waits) == (1, [])


def in_seconds(seconds: int) -> str:
    """The date after so many seconds, as in a header."""
    return formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize("retry_after", ["300", in_seconds(300)], ids=["seconds", "date"])
@pytest.mark.parametrize("status", [408, 425, 429, 503, 522])
def test_the_wait_that_the_server_asks_for_is_kept_and_the_lease_with_it(
    redcap: Asking, status: int, retry_after: str
) -> None:
    redcap.server.faults.append(faults.busy(status, retry_after))
    kept: list[float] = []
    with ExitStack() as opened:
        open_client(redcap, opened, keep_alive=lambda: kept.append(sum(redcap.slept))).version()
    assert 230 < sum(redcap.slept) <= 301
    assert max(later - earlier for earlier, later in pairwise(kept)) <= 60


@pytest.mark.parametrize(
    "retry_after", ["1", "nonsense", in_seconds(-300), "-5"], ids=["short", "nonsense", "a past date", "negative"]
)
def test_a_wait_is_never_shorter_than_our_own(redcap: Asking, retry_after: str) -> None:
    redcap.server.faults.append(faults.busy(429, retry_after))
    redcap.client.version()
    assert redcap.waits == [2]


@pytest.mark.parametrize("retry_after", ["1201", "9" * 5_000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_beyond_the_runs_time_ends_the_run_at_once(redcap: Asking, retry_after: str) -> None:
    redcap.server.faults.append(faults.busy(503, retry_after))
    with pytest.raises(SourceUnavailableError, match="time limit"):
        redcap.client.version()
    assert (len(redcap.server.requests), redcap.slept) == (1, [])


def test_a_smaller_request_too_waits_as_long_as_the_server_asks(redcap: Asking) -> None:
    redcap.server.faults.append(faults.busy(504, "30"))
    with pytest.raises(TooLargeError):
        export(redcap)
    export(redcap)
    assert redcap.waits == [30]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_truncated_refusal_is_not_retried(redcap: Asking, status: int) -> None:
    redcap.server.app = Refusing(status)
    redcap.server.faults.append(Fault("cut", at=3, times=100))
    with pytest.raises(ConsentReportError, match=f"HTTP {status}"):
        redcap.client.version()
    assert len(redcap.server.requests) == 1


class Refusing:
    """Sends one status and a page for every request."""

    def __init__(self, status: int) -> None:
        self.status = status

    def answer(self, request: Request) -> Response:
        return Response(self.status, {"Content-Type": faults.HTML}, b"<html>No</html>")

    def name_of(self, request: Request) -> str:
        return ""


@table(SLOW, OUT_OF_MEMORY)
def test_a_request_that_is_too_large_is_not_repeated_unchanged(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(100))
    with pytest.raises(TooLargeError, match="REDCap"):
        export(redcap)
    assert len(redcap.server.requests) == 1


@table(TRANSIENT)
def test_a_large_request_is_retried_after_a_transient_failure(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(1))
    assert len(export(redcap)) == 2


@pytest.mark.parametrize("status", [201, 206, 400])
def test_rows_with_another_status_than_200_are_an_error(redcap: Asking, status: int) -> None:
    body = b'[{"record_id":"1"}]'
    redcap.server.faults.append(Fault("answer", status=status, headers=JSON, body=body, times=ATTEMPTS))
    with pytest.raises(ConsentReportError, match=f"HTTP {status}"):
        export(redcap)


def test_rows_of_a_broken_response_are_discarded(redcap: Asking) -> None:
    redcap.server.faults.append(Fault("cut", match="record", at=90))  # after the first row
    assert [row["record_id"] for row in export(redcap)] == ["1", "2"]


# Timeouts and failed connections


SHORT = 0.5  # seconds


def test_a_silent_server_is_a_timeout_and_a_retry(open_redcap: Open) -> None:
    redcap = open_redcap(read_seconds=SHORT)
    redcap.server.faults.append(Fault("hang", seconds=20))
    assert redcap.client.version() == "15.8.2"
    assert redcap.waits == [2]


class Stalling:
    """Sends the beginning of a response, and then nothing for a long time."""

    def answer(self, request: Request) -> Response:
        return Response(200, {"Content-Type": CONTENT_TYPES["csv"]}, self._pieces())

    def name_of(self, request: Request) -> str:
        return "record"

    def _pieces(self) -> Iterable[bytes]:
        noise = random.Random(7).randbytes(200_000).hex()  # so much that compression does not hold it back
        yield f"record_id,consent_date,consent_obtained\n{noise},,\n".encode()
        time.sleep(20)
        yield b"1,,\n"


def test_a_response_that_stalls_is_a_timeout(open_redcap: Open) -> None:
    redcap = open_redcap(read_seconds=SHORT)
    redcap.server.app = Stalling()
    with pytest.raises(TooLargeError, match=r"took longer than 0.5 s to respond"):
        export(redcap)


def client_of(
    url: str, opened: ExitStack, waits: list[float], network: Network | None = None, **options: Callable[[], Any]
) -> RedcapClient:
    session = opened.enter_context(new_session(network or Network(), url))
    return RedcapClient(url, Secret("REDCAP_ACCESS_TOKEN", TOKEN), session, sleep=waits.append, **options)


def refusing_port() -> int:
    """A port without a server."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_refused_connection_is_tried_four_times() -> None:
    waits: list[float] = []
    with (
        ExitStack() as opened,
        pytest.raises(SourceUnavailableError, match=r"connection to REDCap at 127.0.0.1 failed"),
    ):
        client_of(f"http://127.0.0.1:{refusing_port()}/api/", opened, waits).version()
    assert [wait for wait in waits if wait != PAUSE] == [2, 4, 8]


def test_a_broken_proxy_is_named_as_the_cause() -> None:
    network = Network(http_proxy=f"http://127.0.0.1:{refusing_port()}")
    with ExitStack() as opened, pytest.raises(SourceUnavailableError, match="The proxy did not connect"):
        client_of("http://redcap.example.org/api/", opened, [], network).version()


def test_an_unknown_certificate_is_refused_with_the_fix(tmp_path: Path) -> None:
    write_certificate(tmp_path / "own.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem")
    waits: list[float] = []
    with QuietServer(("127.0.0.1", 0), Quiet) as https, ExitStack() as opened:
        https.socket = context.wrap_socket(https.socket, server_side=True)
        threading.Thread(target=https.handle_request, daemon=True).start()
        client = client_of(f"https://127.0.0.1:{https.server_address[1]}/api/", opened, waits)
        with pytest.raises(SourceRefusedError, match=r"certificate .* cannot be verified.* REQUESTS_CA_BUNDLE"):
            client.version()
    assert waits == []


# Secrets


@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_is_not_followed(redcap: Asking, status: int) -> None:
    with Server(Refusing(200)) as elsewhere:
        redcap.server.faults.append(faults.redirect(f"{elsewhere.url}/api/", status=status))
        with pytest.raises(ConfigurationError, match=r"redirects to 127.0.0.1; the token was not sent there"):
            redcap.client.version()
        assert elsewhere.requests == []


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("content", ["version", "project", "record"])
def test_no_message_and_no_log_line_holds_any_of_a_body(
    redcap: Asking, caplog: pytest.LogCaptureFixture, content: str, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    body = f"<html>{CANARY} {faults.database_down().body.decode()}</html>".encode()
    redcap.server.faults.append(Fault("answer", status=status, headers=JSON, body=body, times=100))
    with pytest.raises(ConsentReportError, match="HTTP") as caught:
        REQUESTS[content](redcap)
    assert not secrets_in(all_texts_of(caught.value) + caplog.text)


def secrets_in(text: str) -> list[str]:
    """The secrets that this text reveals."""
    return [secret for secret in (CANARY, TOKEN, faults.DATABASE_PASSWORD) if secret in text]


@table(TRANSIENT, SLOW, OUT_OF_MEMORY, LASTING)
def test_no_failure_reveals_the_token_or_a_participant(
    open_redcap: Open, caplog: pytest.LogCaptureFixture, make_fault: MakeFault
) -> None:
    caplog.set_level(logging.DEBUG)
    redcap = open_redcap(a_redcap_project(a_redcap_row(CANARY), a_redcap_row("2", consent_date=CANARY)))
    redcap.server.faults.append(make_fault(100))
    with pytest.raises(ConsentReportError, match="REDCap") as caught:
        export(redcap)
    assert not secrets_in(all_texts_of(caught.value) + caplog.text)


def test_a_printed_client_does_not_show_the_token(redcap: Asking) -> None:
    assert TOKEN not in f"{redcap.client} {redcap.client!r} {vars(redcap.client)}"


# Truncated responses


REQUESTS: dict[str, Callable[[Asking], object]] = {
    "version": lambda redcap: redcap.client.version(),
    "project": lambda redcap: redcap.client.project(),
    "metadata": lambda redcap: redcap.client.rows("metadata"),
    "exportFieldNames": lambda redcap: redcap.client.rows("exportFieldNames"),
    "formEventMapping": lambda redcap: redcap.client.rows("formEventMapping"),
    "listing": lambda redcap: redcap.client.rows("record", fields=("record_id", "consent_complete")),
    "record": export,
}
MAX_PLACES = 40  # in a long body, tried over the network


def longitudinal() -> Project:
    """Two participants in two events, with letters of more than one byte."""
    rows = [a_redcap_row(who, event=event, consent_date="été") for who in "12" for event in ("one_arm_1", "two_arm_1")]
    return a_redcap_project(*rows, events={"one_arm_1": ["enrolment", "consent"], "two_arm_1": ["consent"]})


def last_body(redcap: Asking) -> bytes:
    body = redcap.server.app.answer(redcap.server.requests[-1]).body
    return body if isinstance(body, bytes) else b"".join(body)


def unnoticed_places(redcap: Asking, ask: Callable[[Asking], object], kind: str) -> list[int]:
    """Where a body can be truncated without an error."""
    ask(redcap)
    length = len(last_body(redcap))
    end = length if kind == "trim" else length + 1
    unnoticed = []
    for at in {*range(0, end, 1 + length // MAX_PLACES), *range(end - 5, end)}:
        redcap.server.faults[:] = [Fault(kind, at=at, times=ATTEMPTS)]
        try:
            ask(redcap)
        except (SourceUnavailableError, SourceDataError):
            continue
        unnoticed.append(at)
    return unnoticed


@pytest.mark.parametrize("kind", ["cut", "trim"])
@pytest.mark.parametrize("content", [name for name in REQUESTS if name != "version"])
def test_a_response_truncated_anywhere_is_noticed(open_redcap: Open, content: str, kind: str) -> None:
    redcap = open_redcap(longitudinal(), switches=Switches(escape_unicode=False))
    unnoticed = unnoticed_places(redcap, REQUESTS[content], kind)
    may_be_whole = [at for at in unnoticed if content == "record" and last_body(redcap)[:at].endswith(b"\n")]
    assert unnoticed == may_be_whole  # the listing shows what an export of fewer whole rows lacks


def test_a_version_truncated_anywhere_is_noticed(redcap: Asking) -> None:
    assert unnoticed_places(redcap, REQUESTS["version"], "cut") == []


def test_a_version_that_ends_too_early_may_lose_only_digits_of_its_last_number(open_redcap: Open) -> None:
    """It is plain text, so this cannot be noticed; the version is only printed in the report."""
    redcap = open_redcap(a_redcap_project(version="16.1.23"))
    assert unnoticed_places(redcap, REQUESTS["version"], "trim") == [len("16.1.2")]


@pytest.mark.parametrize("left_out", [1, 8, 20])
def test_a_truncated_compressed_response_is_noticed(redcap: Asking, left_out: int) -> None:
    body = gzip.compress(b'[{"record_id":"1"},{"record_id":"2"}]')[:-left_out]
    headers = {**JSON, "Content-Encoding": "gzip"}
    redcap.server.faults.append(Fault("answer", status=200, headers=headers, body=body, times=ATTEMPTS))
    rows = None
    with suppress(SourceUnavailableError):
        rows = [row["record_id"] for row in redcap.client.rows("record")]
    assert rows in (None, ["1", "2"])  # a body that lacks only its checksum has all rows


# Time limit and lease


def test_there_is_one_request_at_a_time() -> None:
    with Server(Redcap([])) as fresh, asking(fresh, longitudinal()) as redcap:
        redcap.client.version()
        export(redcap)
        redcap.client.rows("metadata")
        assert fresh.most_at_once == 1


def open_client(redcap: Asking, opened: ExitStack, **options: Callable[[], Any]) -> RedcapClient:
    return client_of(f"{redcap.server.url}/api/", opened, redcap.slept, **options)


def test_all_requests_of_a_run_have_a_time_limit(redcap: Asking) -> None:
    minutes = iter(range(0, 10_000, 7))
    with ExitStack() as opened, pytest.raises(SourceUnavailableError, match="more than 20 minutes in total"):
        open_client(redcap, opened, clock=lambda: 60 * next(minutes)).version()


@pytest.mark.parametrize("at", [0, 700], ids=["head", "body"])
def test_a_response_that_arrives_byte_by_byte_ends_at_the_time_limit(
    redcap: Asking, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr("consent.redcap.client.TOTAL_SECONDS", 0.7)
    redcap.server.faults.append(Fault("drip", at=at, seconds=0.3))
    with pytest.raises(SourceUnavailableError, match="in total"):
        redcap.client.rows("metadata")
    assert len(redcap.server.requests) == 1


def test_each_attempt_and_each_piece_keeps_the_lease_alive(redcap: Asking) -> None:
    redcap.server.faults.append(Fault("reset"))
    calls: list[int] = []
    with ExitStack() as opened:
        open_client(redcap, opened, keep_alive=lambda: calls.append(len(redcap.server.requests))).version()
    assert calls == [0, 1, 2]


@pytest.mark.parametrize("requests", [0, 1], ids=["before a request", "within a response"])
def test_a_run_without_its_lease_stops(redcap: Asking, requests: int) -> None:
    def stop() -> None:
        if len(redcap.server.requests) == requests:
            raise LeaseLostError("Another run took over.")

    with ExitStack() as opened, pytest.raises(LeaseLostError, match="took over"):
        open_client(redcap, opened, keep_alive=stop).rows("metadata")
    assert len(redcap.server.requests) == requests


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_no_error_leads_to_the_librarys_own_which_holds_the_token(redcap: Asking, kind: str) -> None:
    redcap.server.faults.append(Fault(kind, at=5, times=ATTEMPTS))
    with pytest.raises(SourceUnavailableError, match="REDCap") as raised:
        redcap.client.version()
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
