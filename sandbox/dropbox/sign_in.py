"""Who may use the stand-in for Dropbox: authorisation codes, refresh tokens and the access tokens made from them.

Follows the PKCE and the app secret flow without a redirect. Knows nothing of files, shows no page
(``dropbox_authorise.py`` does) and has no team or app tokens. A log-in that asks for more than the app has is granted
the rest, and refused where nothing is left.

https://developers.dropbox.com/oauth-guide
"""

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

CODE_SECONDS = 600


@dataclass(frozen=True)
class Person:
    """Somebody's account: how Dropbox knows it (``account_id``, ``user_id``) and how people do."""

    account_id: str
    user_id: str
    name: str
    email: str


MEMBER = Person("dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc", "12345", "Franz Ferdinand", "franz@example.com")
PERSONAL = Person("dbid:AAHpersonalpersonalpersonalperso_Qg", "67890", "Franz at home", "franz@home.example")


class TokenError(Exception):
    """An access token that is no good; ``tag`` is Dropbox's word for it."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        super().__init__(tag)


class GrantError(Exception):
    """The token endpoint says no; ``error`` and ``description`` are what it answers."""

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        self.description = description
        super().__init__(f"{error}: {description}")


class RefusedPageError(ValueError):
    """The address of a log-in makes no sense: its page shows an error instead of a code."""


@dataclass(frozen=True)
class Asked:
    """What the address of a log-in asks for, as far as the app can have it."""

    scopes: frozenset[str]
    challenge: str | None
    offline: bool


@dataclass(frozen=True)
class Access:
    """What the holder of an access token may do, in whose account, and until when."""

    person: Person
    scopes: frozenset[str]
    expires_at: datetime


@dataclass(frozen=True)
class _Grant:
    person: Person
    scopes: frozenset[str]
    needs_secret: bool


@dataclass(frozen=True)
class _Code:
    person: Person
    asked: Asked
    expires_at: datetime


class SignIn:
    """Hands out tokens for one app and the accounts of ``people``, and takes them back; the first is who it planted."""

    def __init__(
        self,
        *,
        app_key: str,
        app_secret: str,
        app_scopes: frozenset[str],
        token_seconds: int,
        clock: Callable[[], datetime],
        people: Sequence[Person] = (MEMBER,),
        app_name: str = "Consent Summary",
    ) -> None:
        self.app_key = app_key
        self.app_name = app_name
        self.people = tuple(people)
        self.app_scopes = app_scopes
        self.token_seconds = token_seconds
        self._app_secret = app_secret
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._grants: dict[str, _Grant] = {}
        self._access: dict[str, Access] = {}

    def plant(self, refresh_token: str, scopes: frozenset[str]) -> None:
        """Have a refresh token, as from an earlier PKCE login, in force."""
        self._grants[refresh_token] = _Grant(self.people[0], scopes, needs_secret=False)

    def asked(self, query: str) -> Asked:
        """What the address with this query asks for, or RefusedPageError with what Dropbox's page says."""
        given = {name: values[0] for name, values in parse_qs(query).items()}
        if given.get("client_id") != self.app_key:
            raise RefusedPageError("Invalid client_id: there is no app with this app key.")
        if given.get("response_type") != "code" or given.get("code_challenge_method", "S256") != "S256":
            raise RefusedPageError("Invalid response_type or code_challenge_method.")
        scopes = (frozenset(given.get("scope", "").split()) or self.app_scopes) & self.app_scopes
        if not scopes:
            raise RefusedPageError("No scope requested can be granted for this app.")
        return Asked(scopes, given.get("code_challenge"), given.get("token_access_type") == "offline")

    def allow(self, asked: Asked, person: Person) -> str:
        """Press Allow as this person: the one-time code that the page then shows."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(person, asked, self._clock() + timedelta(seconds=CODE_SECONDS))
        return code

    def authorise(self, url: str, granting: frozenset[str] | None = None) -> str:
        """Open the authorise page at this address, press Allow, and copy the code that it shows.

        ``granting`` narrows what is allowed; by default it is what the address asks for, or all the app has.
        Raises RefusedPageError, a ValueError, where the page would show an error instead of a code.
        """
        asked = self.asked(urlsplit(url).query)
        scopes = asked.scopes if granting is None else asked.scopes & granting
        return self.allow(replace(asked, scopes=scopes), self.people[0])

    def exchange(self, form: Mapping[str, str]) -> dict[str, object]:
        """Answer one request to the token endpoint, or raise GrantError."""
        match form.get("grant_type"):
            case "refresh_token":
                return self._refresh(form)
            case "authorization_code":
                return self._finish(form)
            case _:
                raise GrantError("unsupported_grant_type", "grant_type must be a known one")

    def access_of(self, token: str) -> Access:
        """What the holder of this access token may do, or TokenError."""
        access = self._access.get(token)
        if access is None:
            raise TokenError("invalid_access_token")
        if access.expires_at <= self._clock():
            raise TokenError("expired_access_token")
        return access

    def revoke(self) -> None:
        """Disconnect the app: every token is dead, and only a new login helps."""
        self._grants.clear()
        self._access.clear()

    def expire_tokens(self) -> None:
        """Let every access token expire now; refresh tokens live on."""
        self._access = {token: replace(access, expires_at=self._clock()) for token, access in self._access.items()}

    def _refresh(self, form: Mapping[str, str]) -> dict[str, object]:
        grant = self._grants.get(form.get("refresh_token", ""))
        self._check_app(form, needs_secret=grant is not None and grant.needs_secret)
        if grant is None:
            raise GrantError("invalid_grant", "refresh token is invalid or revoked")
        scopes = frozenset(form.get("scope", "").split()) or grant.scopes
        if not scopes <= grant.scopes:
            raise GrantError("invalid_scope", "requested scope exceeds the scope of the grant")
        return self._new_access(grant.person, scopes)

    def _finish(self, form: Mapping[str, str]) -> dict[str, object]:
        code = self._codes.pop(form.get("code", ""), None)
        self._check_app(form, needs_secret=code is not None and code.asked.challenge is None)
        if code is None or code.expires_at <= self._clock():
            raise GrantError("invalid_grant", "code doesn't exist or has expired")
        asked = code.asked
        if asked.challenge is not None and asked.challenge != _challenge(form.get("code_verifier", "")):
            raise GrantError("invalid_grant", "invalid code verifier")
        answer = self._new_access(code.person, asked.scopes)
        if asked.offline:
            answer["refresh_token"] = secrets.token_urlsafe(48)
            grant = _Grant(code.person, asked.scopes, needs_secret=asked.challenge is None)
            self._grants[str(answer["refresh_token"])] = grant
        who = {"uid": code.person.user_id, "account_id": code.person.account_id}
        return answer | {"scope": " ".join(sorted(asked.scopes))} | who

    def _check_app(self, form: Mapping[str, str], *, needs_secret: bool) -> None:
        secret = form.get("client_secret")
        wrong_secret = secret != self._app_secret and (needs_secret or secret is not None)
        if form.get("client_id") != self.app_key or wrong_secret:
            raise GrantError("invalid_client", "Invalid client_id or client_secret")

    def _new_access(self, person: Person, scopes: frozenset[str]) -> dict[str, object]:
        token = "sl.u." + secrets.token_urlsafe(48)
        self._access[token] = Access(person, scopes, self._clock() + timedelta(seconds=self.token_seconds))
        return {"access_token": token, "token_type": "bearer", "expires_in": self.token_seconds}


def _challenge(verifier: str) -> str:
    """What a PKCE login sends ahead of its verifier (RFC 7636, S256)."""
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
