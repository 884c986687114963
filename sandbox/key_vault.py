"""Simulate Azure Key Vault, and the App Service endpoint for the tokens of a managed identity.

Secrets can be read and set; there is no listing, deleting, keys or certificates. Roles are simulated: names in
``forbidden`` are refused, and without ``may_set`` every new secret is refused.

https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret
https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from sandbox.server import Request, Response

RESOURCE = "https://vault.azure.net"
IDENTITY_API_VERSION = "2019-08-01"
TENANT = "00000000-0000-0000-0000-0000000000aa"
_TOKEN_SECONDS = 24 * 3600
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")


@dataclass(frozen=True)
class SecretVersion:
    """One version of a secret; instants are seconds since 1970."""

    version: str
    value: str
    enabled: bool
    created: int
    not_before: int | None
    expires: int | None

    def attributes(self) -> dict[str, object]:
        """Return the attributes as JSON values; dates that are not set are absent."""
        dates = {"nbf": self.not_before, "exp": self.expires}
        return {
            "enabled": self.enabled,
            **{name: date for name, date in dates.items() if date is not None},
            "created": self.created,
            "updated": self.created,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        }


class KeyVault:
    """One vault and one managed identity; a request is named ``secrets`` or ``msi/token``."""

    def __init__(self, *, identity_header: str = "sandbox-identity-header") -> None:
        self.identity_header = identity_header
        self.forbidden: set[str] = set()
        self.may_set = True
        self.tokens: list[str] = []
        self._secrets: dict[str, list[SecretVersion]] = {}

    def put(
        self,
        name: str,
        value: str,
        *,
        enabled: bool = True,
        not_before: int | None = None,
        expires: int | None = None,
    ) -> str:
        """Store a new version of a secret; return the version's id."""
        versions = self._secrets.setdefault(name.lower(), [])
        version = f"{len(versions) + 1:032x}"
        versions.append(SecretVersion(version, value, enabled, int(time.time()), not_before, expires))
        return version

    def versions(self, name: str) -> tuple[SecretVersion, ...]:
        """Return all versions of a secret, oldest first."""
        return tuple(self._secrets.get(name.lower(), ()))

    def name_of(self, request: Request) -> str:
        """Return ``msi/token`` for the identity endpoint, ``secrets`` for all other paths."""
        return "msi/token" if request.path == "/msi/token" else "secrets"

    def answer(self, request: Request) -> Response:
        """Respond to the request, or refuse it as the real services do."""
        if request.method not in ("GET", "PUT"):
            return _error(405, "MethodNotAllowed", "The requested method is not allowed.")
        if request.path == "/msi/token":
            return self._token(request)
        refusal = self._unauthorised(request)
        if refusal is not None:
            return refusal
        if "api-version" not in parse_qs(request.query):
            return _error(400, "BadParameter", "api-version must be specified")
        return self._secret(request)

    def _token(self, request: Request) -> Response:
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        if request.headers.get("x-identity-header") != self.identity_header:
            return _json(401, {"statusCode": 401, "message": "Unauthorized"})
        if query.get("api-version") != IDENTITY_API_VERSION or query.get("resource") != RESOURCE:
            return _json(400, {"statusCode": 400, "message": "The api-version or the resource is not supported."})
        self.tokens.append(f"sandbox-token-{len(self.tokens) + 1:04d}")
        body = {
            "access_token": self.tokens[-1],
            "expires_on": str(int(time.time()) + _TOKEN_SECONDS),
            "resource": query["resource"],
            "token_type": "Bearer",
            "client_id": query.get("client_id", "00000000-0000-0000-0000-0000000000cc"),
        }
        return _json(200, body)

    def _unauthorised(self, request: Request) -> Response | None:
        authorisation = request.headers.get("authorization", "")
        scheme, _, token = authorisation.partition(" ")
        if scheme == "Bearer" and token in self.tokens:
            return None
        challenge = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{RESOURCE}"'
        problem = "Error validating token." if authorisation else "Request is missing a Bearer or PoP token."
        return _error(401, "Unauthorized", problem, headers={"WWW-Authenticate": challenge})

    def _secret(self, request: Request) -> Response:
        kind, _, rest = request.path.strip("/").partition("/")
        name = rest.partition("/")[0]
        if kind != "secrets" or not _NAME.fullmatch(name):
            return _error(400, "BadParameter", "The request URI contains an invalid name: secret names hold 0-9a-zA-Z-")
        action = "getSecret" if request.method == "GET" else "setSecret"
        if name in self.forbidden or (action == "setSecret" and not self.may_set):
            problem = _NO_ROLE.format(action=action, name=name)
            return _error(403, "Forbidden", problem, inner="ForbiddenByRbac")
        address = f"https://{request.headers['host']}/secrets/{name}"
        return self._read(name, address) if action == "getSecret" else self._set(name, request.body, address)

    def _read(self, name: str, address: str) -> Response:
        versions = self.versions(name)
        if not versions:
            problem = f"A secret with (name/id) {name} was not found in this key vault."
            return _error(404, "SecretNotFound", problem)
        stored = versions[-1]
        if not stored.enabled:
            problem = "Operation get is not allowed on a disabled secret."
            return _error(403, "Forbidden", problem, inner="SecretDisabled")
        return _bundle(stored, address)

    def _set(self, name: str, body: bytes, address: str) -> Response:
        given = json.loads(body or b"{}")
        if not isinstance(given.get("value"), str):
            return _error(400, "BadParameter", "Property  has invalid value\r\n")
        dates = given.get("attributes") or {}
        self.put(name, given["value"], not_before=dates.get("nbf"), expires=dates.get("exp"))
        return _bundle(self._secrets[name.lower()][-1], address)


_NO_ROLE = (
    "Caller is not authorized to perform action on resource.\r\n"
    "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time."
    "\r\nAction: 'Microsoft.KeyVault/vaults/secrets/{action}/action'\r\nResource: '.../secrets/{name}'\r\n"
    "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\n"
)


def _bundle(stored: SecretVersion, address: str) -> Response:
    there = f"{address}/{stored.version}"
    return _json(200, {"value": stored.value, "id": there, "attributes": stored.attributes(), "tags": {}})


def _error(
    status: int, code: str, message: str, *, inner: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    details: dict[str, object] = {"code": code, "message": message}
    if inner is not None:
        details["innererror"] = {"code": inner}
    return _json(status, {"error": details}, headers)


def _json(status: int, document: Mapping[str, object], headers: dict[str, str] | None = None) -> Response:
    usual = {"Content-Type": "application/json; charset=utf-8", "x-ms-request-id": "sandbox-request"}
    return Response(status, usual | (headers or {}), json.dumps(document).encode())
