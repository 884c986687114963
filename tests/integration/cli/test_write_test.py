"""Claims about the trial write of setting up: what it proves, what it refuses, and that it leaves nothing behind."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial

import pytest

from consent.cli.dropbox_account import DropboxAccount
from consent.cli.write_test import WriteTestResult, prove_writable
from consent.config.credentials import Secret
from consent.config.settings import Network
from consent.delivery.dropbox_session import dropbox_session
from consent.errors import DeliveryRefusedError, DeliveryUnavailableError, DeliveryUnverifiedError
from sandbox.dropbox.app import DELIVERY_SCOPES, Dropbox
from sandbox.dropbox.faults import server_error
from sandbox.dropbox.tree import WriteMode
from sandbox.server import Fault, Server
from tests.integration.delivery.test_dropbox_folder import VirtualTime

OpenAccount = Callable[..., Callable[[], DropboxAccount]]
TRIAL = "/consent-write-test.txt"


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Server]:
    with Server(Dropbox()) as server:
        yield server


@pytest.fixture(name="account_of")
def _account_of(server: Server) -> Iterator[OpenAccount]:
    """Opens the Dropbox that is handed in, as whoever sets it up; ``sleep`` waits, by default in no time."""
    with ExitStack() as opened:

        def open_it(
            app: Dropbox, root_namespace: str | None = None, sleep: Callable[[float], None] | None = None
        ) -> Callable[[], DropboxAccount]:
            server.app = app
            server.faults.clear()
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


@pytest.mark.parametrize("folder", ["/", "/Reports", "/reports"])
def test_a_folder_that_takes_files_is_proven_and_nothing_is_left_in_it(account_of: OpenAccount, folder: str) -> None:
    app = with_folder()

    proof = prove_writable(account_of(app), folder)

    assert (proof, everything_in(app)) == (WriteTestResult(folder, folder), ["/Reports"])


def test_a_file_was_really_written_and_deleted(account_of: OpenAccount, server: Server) -> None:
    prove_writable(account_of(with_folder()), "/Reports")

    done = [server.app.name_of(request) for request in server.requests]
    assert done[-2:] == ["files/upload", "files/delete_v2"]


def test_only_the_revision_that_it_wrote_is_deleted(account_of: OpenAccount, server: Server) -> None:
    app = Dropbox()
    prove_writable(account_of(app), "/")

    [written] = app.account.tree.find_file(TRIAL, deleted=True).revisions
    assert json.loads(server.seen("files/delete_v2")[0].body) == {"path": TRIAL, "parent_rev": written.rev}


def test_a_folder_that_does_not_stand_yet_is_proven_by_the_nearest_above_and_not_made(account_of: OpenAccount) -> None:
    app = with_folder()

    proof = prove_writable(account_of(app), "/Reports/Consent/Weekly")

    assert (proof.tried_in, proof.stands, everything_in(app)) == ("/Reports", False, ["/Reports"])


def test_in_a_team_space_its_own_folder_is_proven(account_of: OpenAccount) -> None:
    app = Dropbox(root_namespace="7")
    app.account.tree.make_folder("/Team Reports")

    proof = prove_writable(account_of(app, "7"), "/Team Reports")

    assert proof.stands


def test_a_team_folder_looked_for_among_the_own_files_does_not_stand(account_of: OpenAccount) -> None:
    app = Dropbox(root_namespace="7")
    app.account.tree.make_folder("/Team Reports")

    assert not prove_writable(account_of(app), "/Team Reports").stands


def test_a_file_left_by_a_broken_off_trial_is_cleared_away(account_of: OpenAccount) -> None:
    app = Dropbox()
    app.account.tree.write(TRIAL, b"left behind", WriteMode())

    prove_writable(account_of(app), "/")

    assert everything_in(app) == []


def test_every_trial_writes_something_else_so_that_dropbox_has_to_write_it(account_of: OpenAccount) -> None:
    app = Dropbox()
    account = account_of(app)
    prove_writable(account, "/")
    prove_writable(account, "/")

    contents = app.revisions(TRIAL)
    assert len({*contents}) == 2


def test_a_folder_without_the_right_to_write_is_refused(account_of: OpenAccount) -> None:
    app = with_folder()
    app.account.tree.read_only.add("/Reports")

    with pytest.raises(DeliveryRefusedError, match=r"may not write there\. Ask the folder's owner"):
        prove_writable(account_of(app), "/Reports")


def test_a_file_where_the_folder_belongs_is_refused(account_of: OpenAccount) -> None:
    app = Dropbox()
    app.account.tree.write("/Reports", b"a file", WriteMode())

    with pytest.raises(DeliveryRefusedError, match="a file stands at '/Reports', where a folder belongs"):
        prove_writable(account_of(app), "/Reports")


@pytest.mark.parametrize("scope", sorted(DELIVERY_SCOPES))
def test_a_missing_permission_is_named_before_anything_is_written(account_of: OpenAccount, scope: str) -> None:
    app = Dropbox(scopes=DELIVERY_SCOPES - {scope}, app_scopes=DELIVERY_SCOPES)

    with pytest.raises(DeliveryRefusedError, match=f"lacks the permission {scope}"):
        prove_writable(account_of(app), "/")

    assert app.account.tree.inside("", deleted=True) == []


def test_an_answer_that_was_lost_does_not_spoil_the_proof(account_of: OpenAccount, server: Server) -> None:
    app = Dropbox()
    account = account_of(app)
    server.faults[:] = [Fault("lost", match=route) for route in ("files/upload", "files/delete_v2")]

    prove_writable(account, "/")

    assert everything_in(app) == []


def test_something_else_than_what_was_sent_is_no_proof(account_of: OpenAccount, server: Server) -> None:
    account = account_of(Dropbox())
    server.faults[:] = [
        Fault("change", match="files/upload", change=lambda body: body.replace(b'"size": ', b'"size": 9'))
    ]

    with pytest.raises(DeliveryUnverifiedError, match="does not match the upload"):
        prove_writable(account, "/")


def test_a_dropbox_that_cannot_be_reached_is_said(account_of: OpenAccount, server: Server) -> None:
    account = account_of(Dropbox())
    server.faults[:] = [Fault("reset", times=1000)]

    with pytest.raises(DeliveryUnavailableError, match="not available for 60 seconds"):
        prove_writable(account, "/")


# --- nothing is left behind


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
        pytest.param([no_right_to_delete(times=1)], id="deleted at the second time of asking"),
    ],
)
def test_a_trial_that_had_trouble_leaves_nothing(account_of: OpenAccount, server: Server, faults: list[Fault]) -> None:
    app = Dropbox()
    account = account_of(app)
    server.faults[:] = faults

    with suppress(DeliveryUnavailableError):
        prove_writable(account, "/")

    assert (everything_in(app), len(app.revisions(TRIAL)) > 0) == ([], True)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(
            [Fault("lost", "files/upload"), server_error(match="files/get_metadata", skip=1)], id="at writing"
        ),
        pytest.param([server_error(match="files/delete_v2")], id="at deleting"),
    ],
)
def test_a_trial_that_somebody_stops_leaves_nothing(
    account_of: OpenAccount, server: Server, faults: list[Fault]
) -> None:
    app = Dropbox()

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt("stopped")

    account = account_of(app, sleep=stop)
    server.faults[:] = faults

    with pytest.raises(KeyboardInterrupt, match="stopped"):
        prove_writable(account, "/")

    assert (everything_in(app), len(app.revisions(TRIAL))) == ([], 1)


def test_two_trials_at_once_do_not_disturb_each_other(account_of: OpenAccount, server: Server) -> None:
    app = Dropbox()
    account = account_of(app)

    def as_the_other_writes(body: bytes) -> bytes:
        app.account.tree.write(TRIAL, b"the other's", WriteMode("overwrite"))
        return body

    server.faults[:] = [Fault("change", "files/upload", change=as_the_other_writes)]

    assert (prove_writable(account, "/").removed, everything_in(app)) == (True, [])


def test_a_folder_from_which_nothing_can_be_deleted_is_proven_all_the_same(
    account_of: OpenAccount, server: Server
) -> None:
    account = account_of(Dropbox())
    server.faults[:] = [no_right_to_delete()]

    assert prove_writable(account, "/") == WriteTestResult("/", "/", removed=False)


def test_a_file_that_may_be_left_behind_is_named(account_of: OpenAccount, server: Server) -> None:
    account = account_of(with_folder())
    server.faults[:] = [
        Fault("lost", "files/upload", times=99),
        server_error(match="files/get_metadata", skip=2, times=999),
    ]

    with pytest.raises(DeliveryUnavailableError, match=r"A file '/Reports/consent-write-test.txt' may have been left"):
        prove_writable(account, "/Reports")


def test_a_trial_that_came_to_no_writing_names_no_file(account_of: OpenAccount, server: Server) -> None:
    account = account_of(Dropbox())
    server.faults[:] = [server_error(match="files/get_metadata", times=999)]

    with pytest.raises(DeliveryUnavailableError, match="not available for 60 seconds") as caught:
        prove_writable(account, "/")

    assert "may have been left" not in str(caught.value)


# --- whose it is


def test_an_account_of_its_own_has_no_team_space(account_of: OpenAccount) -> None:
    owner = account_of(Dropbox())().owner()

    assert (owner.kind, owner.team, owner.team_space) == ("basic", None, None)


def test_an_account_in_a_team_tells_its_team_space(account_of: OpenAccount) -> None:
    owner = account_of(Dropbox(root_namespace="7"))().owner()

    assert (owner.kind, owner.team, owner.team_space) == ("business", "Example Registry", "7")


def test_an_owner_does_not_show_who_it_is_when_printed(account_of: OpenAccount) -> None:
    owner = account_of(Dropbox())().owner()

    assert [word for word in (owner.name, owner.email) if word in repr(owner)] == []


def test_an_account_that_the_library_cannot_read_is_said_at_once(account_of: OpenAccount, server: Server) -> None:
    account = account_of(Dropbox(root_namespace="7"))()
    server.faults[:] = [
        Fault("change", "users/get_current_account", change=lambda body: body.replace(b"group_creation", b"other"))
    ]

    with pytest.raises(DeliveryRefusedError, match="cannot be read, so it is not known whether there is a team space"):
        account.owner()
