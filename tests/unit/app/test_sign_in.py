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


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Ada",
        "*" * 40,
        in_base64(7),
        in_base64({"auth_typ": "aad"}),
        in_base64({"auth_typ": "aad", "claims": [{"typ": "name", "val": "Ada"}]}),
        in_base64({"auth_typ": "aad", "claims": ["oid"]}),
        base64.b64encode(b"\xff" * 9).decode(),
        base64.b64encode(b"[" * 100_000).decode(),
        principal("Ada", auth_typ="github"),
    ],
)
def test_a_header_that_names_nobody_of_entra_is_refused(header: str | None) -> None:
    with pytest.raises(NotSignedInError):
        signed_in_person({} if header is None else {"x-ms-client-principal": header}, Settings(ON))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"},
        {"sec-fetch-site": None},
        {"host": "localhost:7071", "origin": "http://localhost:7071"},
    ],
)
def test_a_form_of_the_page_is_read(changes: dict[str, str | None]) -> None:
    headers = {name: value for name, value in {**FORM, **changes}.items() if value is not None}

    assert parse_form(headers, BODY) == {"study": "adults", "token": "abc"}


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"origin": ""}, BODY),
        ({"origin": "null"}, BODY),
        ({"origin": "https://evil.example.org"}, BODY),
        ({"origin": "https://app.example.org.evil"}, BODY),
        ({"origin": "https://app.example.org:8443"}, BODY),
        ({"origin": "http://app.example.org"}, BODY),
        ({"origin": "//[app"}, BODY),
        ({"host": "", "origin": "https://"}, BODY),
        ({"sec-fetch-site": "same-site"}, BODY),
        ({"sec-fetch-site": "cross-site"}, BODY),
        ({"content-type": "application/json"}, BODY),
        ({"content-type": "text/plain"}, BODY),
        ({"content-type": ""}, BODY),
        ({}, b""),
        ({}, b"study=adults"),
        ({}, b"study=adults&study=children&token=abc"),
        ({}, b"study=adults&token=abc&accept_drop=true"),
        ({}, BODY + b"c" * 5_000),
    ],
)
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
