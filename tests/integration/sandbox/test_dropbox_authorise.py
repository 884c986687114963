"""Tests of the sign-in page of the simulated Dropbox."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dropbox as sdk
import pytest
import requests

from consent.config.settings import Network
from consent.delivery.dropbox_session import dropbox_session
from sandbox.dropbox.app import DELIVERY_SCOPES, Dropbox
from sandbox.dropbox.sign_in import MEMBER, PERSONAL
from sandbox.server import Server


@dataclass
class Login:
    """A sign-in by the SDK, and its page on the simulated Dropbox."""

    server: Server
    flow: sdk.DropboxOAuth2FlowNoRedirect

    @property
    def address(self) -> str:
        return str(self.flow.start()).replace("https://www.dropbox.com", self.server.url)

    def opened(self) -> requests.Response:
        return requests.get(self.address, timeout=5)

    def pressed(self, answer: str, account: str = MEMBER.account_id) -> requests.Response:
        return requests.post(self.address, {"answer": answer, "account": account}, timeout=5)

    def code(self, account: str = MEMBER.account_id) -> str:
        found = re.search(r'aria-label="Access code">([^<]+)<', self.pressed("allow", account).text)
        assert found
        return found.group(1)


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Server]:
    with Server(Dropbox()) as server:
        yield server


@pytest.fixture(name="session")
def _session(server: Server) -> Iterator[requests.Session]:
    with dropbox_session(Network(), server.url) as session:
        yield session


def a_login(server: Server, session: requests.Session, app: Dropbox | None = None, **changes: Any) -> Login:
    server.app = app or Dropbox()
    usual = {"use_pkce": True, "token_access_type": "offline", "scope": sorted(DELIVERY_SCOPES)}
    flow = sdk.DropboxOAuth2FlowNoRedirect(changes.pop("app_key", "sandbox-key"), **usual | changes)
    flow.requests_session = session
    return Login(server, flow)


@pytest.mark.parametrize(
    "words", ["Consent Summary would like to:", "Allow", "Cancel", MEMBER.email, *sorted(DELIVERY_SCOPES)]
)
def test_the_page_names_the_app_its_scopes_and_the_account(
    server: Server, session: requests.Session, words: str
) -> None:
    assert words in a_login(server, session).opened().text


def test_the_opened_page_has_no_code(server: Server, session: requests.Session) -> None:
    assert "Access code" not in a_login(server, session).opened().text


def test_allow_shows_a_code_that_the_sdk_can_exchange(server: Server, session: requests.Session) -> None:
    login = a_login(server, session)

    assert login.flow.finish(login.code()).account_id == MEMBER.account_id


def test_cancel_shows_no_code(server: Server, session: requests.Session) -> None:
    page = a_login(server, session).pressed("cancel").text

    assert ("Not connected" in page, "Access code" in page) == (True, False)


def test_another_linked_account_can_be_chosen(server: Server, session: requests.Session) -> None:
    login = a_login(server, session, Dropbox(personal=True))

    assert login.flow.finish(login.code(PERSONAL.account_id)).account_id == PERSONAL.account_id


def test_a_token_of_another_account_opens_that_account(server: Server, session: requests.Session) -> None:
    app = Dropbox(personal=True)
    login = a_login(server, session, app)
    token = login.flow.finish(login.code(PERSONAL.account_id)).refresh_token

    sdk.Dropbox(oauth2_refresh_token=token, app_key="sandbox-key", session=session).files_upload(b"x", "/x.txt")

    assert ([entry.path for entry in app.personal.tree.inside("")], app.files()) == (["/x.txt"], {})


@pytest.mark.parametrize(
    ("change", "details"),
    [
        ({"app_key": "other"}, "Invalid client_id"),
        ({"scope": ["sharing.write"]}, "No scope requested can be granted for this app."),
        ({"use_pkce": False, "consumer_secret": "sandbox-secret"}, "not simulated: a sign-in without PKCE"),
    ],
)
@pytest.mark.parametrize("way", ["opened", "allow"])
def test_an_address_that_is_not_valid_is_refused(
    server: Server, session: requests.Session, change: dict[str, Any], details: str, way: str
) -> None:
    login = a_login(server, session, **change)

    answer = login.opened() if way == "opened" else login.pressed("allow")

    assert (answer.status_code, "submitted a bad request" in answer.text, details in answer.text) == (400, True, True)


def test_a_code_is_refused_to_another_sign_in(server: Server, session: requests.Session) -> None:
    login = a_login(server, session)
    code = login.code()
    login.flow.code_verifier = "0" * 128

    with pytest.raises(requests.HTTPError, match="400") as refused:
        login.flow.finish(code)

    assert refused.value.response.json()["error"] == "invalid_grant"
