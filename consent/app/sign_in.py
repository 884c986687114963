"""Who opened the page, as the platform's built-in authentication says, and whether a form came from that page.

The platform lets no client set these headers, but only while its authentication is on:
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from consent.config.checks import split_url
from consent.config.settings import LOOPBACK_HOSTS, Settings
from consent.errors import ForeignRequestError, NoSignInError, NotSignedInError

PAGE_PATH = "/api/page"
LOGIN_PATH, LOGOUT_PATH = "/.auth/login/aad", "/.auth/logout"

_PRINCIPAL = "x-ms-client-principal"
_FORM = "application/x-www-form-urlencoded"
_MOST_FORM_BYTES = 2_000
_ID_CLAIMS = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid")
_NAME_CLAIMS = ("name", "preferred_username")


@dataclass(frozen=True)
class Person:
    """Someone who signed in: the id in the directory, and the name to show."""

    id: str
    name: str


def signed_in_person(headers: Mapping[str, str], settings: Settings) -> Person:
    """Return the person whom the platform signed in.

    Raises:
        NoSignInError: sign-in is not set up, or the platform's authentication is off: then anyone can send the headers.
        NotSignedInError: the platform names nobody.
    """
    is_on = (settings.get("WEBSITE_AUTH_ENABLED") or "").lower() == "true"
    if settings.get("CONSENT_SIGN_IN") != "entra" or not is_on:
        raise NoSignInError("This page needs sign-in, which is not set up.", "Open /api/report with a function key.")
    claims = _claims_in(headers.get(_PRINCIPAL, ""))
    person_id = next((claims[name] for name in _ID_CLAIMS if claims.get(name)), None)
    if person_id is None:
        raise NotSignedInError("Nobody is signed in.", f"Sign in at {LOGIN_PATH}.")
    return Person(person_id, next((claims[name] for name in _NAME_CLAIMS if claims.get(name)), person_id))


def form_token(key: str, person: Person, study: str, now: datetime) -> str:
    """Return the token of a person's form for one study; it is valid on this day (UTC) and the next."""
    text = json.dumps([person.id, study, now.astimezone(UTC).date().isoformat()])
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


def parse_form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Return the fields of a form that a page of this app sent; raises ForeignRequestError for any other request.

    Browsers name the origin of every form: https://fetch.spec.whatwg.org/#origin-header
    """
    origin = split_url(headers.get("origin", ""))
    if origin is None or not origin.netloc or origin.netloc != headers.get("host"):
        raise _foreign()
    is_safe = origin.scheme == "https" or (origin.scheme == "http" and origin.hostname in LOOPBACK_HOSTS)
    is_form = headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    if not (is_safe and is_form) or headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise _foreign()
    fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True) if len(body) <= _MOST_FORM_BYTES else []
    if sorted(name for name, _ in fields) != ["study", "token"]:
        raise _foreign()
    return dict(fields)


def ensure_token(token: str, key: str, person: Person, study: str, now: datetime) -> None:
    """Raise ForeignRequestError unless the page gave this person the token today or yesterday."""
    valid = [form_token(key, person, study, day) for day in (now, now - timedelta(days=1))]
    if not any(hmac.compare_digest(token.encode(), one.encode()) for one in valid):
        raise _foreign()


def _foreign() -> ForeignRequestError:
    return ForeignRequestError(
        "This request is not from a current page of this app.", "Reload the page, then try again."
    )


def _claims_in(header: str) -> dict[str, str]:
    """Return the first value of each claim in the platform's header; nothing if Entra did not sign the person in."""
    try:
        document: Any = json.loads(base64.b64decode(header, validate=True))
        if document["auth_typ"] != "aad":
            return {}
        return {claim["typ"]: str(claim["val"]) for claim in reversed(document["claims"])}
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
