"""Who may use the stand-in for Dropbox: authorisation codes, refresh tokens and the access tokens made from them.

Follows the PKCE and the app secret flow without a redirect. Knows nothing of files; has no web page (``authorise``
stands for the person who opens it and presses Allow) and no team or app tokens.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

ACCOUNT_ID = "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"
USER_ID = "12345"


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


@dataclass(frozen=True)
class _Grant:
    scopes: frozenset[str]
    needs_secret: bool


@dataclass(frozen=True)
class _Code:
    scopes: frozenset[str]
    challenge: str | None
    offline: bool


@dataclass(frozen=True)
class _Access:
    scopes: frozenset[str]
    expires_at: datetime


class SignIn:
    """Hands out tokens for one app and one account, and takes them back."""

    def __init__(
        self,
        *,
        app_key: str,
        app_secret: str,
        app_scopes: frozenset[str],
        token_seconds: int,
        clock: Callable[[], datetime],
    ) -> None:
        self.app_key = app_key
        self.app_scopes = app_scopes
        self.token_seconds = token_seconds
        self._app_secret = app_secret
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._grants: dict[str, _Grant] = {}
        self._access: dict[str, _Access] = {}

    def plant(self, refresh_token: str, scopes: frozenset[str]) -> None:
        """Have a refresh token, as from an earlier PKCE login, in force."""
        self._grants[refresh_token] = _Grant(scopes, needs_secret=False)

    def authorise(self, url: str, granting: frozenset[str] | None = None) -> str:
        """Open the authorise page at this address, press Allow, and copy the code that it shows.

        ``granting`` narrows what is allowed; by default it is what the address asks for, or all the app has.
        Raises ValueError where the real page would show an error instead of a code.
        """
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        scopes = frozenset(asked.get("scope", "").split()) or self.app_scopes
        if asked.get("client_id") != self.app_key or asked.get("response_type") != "code":
            raise ValueError("the page does not know this app key and response type")
        if not scopes <= self.app_scopes:
            raise ValueError(f"the app does not have the scopes {sorted(scopes - self.app_scopes)}")
        granted = scopes if granting is None else scopes & granting
        code = secrets.token_urlsafe(32)
        offline = asked.get("token_access_type") == "offline"
        self._codes[code] = _Code(granted, asked.get("code_challenge"), offline)
        return code

    def exchange(self, form: Mapping[str, str]) -> dict[str, object]:
        """Answer one request to the token endpoint, or raise GrantError."""
        match form.get("grant_type"):
            case "refresh_token":
                return self._refresh(form)
            case "authorization_code":
                return self._finish(form)
            case _:
                raise GrantError("unsupported_grant_type", "grant_type must be a known one")

    def scopes_of(self, token: str) -> frozenset[str]:
        """What the holder of this access token may do."""
        access = self._access.get(token)
        if access is None:
            raise TokenError("invalid_access_token")
        if access.expires_at <= self._clock():
            raise TokenError("expired_access_token")
        return access.scopes

    def revoke(self) -> None:
        """Disconnect the app: every token is dead, and only a new login helps."""
        self._grants.clear()
        self._access.clear()

    def expire_tokens(self) -> None:
        """Let every access token expire now; refresh tokens live on."""
        self._access = {token: _Access(access.scopes, self._clock()) for token, access in self._access.items()}

    def _refresh(self, form: Mapping[str, str]) -> dict[str, object]:
        grant = self._grants.get(form.get("refresh_token", ""))
        self._check_app(form, needs_secret=grant is not None and grant.needs_secret)
        if grant is None:
            raise GrantError("invalid_grant", "refresh token is invalid or revoked")
        scopes = frozenset(form.get("scope", "").split()) or grant.scopes
        if not scopes <= grant.scopes:
            raise GrantError("invalid_scope", "requested scope exceeds the scope of the grant")
        return self._new_access(scopes)

    def _finish(self, form: Mapping[str, str]) -> dict[str, object]:
        code = self._codes.pop(form.get("code", ""), None)
        self._check_app(form, needs_secret=code is not None and code.challenge is None)
        if code is None:
            raise GrantError("invalid_grant", "code doesn't exist or has expired")
        if code.challenge is not None and code.challenge != _challenge(form.get("code_verifier", "")):
            raise GrantError("invalid_grant", "invalid code verifier")
        answer = self._new_access(code.scopes)
        if code.offline:
            answer["refresh_token"] = secrets.token_urlsafe(48)
            self._grants[str(answer["refresh_token"])] = _Grant(code.scopes, needs_secret=code.challenge is None)
        return answer | {"scope": " ".join(sorted(code.scopes)), "uid": USER_ID, "account_id": ACCOUNT_ID}

    def _check_app(self, form: Mapping[str, str], *, needs_secret: bool) -> None:
        secret = form.get("client_secret")
        wrong_secret = secret != self._app_secret and (needs_secret or secret is not None)
        if form.get("client_id") != self.app_key or wrong_secret:
            raise GrantError("invalid_client", "Invalid client_id or client_secret")

    def _new_access(self, scopes: frozenset[str]) -> dict[str, object]:
        token = "sl.u." + secrets.token_urlsafe(48)
        self._access[token] = _Access(scopes, self._clock() + timedelta(seconds=self.token_seconds))
        return {"access_token": token, "token_type": "bearer", "expires_in": self.token_seconds}


def _challenge(verifier: str) -> str:
    """What a PKCE login sends ahead of its verifier (RFC 7636, S256)."""
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
