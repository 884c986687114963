"""Tests of the write test: what it shows, what it refuses, and that it leaves nothing behind."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial

import pytest

from consent.cli.dropbox_account import DropboxAccount
from consent.cli.write_test import TEST_FILE_NAME, WriteTestResult, run_write_test
from consent.config.credentials import Secret
from consent.config.settings import Network
from consent.delivery.dropbox_session import dropbox_session
from consent.errors import DeliveryUnavailableError, DeliveryUnverifiedError
from sandbox.dropbox.app import Dropbox
from sandbox.dropbox.faults import server_error
from sandbox.dropbox.tree import WriteMode
from sandbox.server import Fault, Server
from tests.integration.delivery.test_dropbox_folder import VirtualTime

OpenAccount = Callable[..., Callable[[], DropboxAccount]]
Sleep = Callable[[float], None]
FILE = f"/{TEST_FILE_NAME}"


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Server]:
    with Server(Dropbox()) as server:
        yield server


@pytest.fixture(name="account_of")
def _account_of(server: Server) -> Iterator[OpenAccount]:
    """Opens the given Dropbox; ``sleep`` takes no time by default."""
    with ExitStack() as opened:

        def open_it(
            app: Dropbox, *faults: Fault, root_namespace: str | None = None, sleep: Sleep | None = None
        ) -> Callable[[], DropboxAccount]:
            server.app = app
            server.faults[:] = faults
            server.requests.clear()
            time = VirtualTime()
            return partial(
                DropboxAccount,
                app_key=Secret("DROPBOX_KEY", "sandbox-key"),
                refresh_token=Secret("DROPBOX_OAUTH2_REFRESH_TOKEN", "sandbox-refresh"),
                app_secret=None,
                session=opened.enter_context(dropbox_session(Network(), server.url)),
                root_namespace=root_namespace,
                clock=time.clock,
                sleep=sleep or time.sleep,
            )

        yield open_it


def with_folder() -> Dropbox:
    app = Dropbox()
    app.account.tree.make_folder("/Reports")
    return app


def everything_in(app: Dropbox) -> list[str]:
    return [entry.path for entry in app.account.tree.inside("")]


@pytest.mark.parametrize("folder", ["/", "/reports"])
def test_a_writable_folder_passes_and_nothing_is_left_in_it(account_of: OpenAccount, folder: str) -> None:
    app = with_folder()
    result = run_write_test(account_of(app), folder)
    assert (result, everything_in(app)) == (WriteTestResult(folder, folder), ["/Reports"])


def test_only_the_revision_that_was_written_is_deleted(account_of: OpenAccount, server: Server) -> None:
    app = Dropbox()
    run_write_test(account_of(app), "/")
    [written] = app.account.tree.find_file(FILE, deleted=True).revisions
    assert json.loads(server.seen("files/delete_v2")[0].body) == {"path": FILE, "parent_rev": written.rev}


def test_for_a_missing_folder_the_nearest_above_is_tested_and_nothing_is_created(account_of: OpenAccount) -> None:
    app = with_folder()
    result = run_write_test(account_of(app), "/Reports/Consent/Weekly")
    assert (result.written_to, result.exists, everything_in(app)) == ("/Reports", False, ["/Reports"])


@pytest.mark.parametrize(("namespace", "exists"), [("7", True), (None, False)], ids=["team space", "own files"])
def test_a_team_folder_exists_only_in_the_team_space(
    account_of: OpenAccount, namespace: str | None, exists: bool
) -> None:
    app = Dropbox(root_namespace="7")
    app.account.tree.make_folder("/Team Reports")
    assert run_write_test(account_of(app, root_namespace=namespace), "/Team Reports").exists is exists


def test_a_file_left_by_an_interrupted_test_is_deleted(account_of: OpenAccount) -> None:
    app = Dropbox()
    app.account.tree.write(FILE, b"left behind", WriteMode())
    run_write_test(account_of(app), "/")
    assert everything_in(app) == []


def test_every_test_writes_new_content_so_that_dropbox_must_store_it(account_of: OpenAccount) -> None:
    app = Dropbox()
    account = account_of(app)
    run_write_test(account, "/")
    run_write_test(account, "/")
    assert len({*app.revisions(FILE)}) == 2


def test_a_lost_response_does_no_harm(account_of: OpenAccount) -> None:
    app = Dropbox()
    run_write_test(account_of(app, Fault("lost", "files/upload"), Fault("lost", "files/delete_v2")), "/")
    assert everything_in(app) == []


def test_a_stored_file_that_does_not_match_fails_the_test(account_of: OpenAccount) -> None:
    fault = Fault("change", match="files/upload", change=lambda body: body.replace(b'"size": ', b'"size": 9'))
    with pytest.raises(DeliveryUnverifiedError, match=TEST_FILE_NAME):
        run_write_test(account_of(Dropbox(), fault), "/")


def test_a_dropbox_that_cannot_be_reached_fails_within_a_minute(account_of: OpenAccount) -> None:
    with pytest.raises(DeliveryUnavailableError, match="60 seconds"):
        run_write_test(account_of(Dropbox(), Fault("reset", times=1000)), "/")


NO_RIGHT = b'{"error_summary": "", "error": {".tag": "path_write", "path_write": {".tag": "no_write_permission"}}}'


def no_right_to_delete(times: int = 99) -> Fault:
    headers = {"Content-Type": "application/json"}
    return Fault("answer", "files/delete_v2", times=times, status=409, headers=headers, body=NO_RIGHT)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(
            [Fault("lost", "files/upload", times=99), server_error(match="files/get_metadata", skip=1, times=8)],
            id="written, and never confirmed",
        ),
        pytest.param([server_error(match="files/delete_v2", times=8)], id="deleted only after a minute"),
        pytest.param([no_right_to_delete(times=1)], id="deleted at the second attempt"),
    ],
)
def test_a_test_with_trouble_leaves_nothing(account_of: OpenAccount, faults: list[Fault]) -> None:
    app = Dropbox()
    with suppress(DeliveryUnavailableError):
        run_write_test(account_of(app, *faults), "/")
    assert (everything_in(app), len(app.revisions(FILE)) > 0) == ([], True)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(
            [Fault("lost", "files/upload"), server_error(match="files/get_metadata", skip=1)], id="while writing"
        ),
        pytest.param([server_error(match="files/delete_v2")], id="while deleting"),
    ],
)
def test_an_interrupted_test_leaves_nothing(account_of: OpenAccount, faults: list[Fault]) -> None:
    app = Dropbox()

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt("stopped")

    with pytest.raises(KeyboardInterrupt, match="stopped"):
        run_write_test(account_of(app, *faults, sleep=stop), "/")
    assert (everything_in(app), len(app.revisions(FILE))) == ([], 1)


def test_two_tests_at_once_do_not_disturb_each_other(account_of: OpenAccount) -> None:
    app = Dropbox()

    def as_the_other_writes(body: bytes) -> bytes:
        app.account.tree.write(FILE, b"the other's", WriteMode("overwrite"))
        return body

    account = account_of(app, Fault("change", "files/upload", change=as_the_other_writes))
    assert (run_write_test(account, "/").deleted, everything_in(app)) == (True, [])


def test_a_folder_without_the_right_to_delete_passes(account_of: OpenAccount) -> None:
    assert run_write_test(account_of(Dropbox(), no_right_to_delete()), "/") == WriteTestResult("/", "/", deleted=False)


def test_a_file_that_may_be_left_behind_is_named(account_of: OpenAccount) -> None:
    faults = (Fault("lost", "files/upload", times=99), server_error(match="files/get_metadata", skip=2, times=999))
    with pytest.raises(DeliveryUnavailableError, match=r"'/Reports/consent-write-test.txt' may be left"):
        run_write_test(account_of(with_folder(), *faults), "/Reports")


def test_a_test_that_wrote_nothing_names_no_file(account_of: OpenAccount) -> None:
    with pytest.raises(DeliveryUnavailableError, match=r"^((?!may be left).)*$"):
        run_write_test(account_of(Dropbox(), server_error(match="files/get_metadata", times=999)), "/")


@pytest.mark.parametrize(
    ("root", "expected"), [("1", ("basic", None, None)), ("7", ("business", "Example Registry", "7"))]
)
def test_the_owner_and_the_team_space_are_found(
    account_of: OpenAccount, root: str, expected: tuple[str | None, ...]
) -> None:
    owner = account_of(Dropbox() if root == "1" else Dropbox(root_namespace=root))().owner()
    assert (owner.kind, owner.team, owner.team_space) == expected


def test_the_repr_of_an_owner_has_no_name_and_no_address(account_of: OpenAccount) -> None:
    owner = account_of(Dropbox())().owner()
    assert [word for word in (owner.name, owner.email) if word in repr(owner)] == []
