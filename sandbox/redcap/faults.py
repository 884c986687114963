"""The ways in which REDCap, or what stands before it, is known to fail, ready to be aimed at a request.

Each function returns a fault for ``Server.faults``; ``match``, ``skip`` and ``times`` aim it. Those that alter a
record export expect it to be JSON. Deliberately not here: broken connections and cut-off bodies, which every
stand-in's server can do.
"""

import json
from collections.abc import Callable
from typing import Any, TypedDict, Unpack

from sandbox.redcap.app import HTML, NO_PERMISSION, NOT_FOUND_PAGE
from sandbox.redcap.formats import CONTENT_TYPES, MEMORY_TEXT, error_body, out_of_memory
from sandbox.server import Fault

Rows = list[dict[str, Any]]

DATABASE_PASSWORD = "made-up-Database-passw0rd"  # noqa: S105 - made up, for tests that look for it in logs
_JSON = CONTENT_TYPES["json"]


class Aim(TypedDict, total=False):
    """Which requests a fault is for."""

    match: str
    skip: int
    times: int


def login_page(**aim: Unpack[Aim]) -> Fault:
    """A single sign-on gateway: 200 with a page in HTML."""
    page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Password</form></body></html>"
    return _answer(200, HTML, page, aim)


def browser_tabs_page(**aim: Unpack[Aim]) -> Fault:
    """200 with the page about several browser tabs; it goes away when asked again."""
    page = b"<html><body>You may have multiple browser tabs of the same REDCap page open.</body></html>"
    return _answer(200, HTML, page, aim)


def database_down(**aim: Unpack[Aim]) -> Fault:
    """200 with a text that gives away the database's credentials (made up)."""
    text = (
        f"The hostname (db.example.org) / username (redcap) / password ({DATABASE_PASSWORD}) combination "
        "could not connect to the MySQL server"
    )
    return _answer(200, HTML, text.encode(), aim)


def memory_text(status: int = 200, **aim: Unpack[Aim]) -> Fault:
    """Out of memory: with 200 a block of HTML and then the error, with 500 the error alone."""
    if status == 200:
        return _answer(200, HTML, out_of_memory("json"), aim)
    return _answer(status, _JSON, error_body("json", MEMORY_TEXT), aim)


def gateway_timeout(**aim: Unpack[Aim]) -> Fault:
    """504 from what stands before REDCap."""
    return _answer(504, HTML, b"<html><head><title>504 Gateway Time-out</title></head><body></body></html>", aim)


def empty_500(**aim: Unpack[Aim]) -> Fault:
    """500 without a word."""
    return _answer(500, HTML, b"", aim)


def zero_bytes(**aim: Unpack[Aim]) -> Fault:
    """200 with nothing, as seen under load."""
    return _answer(200, _JSON, b"", aim)


def empty_list(**aim: Unpack[Aim]) -> Fault:
    """200 with no rows, where there are many."""
    return _answer(200, _JSON, b"[]", {"match": "record", **aim})


def error_object(text: str, **aim: Unpack[Aim]) -> Fault:
    """An error in a reply that calls itself a success."""
    return _answer(200, _JSON, error_body("json", text), aim)


def html_404(**aim: Unpack[Aim]) -> Fault:
    """The web server does not know the path."""
    return _answer(404, HTML, NOT_FOUND_PAGE, aim)


def ban_page(status: int, body: bytes, **aim: Unpack[Aim]) -> Fault:
    """The address was banned; what REDCap then says is not known, so the test says it."""
    return _answer(status, HTML, body, aim)


def revoked_token(**aim: Unpack[Aim]) -> Fault:
    """403, as for a token that was revoked or never was."""
    return _answer(403, _JSON, error_body("json", NO_PERMISSION), aim)


def deleted_project(**aim: Unpack[Aim]) -> Fault:
    """The token's project is gone."""
    text = "The REDCap project no longer exists because it was deleted."
    return _answer(400, _JSON, error_body("json", text), aim)


def redirect(location: str, *, status: int = 301, **aim: Unpack[Aim]) -> Fault:
    """The server has moved, or wants https."""
    fault = _answer(status, HTML, b"", aim)
    fault.headers["Location"] = location
    return fault


def without_record(nth: int, **aim: Unpack[Aim]) -> Fault:
    """All rows of the nth record (from 0) are missing."""

    def drop(rows: Rows) -> Rows:
        ids = list(dict.fromkeys(_id(row) for row in rows))
        return [row for row in rows if _id(row) != ids[nth]]

    return _change_rows(drop, aim)


def without_row(nth: int, **aim: Unpack[Aim]) -> Fault:
    """The nth row (from 0) is missing."""
    return _change_rows(lambda rows: rows[:nth] + rows[nth + 1 :], aim)


def duplicated_row(nth: int, **aim: Unpack[Aim]) -> Fault:
    """The nth row (from 0) is sent twice."""
    return _change_rows(lambda rows: rows[: nth + 1] + rows[nth:], aim)


def without_column(name: str, **aim: Unpack[Aim]) -> Fault:
    """A column is absent from every row."""
    return _change_rows(lambda rows: [{key: row[key] for key in row if key != name} for row in rows], aim)


def with_bom(**aim: Unpack[Aim]) -> Fault:
    """The body begins with a byte order mark."""
    return _change(lambda body: b"\xef\xbb\xbf" + body, aim)


def with_invalid_utf8(**aim: Unpack[Aim]) -> Fault:
    """The first value holds a byte that is not UTF-8."""
    return _change(lambda body: body.replace(b'":"', b'":"\xff', 1), aim)


def _answer(status: int, content_type: str, body: bytes, aim: Aim) -> Fault:
    return Fault("answer", status=status, headers={"Content-Type": content_type}, body=body, **aim)


def _change(change: Callable[[bytes], bytes], aim: Aim) -> Fault:
    aim = {"match": "record", **aim}
    return Fault("change", change=change, **aim)


def _change_rows(change: Callable[[Rows], Rows], aim: Aim) -> Fault:
    def changed(body: bytes) -> bytes:
        return json.dumps(change(json.loads(body)), separators=(",", ":")).replace("/", r"\/").encode()

    return _change(changed, aim)


def _id(row: dict[str, Any]) -> Any:
    return next(iter(row.values()))
