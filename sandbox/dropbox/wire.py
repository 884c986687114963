"""The shapes in which Dropbox answers: JSON of files and folders, and each way of saying no.

Success and errors of a route are exactly ``application/json``, bad input is plain text. Decides nothing.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sandbox.dropbox.tree import (
    Entry,
    File,
    Folder,
    LookupRefusedError,
    RefusedError,
    Revision,
    WriteRefusedError,
    folded,
)
from sandbox.server import Response

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
INSTANT = "%Y-%m-%dT%H:%M:%SZ"


class AnsweredError(Exception):
    """The work is over early, with this answer."""

    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__(response.status)


def as_json(value: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(status, {"Content-Type": JSON}, json.dumps(value).encode("ascii"))


def union(*tags: str) -> dict[str, Any]:
    """Dropbox's tagged unions, one in the other: ``{".tag": "path", "path": {".tag": "not_found"}}``."""
    first, *rest = tags
    return {".tag": first, first: union(*rest)} if rest else {".tag": first}


def error_answer(status: int, tags: tuple[str, ...], error: dict[str, Any]) -> Response:
    """An error with its summary, which ends at random, as Dropbox's do, so that nobody compares it whole."""
    tail = secrets.choice(("/", "/.", "/..", "/..."))
    return as_json({"error_summary": "/".join(tags) + tail, "error": error}, status)


def conflict(*tags: str) -> AnsweredError:
    """409: the route itself says no."""
    return AnsweredError(error_answer(409, tags, union(*tags)))


def upload_conflict(refused: RefusedError) -> AnsweredError:
    """409 of an upload to a path, which alone has its reason beside the tag."""
    error = {".tag": "path", "reason": union(*refused.tags)}
    error["upload_session_id"] = "pid_upload_session:" + secrets.token_urlsafe(24)
    return AnsweredError(error_answer(409, ("path", *refused.tags), error))


@contextmanager
def refusals(lookup: str = "path", write: str = "path") -> Iterator[None]:
    """Turn what the account refuses into a 409, under the words this route has for look-ups and for writes."""
    try:
        yield
    except LookupRefusedError as refused:
        raise conflict(lookup, *refused.tags) from None
    except WriteRefusedError as refused:
        raise conflict(write, *refused.tags) from None
    except RefusedError as refused:
        raise conflict(*refused.tags) from None


def bad_input(name: str, why: str) -> AnsweredError:
    """400: the request makes no sense, in plain text."""
    text = f'Error in call to API function "{name}": {why}'
    return AnsweredError(Response(400, {"Content-Type": TEXT}, text.encode("utf-8", "replace")))


def unauthorised(tag: str, **details: str) -> AnsweredError:
    """401: the token will not do."""
    answer = error_answer(401, (tag,), {".tag": tag, **details})
    answer.headers["WWW-Authenticate"] = 'Bearer realm="Dropbox-API"'
    return AnsweredError(answer)


def wrong_root(tag: str, **details: dict[str, str]) -> AnsweredError:
    """422: the account does not have the path root that was asked for."""
    return AnsweredError(error_answer(422, (tag,), {".tag": tag, **details}))


def decoded(name: str, text: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object in a header or body; ``null`` is an empty one."""
    complaint = bad_input(name, f"{where}: could not decode input as JSON")
    try:
        value = json.loads(text)
    except ValueError:
        raise complaint from None
    if value is not None and not isinstance(value, dict):
        raise complaint
    return value or {}


def instant(moment: datetime) -> str:
    """A moment in UTC, in the only form the SDK reads."""
    return moment.strftime(INSTANT)


def file_metadata(file: File, revision: Revision, view: str) -> dict[str, Any]:
    """One revision of a file, its path as seen from the folder ``view``."""
    return {
        **_names(file, view),
        "id": file.id,
        "client_modified": instant(revision.client_modified),
        "server_modified": instant(revision.server_modified),
        "rev": revision.rev,
        "size": len(revision.content),
        "is_downloadable": True,
        "content_hash": revision.content_hash,
    }


def folder_metadata(folder: Folder, view: str) -> dict[str, Any]:
    """A folder, its path as seen from the folder ``view``."""
    return {**_names(folder, view), "id": folder.id}


def metadata(entry: Entry, view: str) -> dict[str, Any]:
    """Whatever it is, with the tag that says so."""
    if isinstance(entry, Folder):
        return {".tag": "folder", **folder_metadata(entry, view)}
    return {".tag": "file", **file_metadata(entry, entry.current, view)}


def _names(entry: Entry, view: str) -> dict[str, str]:
    path = entry.path[len(view) :]
    return {"name": path.rpartition("/")[2], "path_lower": folded(path), "path_display": path}
