"""The stand-in for Dropbox behaves like Dropbox, seen through Dropbox's own SDK over loopback."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

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
from dropbox.files import FileMetadata, FolderMetadata
from dropbox.files import WriteMode as Mode
from requests.adapters import HTTPAdapter

from sandbox.dropbox.app import DELIVERY_SCOPES, Dropbox
from sandbox.dropbox.faults import lock_contention_409, lock_contention_429, rate_limited, server_error
from sandbox.dropbox.tree import content_hash
from sandbox.server import Fault, Server

API = "https://api.dropboxapi.com"
CONTENT = "https://content.dropboxapi.com"
HASH_OF_A = "bf5d3affb73efd2ec6c36ad3112dd933efed63c4e1cbffcfa88e2759c144f2d8"
ALL_SCOPES = DELIVERY_SCOPES | {"files.content.read"}


class NoWayOut(HTTPAdapter):
    """Lets no test reach the internet."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        raise AssertionError(f"a test tried to reach {request.url}")


class Loopback(HTTPAdapter):
    """Sends to the stand-in what is meant for Dropbox, under the host name it was meant for."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = urlsplit(url)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        asked = urlsplit(str(request.url))
        request.headers["Host"] = asked.netloc
        request.url = urlunsplit((self.base.scheme, self.base.netloc, asked.path, asked.query, ""))
        return super().send(request, *args, **kwargs)


def loopback_session(url: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", NoWayOut())
    session.mount("http://", NoWayOut())
    for host in ("api", "content", "notify"):
        session.mount(f"https://{host}.dropboxapi.com", Loopback(url))
    return session


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 5, 6, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class StandIn:
    """A stand-in being served, and the SDK's way to it."""

    app: Dropbox
    server: Server
    session: requests.Session

    def client(self, **settings: Any) -> dropbox.Dropbox:
        known = {"oauth2_refresh_token": "sandbox-refresh", "app_key": "sandbox-key"}
        patience = {"max_retries_on_error": 0, "max_retries_on_rate_limit": 0}
        return dropbox.Dropbox(session=self.session, **(known | patience | settings))

    def login(self, **settings: Any) -> dropbox.DropboxOAuth2FlowNoRedirect:
        asked = {"use_pkce": True, "token_access_type": "offline", "scope": sorted(DELIVERY_SCOPES)}
        flow = dropbox.DropboxOAuth2FlowNoRedirect("sandbox-key", **(asked | settings))
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
def serve(running_server: Server) -> Iterator[Callable[..., StandIn]]:
    """Serves a new account with the settings given, from one server: starting that anew for each test is slow."""
    with ExitStack() as stack:

        def start(**settings: Any) -> StandIn:
            app = Dropbox(**settings)
            running_server.app = app
            running_server.faults.clear()
            running_server.requests.clear()
            return StandIn(app, running_server, stack.enter_context(loopback_session(running_server.url)))

        yield start


@pytest.fixture
def here(serve: Callable[..., StandIn]) -> StandIn:
    """A personal account whose app may also read what it wrote."""
    return serve(scopes=ALL_SCOPES)


@pytest.fixture
def team(serve: Callable[..., StandIn]) -> StandIn:
    """A member of a team: home is namespace 1, the team space is namespace 7."""
    return serve(root_namespace="7")


class TestContentHash:
    @pytest.mark.parametrize("size", [0, 1, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1])
    def test_is_the_one_the_sdk_computes(self, size: int) -> None:
        hasher = DropboxContentHasher()
        hasher.update(b"\x01" * size)
        assert content_hash(b"\x01" * size) == hasher.hexdigest()

    def test_comes_back_with_the_uploaded_file(self, here: StandIn) -> None:
        assert here.client().files_upload(b"a", "/a.csv").content_hash == HASH_OF_A

    def test_that_does_not_fit_the_bytes_is_refused(self, here: StandIn) -> None:
        with pytest.raises(ApiError, match="content_hash_mismatch"):
            here.client().files_upload(b"a", "/a.csv", content_hash=hashlib.sha256(b"a").hexdigest())

    def test_that_does_not_fit_the_bytes_leaves_nothing_behind(self, here: StandIn) -> None:
        with pytest.raises(ApiError, match="content_hash_mismatch"):
            here.client().files_upload(b"a", "/a.csv", content_hash="0" * 64)
        assert here.app.files() == {}


class TestUpload:
    def test_stores_the_bytes_under_the_path_as_written(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/Reports/Week 1.csv")
        assert here.app.files() == {"/Reports/Week 1.csv": b"a"}

    def test_answers_with_name_size_and_paths(self, here: StandIn) -> None:
        stored = here.client().files_upload(b"abc", "/Reports/Week 1.csv")
        seen = (stored.name, stored.size, stored.path_lower, stored.path_display)
        assert seen == ("Week 1.csv", 3, "/reports/week 1.csv", "/Reports/Week 1.csv")

    def test_makes_the_folders_above(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/Reports/2026/a.csv")
        assert isinstance(here.client().files_get_metadata("/Reports/2026"), FolderMetadata)

    def test_keeps_the_time_the_uploader_gives(self, here: StandIn) -> None:
        given = datetime(2026, 1, 4, 12, 30, 15)  # noqa: DTZ001 - the SDK's own form of UTC
        stored = here.client().files_upload(b"a", "/a.csv", client_modified=given)
        assert stored.client_modified == given

    def test_stamps_the_servers_time_in_whole_seconds(self, serve: Callable[..., StandIn]) -> None:
        stored = serve(clock=Clock()).client().files_upload(b"a", "/a.csv")
        assert stored.server_modified == datetime(2026, 1, 5, 6, 0)  # noqa: DTZ001 - as the SDK reads it

    def test_of_an_empty_body_replaces_good_content_as_dropbox_would(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/a.csv")
        here.client().files_upload(None, "/a.csv", Mode.overwrite)
        assert here.app.files() == {"/a.csv": b""}

    def test_into_a_folder_known_by_other_letters_keeps_the_folders_spelling(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/Reports/a.csv")
        assert here.client().files_upload(b"b", "/REPORTS/B.csv").path_display == "/Reports/B.csv"


class TestIdenticalContent:
    @pytest.mark.parametrize("mode", [Mode.add, Mode.overwrite, Mode.update("0123456789abcdef")])
    def test_keeps_the_revision_in_every_mode(self, here: StandIn, mode: Mode) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        assert here.client().files_upload(b"a", "/a.csv", mode).rev == first.rev

    def test_keeps_the_uploaders_old_time(self, here: StandIn) -> None:
        old, new = datetime(2026, 1, 4), datetime(2026, 1, 5)  # noqa: DTZ001 - the SDK's own form of UTC
        here.client().files_upload(b"a", "/a.csv", client_modified=old)
        assert here.client().files_upload(b"a", "/a.csv", client_modified=new).client_modified == old

    def test_is_recognised_whatever_the_case_of_the_path(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/Week.csv")
        assert here.client().files_upload(b"a", "/WEEK.CSV").path_display == "/Week.csv"

    def test_conflicts_when_strictness_is_asked_for(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/a.csv")
        with pytest.raises(ApiError, match=r"WriteConflictError\('file'"):
            here.client().files_upload(b"a", "/a.csv", strict_conflict=True)


class TestAdd:
    def test_refuses_other_content(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/a.csv")
        with pytest.raises(ApiError, match=r"WriteConflictError\('file'"):
            here.client().files_upload(b"b", "/a.csv")

    def test_with_autorename_writes_beside_it(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/Reports/a.csv")
        stored = here.client().files_upload(b"b", "/Reports/a.csv", autorename=True)
        assert unnumbered(stored.path_display) == "/Reports/a (N).csv"

    def test_with_autorename_leaves_the_first_file_alone(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/a.csv")
        here.client().files_upload(b"b", "/a.csv", autorename=True)
        assert here.app.files()["/a.csv"] == b"a"


class TestOverwrite:
    def test_replaces_the_content(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/a.csv")
        here.client().files_upload(b"b", "/a.csv", Mode.overwrite)
        assert here.app.files() == {"/a.csv": b"b"}

    def test_makes_a_new_revision(self, here: StandIn) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        assert here.client().files_upload(b"b", "/a.csv", Mode.overwrite).rev != first.rev

    def test_keeps_the_id(self, here: StandIn) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        assert here.client().files_upload(b"b", "/a.csv", Mode.overwrite).id == first.id


class TestUpdate:
    def test_of_the_current_revision_replaces_it(self, here: StandIn) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        here.client().files_upload(b"b", "/a.csv", Mode.update(first.rev))
        assert here.app.files() == {"/a.csv": b"b"}

    def test_of_an_older_revision_conflicts(self, here: StandIn) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        here.client().files_upload(b"b", "/a.csv", Mode.overwrite)
        with pytest.raises(ApiError, match=r"WriteConflictError\('file'"):
            here.client().files_upload(b"c", "/a.csv", Mode.update(first.rev))

    def test_of_an_older_revision_with_autorename_makes_a_conflicted_copy(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/a.csv")
        stored = here.client().files_upload(b"b", "/a.csv", Mode.update("0123456789abcdef"), autorename=True)
        assert stored.name == "a (conflicted copy).csv"

    def test_of_a_deleted_file_brings_it_back(self, here: StandIn) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        here.client().files_delete_v2("/a.csv")
        here.client().files_upload(b"b", "/a.csv", Mode.update(first.rev))
        assert here.app.files() == {"/a.csv": b"b"}

    def test_of_a_deleted_file_conflicts_when_strictness_is_asked_for(self, here: StandIn) -> None:
        first = here.client().files_upload(b"a", "/a.csv")
        here.client().files_delete_v2("/a.csv")
        with pytest.raises(ApiError, match=r"WriteConflictError\('file'"):
            here.client().files_upload(b"b", "/a.csv", Mode.update(first.rev), strict_conflict=True)


class TestNames:
    def test_that_differ_in_case_are_one_file(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/Week.csv")
        here.client().files_upload(b"b", "/week.CSV", Mode.overwrite)
        assert here.app.files() == {"/Week.csv": b"b"}

    def test_are_kept_composed(self, here: StandIn) -> None:
        here.client().files_upload(b"a", unicodedata.normalize("NFD", "/été.csv"))
        assert list(here.app.files()) == [unicodedata.normalize("NFC", "/été.csv")]

    def test_that_are_decomposed_are_not_found(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/été.csv")
        with pytest.raises(ApiError, match="not_found"):
            here.client().files_get_metadata(unicodedata.normalize("NFD", "/été.csv"))

    def test_outside_ascii_survive_the_header(self, here: StandIn) -> None:
        assert here.client().files_upload(b"a", "/отчёт – β.csv").name == "отчёт – β.csv"

    @pytest.mark.parametrize("path", ["//a.csv", "/a/", "/a /b.csv", "/a.csv ", "/a\\b.csv", "/" + "a" * 256])
    def test_of_a_wrong_shape_are_malformed(self, here: StandIn, path: str) -> None:
        with pytest.raises(ApiError, match="malformed_path"):
            here.client().files_upload(b"a", path)

    @pytest.mark.parametrize("name", ["desktop.ini", "Thumbs.db", ".DS_Store", "icon\r", ".dropbox", ".dropbox.attr"])
    def test_that_systems_use_are_disallowed(self, here: StandIn, name: str) -> None:
        with pytest.raises(ApiError, match="disallowed_name"):
            here.client().files_upload(b"a", f"/Reports/{name}")


class TestInTheWay:
    def test_a_folder_where_the_file_should_be_is_a_conflict(self, here: StandIn) -> None:
        here.app.account.tree.make_folder("/a.csv")
        with pytest.raises(ApiError, match=r"WriteConflictError\('folder'"):
            here.client().files_upload(b"a", "/a.csv", Mode.overwrite)

    def test_a_file_where_the_folder_should_be_is_a_conflict(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/Reports")
        with pytest.raises(ApiError, match=r"WriteConflictError\('file_ancestor'"):
            here.client().files_upload(b"a", "/reports/2026/a.csv")

    def test_a_full_account_refuses_more(self, serve: Callable[..., StandIn]) -> None:
        client = serve(quota=3).client()
        client.files_upload(b"ab", "/a.csv")
        with pytest.raises(ApiError, match="insufficient_space"):
            client.files_upload(b"ab", "/b.csv")

    def test_a_full_account_still_replaces_a_file_by_one_of_its_size(self, serve: Callable[..., StandIn]) -> None:
        there = serve(quota=3)
        there.client().files_upload(b"abc", "/a.csv")
        there.client().files_upload(b"xyz", "/a.csv", Mode.overwrite)
        assert there.app.files() == {"/a.csv": b"xyz"}

    def test_a_folder_for_reading_only_refuses_writes(self, serve: Callable[..., StandIn]) -> None:
        with pytest.raises(ApiError, match="no_write_permission"):
            serve(read_only=frozenset({"/Finance"})).client().files_upload(b"a", "/finance/2026/a.csv")

    def test_a_refused_upload_names_a_session_as_dropbox_does(self, here: StandIn) -> None:
        here.app.account.tree.make_folder("/a.csv")
        with pytest.raises(ApiError, match="conflict") as refused:
            here.client().files_upload(b"a", "/a.csv")
        assert refused.value.error.get_path().upload_session_id.startswith("pid_upload_session:")


class TestLookingUp:
    def test_a_file_gives_what_the_upload_gave(self, here: StandIn) -> None:
        stored = here.client().files_upload(b"a", "/a.csv")
        found = here.client().files_get_metadata("/A.csv")
        assert (found.rev, found.id, found.content_hash) == (stored.rev, stored.id, stored.content_hash)

    def test_nothing_is_not_found(self, here: StandIn) -> None:
        with pytest.raises(ApiError, match=r"LookupError\('not_found'"):
            here.client().files_get_metadata("/a.csv")

    def test_a_deleted_file_is_not_found(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/a.csv")
        here.client().files_delete_v2("/a.csv")
        with pytest.raises(ApiError, match=r"LookupError\('not_found'"):
            here.client().files_get_metadata("/a.csv")

    def test_a_fresh_file_lags_for_as_many_look_ups_as_told(self, serve: Callable[..., StandIn]) -> None:
        there = serve(lag=1)
        there.client().files_upload(b"a", "/a.csv")
        with pytest.raises(ApiError, match=r"LookupError\('not_found'"):
            there.client().files_get_metadata("/a.csv")
        assert there.client().files_get_metadata("/a.csv").size == 1

    def test_a_file_sent_again_does_not_start_to_lag(self, serve: Callable[..., StandIn]) -> None:
        there = serve()
        there.client().files_upload(b"a", "/a.csv")
        there.app.account.lag = 1
        there.client().files_upload(b"a", "/a.csv")
        assert there.client().files_get_metadata("/a.csv").size == 1


class TestListing:
    @pytest.fixture
    def full(self, serve: Callable[..., StandIn]) -> StandIn:
        there = serve(page_size=2)
        there.client().files_upload(b"a", "/Reports/a.csv")
        there.client().files_upload(b"b", "/Reports/b.csv")
        there.client().files_upload(b"c", "/Reports/Archive/c.csv")
        return there

    def test_a_long_folder_comes_in_pages(self, full: StandIn) -> None:
        page = full.client().files_list_folder("/reports")
        assert (len(page.entries), page.has_more) == (2, True)

    def test_the_cursor_leads_to_the_rest(self, full: StandIn) -> None:
        page = full.client().files_list_folder("/reports")
        rest = full.client().files_list_folder_continue(page.cursor)
        assert ([entry.name for entry in page.entries + rest.entries], rest.has_more) == (
            ["a.csv", "Archive", "b.csv"],
            False,
        )

    def test_a_page_can_be_asked_to_be_shorter(self, full: StandIn) -> None:
        assert len(full.client().files_list_folder("/reports", limit=1).entries) == 1

    def test_an_unknown_cursor_means_starting_over(self, full: StandIn) -> None:
        with pytest.raises(ApiError, match="reset"):
            full.client().files_list_folder_continue("nobody gave this out")

    def test_the_root_is_listed_as_an_empty_path(self, full: StandIn) -> None:
        assert [entry.path_display for entry in full.client().files_list_folder("").entries] == ["/Reports"]

    def test_a_recursive_listing_goes_into_folders(self, full: StandIn) -> None:
        page = full.client().files_list_folder("/Reports/Archive", recursive=True)
        assert [entry.path_display for entry in page.entries] == ["/Reports/Archive/c.csv"]

    def test_a_missing_folder_is_not_found(self, full: StandIn) -> None:
        with pytest.raises(ApiError, match=r"LookupError\('not_found'"):
            full.client().files_list_folder("/nowhere")

    def test_a_file_is_no_folder(self, full: StandIn) -> None:
        with pytest.raises(ApiError, match=r"LookupError\('not_folder'"):
            full.client().files_list_folder("/Reports/a.csv")


class TestFolders:
    def test_take_what_they_hold_along_when_deleted(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/Reports/2026/a.csv")
        here.client().files_delete_v2("/Reports")
        assert here.app.files() == {}


class TestDelete:
    def test_answers_with_what_was_there(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/a.csv")
        assert isinstance(here.client().files_delete_v2("/a.csv").metadata, FileMetadata)

    def test_of_nothing_is_not_found(self, here: StandIn) -> None:
        with pytest.raises(ApiError, match=r"path_lookup.*not_found"):
            here.client().files_delete_v2("/a.csv")

    def test_of_a_known_revision_goes_through(self, here: StandIn) -> None:
        stored = here.client().files_upload(b"a", "/a.csv")
        here.client().files_delete_v2("/a.csv", parent_rev=stored.rev)
        assert here.app.files() == {}

    def test_of_another_revision_is_a_conflict(self, here: StandIn) -> None:
        here.client().files_upload(b"a", "/a.csv")
        with pytest.raises(ApiError, match=r"path_write.*conflict"):
            here.client().files_delete_v2("/a.csv", parent_rev="0123456789abcdef")


class TestScopes:
    def test_that_the_token_lacks_are_named(self, serve: Callable[..., StandIn]) -> None:
        with pytest.raises(AuthError, match=r"missing_scope.*files\.content\.write"):
            serve(scopes=frozenset({"account_info.read"}), app_scopes=ALL_SCOPES).client().files_upload(b"a", "/a.csv")

    def test_that_the_app_lacks_are_bad_input(self, serve: Callable[..., StandIn]) -> None:
        there = serve(scopes=frozenset({"account_info.read"}))
        with pytest.raises(BadInputError, match=r"required scope \W+files\.content\.write"):
            there.client().files_upload(b"a", "/a.csv")

    def test_can_be_narrowed_when_refreshing(self, serve: Callable[..., StandIn]) -> None:
        with pytest.raises(AuthError, match=r"missing_scope.*files\.metadata\.read"):
            serve().client(scope=["account_info.read"]).files_list_folder("")

    def test_cannot_be_widened_when_refreshing(self, serve: Callable[..., StandIn]) -> None:
        with pytest.raises(BadInputError, match="invalid_scope"):
            serve().client(scope=["files.content.read"]).check_user("hello")


class TestTokens:
    def test_are_asked_for_once_and_used_again(self, here: StandIn) -> None:
        client = here.client()
        client.check_user("hello")
        client.check_user("hello")
        assert len(here.server.seen("oauth2/token")) == 1

    def test_that_expired_early_are_refreshed_by_the_sdk_itself(self, here: StandIn) -> None:
        client = here.client()
        client.check_user("hello")
        here.app.expire_tokens()
        assert client.check_user("hello").result == "hello"

    def test_that_expired_are_refused_without_a_refresh_token(self, here: StandIn) -> None:
        token = here.token()
        here.app.expire_tokens()
        with pytest.raises(AuthError, match="expired_access_token"):
            here.client(oauth2_refresh_token=None, oauth2_access_token=token).check_user("hello")

    def test_expire_after_their_time(self, serve: Callable[..., StandIn]) -> None:
        clock = Clock()
        there = serve(clock=clock, token_seconds=14400)
        token = there.token()
        clock.now += timedelta(seconds=14400)
        with pytest.raises(AuthError, match="expired_access_token"):
            there.client(oauth2_refresh_token=None, oauth2_access_token=token).check_user("hello")

    def test_that_nobody_gave_out_are_invalid(self, here: StandIn) -> None:
        with pytest.raises(AuthError, match="invalid_access_token"):
            here.client(oauth2_refresh_token=None, oauth2_access_token="made-up").check_user("hello")

    def test_in_use_are_invalid_once_revoked(self, here: StandIn) -> None:
        client = here.client()
        client.check_user("hello")
        here.app.revoke()
        with pytest.raises(AuthError, match="invalid_access_token"):
            client.check_user("hello")

    def test_cannot_be_refreshed_once_revoked(self, here: StandIn) -> None:
        here.app.revoke()
        with pytest.raises(AuthError, match="invalid_access_token"):
            here.client().check_user("hello")

    @pytest.mark.parametrize("wrong", [{"app_key": "other"}, {"app_secret": "other"}])
    def test_are_not_given_to_another_app(self, here: StandIn, wrong: dict[str, str]) -> None:
        with pytest.raises(BadInputError, match="invalid_client"):
            here.client(**wrong).check_user("hello")

    def test_are_given_to_an_app_that_shows_its_secret(self, here: StandIn) -> None:
        assert here.client(app_secret="sandbox-secret").check_user("hello").result == "hello"

    def test_must_be_shown(self, here: StandIn) -> None:
        answer = here.session.post(f"{API}/2/check/user", json={"query": "hello"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")


class TestLogin:
    def test_with_pkce_gives_a_refresh_token_that_works(self, here: StandIn) -> None:
        flow = here.login()
        granted = flow.finish(here.app.authorise(flow.start()))
        assert here.client(oauth2_refresh_token=granted.refresh_token).check_user("hello").result == "hello"

    def test_says_what_was_granted_and_to_whom(self, here: StandIn) -> None:
        flow = here.login()
        granted = flow.finish(here.app.authorise(flow.start()))
        account = here.client().users_get_current_account().account_id
        assert (set(granted.scope.split()), granted.account_id) == (DELIVERY_SCOPES, account)

    def test_that_does_not_ask_for_offline_access_gives_no_refresh_token(self, here: StandIn) -> None:
        flow = here.login(token_access_type=None)
        assert not flow.finish(here.app.authorise(flow.start())).refresh_token

    def test_can_be_granted_less_than_it_asked_for(self, here: StandIn) -> None:
        flow = here.login()
        code = here.app.authorise(flow.start(), granting=frozenset({"account_info.read"}))
        assert flow.finish(code).scope == "account_info.read"

    def test_that_names_no_scope_gets_all_the_app_has(self, here: StandIn) -> None:
        flow = here.login(scope=None)
        assert set(flow.finish(here.app.authorise(flow.start())).scope.split()) == ALL_SCOPES

    def test_for_scopes_the_app_does_not_have_shows_no_code(self, here: StandIn) -> None:
        with pytest.raises(ValueError, match="No scope requested can be granted"):
            here.app.authorise(here.login(scope=["sharing.write"]).start())

    def test_that_asks_for_more_than_the_app_has_is_granted_the_rest(self, here: StandIn) -> None:
        flow = here.login(scope=["sharing.write", "account_info.read"])
        assert flow.finish(here.app.authorise(flow.start())).scope == "account_info.read"

    def test_for_another_app_shows_no_code(self, here: StandIn) -> None:
        with pytest.raises(ValueError, match="app key"):
            here.app.authorise(here.login().start().replace("sandbox-key", "other"))

    def test_takes_a_code_only_once(self, here: StandIn) -> None:
        flow = here.login()
        code = here.app.authorise(flow.start())
        flow.finish(code)
        with pytest.raises(requests.HTTPError, match="400") as refused:
            flow.finish(code)
        assert refused.value.response.json()["error_description"] == "code doesn't exist or has expired"

    def test_takes_a_code_only_from_the_flow_that_asked(self, here: StandIn) -> None:
        code = here.app.authorise(here.login().start())
        with pytest.raises(requests.HTTPError, match="400"):
            here.login().finish(code)

    def test_with_a_secret_needs_the_secret_to_refresh(self, here: StandIn) -> None:
        flow = here.login(consumer_secret="sandbox-secret", use_pkce=False)
        granted = flow.finish(here.app.authorise(flow.start()))
        with pytest.raises(BadInputError, match="invalid_client"):
            here.client(oauth2_refresh_token=granted.refresh_token).check_user("hello")

    def test_works_again_after_a_revocation(self, here: StandIn) -> None:
        here.app.revoke()
        flow = here.login()
        granted = flow.finish(here.app.authorise(flow.start()))
        assert here.client(oauth2_refresh_token=granted.refresh_token).check_user("hello").result == "hello"

    def test_sends_its_challenge_and_not_its_verifier(self, here: StandIn) -> None:
        asked = parse_qs(urlsplit(here.login().start()).query)
        assert ("code_challenge" in asked, "code_verifier" in asked) == (True, False)


class TestTeamSpace:
    def test_is_told_by_the_account(self, team: StandIn) -> None:
        root = team.client().users_get_current_account().root_info
        assert (root.root_namespace_id, root.home_namespace_id, root.home_path) == ("7", "1", "/Franz Ferdinand")

    def test_does_not_exist_for_a_personal_account(self, here: StandIn) -> None:
        root = here.client().users_get_current_account().root_info
        assert (root.root_namespace_id, root.home_namespace_id) == ("1", "1")

    def test_is_not_written_to_unless_asked_for(self, team: StandIn) -> None:
        team.client().files_upload(b"a", "/Finance/a.csv")
        assert (team.app.files(), team.app.files("7")) == ({"/Finance/a.csv": b"a"}, {})

    @pytest.mark.parametrize("root", [PathRoot.root("7"), PathRoot.namespace_id("7")])
    def test_is_written_to_when_asked_for(self, team: StandIn, root: PathRoot) -> None:
        team.client().with_path_root(root).files_upload(b"a", "/Finance/a.csv")
        assert (team.app.files(), team.app.files("7")) == ({}, {"/Finance/a.csv": b"a"})

    @pytest.mark.parametrize("root", [PathRoot.home, PathRoot.namespace_id("1")])
    def test_is_left_alone_when_home_is_asked_for(self, team: StandIn, root: PathRoot) -> None:
        team.client().with_path_root(root).files_upload(b"a", "/a.csv")
        assert team.app.files() == {"/a.csv": b"a"}

    def test_shows_the_members_own_files_as_a_folder(self, team: StandIn) -> None:
        team.client().files_upload(b"a", "/a.csv")
        found = team.client().with_path_root(PathRoot.root("7")).files_get_metadata("/franz ferdinand/a.csv")
        assert found.path_display == "/Franz Ferdinand/a.csv"

    def test_gives_paths_as_seen_from_home_at_home(self, team: StandIn) -> None:
        assert team.client().files_upload(b"a", "/Reports/A.csv").path_lower == "/reports/a.csv"

    def test_does_not_show_in_a_listing_of_home(self, team: StandIn) -> None:
        team.client().with_path_root(PathRoot.root("7")).files_upload(b"a", "/Finance/a.csv")
        assert team.client().files_list_folder("").entries == []

    def test_that_is_no_longer_the_members_is_an_invalid_root(self, team: StandIn) -> None:
        with pytest.raises(PathRootError, match="invalid_root") as refused:
            team.client().with_path_root(PathRoot.root("8")).files_upload(b"a", "/a.csv")
        assert refused.value.error.get_invalid_root().root_namespace_id == "7"

    def test_of_others_may_not_be_entered(self, team: StandIn) -> None:
        with pytest.raises(PathRootError, match="no_permission"):
            team.client().with_path_root(PathRoot.namespace_id("8")).files_upload(b"a", "/a.csv")

    def test_keeps_the_revisions_of_its_files(self, team: StandIn) -> None:
        team.client().with_path_root(PathRoot.root("7")).files_upload(b"a", "/a.csv")
        assert team.app.revisions("/a.csv", "7") == [b"a"]


class TestFrontDoor:
    def test_upload_on_the_api_host_is_refused(self, here: StandIn) -> None:
        assert here.post_file(f"{API}/2/files/upload").status_code == 400

    def test_other_routes_on_the_content_host_are_refused(self, here: StandIn) -> None:
        assert here.post(f"{CONTENT}/2/check/user").status_code == 400

    def test_a_loopback_address_stands_for_every_host(self, here: StandIn) -> None:
        here.session.mount(here.server.url, HTTPAdapter())
        assert here.post_file(f"{here.server.url}/2/files/upload").status_code == 200

    def test_an_unknown_route_is_bad_input(self, here: StandIn) -> None:
        answer = here.post(f"{API}/2/files/upload_session/start_batch")
        assert (answer.status_code, "Unknown API function" in answer.text) == (400, True)

    def test_header_bytes_outside_ascii_are_refused(self, here: StandIn) -> None:
        argument = '{"path": "/été.csv"}'.encode()
        assert here.post_file(**{"Dropbox-API-Arg": argument}).status_code == 400

    def test_an_upload_of_another_content_type_is_refused(self, here: StandIn) -> None:
        assert here.post_file(**{"Content-Type": "text/csv"}).status_code == 400

    @pytest.mark.parametrize(
        "argument",
        [
            "not json",
            "[]",
            "{}",
            '{"path": "pack.zip"}',
            '{"path": "/a.csv", "mode": "append"}',
            '{"path": "/a.csv", "client_modified": "2026-01-05T06:00:00.123Z"}',
        ],
    )
    def test_an_argument_that_makes_no_sense_is_refused(self, here: StandIn, argument: str) -> None:
        assert here.post_file(**{"Dropbox-API-Arg": argument}).status_code == 400

    def test_a_get_is_refused(self, here: StandIn) -> None:
        assert here.session.get(f"{API}/2/check/user").status_code == 400

    def test_json_answers_name_no_character_set(self, here: StandIn) -> None:
        assert here.post_file().headers["Content-Type"] == "application/json"

    def test_every_answer_has_its_own_request_id(self, here: StandIn) -> None:
        ids = {here.post_file().headers["X-Dropbox-Request-Id"] for _ in range(3)}
        assert len(ids) == 3

    def test_times_are_in_whole_seconds_with_a_z(self, serve: Callable[..., StandIn]) -> None:
        assert serve(clock=Clock()).post_file().json()["server_modified"] == "2026-01-05T06:00:00Z"

    def test_error_summaries_do_not_end_alike(self, here: StandIn) -> None:
        answers = [here.post(f"{API}/2/files/get_metadata", body=b'{"path": "/a"}') for _ in range(40)]
        assert len({answer.json()["error_summary"] for answer in answers}) > 1

    def test_a_rev_is_at_least_nine_lower_hex_digits(self, here: StandIn) -> None:
        rev = here.post_file().json()["rev"]
        assert (len(rev) >= 9, set(rev) <= set("0123456789abcdef")) == (True, True)


class TestOutages:
    def test_after_a_lost_answer_the_same_bytes_again_change_nothing(self, here: StandIn) -> None:
        here.server.faults.append(Fault("lost", match="files/upload"))
        client = here.client()
        with pytest.raises(requests.ConnectionError, match="Connection aborted"):
            client.files_upload(b"a", "/a.csv")
        client.files_upload(b"a", "/a.csv")
        assert here.app.revisions("/a.csv") == [b"a"]

    @pytest.mark.parametrize("json", [True, False])
    def test_a_rate_limit_says_how_long_to_wait(self, here: StandIn, json: bool) -> None:
        here.server.faults.append(rate_limited(300, json=json, match="files/upload"))
        with pytest.raises(RateLimitError, match="RateLimitError") as refused:
            here.client().files_upload(b"a", "/a.csv")
        assert refused.value.backoff == 300

    def test_a_rate_limit_in_json_gives_its_reason(self, here: StandIn) -> None:
        here.server.faults.append(rate_limited(1, match="files/upload"))
        with pytest.raises(RateLimitError, match="too_many_requests"):
            here.client().files_upload(b"a", "/a.csv")

    @pytest.mark.parametrize(("said", "waits"), [(15, 15), (None, 1)])
    def test_contention_may_come_as_a_rate_limit(self, here: StandIn, said: int | None, waits: int) -> None:
        here.server.faults.append(lock_contention_429(said, match="files/upload"))
        with pytest.raises(RateLimitError, match="too_many_write_operations") as refused:
            here.client().files_upload(b"a", "/a.csv")
        assert refused.value.backoff == waits

    @pytest.mark.parametrize(
        ("route", "call"),
        [
            ("files/upload", lambda client: client.files_upload(b"a", "/a.csv")),
            ("files/delete_v2", lambda client: client.files_delete_v2("/a")),
        ],
    )
    def test_contention_may_come_as_the_routes_own_error(
        self, here: StandIn, route: str, call: Callable[[dropbox.Dropbox], object]
    ) -> None:
        here.server.faults.append(lock_contention_409(match=route))
        with pytest.raises(ApiError, match="too_many_write_operations"):
            call(here.client())

    def test_contention_is_over_when_its_times_are_used_up(self, here: StandIn) -> None:
        here.server.faults.append(lock_contention_409())
        with pytest.raises(ApiError, match="too_many_write_operations"):
            here.client().files_upload(b"a", "/a.csv")
        assert here.client().files_upload(b"a", "/a.csv").size == 1

    def test_a_server_error_is_one_to_the_sdk(self, here: StandIn) -> None:
        here.server.faults.append(server_error(match="files/upload"))
        with pytest.raises(InternalServerError, match="503"):
            here.client().files_upload(b"a", "/a.csv")

    def test_a_fault_can_let_requests_pass_first(self, here: StandIn) -> None:
        here.server.faults.append(server_error(match="files/upload", skip=1))
        here.client().files_upload(b"a", "/a.csv")
        with pytest.raises(InternalServerError, match="503"):
            here.client().files_upload(b"b", "/b.csv")


def unnumbered(path: str) -> str:
    """The path of a renamed file without the number, which Dropbox does not promise."""
    return re.sub(r" \(\d+\)", " (N)", path)
