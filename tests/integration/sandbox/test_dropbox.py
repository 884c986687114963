"""Tests of the simulated Dropbox, with Dropbox's own SDK over loopback."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import dropbox
import pytest
import requests
from dropbox.common import PathRoot
from dropbox.content_hash import DropboxContentHasher
from dropbox.exceptions import (
    ApiError,
    AuthError,
    BadInputError,
    InternalServerError,
    PathRootError,
    RateLimitError,
)
from dropbox.files import WriteMode as Mode
from requests.adapters import HTTPAdapter

from consent.config.settings import Network
from consent.delivery.dropbox_session import dropbox_session
from sandbox.dropbox.app import DELIVERY_SCOPES, Dropbox
from sandbox.dropbox.faults import lock_contention_409, lock_contention_429, rate_limited, server_error
from sandbox.dropbox.tree import content_hash
from sandbox.server import Fault, Server

API = "https://api.dropboxapi.com"
CONTENT = "https://content.dropboxapi.com"
HASH_OF_A = "bf5d3affb73efd2ec6c36ad3112dd933efed63c4e1cbffcfa88e2759c144f2d8"
ALL_SCOPES = DELIVERY_SCOPES | {"files.content.read"}


@dataclass(frozen=True)
class Simulated:
    """A simulated account, its server and a session that leads the SDK to it."""

    app: Dropbox
    server: Server
    session: requests.Session

    def client(self, **settings: Any) -> dropbox.Dropbox:
        known = {"oauth2_refresh_token": "sandbox-refresh", "app_key": "sandbox-key"}
        patience = {"max_retries_on_error": 0, "max_retries_on_rate_limit": 0}
        return dropbox.Dropbox(session=self.session, **(known | patience | settings))

    def login(self, **settings: Any) -> dropbox.DropboxOAuth2FlowNoRedirect:
        parameters = {"use_pkce": True, "token_access_type": "offline", "scope": sorted(DELIVERY_SCOPES)}
        flow = dropbox.DropboxOAuth2FlowNoRedirect("sandbox-key", **(parameters | settings))
        flow.requests_session = self.session
        return flow

    def token(self) -> str:
        form = {"grant_type": "refresh_token", "refresh_token": "sandbox-refresh", "client_id": "sandbox-key"}
        return str(self.session.post(f"{API}/oauth2/token", data=form).json()["access_token"])

    def post(self, url: str, headers: dict[str, Any] | None = None, body: bytes = b"null") -> requests.Response:
        basic = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"}
        return self.session.post(url, data=body, headers=basic | (headers or {}))

    def post_file(self, url: str = f"{CONTENT}/2/files/upload", **headers: Any) -> requests.Response:
        plain = {"Content-Type": "application/octet-stream", "Dropbox-API-Arg": '{"path": "/a.csv"}'}
        return self.post(url, plain | headers, b"a")


@pytest.fixture(scope="module")
def running_server() -> Iterator[Server]:
    with Server(Dropbox()) as server:
        yield server


@pytest.fixture
def serve(running_server: Server) -> Iterator[Callable[..., Simulated]]:
    """Return a function that serves a new account; one server for all tests, because starting it is slow."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Simulated:
            app = Dropbox(**settings)
            running_server.app = app
            running_server.faults.clear()
            running_server.requests.clear()
            return Simulated(app, running_server, stack.enter_context(dropbox_session(Network(), running_server.url)))

        yield start


@pytest.fixture
def here(serve: Callable[..., Simulated]) -> Simulated:
    """A personal account whose app may also read contents."""
    return serve(scopes=ALL_SCOPES)


@pytest.fixture
def team(serve: Callable[..., Simulated]) -> Simulated:
    """A member of a team: the account's own files are namespace 1, the team space is namespace 7."""
    return serve(root_namespace="7")


class TestContentHash:
    @pytest.mark.parametrize("size", [0, 1, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1])
    def test_is_the_one_the_sdk_computes(self, size: int) -> None:
        hasher = DropboxContentHasher()
        hasher.update(b"\x01" * size)
        assert content_hash(b"\x01" * size) == hasher.hexdigest()

    def test_is_in_the_response_to_an_upload(self, here: Simulated) -> None:
        assert here.client().files_upload(b"a", "/a.csv").content_hash == HASH_OF_A

    def test_of_other_bytes_is_refused_and_nothing_stored(self, here: Simulated) -> None:
        with pytest.raises(ApiError, match="content_hash_mismatch"):
            here.client().files_upload(b"a", "/a.csv", content_hash="0" * 64)
        assert here.app.files() == {}


class TestUpload:
    def test_stores_the_bytes_under_the_path_as_written(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/Reports/Week 1.csv")
        assert here.app.files() == {"/Reports/Week 1.csv": b"a"}

    def test_answers_with_name_size_and_paths(self, here: Simulated) -> None:
        stored = here.client().files_upload(b"abc", "/Reports/Week 1.csv")
        seen = (stored.name, stored.size, stored.path_lower, stored.path_display)
        assert seen == ("Week 1.csv", 3, "/reports/week 1.csv", "/Reports/Week 1.csv")

    def test_of_an_empty_body_replaces_the_content(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/a.csv")
        here.client().files_upload(None, "/a.csv", Mode.overwrite)
        assert here.app.files() == {"/a.csv": b""}

    def test_keeps_the_spelling_of_an_existing_folder(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/Reports/a.csv")
        assert here.client().files_upload(b"b", "/REPORTS/B.csv").path_display == "/Reports/B.csv"


class TestIdenticalContent:
    @pytest.mark.parametrize("mode", [Mode.add, Mode.overwrite, Mode.update("0123456789abcdef")])
    def test_keeps_the_revision_in_every_mode(self, here: Simulated, mode: Mode) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        assert here.client().files_upload(b"a", "/a.csv", mode).rev == first.rev


class TestAdd:
    def test_refuses_other_content(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/a.csv")
        with pytest.raises(ApiError, match=r"WriteConflictError\('file'"):
            here.client().files_upload(b"b", "/a.csv")

    def test_with_autorename_writes_another_file(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/Reports/a.csv")
        stored = here.client().files_upload(b"b", "/Reports/a.csv", autorename=True)
        assert unnumbered(stored.path_display) == "/Reports/a (N).csv"


class TestOverwrite:
    def test_replaces_the_content(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/a.csv")
        here.client().files_upload(b"b", "/a.csv", Mode.overwrite)
        assert here.app.files() == {"/a.csv": b"b"}

    def test_keeps_the_id(self, here: Simulated) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        assert here.client().files_upload(b"b", "/a.csv", Mode.overwrite).id == first.id


class TestUpdate:
    def test_of_the_current_revision_replaces_it(self, here: Simulated) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        here.client().files_upload(b"b", "/a.csv", Mode.update(first.rev))
        assert here.app.files() == {"/a.csv": b"b"}

    def test_of_an_older_revision_conflicts(self, here: Simulated) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        here.client().files_upload(b"b", "/a.csv", Mode.overwrite)
        with pytest.raises(ApiError, match=r"WriteConflictError\('file'"):
            here.client().files_upload(b"c", "/a.csv", Mode.update(first.rev))

    def test_of_a_deleted_file_restores_it(self, here: Simulated) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        here.client().files_delete_v2("/a.csv")
        here.client().files_upload(b"b", "/a.csv", Mode.update(first.rev))
        assert here.app.files() == {"/a.csv": b"b"}


class TestNames:
    def test_that_differ_in_case_are_one_file(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/Week.csv")
        here.client().files_upload(b"b", "/week.CSV", Mode.overwrite)
        assert here.app.files() == {"/Week.csv": b"b"}

    def test_are_kept_composed(self, here: Simulated) -> None:
        here.client().files_upload(b"a", unicodedata.normalize("NFD", "/été.csv"))
        assert list(here.app.files()) == [unicodedata.normalize("NFC", "/été.csv")]

    def test_that_are_decomposed_are_not_found(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/été.csv")
        with pytest.raises(ApiError, match="not_found"):
            here.client().files_get_metadata(unicodedata.normalize("NFD", "/été.csv"))

    def test_can_have_letters_outside_ascii(self, here: Simulated) -> None:
        assert here.client().files_upload(b"a", "/отчёт – β.csv").name == "отчёт – β.csv"

    @pytest.mark.parametrize("path", ["//a.csv", "/a/", "/a /b.csv", "/a.csv ", "/a\\b.csv", "/" + "a" * 256])
    def test_of_a_wrong_shape_are_malformed(self, here: Simulated, path: str) -> None:
        with pytest.raises(ApiError, match="malformed_path"):
            here.client().files_upload(b"a", path)

    @pytest.mark.parametrize("name", ["desktop.ini", "Thumbs.db", ".DS_Store", "icon\r", ".dropbox", ".dropbox.attr"])
    def test_of_system_files_are_disallowed(self, here: Simulated, name: str) -> None:
        with pytest.raises(ApiError, match="disallowed_name"):
            here.client().files_upload(b"a", f"/Reports/{name}")


class TestConflicts:
    def test_a_folder_in_place_of_the_file_is_a_conflict(self, here: Simulated) -> None:
        here.app.account.tree.make_folder("/a.csv")
        with pytest.raises(ApiError, match=r"WriteConflictError\('folder'"):
            here.client().files_upload(b"a", "/a.csv", Mode.overwrite)

    def test_a_file_in_place_of_the_folder_is_a_conflict(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/Reports")
        with pytest.raises(ApiError, match=r"WriteConflictError\('file_ancestor'"):
            here.client().files_upload(b"a", "/reports/2026/a.csv")

    def test_a_full_account_refuses_a_new_file(self, serve: Callable[..., Simulated]) -> None:
        client = serve(quota=3).client()
        client.files_upload(b"ab", "/a.csv")
        with pytest.raises(ApiError, match="insufficient_space"):
            client.files_upload(b"ab", "/b.csv")

    def test_a_full_account_accepts_a_replacement_of_the_same_size(self, serve: Callable[..., Simulated]) -> None:
        there = serve(quota=3)
        there.client().files_upload(b"abc", "/a.csv")
        there.client().files_upload(b"xyz", "/a.csv", Mode.overwrite)
        assert there.app.files() == {"/a.csv": b"xyz"}

    def test_a_read_only_folder_refuses_writes(self, serve: Callable[..., Simulated]) -> None:
        with pytest.raises(ApiError, match="no_write_permission"):
            serve(read_only=frozenset({"/Finance"})).client().files_upload(b"a", "/finance/2026/a.csv")

    def test_a_refused_upload_names_a_session(self, here: Simulated) -> None:
        here.app.account.tree.make_folder("/a.csv")
        with pytest.raises(ApiError, match="conflict") as refused:
            here.client().files_upload(b"a", "/a.csv")
        assert refused.value.error.get_path().upload_session_id.startswith("pid_upload_session:")


class TestLookup:
    def test_of_a_file_returns_the_same_as_the_upload(self, here: Simulated) -> None:
        stored = here.client().files_upload(b"a", "/a.csv")
        found = here.client().files_get_metadata("/A.csv")
        assert (found.rev, found.id, found.content_hash) == (stored.rev, stored.id, stored.content_hash)

    def test_of_a_missing_file_fails(self, here: Simulated) -> None:
        with pytest.raises(ApiError, match=r"LookupError\('not_found'"):
            here.client().files_get_metadata("/a.csv")

    def test_of_a_new_file_fails_as_often_as_the_lag(self, serve: Callable[..., Simulated]) -> None:
        there = serve()
        there.app.account.lag = 1
        there.client().files_upload(b"a", "/a.csv")
        with pytest.raises(ApiError, match=r"LookupError\('not_found'"):
            there.client().files_get_metadata("/a.csv")
        assert there.client().files_get_metadata("/a.csv").size == 1

    def test_of_a_file_uploaded_again_has_no_lag(self, serve: Callable[..., Simulated]) -> None:
        there = serve()
        there.client().files_upload(b"a", "/a.csv")
        there.app.account.lag = 1
        there.client().files_upload(b"a", "/a.csv")
        assert there.client().files_get_metadata("/a.csv").size == 1


class TestListing:
    @pytest.fixture
    def full(self, serve: Callable[..., Simulated]) -> Simulated:
        there = serve()
        there.app.account.page_size = 2
        there.client().files_upload(b"a", "/Reports/a.csv")
        there.client().files_upload(b"b", "/Reports/b.csv")
        there.client().files_upload(b"c", "/Reports/Archive/c.csv")
        return there

    def test_of_a_long_folder_has_pages(self, full: Simulated) -> None:
        page = full.client().files_list_folder("/reports")
        assert (len(page.entries), page.has_more) == (2, True)

    def test_continues_with_the_cursor(self, full: Simulated) -> None:
        page = full.client().files_list_folder("/reports")
        rest = full.client().files_list_folder_continue(page.cursor)
        assert ([entry.name for entry in page.entries + rest.entries], rest.has_more) == (
            ["a.csv", "Archive", "b.csv"],
            False,
        )

    def test_with_an_unknown_cursor_must_start_again(self, full: Simulated) -> None:
        with pytest.raises(ApiError, match="reset"):
            full.client().files_list_folder_continue("unknown")

    def test_of_the_root_has_an_empty_path(self, full: Simulated) -> None:
        assert [entry.path_display for entry in full.client().files_list_folder("").entries] == ["/Reports"]

    def test_of_a_missing_folder_fails(self, full: Simulated) -> None:
        with pytest.raises(ApiError, match=r"LookupError\('not_found'"):
            full.client().files_list_folder("/nowhere")

    def test_of_a_file_fails(self, full: Simulated) -> None:
        with pytest.raises(ApiError, match=r"LookupError\('not_folder'"):
            full.client().files_list_folder("/Reports/a.csv")


class TestFolders:
    def test_are_deleted_with_their_files(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/Reports/2026/a.csv")
        here.client().files_delete_v2("/Reports")
        assert here.app.files() == {}


class TestDelete:
    def test_of_another_revision_is_a_conflict(self, here: Simulated) -> None:
        here.client().files_upload(b"a", "/a.csv")
        with pytest.raises(ApiError, match=r"path_write.*conflict"):
            here.client().files_delete_v2("/a.csv", parent_rev="0123456789abcdef")


class TestScopes:
    def test_that_the_token_lacks_are_named(self, serve: Callable[..., Simulated]) -> None:
        with pytest.raises(AuthError, match=r"missing_scope.*files\.content\.write"):
            serve(scopes=frozenset({"account_info.read"}), app_scopes=ALL_SCOPES).client().files_upload(b"a", "/a.csv")

    def test_that_the_app_lacks_are_bad_input(self, serve: Callable[..., Simulated]) -> None:
        there = serve(scopes=frozenset({"account_info.read"}))
        with pytest.raises(BadInputError, match=r"required scope \W+files\.content\.write"):
            there.client().files_upload(b"a", "/a.csv")


class TestTokens:
    def test_that_expired_are_refreshed_by_the_sdk(self, here: Simulated) -> None:
        client = here.client()
        client.check_user("hello")
        here.app.expire_tokens()
        assert client.check_user("hello").result == "hello"

    def test_that_expired_are_refused_without_a_refresh_token(self, here: Simulated) -> None:
        token = here.token()
        here.app.expire_tokens()
        with pytest.raises(AuthError, match="expired_access_token"):
            here.client(oauth2_refresh_token=None, oauth2_access_token=token).check_user("hello")

    def test_cannot_be_refreshed_once_revoked(self, here: Simulated) -> None:
        here.app.revoke()
        with pytest.raises(AuthError, match="invalid_access_token"):
            here.client().check_user("hello")

    @pytest.mark.parametrize("wrong", [{"app_key": "other"}, {"app_secret": "other"}])
    def test_are_refused_to_another_app(self, here: Simulated, wrong: dict[str, str]) -> None:
        with pytest.raises(BadInputError, match="invalid_client"):
            here.client(**wrong).check_user("hello")

    def test_are_issued_to_an_app_with_its_secret(self, here: Simulated) -> None:
        assert here.client(app_secret="sandbox-secret").check_user("hello").result == "hello"

    def test_are_required(self, here: Simulated) -> None:
        answer = here.session.post(f"{API}/2/check/user", json={"query": "hello"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")


class TestSignIn:
    def test_gives_a_refresh_token_that_works(self, here: Simulated) -> None:
        flow = here.login()
        granted = flow.finish(here.app.authorise(flow.start()))
        assert here.client(oauth2_refresh_token=granted.refresh_token).check_user("hello").result == "hello"

    def test_without_offline_access_gives_no_refresh_token(self, here: Simulated) -> None:
        flow = here.login(token_access_type=None)
        assert not flow.finish(here.app.authorise(flow.start())).refresh_token

    def test_can_be_granted_fewer_scopes_than_requested(self, here: Simulated) -> None:
        flow = here.login()
        code = here.app.authorise(flow.start(), granting=frozenset({"account_info.read"}))
        assert flow.finish(code).scope == "account_info.read"

    def test_without_a_scope_gets_all_scopes_of_the_app(self, here: Simulated) -> None:
        flow = here.login(scope=None)
        assert set(flow.finish(here.app.authorise(flow.start())).scope.split()) == ALL_SCOPES

    def test_for_scopes_that_the_app_lacks_shows_no_code(self, here: Simulated) -> None:
        with pytest.raises(ValueError, match="No scope requested can be granted"):
            here.app.authorise(here.login(scope=["sharing.write"]).start())

    def test_for_more_scopes_than_the_app_has_is_granted_the_others(self, here: Simulated) -> None:
        flow = here.login(scope=["sharing.write", "account_info.read"])
        assert flow.finish(here.app.authorise(flow.start())).scope == "account_info.read"

    def test_for_another_app_shows_no_code(self, here: Simulated) -> None:
        with pytest.raises(ValueError, match="app key"):
            here.app.authorise(here.login().start().replace("sandbox-key", "other"))

    def test_accepts_a_code_only_once(self, here: Simulated) -> None:
        flow = here.login()
        code = here.app.authorise(flow.start())
        flow.finish(code)
        with pytest.raises(requests.HTTPError, match="400") as refused:
            flow.finish(code)
        assert refused.value.response.json()["error_description"] == "code doesn't exist or has expired"


class TestTeamSpace:
    def test_is_named_by_the_account(self, team: Simulated) -> None:
        root = team.client().users_get_current_account().root_info
        assert (root.root_namespace_id, root.home_namespace_id, root.home_path) == ("7", "1", "/Franz Ferdinand")

    def test_is_not_written_to_by_default(self, team: Simulated) -> None:
        team.client().files_upload(b"a", "/Finance/a.csv")
        assert (team.app.files(), team.app.files("7")) == ({"/Finance/a.csv": b"a"}, {})

    def test_is_written_to_on_request(self, team: Simulated) -> None:
        team.client().with_path_root(PathRoot.root("7")).files_upload(b"a", "/Finance/a.csv")
        assert (team.app.files(), team.app.files("7")) == ({}, {"/Finance/a.csv": b"a"})

    def test_shows_the_members_own_files_as_a_folder(self, team: Simulated) -> None:
        team.client().files_upload(b"a", "/a.csv")
        found = team.client().with_path_root(PathRoot.root("7")).files_get_metadata("/franz ferdinand/a.csv")
        assert found.path_display == "/Franz Ferdinand/a.csv"

    def test_is_not_in_a_listing_of_the_own_files(self, team: Simulated) -> None:
        team.client().with_path_root(PathRoot.root("7")).files_upload(b"a", "/Finance/a.csv")
        assert team.client().files_list_folder("").entries == []

    def test_of_another_team_is_an_invalid_root(self, team: Simulated) -> None:
        with pytest.raises(PathRootError, match="invalid_root") as refused:
            team.client().with_path_root(PathRoot.root("8")).files_upload(b"a", "/a.csv")
        assert refused.value.error.get_invalid_root().root_namespace_id == "7"


class TestRequests:
    def test_an_upload_on_the_api_host_is_refused(self, here: Simulated) -> None:
        assert here.post_file(f"{API}/2/files/upload").status_code == 400

    def test_a_loopback_address_stands_for_every_host(self, here: Simulated) -> None:
        here.session.mount(here.server.url, HTTPAdapter())
        assert here.post_file(f"{here.server.url}/2/files/upload").status_code == 200

    def test_an_unknown_route_is_bad_input(self, here: Simulated) -> None:
        answer = here.post(f"{API}/2/files/upload_session/start_batch")
        assert (answer.status_code, "Unknown API function" in answer.text) == (400, True)

    def test_header_bytes_outside_ascii_are_refused(self, here: Simulated) -> None:
        argument = '{"path": "/été.csv"}'.encode()
        assert here.post_file(**{"Dropbox-API-Arg": argument}).status_code == 400

    def test_an_upload_of_another_content_type_is_refused(self, here: Simulated) -> None:
        assert here.post_file(**{"Content-Type": "text/csv"}).status_code == 400

    @pytest.mark.parametrize(
        "argument",
        [
            "not json",
            "[]",
            "{}",
            '{"path": "pack.zip"}',
            '{"path": "/a.csv", "mode": "append"}',
        ],
    )
    def test_a_malformed_argument_is_refused(self, here: Simulated, argument: str) -> None:
        assert here.post_file(**{"Dropbox-API-Arg": argument}).status_code == 400

    def test_a_get_is_refused(self, here: Simulated) -> None:
        assert here.session.get(f"{API}/2/check/user").status_code == 400

    def test_every_response_has_its_own_request_id(self, here: Simulated) -> None:
        ids = {here.post_file().headers["X-Dropbox-Request-Id"] for _ in range(3)}
        assert len(ids) == 3

    def test_times_are_in_whole_seconds_with_a_z(self, here: Simulated) -> None:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", here.post_file().json()["server_modified"])

    def test_error_summaries_end_differently(self, here: Simulated) -> None:
        answers = [here.post(f"{API}/2/files/get_metadata", body=b'{"path": "/a"}') for _ in range(40)]
        assert len({answer.json()["error_summary"] for answer in answers}) > 1


class TestOutages:
    def test_after_a_lost_response_a_second_upload_changes_nothing(self, here: Simulated) -> None:
        here.server.faults.append(Fault("lost", match="files/upload"))
        client = here.client()
        with pytest.raises(requests.ConnectionError, match="Connection aborted"):
            client.files_upload(b"a", "/a.csv")
        client.files_upload(b"a", "/a.csv")
        assert here.app.revisions("/a.csv") == [b"a"]

    @pytest.mark.parametrize("json", [True, False])
    def test_a_rate_limit_has_a_waiting_time(self, here: Simulated, json: bool) -> None:
        here.server.faults.append(rate_limited(300, json=json, match="files/upload"))
        with pytest.raises(RateLimitError, match="RateLimitError") as refused:
            here.client().files_upload(b"a", "/a.csv")
        assert refused.value.backoff == 300

    @pytest.mark.parametrize(("seconds", "waits"), [(15, 15), (None, 1)])
    def test_contention_may_be_a_rate_limit(self, here: Simulated, seconds: int | None, waits: int) -> None:
        here.server.faults.append(lock_contention_429(seconds, match="files/upload"))
        with pytest.raises(RateLimitError, match="too_many_write_operations") as refused:
            here.client().files_upload(b"a", "/a.csv")
        assert refused.value.backoff == waits

    def test_contention_may_be_the_routes_own_error(self, here: Simulated) -> None:
        here.server.faults.append(lock_contention_409())
        with pytest.raises(ApiError, match="too_many_write_operations"):
            here.client().files_upload(b"a", "/a.csv")

    def test_a_server_error_is_one_for_the_sdk(self, here: Simulated) -> None:
        here.server.faults.append(server_error(match="files/upload"))
        with pytest.raises(InternalServerError, match="503"):
            here.client().files_upload(b"a", "/a.csv")


def unnumbered(path: str) -> str:
    """Return the path of a renamed file without its number, which Dropbox does not promise."""
    return re.sub(r" \(\d+\)", " (N)", path)
