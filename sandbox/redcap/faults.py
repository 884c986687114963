"""Known failures of REDCap, or of a proxy or firewall in front of it, as faults for ``Server.faults``.

``match``, ``skip`` and ``times`` select the requests. A fault that changes a record export expects JSON or CSV. For
broken connections and truncated bodies see ``sandbox.server.Fault``.
"""

import csv
import io
import json
from collections.abc import Callable
from typing import Any, Unpack

from sandbox.redcap.app import HTML, NO_PERMISSION, NOT_FOUND_PAGE
from sandbox.redcap.formats import CONTENT_TYPES, MEMORY_TEXT, csv_pieces, error_body, out_of_memory
from sandbox.server import Aim, Fault

Rows = list[dict[str, Any]]

DATABASE_PASSWORD = "invented-Database-passw0rd"  # noqa: S105 - invented, for tests that search logs for it
_JSON = CONTENT_TYPES["json"]


def login_page(**aim: Unpack[Aim]) -> Fault:
    """Return a page of a single sign-on gateway with status 200."""
    page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Password</form></body></html>"
    return _answer(200, HTML, page, aim)


def browser_tabs_page(**aim: Unpack[Aim]) -> Fault:
    """Return the page about several browser tabs with status 200; a retry succeeds."""
    page = b"<html><body>You may have multiple browser tabs of the same REDCap page open.</body></html>"
    return _answer(200, HTML, page, aim)


def database_down(**aim: Unpack[Aim]) -> Fault:
    """Return a text with the database's (invented) credentials with status 200."""
    text = (
        f"The hostname (db.example.org) / username (redcap) / password ({DATABASE_PASSWORD}) combination "
        "could not connect to the MySQL server"
    )
    return _answer(200, HTML, text.encode(), aim)


def memory_text(status: int = 200, **aim: Unpack[Aim]) -> Fault:
    """Run out of memory: with status 200 send HTML and then the error, with 500 only the error."""
    if status == 200:
        return _answer(200, HTML, out_of_memory(), aim)
    return _answer(status, _JSON, error_body(MEMORY_TEXT), aim)


def php_fatal_error(words: str, **aim: Unpack[Aim]) -> Fault:
    """Return PHP's own message, such as ``Maximum execution time of 30 seconds exceeded``, with status 200."""
    text = f"<br />\n<b>Fatal error</b>:  {words} in <b>/redcap/x.php</b> on line <b>1</b><br />\n"
    return _answer(200, HTML, text.encode(), aim)


def busy(status: int, retry_after: str, **aim: Unpack[Aim]) -> Fault:
    """Refuse the request for now, and say when the next may be sent: after seconds or at a date."""
    fault = _answer(status, HTML, b"<html>Busy</html>", aim)
    fault.headers["Retry-After"] = retry_after
    return fault


def gateway_timeout(**aim: Unpack[Aim]) -> Fault:
    """Return 504 from a proxy in front of REDCap."""
    return _answer(504, HTML, b"<html><head><title>504 Gateway Time-out</title></head><body></body></html>", aim)


def empty_500(**aim: Unpack[Aim]) -> Fault:
    """Return 500 with an empty body."""
    return _answer(500, HTML, b"", aim)


def zero_bytes(**aim: Unpack[Aim]) -> Fault:
    """Return 200 with an empty body, as seen under load."""
    return _answer(200, _JSON, b"", aim)


def empty_list(**aim: Unpack[Aim]) -> Fault:
    """Return 200 with no rows; in CSV that is a line break."""
    return _change(lambda body: b"[]" if body.startswith(b"[") else b"\n", aim)


def error_object(text: str, **aim: Unpack[Aim]) -> Fault:
    """Return an error with status 200."""
    return _answer(200, _JSON, error_body(text), aim)


def html_404(**aim: Unpack[Aim]) -> Fault:
    """Return the web server's page for an unknown path."""
    return _answer(404, HTML, NOT_FOUND_PAGE, aim)


def ban_page(status: int, body: bytes, **aim: Unpack[Aim]) -> Fault:
    """Refuse a banned address; REDCap's text is not known, so the test gives it."""
    return _answer(status, HTML, body, aim)


def revoked_token(**aim: Unpack[Aim]) -> Fault:
    """Return 403, as for a revoked or unknown token."""
    return _answer(403, _JSON, error_body(NO_PERMISSION), aim)


def redirect(location: str, *, status: int = 301, **aim: Unpack[Aim]) -> Fault:
    """Redirect to another address, e.g. to https."""
    fault = _answer(status, HTML, b"", aim)
    fault.headers["Location"] = location
    return fault


def without_record(nth: int, **aim: Unpack[Aim]) -> Fault:
    """Omit all rows of the nth record (from 0)."""

    def drop(rows: Rows) -> Rows:
        ids = list(dict.fromkeys(_id(row) for row in rows))
        return [row for row in rows if _id(row) != ids[nth]]

    return _change_rows(drop, aim)


def without_row(nth: int, **aim: Unpack[Aim]) -> Fault:
    """Omit the nth row (from 0)."""
    return _change_rows(lambda rows: rows[:nth] + rows[nth + 1 :], aim)


def duplicated_row(nth: int, **aim: Unpack[Aim]) -> Fault:
    """Send the nth row (from 0) twice."""
    return _change_rows(lambda rows: rows[: nth + 1] + rows[nth:], aim)


def without_column(name: str, **aim: Unpack[Aim]) -> Fault:
    """Omit a column from every row."""
    return _change_rows(lambda rows: [{key: row[key] for key in row if key != name} for row in rows], aim)


def with_invalid_utf8(**aim: Unpack[Aim]) -> Fault:
    """Put a byte that is not UTF-8 into the first value."""
    return _change(lambda body: body.replace(b'":"', b'":"\xff', 1).replace(b"\n", b"\n\xff", 1), aim)


def _answer(status: int, content_type: str, body: bytes, aim: Aim) -> Fault:
    return Fault("answer", status=status, headers={"Content-Type": content_type}, body=body, **aim)


def _change(change: Callable[[bytes], bytes], aim: Aim) -> Fault:
    aim = {"match": "record", **aim}
    return Fault("change", change=change, **aim)


def _change_rows(change: Callable[[Rows], Rows], aim: Aim) -> Fault:
    return _change(rows_changed_by(change), aim)


def rows_changed_by(change: Callable[[Rows], Rows]) -> Callable[[bytes], bytes]:
    """Return a change of a body of JSON or CSV that changes its rows."""

    def changed(body: bytes) -> bytes:
        if body.startswith(b"["):
            return json.dumps(change(json.loads(body)), separators=(",", ":")).replace("/", r"\/").encode()
        rows = change([*csv.DictReader(io.StringIO(body.decode(), newline=""))])
        names = [*dict.fromkeys(name for row in rows for name in row)]
        return b"".join(csv_pieces(names, ([str(row.get(name, "")) for name in names] for row in rows)))

    return changed


def _id(row: dict[str, Any]) -> Any:
    return next(iter(row.values()))
