"""Claims about the doctor's look at Dropbox: account, team space and folder, and that nothing is left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consent.cli.write_test import TRIAL_NAME
from sandbox.dropbox.app import Dropbox
from sandbox.dropbox.faults import server_error
from sandbox.server import Fault
from tests.support.check_mistakes import delivering_to
from tests.support.check_world import CheckWorld, Servers, a_world, found, printed, problems, servers_of_a_world


@pytest.fixture(name="servers", scope="module")
def _servers() -> Iterator[Servers]:
    with servers_of_a_world() as servers:
        yield servers


@pytest.fixture(name="world")
def _world(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckWorld:
    return a_world(servers, tmp_path, monkeypatch)


def in_a_team(world: CheckWorld, *, chosen: str | None = None) -> None:
    world.account = Dropbox(root_namespace="2")
    world.values |= {"DROPBOX_ROOT_NAMESPACE": chosen} if chosen else {}


def test_the_kind_of_account_is_told(world: CheckWorld) -> None:
    assert found(world.check(), "A basic account; reports go to its own files")


def test_nobodys_name_or_address_is_told(world: CheckWorld) -> None:
    in_a_team(world, chosen="2")
    shown = printed(world.check())
    assert [word for word in ("Franz", "Ferdinand", "franz@example.com", "Example Registry") if word in shown] == []


def test_a_team_space_that_is_not_used_is_a_warning_with_its_id(world: CheckWorld) -> None:
    in_a_team(world)
    (finding,) = found(world.check(), "business account with a team space")
    assert (finding.state, "DROPBOX_ROOT_NAMESPACE to 2" in finding.fix) == ("warning", True)


def test_the_team_space_that_is_used_is_told(world: CheckWorld) -> None:
    in_a_team(world, chosen="2")
    assert found(world.check(), "paths start at the team space 2")


def test_an_account_that_cannot_be_described_is_no_problem(world: CheckWorld) -> None:
    body = b'{"account_id": "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"}'
    answer = Fault("answer", "users/get_current_account", 0, 99, 200, {"Content-Type": "application/json"}, body)
    world.servers.dropbox.faults.append(answer)
    checkup = world.check()
    assert (problems(checkup), [finding.state for finding in found(checkup, "about the account cannot be read")]) == (
        [],
        ["unknown"],
    )


def test_a_folder_that_is_not_there_yet_is_not_made(world: CheckWorld) -> None:
    delivering_to(world, "/Reports/Consent")
    checkup = world.check()
    assert found(checkup, "The folder /Reports/Consent is not there yet; the first report makes it")
    assert [entry.path for entry in world.account.account.tree.inside("")] == []


def test_the_trial_takes_place_in_the_folder_itself(world: CheckWorld) -> None:
    world.account.account.tree.make_folder("/Reports")
    delivering_to(world, "/Reports")
    world.check()
    assert world.account.revisions(f"/Reports/{TRIAL_NAME}")


def test_a_trial_that_cannot_be_removed_is_a_warning_for_a_run_removes_nothing(world: CheckWorld) -> None:
    world.servers.dropbox.faults.append(server_error(match="files/delete_v2", times=999))
    checkup = world.check()
    (finding,) = found(checkup, "verified, but could not be removed")
    assert (finding.state, "next trial removes it" in finding.fix, problems(checkup)) == ("warning", True, [])


def test_a_trial_of_which_nothing_is_known_is_a_problem_that_names_what_may_be_left(world: CheckWorld) -> None:
    look, upload = "files/get_metadata", "files/upload"
    world.servers.dropbox.faults += [Fault("lost", upload, times=99), server_error(match=look, skip=1, times=999)]
    (problem,) = problems(world.check())
    assert f"A file '/{TRIAL_NAME}' may have been left" in problem.fix


def test_studies_that_share_a_folder_are_tried_once(world: CheckWorld) -> None:
    world.settings()
    other = world.study.replace("OBRI Consent Summary", "Another")
    (world.folder / "studies" / "b-study.toml").write_text(other, encoding="utf-8")
    world.check()
    assert len(world.servers.dropbox.seen("files/upload")) == 1
