"""The formats of Dropbox's responses: JSON of files and folders, and each kind of error.

Results and errors of a route are exactly ``application/json``; bad input is plain text.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.dropbox.tree import Entry, Folder, LookupRefusedError, RefusedError, WriteRefusedError, folded
from sandbox.server import Response

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
INSTANT = "%Y-%m-%dT%H:%M:%SZ"  # the only format that the SDK reads


class AnsweredError(Exception):
    """End the handling of a request with this response."""

    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__(response.status)


def as_json(value: object, status: int = 200) -> Response:
    """Return a response in JSON."""
    return Response(status, {"Content-Type": JSON}, json.dumps(value).encode("ascii"))


def union(*tags: str) -> dict[str, Any]:
    """Return Dropbox's nested tagged unions: ``{".tag": "path", "path": {".tag": "not_found"}}``."""
    first, *rest = tags
    return {".tag": first, first: union(*rest)} if rest else {".tag": first}


def error_answer(status: int, tags: tuple[str, ...], error: dict[str, Any]) -> Response:
    """Return an error with its summary, which ends at random as Dropbox's do, so that no client compares it."""
    tail = secrets.choice(("/", "/.", "/..", "/..."))
    return as_json({"error_summary": "/".join(tags) + tail, "error": error}, status)


def conflict(*tags: str) -> AnsweredError:
    """Return 409, an error of the route itself."""
    return AnsweredError(error_answer(409, tags, union(*tags)))


def upload_conflict(refused: RefusedError) -> AnsweredError:
    """Return 409 for an upload; only here the reason is beside the tag."""
    error = {".tag": "path", "reason": union(*refused.tags)}
    error["upload_session_id"] = "pid_upload_session:" + secrets.token_urlsafe(24)
    return AnsweredError(error_answer(409, ("path", *refused.tags), error))


@contextmanager
def refusals(lookup: str = "path", write: str = "path") -> Iterator[None]:
    """Turn a refusal into a 409 with the route's own tag for lookups and for writes."""
    try:
        yield
    except LookupRefusedError as refused:
        raise conflict(lookup, *refused.tags) from None
    except WriteRefusedError as refused:
        raise conflict(write, *refused.tags) from None


def bad_input(name: str, why: str) -> AnsweredError:
    """Return 400 in plain text: the request is malformed."""
    text = f'Error in call to API function "{name}": {why}'
    return AnsweredError(Response(400, {"Content-Type": TEXT}, text.encode("utf-8", "replace")))


def unauthorised(tag: str, **details: str) -> AnsweredError:
    """Return 401: the token is not valid for this call."""
    answer = error_answer(401, (tag,), {".tag": tag, **details})
    answer.headers["WWW-Authenticate"] = 'Bearer realm="Dropbox-API"'
    return AnsweredError(answer)


def wrong_root(**details: dict[str, str]) -> AnsweredError:
    """Return 422: the account does not have the requested path root."""
    return AnsweredError(error_answer(422, ("invalid_root",), {".tag": "invalid_root", **details}))


def decoded(name: str, text: str | bytes, where: str) -> dict[str, Any]:
    """Return the JSON object in a header or body; ``null`` is an empty one."""
    error = bad_input(name, f"{where}: could not decode input as JSON")
    try:
        value = json.loads(text)
    except ValueError:
        raise error from None
    if value is not None and not isinstance(value, dict):
        raise error
    return value or {}


def metadata(entry: Entry, view: str) -> dict[str, Any]:
    """Return an entry as JSON, with its path inside the folder ``view``."""
    path = entry.path[len(view) :]
    names = {"name": path.rpartition("/")[2], "path_lower": folded(path), "path_display": path, "id": entry.id}
    if isinstance(entry, Folder):
        return {".tag": "folder", **names}
    current = entry.current
    return {
        ".tag": "file",
        **names,
        "client_modified": current.modified.strftime(INSTANT),
        "server_modified": current.modified.strftime(INSTANT),
        "rev": current.rev,
        "size": len(current.content),
        "is_downloadable": True,
        "content_hash": current.content_hash,
    }
