"""Simulate the HTTP API of a REDCap server that holds one or more invented projects.

It responds as the documented and recorded servers do, including data that they drop without a message. A habit that
is not confirmed is a switch. What is missing here is refused as ``not simulated``. For failures see
``sandbox.redcap.faults``.
"""

import re
import secrets
import string
from collections.abc import Iterable, Sequence
from itertools import islice

from sandbox.redcap.call import Call, Refusal, not_simulated, read_parameters
from sandbox.redcap.contents import CONTENTS
from sandbox.redcap.formats import CONTENT_TYPES, csv_pieces, error_body, json_pieces, out_of_memory
from sandbox.redcap.project import Field, Project, Row, Switches, User
from sandbox.redcap.records import Table, record_table
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
UNKNOWN_TEXT = "refused (the sandbox's own wording)"  # REDCap's wording is not known, so no client may rely on it
HTML = "text/html; charset=utf-8"
PATH = "/api/"


class Redcap:
    """The API of a server with these projects; a token stands for one project and one of its users."""

    def __init__(self, projects: Iterable[Project], *, switches: Switches = AS_DOCUMENTED) -> None:
        self.projects: Sequence[Project] = tuple(projects)
        self.switches = switches

    def name_of(self, request: Request) -> str:
        """Return the requested ``content``, e.g. ``record``."""
        return read_parameters(request).text("content")

    def answer(self, request: Request) -> Response:
        """Respond to the request, or refuse it as REDCap does."""
        if request.path + "/" == PATH:
            return Response(301, {"Location": f"http://{request.headers.get('host', '')}{PATH}", "Content-Type": HTML})
        if request.path != PATH:
            return Response(404, {"Content-Type": HTML}, NOT_FOUND_PAGE)
        try:
            if request.method != "POST":
                raise Refusal(501, "The requested method is not implemented.")
            return self._export(self._authorised(request))
        except Refusal as refusal:
            return _reply(CONTENT_TYPES["json"], [error_body(refusal.text)], refusal.status)

    def _authorised(self, request: Request) -> Call:
        parameters = read_parameters(request, max_keys=self.switches.max_keys)
        token = parameters.text("token")
        for project in self.projects:
            for user in project.users:
                if user.token == token:
                    call = Call(parameters, project, user, self.switches)
                    _ensure_may_export(call)
                    return call
        if re.fullmatch("[0-9A-Fa-f]{32}", token):
            raise Refusal(403, NO_PERMISSION)
        raise Refusal(401, UNKNOWN_TEXT)

    def _export(self, call: Call) -> Response:
        content, kind = call.parameters.text("content"), call.parameters.text("format", "xml")
        if content == "version":
            return _reply(HTML, [call.project.version.encode()])
        if content not in CONTENTS and content != "record":
            raise Refusal(400, 'The value of the parameter "content" is not valid')
        if call.parameters.text("action") or kind not in CONTENT_TYPES or (kind == "csv" and content != "record"):
            raise not_simulated("this action or format")
        if content != "record":
            return _reply(CONTENT_TYPES[kind], [CONTENTS[content](call).encode()])
        table = record_table(call)
        if self._is_too_much(table):
            return _reply(HTML, [out_of_memory()])
        if kind == "csv":
            return _reply(CONTENT_TYPES[kind], csv_pieces(table.names, table.rows()))
        pieces = json_pieces(table.names, table.rows(), escape_unicode=self.switches.escape_unicode)
        return _reply(CONTENT_TYPES[kind], pieces)

    def _is_too_much(self, table: Table) -> bool:
        limit = self.switches.memory_limit_cells
        if limit is None:
            return False
        rows_allowed = limit // max(1, len(table.names))
        return next(islice(table.rows(), rows_allowed, None), None) is not None


def _ensure_may_export(call: Call) -> None:
    no_form = {call.user.right(form) for form in call.project.form_names} == {"none"}
    if not call.user.api_export or (call.parameters.text("content") == "record" and no_form):
        raise Refusal(403, UNKNOWN_TEXT)


def _reply(content_type: str, body: Iterable[bytes], status: int = 200) -> Response:
    """Return a response with the recorded headers; the server adds chunking, and gzip where the client accepts it."""
    padding = "".join(secrets.choice(string.ascii_letters) for _ in range(1 + secrets.randbelow(40)))
    headers = {
        "Expires": "0",
        "Cache-Control": "no-store, no-cache, must-revalidate",
        "Pragma": "no-cache",
        "X-XSS-Protection": "1;  mode=block",
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",
        "Strict-Transport-Security": "max-age=31536000; includeSubdomains;",
        "REDCap-Random-Text": padding,
        "X-Frame-Options": "SAMEORIGIN",
        "Connection": "close",
        "Content-Type": content_type,
    }
    return Response(status, headers, body)
