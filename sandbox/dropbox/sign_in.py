"""Sign in to the simulated Dropbox: access codes, refresh tokens and access tokens.

It follows the PKCE flow without a redirect; there are no team or app tokens. Scopes that the app does not have are not
granted; a sign-in without any other scope is refused.

https://developers.dropbox.com/oauth-guide
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

APP_SECRET = "sandbox-secret"  # noqa: S105 - valid only here
TOKEN_SECONDS = 14400


@dataclass(frozen=True)
class Person:
    """The owner of an account."""

    account_id: str
    user_id: str
    name: str
    email: str


MEMBER = Person("dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc", "12345", "Franz Ferdinand", "franz@example.com")
PERSONAL = Person("dbid:AAHpersonalpersonalpersonalperso_Qg", "67890", "Franz at home", "franz@home.example")


class TokenError(Exception):
    """An access token that is not valid; ``tag`` is Dropbox's error tag."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        super().__init__(tag)


class GrantError(Exception):
    """A refusal by the token endpoint."""

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        self.description = description
        super().__init__(f"{error}: {description}")


class RefusedPageError(ValueError):
    """A sign-in address is not valid: its page shows an error instead of a code."""


@dataclass(frozen=True)
class SignInRequest:
    """The content of a sign-in address; ``scopes`` are those that the app can have."""

    scopes: frozenset[str]
    challenge: str
    offline: bool


@dataclass(frozen=True)
class Access:
    """The account and the scopes of a token."""

    person: Person
    scopes: frozenset[str]


class SignIn:
    """Issues tokens for one app and these people, and revokes them; planted tokens belong to the first person."""

    app_name = "Consent Summary"

    def __init__(self, *, app_key: str, app_scopes: frozenset[str], people: Sequence[Person]) -> None:
        self.app_key = app_key
        self.app_scopes = app_scopes
        self.people = tuple(people)
        self._codes: dict[str, tuple[Person, SignInRequest]] = {}
        self._grants: dict[str, Access] = {}
        self._access: dict[str, Access] = {}
        self._expired: set[str] = set()

    def plant(self, refresh_token: str, scopes: frozenset[str]) -> None:
        """Make a refresh token valid, as after an earlier sign-in."""
        self._grants[refresh_token] = Access(self.people[0], scopes)

    def read_request(self, query: str) -> SignInRequest:
        """Return the request in the query of a sign-in address; raises RefusedPageError."""
        given = {name: values[0] for name, values in parse_qs(query).items()}
        if given.get("client_id") != self.app_key:
            raise RefusedPageError("Invalid client_id: there is no app with this app key.")
        if given.get("response_type") != "code" or given.get("code_challenge_method", "S256") != "S256":
            raise RefusedPageError("Invalid response_type or code_challenge_method.")
        if "code_challenge" not in given:
            raise RefusedPageError("not simulated: a sign-in without PKCE")
        scopes = (frozenset(given.get("scope", "").split()) or self.app_scopes) & self.app_scopes
        if not scopes:
            raise RefusedPageError("No scope requested can be granted for this app.")
        return SignInRequest(scopes, given["code_challenge"], given.get("token_access_type") == "offline")

    def allow(self, request: SignInRequest, person: Person) -> str:
        """Press Allow as this person; return the access code that the page shows."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = (person, request)
        return code

    def authorise(self, url: str, granting: frozenset[str] | None = None) -> str:
        """Open a sign-in address, press Allow, and return the access code.

        granting: allow only these of the requested scopes. Raises RefusedPageError, a ValueError, where the page shows
        an error.
        """
        request = self.read_request(urlsplit(url).query)
        scopes = request.scopes if granting is None else request.scopes & granting
        return self.allow(replace(request, scopes=scopes), self.people[0])

    def exchange(self, form: Mapping[str, str]) -> dict[str, object]:
        """Respond to a request to the token endpoint; raises GrantError."""
        if form.get("client_id") != self.app_key or form.get("client_secret", APP_SECRET) != APP_SECRET:
            raise GrantError("invalid_client", "Invalid client_id or client_secret")
        match form.get("grant_type"):
            case "refresh_token":
                return self._refresh(form)
            case "authorization_code":
                return self._finish(form)
            case _:
                raise GrantError("unsupported_grant_type", "grant_type must be a known one")

    def access_of(self, token: str) -> Access:
        """Return the account and scopes of an access token; raises TokenError."""
        if token not in self._access:
            raise TokenError("invalid_access_token")
        if token in self._expired:
            raise TokenError("expired_access_token")
        return self._access[token]

    def revoke(self) -> None:
        """Disconnect the app: all tokens become invalid."""
        self._grants.clear()
        self._access.clear()

    def expire_tokens(self) -> None:
        """Let all access tokens expire; refresh tokens stay valid."""
        self._expired |= set(self._access)

    def _refresh(self, form: Mapping[str, str]) -> dict[str, object]:
        grant = self._grants.get(form.get("refresh_token", ""))
        if grant is None:
            raise GrantError("invalid_grant", "refresh token is invalid or revoked")
        return self._new_access(grant)

    def _finish(self, form: Mapping[str, str]) -> dict[str, object]:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None:
            raise GrantError("invalid_grant", "code doesn't exist or has expired")
        person, request = code
        if request.challenge != _challenge(form.get("code_verifier", "")):
            raise GrantError("invalid_grant", "invalid code verifier")
        grant = Access(person, request.scopes)
        answer = self._new_access(grant)
        if request.offline:
            answer["refresh_token"] = secrets.token_urlsafe(48)
            self._grants[str(answer["refresh_token"])] = grant
        scope = " ".join(sorted(request.scopes))
        return answer | {"scope": scope, "uid": person.user_id, "account_id": person.account_id}

    def _new_access(self, grant: Access) -> dict[str, object]:
        token = "sl.u." + secrets.token_urlsafe(48)
        self._access[token] = grant
        return {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS}


def _challenge(verifier: str) -> str:
    """Return the PKCE challenge of a verifier (RFC 7636, S256)."""
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
