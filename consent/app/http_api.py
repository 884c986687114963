"""What the HTTP routes understand and how they answer: a body becomes a request, an error becomes a problem document.

Pure: runs nothing, reads no setting, and knows no web framework. What a caller may be told of an error is decided here:
an error of ours speaks for itself; of any other nothing is told, because its own words may quote a secret or a
participant.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from consent.dates import parse_day
from consent.errors import BadRequestError, UnknownRunError, error_document, kind_of
from consent.runs.ledger.record import RunRecord, is_run_id
from consent.runs.request import RunRequest

JSON, PROBLEM = "application/json", "application/problem+json"  # https://www.rfc-editor.org/rfc/rfc9457
LONGEST_BODY = 10_000  # bytes
RUNS_PATH = "/api/runs"  # where the platform serves the routes of runs
RUNS_SHOWN, MOST_RUNS_SHOWN = 50, 500
ASK_AGAIN_SECONDS = 10  # after which a caller may look how its run is getting on

_LONGEST_KEY = 40  # characters of an unknown key that are repeated to the caller
_OF_THE_PLATFORM = {"code", "clientId"}  # parameters that carry the function key


@dataclass(frozen=True)
class HistoryRequest:
    """The runs asked to be listed: of which study (None: of all), and how many at most."""

    study: str | None = None
    limit: int = RUNS_SHOWN


def parse_run_request(body: bytes) -> RunRequest:
    """Read what a caller wants run; an empty body asks for today's report of the only study.

    body: a JSON object of at most 10 kB with any of ``study`` (text), ``as_of`` (YYYY-MM-DD), ``dry_run`` and
    ``accept_drop`` (bool).

    Raises:
        BadRequestError: with everything that is wrong with it.
    """
    if not body.strip():
        return RunRequest()
    problems: list[str] = []
    document = _json_object(body, problems)
    known = ["study", "as_of", "dry_run", "accept_drop"]
    problems += [f"{_shown(key)}: unknown; expected {', '.join(known)}" for key in document if key not in known]
    study = _study(document, problems)
    as_of = _day(document, problems)
    dry_run = _yes_or_no(document, "dry_run", problems)
    accept_drop = _yes_or_no(document, "accept_drop", problems)
    if problems:
        raise BadRequestError(problems)
    return RunRequest(study, as_of, dry_run, accept_drop)


def parse_history_request(parameters: Mapping[str, str]) -> HistoryRequest:
    """Read which runs a caller wants listed.

    parameters: of the address, any of ``study`` (the key of one) and ``limit`` (1 to 500).

    Raises:
        BadRequestError: with everything that is wrong with them.
    """
    known = [field.name for field in fields(HistoryRequest)]
    unknown = sorted(set(parameters) - {*known, *_OF_THE_PLATFORM})
    problems = [f"{_shown(name)}: unknown; expected {', '.join(known)}" for name in unknown]
    limit = parameters.get("limit", str(RUNS_SHOWN))
    if not (re.fullmatch(r"[0-9]{1,3}", limit) and 1 <= int(limit) <= MOST_RUNS_SHOWN):
        problems.append(f"limit: expected a number from 1 to {MOST_RUNS_SHOWN}")
    if problems:
        raise BadRequestError(problems)
    return HistoryRequest(parameters.get("study"), int(limit))


def parse_page_request(parameters: Mapping[str, str]) -> str | None:
    """Read of which study a caller wants the page: its key, or None for the only one or a list of all.

    Raises:
        BadRequestError: another parameter than ``study`` was given.
    """
    unknown = sorted(set(parameters) - {"study", *_OF_THE_PLATFORM})
    if unknown:
        raise BadRequestError([f"{_shown(name)}: unknown; expected study" for name in unknown])
    return parameters.get("study")


def parse_run_id(text: str) -> str:
    """The id of a run, if the text can be one.

    Raises:
        UnknownRunError: it cannot.
    """
    if not is_run_id(text):
        raise unknown_run()
    return text


def unknown_run() -> UnknownRunError:
    """What is wrong with an id that nobody was given; it is not repeated."""
    return UnknownRunError(f"There is no run of that id. GET {RUNS_PATH} lists those there are.")


def accepted(record: RunRecord) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the document that tell a caller where to watch the run that was asked for."""
    status_url = f"{RUNS_PATH}/{record.run_id}"
    headers = {"Location": status_url, "Retry-After": str(ASK_AGAIN_SECONDS)}
    return headers, {"run_id": record.run_id, "status_url": status_url, "state": record.state}


def problem_for(error: Exception, invocation_id: str) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and the RFC 9457 problem document of an error.

    invocation_id: under which the platform's log keeps this call.
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


def _json_object(body: bytes, problems: list[str]) -> dict[str, Any]:
    if len(body) > LONGEST_BODY:
        raise BadRequestError([f"the body is longer than {LONGEST_BODY // 1000} kB"])
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=lambda pairs: _object(pairs, problems))
    except (ValueError, RecursionError):
        raise BadRequestError(["the body is not JSON in UTF-8"]) from None
    if not isinstance(document, dict):
        raise BadRequestError(['the body is not a JSON object such as {"dry_run": true}'])
    return document


def _object(pairs: list[tuple[str, Any]], problems: list[str]) -> dict[str, Any]:
    times = Counter(key for key, _ in pairs)
    problems += [f"{_shown(key)}: given {n} times" for key, n in times.items() if n > 1]
    return dict(pairs)


def _shown(key: str) -> str:
    return json.dumps(key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}...")


def _study(document: dict[str, Any], problems: list[str]) -> str | None:
    value = document.get("study")
    if isinstance(value, str) and value.strip():
        return value
    if "study" in document:
        problems.append("study: expected the key of a study, as text")
    return None


def _day(document: dict[str, Any], problems: list[str]) -> date | None:
    value = document.get("as_of")
    day = parse_day(value) if isinstance(value, str) else None
    if day is None and "as_of" in document:
        problems.append('as_of: expected a day, as text such as "2026-11-16"')
    return day


def _yes_or_no(document: dict[str, Any], key: str, problems: list[str]) -> bool:
    value = document.get(key, False)
    if not isinstance(value, bool):
        problems.append(f"{key}: expected true or false")
    return value is True
