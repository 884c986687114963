"""Parse the requests of the HTTP routes and build their responses."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from consent.dates import parse_day
from consent.errors import BadRequestError, Problem, error_document, kind_of
from consent.runs.request import RunRequest

if TYPE_CHECKING:  # a cold start pays for every import
    from consent.runs.ledger.record import RunRecord

JSON, PROBLEM = "application/json", "application/problem+json"  # https://www.rfc-editor.org/rfc/rfc9457
MAX_BODY_BYTES = 10_000
RUNS_PATH = "/api/runs"  # where the platform serves the routes of runs
DEFAULT_LIMIT, MAX_LIMIT = 50, 500  # runs in one response
RETRY_AFTER_SECONDS = 10

_MAX_SHOWN_KEY = 40  # characters of an unknown key that the response repeats
_PLATFORM_PARAMETERS = {"code", "clientId"}  # they carry the function key


def parse_run_request(body: bytes) -> RunRequest:
    """Parse the body of ``POST /api/runs``; an empty body requests today's report of the only study.

    body: a JSON object of at most 10 kB with any of ``study`` (text), ``as_of`` (YYYY-MM-DD), ``dry_run`` and
    ``accept_drop`` (bool). Raises BadRequestError with every problem found.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BadRequestError([Problem("The body is too long.", f"Send at most {MAX_BODY_BYTES // 1000} kB.")])
    if not body.strip():
        return RunRequest()
    document, problems = _json_object(body)
    problems += _unknown(document, ("study", "as_of", "dry_run", "accept_drop"))
    study, as_of = document.get("study"), document.get("as_of")
    if "study" in document and not (isinstance(study, str) and study.strip()):
        problems.append(Problem("study is not the key of a study.", 'Give it as text, such as "obri-ibd".'))
    day = parse_day(as_of) if isinstance(as_of, str) else None
    if "as_of" in document and day is None:
        problems.append(Problem("as_of is not a date.", 'Give it as text, such as "2026-11-16".'))
    for key in ("dry_run", "accept_drop"):
        if not isinstance(document.get(key, False), bool):
            problems.append(Problem(f"{key} is neither true nor false.", "Use true or false, without quotes."))
    if problems:
        raise BadRequestError(problems)
    return RunRequest(study, day, document.get("dry_run", False), document.get("accept_drop", False))


def parse_history_request(parameters: Mapping[str, str]) -> tuple[str | None, int]:
    """Parse the query of ``GET /api/runs``: ``study`` (a key, None for all) and ``limit`` (1 to 500), both optional.

    Raises BadRequestError with every problem found.
    """
    problems = _unknown(parameters, ("study", "limit"), _PLATFORM_PARAMETERS)
    limit = parameters.get("limit", str(DEFAULT_LIMIT))
    if not (re.fullmatch(r"[0-9]{1,3}", limit) and 1 <= int(limit) <= MAX_LIMIT):
        problems.append(Problem("limit is out of range.", f"Give a whole number from 1 to {MAX_LIMIT}."))
    if problems:
        raise BadRequestError(problems)
    return parameters.get("study"), int(limit)


def parse_page_request(parameters: Mapping[str, str]) -> str | None:
    """Parse the query of ``GET /api/report``: ``study``, optional; raises BadRequestError for anything else."""
    if problems := _unknown(parameters, ("study",), _PLATFORM_PARAMETERS):
        raise BadRequestError(problems)
    return parameters.get("study")


def accepted(record: "RunRecord") -> tuple[dict[str, str], dict[str, Any]]:
    """Return the headers and the document of the 202 response to a requested run."""
    status_url = f"{RUNS_PATH}/{record.run_id}"
    headers = {"Location": status_url, "Retry-After": str(RETRY_AFTER_SECONDS)}
    return headers, {"run_id": record.run_id, "status_url": status_url, "state": record.state}


def problem_for(error: Exception, invocation_id: str) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and the problem document (RFC 9457) of an error.

    invocation_id: the id under which the platform's log keeps this call.
    """
    kind, document = kind_of(error), error_document(error)
    return kind.status, {
        "type": f"urn:consent-summary:problem:{document['code']}",
        "title": kind.title,
        "status": kind.status,
        "detail": document["what"],
        **document,
        "invocation_id": invocation_id,
    }


def _json_object(body: bytes) -> tuple[dict[str, Any], list[Problem]]:
    """Return the body's JSON object and a problem for each key that it repeats."""
    problems: list[Problem] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        problems.extend(Problem(f"{_shown(key)} is given more than once.", "Give it once.") for key in repeated)
        return dict(pairs)

    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise BadRequestError(
            [Problem("The body is not a JSON object in UTF-8.", 'Send one, such as {"dry_run": true}.')]
        )
    return document, problems


def _unknown(given: Iterable[str], known: tuple[str, ...], ignored: Iterable[str] = ()) -> list[Problem]:
    unknown = [name for name in given if name not in {*known, *ignored}]
    return [Problem(f"{_shown(name)} is unknown.", f"Use one of these: {', '.join(known)}.") for name in unknown]


def _shown(key: str) -> str:
    return json.dumps(key if len(key) <= _MAX_SHOWN_KEY else f"{key[:_MAX_SHOWN_KEY]}...")
