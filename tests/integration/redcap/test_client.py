"""How REDCap is asked, what is asked again, and what is never said aloud: the real HTTP library against a stand-in."""

import gzip
import logging
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import requests

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
from consent.redcap.client import PAUSE, WAITS, RedcapClient
from consent.redcap.error_mapping import TooLargeError, TransientError
from consent.redcap.responses import read_object, read_rows
from sandbox.redcap import faults
from sandbox.redcap.app import Project, Redcap, Switches
from sandbox.redcap.formats import CONTENT_TYPES
from sandbox.server import Fault, Request, Response, Server
from tests.integration.config.test_http_session import Quiet, QuietServer, write_certificate
from tests.support.builders import TOKEN, Asking, Open, a_redcap_project, a_redcap_row, all_texts_of, asking

MakeFault = Callable[[int], Fault]

CANARY = "CANARY-7"
JSON = {"Content-Type": CONTENT_TYPES["json"]}
ATTEMPTS = len(WAITS) + 1
EXPORT = {"fields": ("record_id", "consent_date", "consent_obtained"), "type": "flat"}


def form_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def export(redcap: Asking) -> list[dict[str, str]]:
    """All rows, asked for as a question that may be too large."""
    return redcap.client.read_rows("record", EXPORT, list, heavy=True)


# How a question is put


def test_a_question_is_a_post_to_the_address_with_the_slash(redcap: Asking) -> None:
    redcap.client.version()
    assert [(one.method, one.path, one.query) for one in redcap.server.requests] == [("POST", "/api/", "")]


def test_a_question_is_a_form_that_asks_for_json_data_and_json_errors(redcap: Asking) -> None:
    redcap.client.rows("metadata")
    expected = {"token": TOKEN, "content": "metadata", "format": "json", "returnFormat": "json"}
    assert form_of(redcap.server.requests[0]) == expected


def test_lists_are_sent_as_numbered_keys(redcap: Asking) -> None:
    export(redcap)
    form = form_of(redcap.server.requests[0])
    assert [form[f"fields[{n}]"] for n in range(3)] == ["record_id", "consent_date", "consent_obtained"]


def test_a_server_that_refuses_comma_lists_is_understood(open_redcap: Open) -> None:
    assert len(export(open_redcap(switches=Switches(refuse_comma_lists=True)))) == 2


def test_the_token_travels_in_the_body_alone(redcap: Asking) -> None:
    redcap.client.version()
    request = redcap.server.requests[0]
    assert TOKEN not in f"{request.path} {request.query} {request.headers}"


def test_the_program_gives_its_name(redcap: Asking) -> None:
    redcap.client.version()
    assert redcap.server.requests[0].headers["user-agent"] == "consent-summary"


def test_every_question_but_the_first_waits_a_moment(redcap: Asking) -> None:
    redcap.client.version()
    redcap.client.project()
    redcap.client.rows("metadata")
    assert redcap.slept == [PAUSE, PAUSE]


def test_the_pause_stays_far_below_600_questions_a_minute() -> None:
    assert 60 / PAUSE <= 300


# What may pass is asked again, three times at most


PASSING: dict[str, MakeFault] = {
    "connection reset": lambda n: Fault("reset", times=n),
    "answer lost": lambda n: Fault("lost", times=n),
    "connection broken on the way": lambda n: Fault("cut", at=20, times=n),
    "end missing": lambda n: Fault("trim", at=20, times=n),
    "502": lambda n: faults.ban_page(502, b"<html>Bad gateway</html>", times=n),
    "503": lambda n: faults.ban_page(503, b"<html>Maintenance</html>", times=n),
    "browser tabs": lambda n: faults.browser_tabs_page(times=n),
    "database down": lambda n: faults.database_down(times=n),
}
SLOW: dict[str, MakeFault] = {
    "504": lambda n: faults.gateway_timeout(times=n),
    "408": lambda n: faults.ban_page(408, b"", times=n),
    "zero bytes": lambda n: faults.zero_bytes(times=n),
    "empty 500": lambda n: faults.empty_500(times=n),
}
OUT_OF_MEMORY: dict[str, MakeFault] = {
    "memory at 200": lambda n: faults.memory_text(times=n),
    "memory at 500": lambda n: faults.memory_text(500, times=n),
    "413": lambda n: faults.ban_page(413, b"<html>Too large</html>", times=n),
}
LASTING: dict[str, MakeFault] = {
    "400": lambda n: faults.ban_page(400, b"", times=n),
    "400 with the database's text": lambda n: Fault("answer", status=400, body=faults.database_down().body, times=n),
    "401": lambda n: faults.ban_page(401, b"", times=n),
    "403": lambda n: faults.ban_page(403, b"<html>Forbidden</html>", times=n),
    "404": lambda n: faults.html_404(times=n),
    "405": lambda n: faults.ban_page(405, b"", times=n),
    "501": lambda n: faults.ban_page(501, b"", times=n),
    "revoked token": lambda n: faults.revoked_token(times=n),
    "deleted project": lambda n: faults.deleted_project(times=n),
    "login page": lambda n: faults.login_page(times=n),
    "error at 200": lambda n: faults.error_object("No.", times=n),
    "redirect": lambda n: faults.redirect("https://new.example.org/api/", times=n),
    "invalid UTF-8": lambda n: faults.with_invalid_utf8(match="", times=n),
    "another shape": lambda n: Fault("answer", status=200, headers=JSON, body=b"[1]", times=n),
}


def table(*makers: dict[str, MakeFault]) -> pytest.MarkDecorator:
    """One test for each fault in these tables."""
    named = [pytest.param(make, id=name) for some in makers for name, make in some.items()]
    return pytest.mark.parametrize("make_fault", named)


@table(PASSING, SLOW)
def test_a_failure_that_may_pass_is_survived(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(1))
    assert redcap.client.rows("metadata")[0]["field_name"] == "record_id"
    assert redcap.waits == [2]


@table(PASSING, SLOW)
def test_a_failure_that_lasts_is_given_up_after_three_repetitions(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(100))
    with pytest.raises(SourceUnavailableError, match="REDCap"):
        redcap.client.rows("metadata")
    assert (len(redcap.server.requests), redcap.waits) == (4, [2, 4, 8])


@table(LASTING, OUT_OF_MEMORY)
def test_a_refusal_is_not_asked_again(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(100))
    with pytest.raises(ConsentReportError, match=r"REDCap|address|token"):
        redcap.client.rows("metadata")
    assert (len(redcap.server.requests), redcap.waits) == (1, [])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 501])
def test_a_refusal_whose_text_breaks_off_is_not_asked_again(redcap: Asking, status: int) -> None:
    redcap.server.app = Refusing(status)
    redcap.server.faults.append(Fault("cut", at=3, times=100))
    with pytest.raises(ConsentReportError, match=f"HTTP {status}"):
        redcap.client.version()
    assert len(redcap.server.requests) == 1


class Refusing:
    """Answers everything with one status and a page."""

    def __init__(self, status: int) -> None:
        self.status = status

    def answer(self, request: Request) -> Response:
        return Response(self.status, {"Content-Type": faults.HTML}, b"<html>No</html>")

    def name_of(self, request: Request) -> str:
        return ""


@table(SLOW, OUT_OF_MEMORY)
def test_a_question_that_is_too_large_is_not_repeated_as_it_is(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(100))
    with pytest.raises(TooLargeError, match="REDCap"):
        export(redcap)
    assert len(redcap.server.requests) == 1


@table(PASSING)
def test_a_large_question_too_survives_what_may_pass(redcap: Asking, make_fault: MakeFault) -> None:
    redcap.server.faults.append(make_fault(1))
    assert len(export(redcap)) == 2


@pytest.mark.parametrize("status", [201, 203, 206, 400, 500])
def test_rows_that_come_with_another_status_than_200_are_not_believed(redcap: Asking, status: int) -> None:
    body = b'[{"record_id":"1"}]'
    redcap.server.faults.append(Fault("answer", status=status, headers=JSON, body=body, times=ATTEMPTS))
    with pytest.raises(ConsentReportError, match=f"HTTP {status}"):
        export(redcap)


def test_rows_of_a_broken_answer_do_not_stay(redcap: Asking) -> None:
    redcap.server.faults.append(Fault("cut", match="record", at=90))  # the first row has arrived by then
    assert [row["record_id"] for row in export(redcap)] == ["1", "2"]


# Time-outs, and connections that never come about


SHORT = 0.5  # seconds


def test_a_silent_server_is_given_up_and_asked_again(open_redcap: Open) -> None:
    redcap = open_redcap(read_seconds=SHORT)
    redcap.server.faults.append(Fault("hang", seconds=20))
    assert redcap.client.version() == "15.8.2"
    assert redcap.waits == [2]


def test_a_large_question_that_takes_too_long_is_not_repeated_as_it_is(open_redcap: Open) -> None:
    redcap = open_redcap(read_seconds=SHORT)
    redcap.server.faults.append(Fault("hang", seconds=20))
    with pytest.raises(TooLargeError, match=r"took longer than 0.5 s to answer"):
        export(redcap)


class Stalling:
    """Sends the beginning of an answer, and then nothing for a long time."""

    def answer(self, request: Request) -> Response:
        return Response(200, JSON, self._pieces())

    def name_of(self, request: Request) -> str:
        return "record"

    def _pieces(self) -> Iterable[bytes]:
        noise = random.Random(7).randbytes(200_000).hex()  # so much that compression does not hold it back
        yield f'[{{"record_id":"{noise}"}},'.encode()
        time.sleep(20)
        yield b"]"


def test_an_answer_that_stops_on_the_way_has_taken_too_long(open_redcap: Open) -> None:
    redcap = open_redcap(read_seconds=SHORT)
    redcap.server.app = Stalling()
    with pytest.raises(TooLargeError, match="took longer than"):
        export(redcap)


def client_of(url: str, network: Network, opened: ExitStack, waits: list[float]) -> RedcapClient:
    session = opened.enter_context(new_session(network, url))
    return RedcapClient(url, Secret("REDCAP_ACCESS_TOKEN", TOKEN), session, sleep=waits.append)


def refusing_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_refused_connection_is_tried_four_times_and_explained() -> None:
    waits: list[float] = []
    with (
        ExitStack() as opened,
        pytest.raises(SourceUnavailableError, match=r"connection to REDCap at 127.0.0.1 failed"),
    ):
        client_of(f"http://127.0.0.1:{refusing_port()}/api/", Network(), opened, waits).version()
    assert [wait for wait in waits if wait != PAUSE] == [2, 4, 8]


def test_a_proxy_that_does_not_work_is_named_as_the_cause() -> None:
    network = Network(http_proxy=f"http://127.0.0.1:{refusing_port()}")
    with ExitStack() as opened, pytest.raises(SourceUnavailableError, match="Check HTTPS_PROXY and NO_PROXY"):
        client_of("http://redcap.example.org/api/", network, opened, []).version()


def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_way_out(tmp_path: Path) -> None:
    write_certificate(tmp_path / "own.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem")
    waits: list[float] = []
    with QuietServer(("127.0.0.1", 0), Quiet) as https, ExitStack() as opened:
        https.socket = context.wrap_socket(https.socket, server_side=True)
        threading.Thread(target=https.handle_request, daemon=True).start()
        client = client_of(f"https://127.0.0.1:{https.server_address[1]}/api/", Network(), opened, waits)
        with pytest.raises(SourceRefusedError, match=r"certificate .* cannot be verified.* REQUESTS_CA_BUNDLE"):
            client.version()
    assert waits == []


# The token goes nowhere else


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(redcap: Asking, status: int) -> None:
    with Server(Refusing(200)) as elsewhere:
        redcap.server.faults.append(faults.redirect(f"{elsewhere.url}/api/", status=status))
        with pytest.raises(ConfigurationError, match=r"redirects to 127.0.0.1; the token was not sent there"):
            redcap.client.version()
        assert elsewhere.requests == []


def test_an_address_without_its_last_slash_is_explained(redcap: Asking) -> None:
    url = f"{redcap.server.url}/api"
    with ExitStack() as opened, pytest.raises(ConfigurationError, match="ending in /api/"):
        client_of(url, Network(), opened, []).version()


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("content", ["version", "project", "metadata", "record"])
def test_no_message_and_no_log_line_holds_anything_of_a_body(
    redcap: Asking, caplog: pytest.LogCaptureFixture, content: str, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    body = f"<html>{CANARY} {faults.database_down().body.decode()}</html>".encode()
    redcap.server.faults.append(Fault("answer", status=status, headers=JSON, body=body, times=100))
    with pytest.raises(ConsentReportError, match="HTTP") as caught:
        QUESTIONS[content](redcap)
    said = all_texts_of(caught.value) + caplog.text
    assert not secrets_in(said)


def secrets_in(text: str) -> list[str]:
    """What must never be said, and was."""
    return [secret for secret in (CANARY, TOKEN, faults.DATABASE_PASSWORD) if secret in text]


@table(PASSING, SLOW, OUT_OF_MEMORY, LASTING)
def test_no_failure_gives_away_the_token_or_a_participant(
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


# A body cut anywhere is never taken for a whole one


QUESTIONS: dict[str, Callable[[Asking], object]] = {
    "version": lambda redcap: redcap.client.version(),
    "project": lambda redcap: redcap.client.project(),
    "metadata": lambda redcap: redcap.client.rows("metadata"),
    "exportFieldNames": lambda redcap: redcap.client.rows("exportFieldNames"),
    "formEventMapping": lambda redcap: redcap.client.rows("formEventMapping"),
    "listing": lambda redcap: redcap.client.rows("record", fields=("record_id", "consent_complete")),
    "record": export,
}
MOST_PLACES = 40  # of a long body only so many places are tried over the wire


def longitudinal() -> Project:
    """Two participants in two events, with letters of more than one byte."""
    rows = [a_redcap_row(who, event=event, consent_date="été") for who in "12" for event in ("one_arm_1", "two_arm_1")]
    return a_redcap_project(*rows, events={"one_arm_1": ["enrolment", "consent"], "two_arm_1": ["consent"]})


def body_of_the_last_answer(redcap: Asking) -> bytes:
    body = redcap.server.app.answer(redcap.server.requests[-1]).body
    return body if isinstance(body, bytes) else b"".join(body)


def places_taken_for_the_end(redcap: Asking, ask: Callable[[Asking], object], kind: str) -> list[int]:
    """Where a body can be cut without anybody noticing."""
    ask(redcap)
    length = len(body_of_the_last_answer(redcap))
    end = length if kind == "trim" else length + 1
    unnoticed = []
    for at in {*range(0, end, 1 + length // MOST_PLACES), *range(end - 5, end)}:
        redcap.server.faults[:] = [Fault(kind, at=at, times=ATTEMPTS)]
        try:
            ask(redcap)
        except (SourceUnavailableError, SourceDataError):
            continue
        unnoticed.append(at)
    return unnoticed


@pytest.mark.parametrize("kind", ["cut", "trim"])
@pytest.mark.parametrize("question", [name for name in QUESTIONS if name != "version"])
def test_an_answer_cut_off_on_the_wire_is_noticed_at_every_place(open_redcap: Open, question: str, kind: str) -> None:
    redcap = open_redcap(longitudinal(), switches=Switches(escape_unicode=False))
    assert places_taken_for_the_end(redcap, QUESTIONS[question], kind) == []


@pytest.mark.parametrize("question", [name for name in QUESTIONS if name not in ("version", "project")])
def test_no_beginning_of_a_real_list_can_be_read_as_a_whole_one(open_redcap: Open, question: str) -> None:
    redcap = open_redcap(longitudinal(), switches=Switches(escape_unicode=False))
    QUESTIONS[question](redcap)
    assert beginnings_believed(body_of_the_last_answer(redcap), lambda *answer: list(read_rows(*answer))) == []


def test_no_beginning_of_a_real_project_description_can_be_read_as_a_whole_one(redcap: Asking) -> None:
    redcap.client.project()
    assert beginnings_believed(body_of_the_last_answer(redcap), read_object) == []


def beginnings_believed(body: bytes, read: Callable[[list[bytes], dict[str, str]], object]) -> list[int]:
    """Where a body can be cut, trying every place, and still be read."""
    believed = []
    for end in range(len(body)):
        with suppress(TransientError):
            read([body[:end]], {"content-type": CONTENT_TYPES["json"]})
            believed.append(end)
    return believed


def test_a_version_broken_off_on_the_wire_is_noticed_at_every_place(redcap: Asking) -> None:
    assert places_taken_for_the_end(redcap, QUESTIONS["version"], "cut") == []


def test_a_version_that_ends_too_early_can_only_lose_digits_of_its_last_number(open_redcap: Open) -> None:
    """It is plain text, so nothing can tell; the version is printed in the report and decides nothing."""
    redcap = open_redcap(a_redcap_project(version="16.1.23"))
    assert places_taken_for_the_end(redcap, QUESTIONS["version"], "trim") == [len("16.1.2")]


@pytest.mark.parametrize("left_out", [1, 4, 8, 9, 20])
def test_a_compressed_answer_without_its_end_is_noticed(redcap: Asking, left_out: int) -> None:
    body = gzip.compress(b'[{"record_id":"1"},{"record_id":"2"}]')[:-left_out]
    headers = {**JSON, "Content-Encoding": "gzip"}
    redcap.server.faults.append(Fault("answer", status=200, headers=headers, body=body, times=ATTEMPTS))
    assert whole_or_refused(redcap) in ("refused", ["1", "2"])


def whole_or_refused(redcap: Asking) -> object:
    """A gzip body may lack its checksum alone; then the rows are all there."""
    try:
        return [row["record_id"] for row in export(redcap)]
    except SourceUnavailableError:
        return "refused"


# One question at a time


def test_no_question_is_asked_before_the_last_is_answered() -> None:
    with Server(Redcap([])) as fresh, asking(fresh, longitudinal()) as redcap:
        redcap.client.version()
        export(redcap)
        redcap.client.rows("metadata")
        assert fresh.most_at_once == 1


def test_all_questions_of_a_run_together_have_a_limit(redcap: Asking) -> None:
    minutes = iter(range(0, 10_000, 7))
    url = f"{redcap.server.url}/api/"
    with new_session(Network(), url) as session:
        late = RedcapClient(
            url,
            Secret("REDCAP_ACCESS_TOKEN", TOKEN),
            session,
            sleep=redcap.slept.append,
            clock=lambda: 60 * next(minutes),
        )
        with pytest.raises(SourceUnavailableError, match="more than 20 minutes in all"):
            late.version()


def beating(redcap: Asking, session: requests.Session, keep_alive: Callable[[], None]) -> RedcapClient:
    """A client whose steps are felt by ``beat``."""
    secret = Secret("REDCAP_ACCESS_TOKEN", TOKEN)
    return RedcapClient(f"{redcap.server.url}/api/", secret, session, sleep=redcap.slept.append, keep_alive=keep_alive)


def test_each_attempt_and_each_piece_of_an_answer_is_felt(redcap: Asking) -> None:
    redcap.server.faults.append(Fault("reset"))
    felt: list[int] = []
    with new_session(Network()) as session:
        beating(redcap, session, lambda: felt.append(len(redcap.server.requests))).version()
    assert felt == [0, 1, 2]


def test_a_run_that_must_stop_asks_nothing_more(redcap: Asking) -> None:
    def stop() -> None:
        raise LeaseLostError("another run took over")

    with new_session(Network()) as session, pytest.raises(LeaseLostError, match="took over"):
        beating(redcap, session, stop).version()
    assert redcap.server.requests == []


def test_a_run_that_must_stop_stops_within_an_answer(redcap: Asking) -> None:
    def stop_once_asked() -> None:
        if redcap.server.requests:
            raise LeaseLostError("another run took over")

    with new_session(Network()) as session, pytest.raises(LeaseLostError, match="took over"):
        beating(redcap, session, stop_once_asked).rows("metadata")
    assert len(redcap.server.requests) == 1


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_no_error_leads_to_the_librarys_own_which_holds_the_token(redcap: Asking, kind: str) -> None:
    redcap.server.faults.append(Fault(kind, at=5, times=ATTEMPTS))
    with pytest.raises(SourceUnavailableError, match="REDCap") as raised:
        redcap.client.version()
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
