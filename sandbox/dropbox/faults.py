"""What can be wrong with Dropbox for a while: the faults that its stand-in can be given, answered as Dropbox does."""

import secrets
from typing import Any, TypedDict, Unpack, cast

from sandbox.dropbox.tree import WriteRefusedError
from sandbox.dropbox.wire import TEXT, conflict, error_answer, union, upload_conflict
from sandbox.server import Fault, Response


class Aim(TypedDict, total=False):
    """Which requests a fault is for; the fields of ``Fault`` by the same names."""

    match: str
    skip: int
    times: int


_WRITE_ERRORS = {
    "files/create_folder_v2": "path",
    "files/delete_v2": "path_write",
    "files/move_v2": "to",
    "files/restore": "path_write",
}


def rate_limited(seconds: int, json: bool = True, **aim: Unpack[Aim]) -> Fault:
    """The app asked too often and is told to wait so many seconds, in JSON or in plain text."""
    error = {"reason": union("too_many_requests"), "retry_after": seconds}
    answer = Response(429, {"Content-Type": TEXT}, b"too_many_requests")
    if json:
        answer = error_answer(429, ("too_many_requests",), error)
    return _fault(answer, aim, {"Retry-After": str(seconds)})


def lock_contention_429(seconds: int | None = None, **aim: Unpack[Aim]) -> Fault:
    """Others are writing to the account; without seconds the body does not say how long to wait, as happens."""
    error: dict[str, Any] = {"reason": union("too_many_write_operations")}
    if seconds is not None:
        error["retry_after"] = seconds
    answer = error_answer(429, ("too_many_write_operations",), error)
    return _fault(answer, aim, {"Retry-After": str(seconds or 1)})


def lock_contention_409(**aim: Unpack[Aim]) -> Fault:
    """The same contention as a writing route's own error; ``match`` is the route (default ``files/upload``)."""
    route = aim.setdefault("match", "files/upload")
    refused = WriteRefusedError("too_many_write_operations")
    if route == "files/upload":
        return _fault(upload_conflict(refused).response, aim)
    return _fault(conflict(_WRITE_ERRORS[route], *refused.tags).response, aim)


def server_error(status: int = 503, text: str = "Service Unavailable", **aim: Unpack[Aim]) -> Fault:
    """Dropbox is down for a moment."""
    return _fault(Response(status, {"Content-Type": TEXT}, text.encode()), aim)


def _fault(answer: Response, aim: Aim, headers: dict[str, str] | None = None) -> Fault:
    everything = {**answer.headers, **(headers or {}), "X-Dropbox-Request-Id": secrets.token_hex(16)}
    return Fault("answer", status=answer.status, headers=everything, body=cast(bytes, answer.body), **aim)
