"""What the HTTP routes understand and how they answer: a body becomes a request, an error becomes a problem document.

Pure: runs nothing, reads no setting, and knows no web framework. What may be told of an error is decided here, both to
the caller and to the log: an error of ours speaks for itself; of any other only its kind and place are told, because
its own words may quote a secret or a participant.
"""

import json
from collections import Counter
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from consent.errors import (
    ConfigurationError,
    ConsentReportError,
    CutoffError,
    DeliveryRefusedError,
    DeliveryUnavailableError,
    DeliveryUnverifiedError,
    DictionaryError,
    SecretsRefusedError,
    SecretsUnavailableError,
    SettingsError,
    SourceDataError,
    SourceRefusedError,
    SourceUnavailableError,
    StudyFileError,
    UnknownStudyError,
)
from consent.period import parse_day

JSON, PROBLEM = "application/json", "application/problem+json"  # https://www.rfc-editor.org/rfc/rfc9457
LONGEST_BODY = 10_000  # bytes

_LONGEST_KEY = 40  # characters of an unknown key that are repeated to the caller


class BadRequestError(ConsentReportError):
    """What was sent is not a request for a run; ``problems`` holds everything that is wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        self.heading = "The request cannot be used; nothing was run. Correct these and send it again:"
        self.problems = tuple(problems)
        super().__init__("\n".join([self.heading, *(f"  - {problem}" for problem in problems)]))


@dataclass(frozen=True)
class RunRequest:
    """A run asked for: of which study (None: the only one), as of which day (None: today), and whether to write."""

    study: str | None = None
    as_of: date | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class _Kind:
    """How errors of one kind are answered."""

    status: int
    name: str
    title: str


# The first entry that an error is an instance of counts, so a special error stands before its base.
_KINDS: tuple[tuple[type[Exception], _Kind], ...] = (
    (BadRequestError, _Kind(400, "bad-request", "The request cannot be used")),
    (CutoffError, _Kind(400, "cutoff", "That day cannot be reported")),
    (UnknownStudyError, _Kind(404, "unknown-study", "There is no such study")),
    (ConfigurationError, _Kind(500, "configuration", "Something must be set up first")),
    (SecretsUnavailableError, _Kind(503, "secrets-unavailable", "Key Vault cannot be reached now")),
    (SecretsRefusedError, _Kind(502, "secrets-refused", "Key Vault refused")),
    (SourceUnavailableError, _Kind(503, "source-unavailable", "REDCap cannot be reached now")),
    (SourceRefusedError, _Kind(502, "source-refused", "REDCap refused")),
    (SourceDataError, _Kind(502, "source-data", "What REDCap sent cannot be trusted")),
    (DeliveryUnavailableError, _Kind(503, "delivery-unavailable", "The folder cannot be reached now")),
    (DeliveryRefusedError, _Kind(502, "delivery-refused", "The folder refused")),
    (DeliveryUnverifiedError, _Kind(502, "delivery-unverified", "The folder holds something else than was sent")),
)
_FAULT = _Kind(500, "fault", "The program failed")


def parse_run_request(body: bytes) -> RunRequest:
    """Read what a caller wants run; an empty body asks for today's report of the only study.

    body: a JSON object of at most 10 kB with any of ``study`` (text), ``as_of`` (YYYY-MM-DD), ``dry_run`` (bool).

    Raises:
        BadRequestError: with everything that is wrong with it.
    """
    if not body.strip():
        return RunRequest()
    problems: list[str] = []
    document = _json_object(body, problems)
    known = [field.name for field in fields(RunRequest)]
    problems += [f"{_shown(key)}: unknown; expected {', '.join(known)}" for key in document if key not in known]
    study = _study(document, problems)
    as_of = _day(document, problems)
    dry_run = _yes_or_no(document, problems)
    if problems:
        raise BadRequestError(problems)
    return RunRequest(study, as_of, dry_run)


def problem_for(error: Exception, invocation_id: str) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the problem document that tell a caller what went wrong and what to do.

    invocation_id: under which the platform's log keeps this call. Of an error that is not one of ours nothing else is
    told. The document follows RFC 9457.
    """
    kind = _kind_of(error)
    document: dict[str, Any] = {
        "type": f"urn:consent-summary:problem:{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": str(error),
        "invocation_id": invocation_id,
    }
    if isinstance(error, BadRequestError | StudyFileError | SettingsError | DictionaryError):
        document |= {"detail": error.heading, "problems": list(error.problems)}
    if not isinstance(error, ConsentReportError):
        document["detail"] = (
            "This is a fault in the program. Its place is in the function app's log, under the invocation id; pass "
            "both on to whoever looks after the program."
        )
    return kind.status, document


def _kind_of(error: Exception) -> _Kind:
    return next((kind for cause, kind in _KINDS if isinstance(error, cause)), _FAULT)


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


def _yes_or_no(document: dict[str, Any], problems: list[str]) -> bool:
    value = document.get("dry_run", False)
    if not isinstance(value, bool):
        problems.append("dry_run: expected true or false")
    return value is True
