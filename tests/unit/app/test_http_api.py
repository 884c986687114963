"""Tests of the HTTP API: how requests are parsed and how errors are answered."""

import json
from datetime import date

import pytest

from consent import errors
from consent.app.http_api import (
    accepted,
    parse_history_request,
    parse_page_request,
    parse_run_request,
    problem_for,
)
from consent.errors import BadRequestError, Problem
from consent.runs.request import RunRequest
from tests.support.run_builders import a_run

RECORD = "000417"


def body(**values: object) -> bytes:
    return json.dumps(values).encode()


def problems_of(request: bytes) -> list[str]:
    """What is wrong with a request for a run."""
    with pytest.raises(BadRequestError) as caught:
        parse_run_request(request)
    return [problem.what for problem in caught.value.problems]


@pytest.mark.parametrize("empty", [b"", b" \r\n", b"{}"])
def test_an_empty_body_requests_todays_report_of_the_only_study(empty: bytes) -> None:
    assert parse_run_request(empty) == RunRequest(study=None, as_of=None, dry_run=False, accept_drop=False)


@pytest.mark.parametrize(
    ("request_body", "expected"),
    [
        (body(study="obri-ibd", as_of="2026-11-16"), RunRequest("obri-ibd", date(2026, 11, 16))),
        (body(accept_drop=True), RunRequest(accept_drop=True)),
        (b"\xef\xbb\xbf" + body(dry_run=True), RunRequest(dry_run=True)),
    ],
    ids=["study and day", "accepting a drop", "a dry run, after a byte order mark"],
)
def test_every_key_of_a_body_is_read(request_body: bytes, expected: RunRequest) -> None:
    assert parse_run_request(request_body) == expected


@pytest.mark.parametrize(
    ("request_body", "problem"),
    [
        pytest.param(b"study=obri-ibd", "The body is not a JSON object in UTF-8.", id="a form"),
        pytest.param(b'{"study": "\xe9"}', "The body is not a JSON object in UTF-8.", id="latin-1"),
        pytest.param(b"[" * 9_000, "The body is not a JSON object in UTF-8.", id="nested too deeply"),
        pytest.param(b'["obri-ibd"]', "The body is not a JSON object in UTF-8.", id="a list"),
        pytest.param(b" " * 1_000_000, "The body is too long.", id="too long, though blank"),
        pytest.param(body(studdy="obri-ibd"), '"studdy" is unknown.', id="misspelt"),
        pytest.param(b'{"dry_run": false, "dry_run": true}', '"dry_run" is given more than once.', id="twice"),
        pytest.param(body(study=7), "study is not the key of a study.", id="study is a number"),
        pytest.param(body(study=" "), "study is not the key of a study.", id="study is blank"),
        pytest.param(body(as_of=20261116), "as_of is not a date.", id="as_of is a number"),
        pytest.param(body(as_of="2026-11-31"), "as_of is not a date.", id="as_of is no day"),
        pytest.param(body(as_of=None), "as_of is not a date.", id="as_of is null"),
        pytest.param(body(dry_run="yes"), "dry_run is neither true nor false.", id="dry_run is text"),
        pytest.param(body(dry_run=1), "dry_run is neither true nor false.", id="dry_run is a number"),
        pytest.param(body(accept_drop=None), "accept_drop is neither true nor false.", id="accept_drop is null"),
    ],
)
def test_an_invalid_body_is_rejected(request_body: bytes, problem: str) -> None:
    assert problems_of(request_body) == [problem]


def test_every_problem_of_a_body_is_reported() -> None:
    found = problems_of(b'{"study": 1, "as_of": "soon", "dry_run": "no", "dry_run": "yes", "token": "abc"}')

    assert [problem.split()[0] for problem in found] == ['"dry_run"', '"token"', "study", "as_of", "dry_run"]


def test_values_of_a_body_are_not_repeated_and_a_long_key_is_shortened() -> None:
    found = problems_of(body(study=["5A4D0B0C"], as_of="5A4D0B0C", dry_run="5A4D0B0C", **{"k" * 5_000: "5A4D0B0C"}))

    assert ("5A4D0B0C" in "".join(found), max(map(len, found)) < 120) == (False, True)


def test_a_problem_document_holds_what_failed_and_the_fix() -> None:
    error = errors.SourceRefusedError("REDCap refused the token.", "Ask for a new one.")

    assert problem_for(error, "i-1") == (
        502,
        {
            "type": "urn:consent-summary:problem:source-refused",
            "title": "REDCap refused",
            "status": 502,
            "detail": "REDCap refused the token.",
            "code": "source-refused",
            "what": "REDCap refused the token.",
            "fix": "Ask for a new one.",
            "invocation_id": "i-1",
        },
    )


def test_a_problem_document_lists_every_problem() -> None:
    status, document = problem_for(BadRequestError([Problem("First.", "Fix it."), Problem("Second.")]), "i-1")

    assert (status, document["problems"]) == (
        400,
        [{"what": "First.", "fix": "Fix it."}, {"what": "Second.", "fix": ""}],
    )


def test_a_problem_document_withholds_the_message_of_an_internal_error() -> None:
    status, document = problem_for(KeyError(RECORD), "i-1")

    assert (status, document["code"], document["invocation_id"]) == (500, "internal-error", "i-1")
    assert RECORD not in str(document)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({}, (None, 50), id="nothing"),
        pytest.param({"study": "adults", "limit": "1"}, ("adults", 1), id="both"),
        pytest.param({"limit": "500"}, (None, 500), id="the highest limit"),
        pytest.param({"code": "k", "clientId": "default"}, (None, 50), id="the function key"),
    ],
)
def test_the_query_of_the_history_is_read(parameters: dict[str, str], expected: tuple[str | None, int]) -> None:
    assert parse_history_request(parameters) == expected


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "٣", "9" * 5_000])
def test_every_problem_of_the_query_is_reported(limit: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_history_request({"stdy": "adults", "limit": limit})

    assert caught.value.problems == (
        Problem('"stdy" is unknown.', "Use one of these: study, limit."),
        Problem("limit is out of range.", "Give a whole number from 1 to 500."),
    )


def test_the_response_to_a_request_says_where_its_status_is() -> None:
    run_id = "adults.20261116T130000Z-3f9a0b"

    assert accepted(a_run(run_id=run_id)) == (
        {"Location": f"/api/runs/{run_id}", "Retry-After": "10"},
        {"run_id": run_id, "status_url": f"/api/runs/{run_id}", "state": "requested"},
    )


@pytest.mark.parametrize(
    ("parameters", "study"),
    [({}, None), ({"code": "a key", "clientId": "default", "study": "adults"}, "adults")],
)
def test_the_query_of_the_page_is_read(parameters: dict[str, str], study: str | None) -> None:
    assert parse_page_request(parameters) == study


def test_another_parameter_of_the_page_is_rejected() -> None:
    with pytest.raises(BadRequestError, match="limit"):
        parse_page_request({"limit": "5"})
