"""A stand-in for a REDCap server's HTTP API, to read one or more invented projects.

It answers as the documented and recorded servers do, including their silent losses. What nobody could confirm is a
switch. What it cannot do is refused as ``not simulated``. Failures are faults (``sandbox.redcap.faults``).
"""

import re
import secrets
import string
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sandbox.redcap.call import AuthorisedCall, Call, Refusal, not_simulated, read_call
from sandbox.redcap.contents import CONTENTS, KNOWN_BUT_NOT_SIMULATED, project_info
from sandbox.redcap.formats import (
    CONTENT_TYPES,
    MEMORY_TEXT,
    csv_pieces,
    error_body,
    json_pieces,
    one_object,
    out_of_memory,
    small_table,
)
from sandbox.redcap.project import Field, Project, Row, User
from sandbox.redcap.records import Table, record_table
from sandbox.redcap.switches import Switches
from sandbox.server import Request, Response

__all__ = ["AS_DOCUMENTED", "Field", "Project", "Redcap", "Row", "Switches", "User"]

NOT_FOUND_PAGE = b"""<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
<html><head>
<title>404 Not Found</title>
</head><body>
<h1>Not Found</h1>
<p>The requested URL was not found on this server.</p>
</body></html>
"""
AS_DOCUMENTED = Switches()
NO_PERMISSION = "You do not have permissions to use the API"
HTML = "text/html; charset=utf-8"


class Redcap:
    """The API of a server with these projects; a token stands for one project and one of its users."""

    def __init__(self, projects: Iterable[Project], *, path: str = "/api/", switches: Switches = AS_DOCUMENTED) -> None:
        self.projects: Sequence[Project] = tuple(projects)
        self.path = path
        self.switches = switches

    def name_of(self, request: Request) -> str:
        """The ``content`` asked for, e.g. ``record``."""
        return read_call(request).text("content")

    def answer(self, request: Request) -> Response:
        """Do what the request asks, or refuse it as REDCap would."""
        if request.path + "/" == self.path:
            place = f"http://{request.headers.get('host', '')}{self.path}"
            return Response(301, {"Location": place, "Content-Type": HTML}, b"")
        if request.path != self.path:
            return Response(404, {"Content-Type": HTML}, NOT_FOUND_PAGE)
        if request.method != "POST":
            return _reply(501, CONTENT_TYPES["json"], error_body("json", "The requested method is not implemented."))
        switches = self.switches
        call = read_call(request, max_keys=switches.max_keys, refuse_comma_lists=switches.refuse_comma_lists)
        try:
            return self._export(self._authorise(call))
        except Refusal as refusal:
            kind = call.error_format
            return _reply(refusal.status, CONTENT_TYPES[kind], error_body(kind, refusal.text))

    def _authorise(self, call: Call) -> AuthorisedCall:
        token = call.text("token")
        for project in self.projects:
            for user in project.users:
                if user.token == token:
                    return self._admit(AuthorisedCall(call, project, user, self.switches))
        if re.fullmatch("[0-9A-Fa-f]{32}", token):
            raise Refusal(403, NO_PERMISSION)
        raise Refusal(401, self.switches.unknown_text)

    def _admit(self, asked: AuthorisedCall) -> AuthorisedCall:
        if asked.user.expired or asked.user.deleted:
            raise Refusal(403, NO_PERMISSION)
        withheld = {asked.user.right(form) for form in asked.project.form_names} == {"none"}
        records = asked.call.text("content") == "record"
        if not asked.user.api_export or (records and withheld):
            raise Refusal(403, self.switches.unknown_text)
        return asked

    def _export(self, asked: AuthorisedCall) -> Response:
        content, kind = asked.call.text("content"), asked.call.format
        if content in KNOWN_BUT_NOT_SIMULATED.split() or asked.call.text("action") or kind == "odm":
            raise not_simulated("this content, action or format")
        if content != "record" and content not in ("version", "project", *CONTENTS):
            raise Refusal(400, 'The value of the parameter "content" is not valid')
        if content == "version":
            return _reply(200, HTML, asked.project.version.encode())
        if kind == "xml":
            raise not_simulated("format xml")
        if kind not in CONTENT_TYPES:
            raise Refusal(400, self.switches.unknown_text)
        if content == "record":
            return self._records(asked)
        if content == "project":
            return _reply(200, CONTENT_TYPES[kind], one_object(kind, project_info(asked)))
        how = CONTENTS[content]
        body = small_table(kind, how.rows(asked), spread=how.spread, end=how.end)
        return _reply(200, CONTENT_TYPES[kind], body)

    def _records(self, asked: AuthorisedCall) -> Response:
        table, kind = record_table(asked), asked.call.format
        if self._is_too_much(table):
            if self.switches.memory_status == 200:
                return _reply(200, HTML, out_of_memory(asked.call.error_format))
            raise Refusal(500, MEMORY_TEXT)
        return Response(200, _headers(CONTENT_TYPES[kind]), _pieces(asked, table))

    def _is_too_much(self, table: Table) -> bool:
        limit = self.switches.memory_limit_cells
        if limit is None:
            return False
        rows_allowed = limit // max(1, len(table.names))
        return next(islice(table.rows(), rows_allowed, None), None) is not None


def _pieces(asked: AuthorisedCall, table: Table) -> Iterator[bytes]:
    call, switches = asked.call, asked.switches
    if call.format == "json":
        return json_pieces(table.names, table.rows(), switches)
    return csv_pieces(table.names, table.rows(), switches)


def _reply(status: int, content_type: str, body: bytes) -> Response:
    return Response(status, _headers(content_type), [body])


def _headers(content_type: str) -> dict[str, str]:
    """The head of a recorded reply; the server adds chunking, and gzip where the client takes it."""
    return {
        "Expires": "0",
        "Cache-Control": "no-store, no-cache, must-revalidate",
        "Pragma": "no-cache",
        "X-XSS-Protection": "1;  mode=block",
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",
        "Strict-Transport-Security": "max-age=31536000; includeSubdomains;",
        "REDCap-Random-Text": "".join(secrets.choice(string.ascii_letters) for _ in range(1 + secrets.randbelow(40))),
        "X-Frame-Options": "SAMEORIGIN",
        "Connection": "close",
        "Content-Type": content_type,
    }
