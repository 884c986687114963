"""Simulate the platform's built-in authentication with Entra, in front of a local host.

It signs in everyone who opens ``/.auth/login/aad``. As on the platform, no client can set the
headers that name a person.
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

import base64
import json
import uuid
from dataclasses import replace
from urllib.parse import parse_qsl

from sandbox.server import App, Request, Response

_PREFIX = "x-ms-client-principal"
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def principal(name: str, auth_typ: str = "aad") -> str:
    """Return the value of the header that names a person."""
    claims = [{"typ": _OBJECT_ID, "val": f"id of {name}"}, {"typ": "name", "val": name}]
    return base64.b64encode(json.dumps({"auth_typ": auth_typ, "claims": claims}).encode()).decode()


class SignIn:
    """Signs in one person, and passes the other requests to the app behind it."""

    def __init__(self, behind: App, name: str) -> None:
        self._behind = behind
        self._name = name
        self._session = f"AppServiceAuthSession={uuid.uuid4().hex}"

    def name_of(self, request: Request) -> str:
        """Return the path."""
        return request.path

    def answer(self, request: Request) -> Response:
        """Sign in or out, or pass a request on with who sent it."""
        if request.path.startswith("/.auth/log"):
            session = self._session if request.path == "/.auth/login/aad" else "AppServiceAuthSession="
            (address,) = dict(parse_qsl(request.query)).values()
            return Response(302, {"Location": address, "Set-Cookie": f"{session}; Path=/; HttpOnly; SameSite=Lax"})
        headers = {name: value for name, value in request.headers.items() if not name.startswith(_PREFIX)}
        if self._session in headers.pop("cookie", "").split("; "):
            headers[_PREFIX] = principal(self._name)
        return self._behind.answer(replace(request, headers=headers))
