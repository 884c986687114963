"""Claims about what the HTTP routes understand and how they answer, without a web framework or a run."""

import json
from datetime import date

import pytest

from consent import errors
from consent.app.http_api import (
    BadRequestError,
    HistoryRequest,
    UnknownRunError,
    accepted,
    parse_history_request,
    parse_page_request,
    parse_run_id,
    parse_run_request,
    problem_for,
    unknown_run,
)
from consent.errors import ConsentReportError, log_text
from consent.runs.request import RunRequest
from tests.support.run_builders import a_run

RECORD = "000417"
LISTING = [
    errors.StudyFileError("Heading:", ["first", "second"]),
    errors.SettingsError("Heading:", ["first", "second"]),
    errors.DictionaryError("Heading:", ["first", "second"]),
]
STATUSES = [
    (BadRequestError(["dry_run: expected true or false"]), 400, "bad-request"),
    (errors.CutoffError("What. Next."), 400, "cutoff"),
    (unknown_run(), 404, "unknown-run"),
    (errors.UnknownStudyError("What. Next."), 404, "unknown-study"),
    (errors.RunInProgressError("What. Next."), 409, "busy"),
    (errors.SettingsError("Heading:", ["first"]), 500, "configuration"),
    (errors.LedgerUnavailableError("What. Next."), 503, "ledger-unavailable"),
    (KeyError("000417"), 500, "fault"),
]


def body(**values: object) -> bytes:
    return json.dumps(values).encode()


def problems_of(request: bytes) -> tuple[str, ...]:
    with pytest.raises(BadRequestError, match="nothing was done") as caught:
        parse_run_request(request)
    return caught.value.problems


def a_fault() -> Exception:
    """An error nobody foresaw, with another as its cause, both quoting a record id."""
    try:
        try:
            raise KeyError(RECORD)
        except KeyError as cause:
            raise ValueError(f"cannot count {RECORD}") from cause
    except ValueError as error:
        return error


@pytest.mark.parametrize("nothing", [b"", b" \r\n", b"{}"])
def test_an_empty_request_asks_for_todays_report_of_the_only_study(nothing: bytes) -> None:
    assert parse_run_request(nothing) == RunRequest(study=None, as_of=None, dry_run=False, accept_drop=False)


def test_a_full_request_is_read() -> None:
    request = parse_run_request(body(study="obri-ibd", as_of="2026-11-16", dry_run=True, accept_drop=True))

    assert request == RunRequest("obri-ibd", date(2026, 11, 16), dry_run=True, accept_drop=True)


def test_to_accept_a_fall_is_not_to_ask_for_a_dry_run() -> None:
    assert parse_run_request(body(accept_drop=True)) == RunRequest(accept_drop=True)


def test_a_byte_order_mark_before_the_request_is_no_problem() -> None:
    assert parse_run_request(b"\xef\xbb\xbf" + body(dry_run=True)).dry_run


@pytest.mark.parametrize(
    ("request_body", "problem"),
    [
        pytest.param(b"study=obri-ibd", "the body is not JSON", id="a form"),
        pytest.param(b'{"dry_run": tru', "the body is not JSON", id="cut off"),
        pytest.param(b'{"study": "\xe9"}', "the body is not JSON in UTF-8", id="latin-1"),
        pytest.param(b"[" * 9_000, "the body is not JSON", id="nested beyond reason"),
        pytest.param(b'{"as_of": ' + b"1" * 5_000 + b"}", "the body is not JSON", id="a number beyond reason"),
        pytest.param(b'["obri-ibd"]', "the body is not a JSON object", id="a list"),
        pytest.param(b"null", "the body is not a JSON object", id="null"),
        pytest.param(b" " * 10_000 + b"{}", "the body is longer than 10 kB", id="too long"),
        pytest.param(
            body(studdy="obri-ibd"), '"studdy": unknown; expected study, as_of, dry_run, accept_drop', id="misspelt"
        ),
        pytest.param(b'{"dry_run": false, "dry_run": true}', '"dry_run": given 2 times', id="twice"),
        pytest.param(body(study=7), "study: expected", id="study is a number"),
        pytest.param(body(study=" "), "study: expected", id="study is blank"),
        pytest.param(body(study=None), "study: expected", id="study is null"),
        pytest.param(body(as_of=20261116), "as_of: expected", id="as_of is a number"),
        pytest.param(body(as_of="16/11/2026"), "as_of: expected", id="as_of in another order"),
        pytest.param(body(as_of="2026-11-31"), "as_of: expected", id="as_of is no day"),
        pytest.param(body(as_of="2026-W47-1"), "as_of: expected", id="as_of is a week"),
        pytest.param(body(as_of="２０２６-11-16"), "as_of: expected", id="as_of in wide digits"),
        pytest.param(body(as_of=None), "as_of: expected", id="as_of is null"),
        pytest.param(body(dry_run="yes"), "dry_run: expected true or false", id="dry_run is text"),
        pytest.param(body(dry_run=1), "dry_run: expected true or false", id="dry_run is a number"),
        pytest.param(body(accept_drop=None), "accept_drop: expected true or false", id="accept_drop is null"),
    ],
)
def test_a_request_that_cannot_be_used_is_refused(request_body: bytes, problem: str) -> None:
    (found,) = problems_of(request_body)

    assert found.startswith(problem)


def test_every_problem_of_a_request_is_told_at_once() -> None:
    found = problems_of(b'{"study": 1, "as_of": "soon", "dry_run": "no", "dry_run": "yes", "token": "abc"}')

    assert [problem.split(":")[0] for problem in found] == ['"dry_run"', '"token"', "study", "as_of", "dry_run"]


def test_what_was_sent_is_not_repeated() -> None:
    found = problems_of(body(study=["5A4D0B0C"], as_of="5A4D0B0C", dry_run="5A4D0B0C", token="5A4D0B0C"))

    assert "5A4D0B0C" not in "".join(found)


def test_a_long_unknown_key_is_shortened() -> None:
    (found,) = problems_of(body(**{"k" * 5_000: 1}))

    assert len(found) < 120


@pytest.mark.parametrize(("error", "status", "name"), STATUSES, ids=lambda value: type(value).__name__)
def test_an_error_is_answered_by_its_kind(error: Exception, status: int, name: str) -> None:
    found, document = problem_for(error, "i-1")

    assert (found, document["status"], document["type"]) == (status, status, f"urn:consent-summary:problem:{name}")


def test_a_problem_document_says_what_happened_and_where_to_look() -> None:
    _, document = problem_for(errors.SourceRefusedError("REDCap refused the token. Ask for a new one."), "i-1")

    assert document == {
        "type": "urn:consent-summary:problem:source-refused",
        "title": "REDCap refused",
        "status": 502,
        "detail": "REDCap refused the token. Ask for a new one.",
        "invocation_id": "i-1",
    }


@pytest.mark.parametrize("error", LISTING, ids=lambda error: type(error).__name__)
def test_a_problem_document_lists_every_problem(error: ConsentReportError) -> None:
    _, document = problem_for(error, "i-1")

    assert (document["detail"], document["problems"]) == ("Heading:", ["first", "second"])


def test_a_bad_request_is_answered_with_its_problems() -> None:
    status, document = problem_for(BadRequestError(["dry_run: expected true or false"]), "i-1")

    assert (status, document["problems"]) == (400, ["dry_run: expected true or false"])


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({}, HistoryRequest(None, 50), id="nothing"),
        pytest.param({"study": "adults", "limit": "1"}, HistoryRequest("adults", 1), id="both"),
        pytest.param({"limit": "500"}, HistoryRequest(None, 500), id="as many as may be"),
        pytest.param({"code": "k", "clientId": "default"}, HistoryRequest(), id="what carries the function key"),
    ],
)
def test_a_request_for_the_history_is_read(parameters: dict[str, str], expected: HistoryRequest) -> None:
    assert parse_history_request(parameters) == expected


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "ten", "٣", " 5", "1e2", "9" * 5_000])
def test_a_limit_that_is_no_number_of_runs_is_refused(limit: str) -> None:
    with pytest.raises(BadRequestError, match="limit: expected a number from 1 to 500"):
        parse_history_request({"limit": limit})


def test_every_problem_of_a_request_for_the_history_is_told_at_once() -> None:
    with pytest.raises(BadRequestError, match="nothing was done") as caught:
        parse_history_request({"stdy": "adults", "limit": "all"})

    assert caught.value.problems == (
        '"stdy": unknown; expected study, limit',
        "limit: expected a number from 1 to 500",
    )


@pytest.mark.parametrize("run_id", ["adults.2026-11-16", "obri-ibd.sandbox-2026-11-16", "a_b.20261116T120000Z-3f9a0b"])
def test_an_id_of_a_run_is_read(run_id: str) -> None:
    assert parse_run_id(run_id) == run_id


@pytest.mark.parametrize(
    "text", ["", "adults", "adults.2026-11-16'", "adults.2026-11-16\n", "../adults.x", "adults.é", "a." + "x" * 5_000]
)
def test_what_cannot_be_an_id_is_an_unknown_run(text: str) -> None:
    with pytest.raises(UnknownRunError, match="There is no run of that id"):
        parse_run_id(text)


def test_whoever_asked_for_a_run_is_told_where_to_watch_it() -> None:
    headers, document = accepted(a_run(run_id="adults.20261116T130000Z-3f9a0b"))

    assert (headers, document) == (
        {"Location": "/api/runs/adults.20261116T130000Z-3f9a0b", "Retry-After": "10"},
        {
            "run_id": "adults.20261116T130000Z-3f9a0b",
            "status_url": "/api/runs/adults.20261116T130000Z-3f9a0b",
            "state": "requested",
        },
    )


def test_a_fault_is_answered_without_a_word_of_its_own() -> None:
    status, document = problem_for(a_fault(), "i-1")

    assert (status, document["title"], RECORD in str(document)) == (500, "The program failed", False)


def test_a_fault_is_answered_with_the_invocation_to_look_for() -> None:
    assert problem_for(a_fault(), "i-1")[1]["invocation_id"] == "i-1"


def test_an_error_of_ours_is_logged_in_its_own_words() -> None:
    assert log_text(errors.SourceRefusedError("REDCap refused.")) == "SourceRefusedError: REDCap refused."


def test_a_fault_is_logged_with_the_way_that_it_and_its_cause_came() -> None:
    ways = log_text(a_fault()).split("which led to")

    assert ["raise KeyError(RECORD)" in ways[0], "raise ValueError(" in ways[1]] == [True, True]


def test_a_fault_is_logged_without_its_message() -> None:
    assert RECORD not in log_text(a_fault())


@pytest.mark.parametrize(
    ("parameters", "study"),
    [
        ({}, None),
        ({"study": "adults"}, "adults"),
        ({"code": "a key", "clientId": "default", "study": "adults"}, "adults"),
    ],
)
def test_a_page_is_asked_for_by_its_study(parameters: dict[str, str], study: str | None) -> None:
    assert parse_page_request(parameters) == study


def test_a_page_cannot_be_asked_for_by_anything_else() -> None:
    with pytest.raises(BadRequestError, match='"limit": unknown; expected study'):
        parse_page_request({"limit": "5"})
