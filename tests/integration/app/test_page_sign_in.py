"""Tests of the page for people who sign in, and of its button, in Microsoft's own runtime."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from consent.runs.ledger.sqlite import SqliteLedger
from sandbox.functions.sign_in import principal
from tests.support.functions_runtime import Answer, Invocation, RunningApp, deployed_copy, running_app
from tests.support.hosting import put_study

pytestmark = pytest.mark.runtime

PAGE = "https://app.example.org/api/page"
ADA = {"x-ms-client-principal": principal("Ada Lovelace")}
FORM = {
    "host": "app.example.org",
    "origin": "https://app.example.org",
    "content-type": "application/x-www-form-urlencoded",
}
SIGN_IN = {"CONSENT_SIGN_IN": "entra", "WEBSITE_AUTH_ENABLED": "True"}


@dataclass(frozen=True)
class Site:
    """The app, and its run history without any run."""

    app: RunningApp
    ledger: SqliteLedger

    def open(self, headers: dict[str, str]) -> Answer:
        """Open the page of the adults."""
        return answer_of(self.app.get("page", PAGE, query={"study": "adults"}, headers=headers))

    def press(self, headers: dict[str, str], token: str) -> Invocation:
        """Send the form of the page."""
        return self.app.post("run_now", PAGE, f"study=adults&token={token}".encode(), headers=headers)


def answer_of(invocation: Invocation) -> Answer:
    assert invocation.answer is not None, invocation.failure
    return invocation.answer


def token_in(answer: Answer) -> str:
    """The token of the form in a page."""
    found = re.search(r'name="token" value="(\w+)"', answer.body)
    return found[1] if found else ""


def sites(folder: Path, settings: dict[str, str]) -> Iterator[Site]:
    studies = folder / "studies"
    studies.mkdir()
    put_study(studies, "adults")
    ledger = {"CONSENT_STUDIES": str(studies), "CONSENT_LEDGER": str(folder / "runs.sqlite")}
    with running_app(deployed_copy(folder / "app"), settings | ledger) as app:
        yield Site(app, SqliteLedger(folder / "runs.sqlite"))


@pytest.fixture(name="signed_in", scope="module")
def _signed_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from sites(tmp_path_factory.mktemp("signed"), SIGN_IN)


@pytest.fixture(name="keys_only", scope="module")
def _keys_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from sites(tmp_path_factory.mktemp("keys"), {})


@pytest.fixture(name="site")
def _site(signed_in: Site) -> Site:
    """The app with sign-in, before any run."""
    signed_in.ledger.path.unlink(missing_ok=True)
    return signed_in


def test_whoever_signed_in_sees_the_page_with_their_name_and_a_form(site: Site) -> None:
    answer = site.open(ADA)

    assert (answer.status, "Signed in as Ada Lovelace" in answer.body) == (200, True)
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("headers", [{}, {"x-ms-client-principal-name": "Ada"}, {"x-ms-client-principal": "e30="}])
def test_without_a_principal_the_page_only_offers_to_sign_in_and_starts_nothing(
    site: Site, headers: dict[str, str]
) -> None:
    token = token_in(site.open(ADA))
    opened, pressed = site.open(headers), site.press(FORM | headers, token)

    assert (opened.status, "/.auth/login/aad" in opened.body, "OBRI" in opened.body) == (401, True, False)
    assert (answer_of(pressed).status, pressed.outputs, site.ledger.runs()) == (401, {}, [])


def test_without_sign_in_forged_headers_open_nothing(keys_only: Site) -> None:
    opened, pressed = keys_only.open(ADA), keys_only.press(FORM | ADA, "0" * 64)

    assert (opened.status, opened.json()["code"]) == (404, "no-sign-in")
    assert (answer_of(pressed).status, pressed.outputs, keys_only.ledger.runs()) == (404, {}, [])


def test_the_button_queues_one_run_however_often_it_is_pressed(site: Site) -> None:
    token = token_in(site.open(ADA))

    first, again = (site.press(FORM | ADA, token) for _ in range(2))

    (run,) = site.ledger.runs()
    assert [answer_of(one).status for one in (first, again)] == [303, 303]
    assert answer_of(first).headers["Location"] == "/api/page?study=adults"
    assert (run.trigger, run.state, run.accept_drop, run.dry_run) == ("page", "requested", False, False)
    assert (run.run_id in first.outputs["message"], again.outputs) == (True, {})
    assert "Ada" not in f"{run}{first.log_text}{first.outputs}"
    assert site.open(ADA).headers["Refresh"] == "30"


@pytest.mark.parametrize(
    ("changes", "token"),
    [({"origin": "null"}, None), ({"x-ms-client-principal": principal("Eve")}, None), ({}, "0" * 64), ({}, "")],
)
def test_a_request_that_the_page_did_not_send_for_this_person_starts_nothing(
    site: Site, changes: dict[str, str], token: str | None
) -> None:
    pressed = site.press(FORM | ADA | changes, token_in(site.open(ADA)) if token is None else token)

    assert (answer_of(pressed).status, answer_of(pressed).json()["code"]) == (403, "foreign-request")
    assert (pressed.outputs, site.ledger.runs()) == ({}, [])
