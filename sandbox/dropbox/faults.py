"""Temporary failures of Dropbox, as faults for ``Server.faults``."""

import secrets
from typing import Any, Unpack, cast

from sandbox.dropbox.tree import WriteRefusedError
from sandbox.dropbox.wire import TEXT, error_answer, union, upload_conflict
from sandbox.server import Aim, Fault, Response


def rate_limited(seconds: int, json: bool = True, **aim: Unpack[Aim]) -> Fault:
    """Ask the app to wait for this many seconds, in JSON or in plain text."""
    error = {"reason": union("too_many_requests"), "retry_after": seconds}
    answer = Response(429, {"Content-Type": TEXT}, b"too_many_requests")
    if json:
        answer = error_answer(429, ("too_many_requests",), error)
    return _fault(answer, aim, {"Retry-After": str(seconds)})


def lock_contention_429(seconds: int | None = None, **aim: Unpack[Aim]) -> Fault:
    """Refuse a write because others are writing; without seconds the body names no waiting time."""
    error: dict[str, Any] = {"reason": union("too_many_write_operations")}
    if seconds is not None:
        error["retry_after"] = seconds
    answer = error_answer(429, ("too_many_write_operations",), error)
    return _fault(answer, aim, {"Retry-After": str(seconds or 1)})


def lock_contention_409(**aim: Unpack[Aim]) -> Fault:
    """Refuse an upload because others are writing, as the route's own error."""
    aim.setdefault("match", "files/upload")
    return _fault(upload_conflict(WriteRefusedError("too_many_write_operations")).response, aim)


def server_error(status: int = 503, text: str = "Service Unavailable", **aim: Unpack[Aim]) -> Fault:
    """Be unavailable for a moment."""
    return _fault(Response(status, {"Content-Type": TEXT}, text.encode()), aim)


def _fault(answer: Response, aim: Aim, headers: dict[str, str] | None = None) -> Fault:
    everything = {**answer.headers, **(headers or {}), "X-Dropbox-Request-Id": secrets.token_hex(16)}
    return Fault("answer", status=answer.status, headers=everything, body=cast(bytes, answer.body), **aim)
