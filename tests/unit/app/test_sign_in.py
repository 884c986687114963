"""Tests of who signed in, as the platform's headers say, and of which forms come from the page."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consent.app.sign_in import Person, ensure_token, form_token, parse_form, signed_in_person
from consent.config.settings import Settings
from consent.errors import ForeignRequestError, NoSignInError, NotSignedInError
from sandbox.functions.sign_in import principal

ON = {"CONSENT_SIGN_IN": "entra", "WEBSITE_AUTH_ENABLED": "True"}
ADA = Person("id of Ada", "Ada")
NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
FORM = {
    "host": "app.example.org",
    "origin": "https://app.example.org",
    "sec-fetch-site": "same-origin",
    "content-type": "application/x-www-form-urlencoded",
}
BODY = b"study=adults&token=abc"


def in_base64(document: Any) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def test_the_platform_names_who_signed_in() -> None:
    assert signed_in_person({"x-ms-client-principal": principal("Ada")}, Settings(ON)) == ADA


@pytest.mark.parametrize("off", [{}, *({**ON, name: value} for name in ON for value in ("", "false"))])
def test_without_sign_in_or_without_the_platform_s_authentication_the_headers_count_for_nothing(
    off: dict[str, str],
) -> None:
    with pytest.raises(NoSignInError):
        signed_in_person({"x-ms-client-principal": principal("Ada")}, Settings(off))


NOBODY = (
    *(None, "", "Ada", "*" * 40, in_base64(7), in_base64({"auth_typ": "aad"}), principal("Ada", auth_typ="github")),
    in_base64({"auth_typ": "aad", "claims": [{"typ": "name", "val": "Ada"}]}),
    *(base64.b64encode(text).decode() for text in (b"\xff" * 9, b"[" * 100_000)),
)


@pytest.mark.parametrize("header", NOBODY)
def test_a_header_that_names_nobody_of_entra_is_refused(header: str | None) -> None:
    with pytest.raises(NotSignedInError):
        signed_in_person({} if header is None else {"x-ms-client-principal": header}, Settings(ON))


LOCAL = {"host": "localhost:7071", "origin": "http://localhost:7071"}


@pytest.mark.parametrize("changes", [{}, {"content-type": f"{FORM['content-type']}; charset=UTF-8"}, LOCAL])
def test_a_form_of_the_page_is_read(changes: dict[str, str]) -> None:
    assert parse_form({**FORM, **changes}, BODY) == {"study": "adults", "token": "abc"}


ORIGINS = (
    *("", "null", "https://evil.example.org", "https://app.example.org.evil", "https://app.example.org:8443"),
    *("http://app.example.org", "//[app"),
)
FOREIGN = (
    *(({"origin": origin}, BODY) for origin in ORIGINS),
    ({"host": "", "origin": "https://"}, BODY),
    *(({"sec-fetch-site": site}, BODY) for site in ("same-site", "cross-site")),
    *(({"content-type": kind}, BODY) for kind in ("application/json", "text/plain", "")),
    *(({}, body) for body in (b"", b"study=adults", BODY + b"&study=b", BODY + b"&accept_drop=true", BODY * 500)),
)


@pytest.mark.parametrize(("changes", "body"), FOREIGN)
def test_any_other_request_is_foreign(changes: dict[str, str], body: bytes) -> None:
    with pytest.raises(ForeignRequestError):
        parse_form({**FORM, **changes}, body)


@pytest.mark.parametrize("days", [0, 1])
def test_a_token_is_valid_on_its_day_and_the_next(days: int) -> None:
    ensure_token(form_token("key", ADA, "adults", NOW), "key", ADA, "adults", NOW + timedelta(days=days))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "é",
        form_token("another key", ADA, "adults", NOW),
        form_token("key", Person("id of Eve", "Ada"), "adults", NOW),
        form_token("key", ADA, "children", NOW),
        form_token("key", ADA, "adults", NOW - timedelta(days=2)),
        form_token("key", ADA, "adults", NOW + timedelta(days=1)),
    ],
)
def test_another_token_is_refused(token: str) -> None:
    with pytest.raises(ForeignRequestError):
        ensure_token(token, "key", ADA, "adults", NOW)
