"""Tests of checking Dropbox: account, team space and folder, and that nothing is left behind."""

from consent.cli.write_test import TEST_FILE_NAME
from sandbox.dropbox.app import Dropbox
from sandbox.dropbox.faults import server_error
from sandbox.server import Fault
from tests.support.check_mistakes import delivering_to
from tests.support.check_world import CheckWorld, found, printed, problems


def in_a_team(world: CheckWorld, *, chosen: str | None = None) -> None:
    world.account = Dropbox(root_namespace="2")
    world.values |= {"DROPBOX_ROOT_NAMESPACE": chosen} if chosen else {}


def test_the_kind_of_account_is_shown(world: CheckWorld) -> None:
    assert found(world.check(), "A basic account; reports go to its own files.")


def test_the_used_team_space_is_shown_without_name_or_address(world: CheckWorld) -> None:
    in_a_team(world, chosen="2")
    checkup = world.check()
    assert found(checkup, "paths start at the team space 2")
    words = ("Franz", "Ferdinand", "franz@example.com", "Example Registry")
    assert [word for word in words if word in printed(checkup)] == []


def test_an_unused_team_space_is_a_warning_with_its_id(world: CheckWorld) -> None:
    in_a_team(world)
    (finding,) = found(world.check(), "business account with a team space")
    assert (finding.state, "DROPBOX_ROOT_NAMESPACE to 2" in finding.fix) == ("warning", True)


def test_an_unreadable_account_is_no_problem(world: CheckWorld) -> None:
    body = b'{"account_id": "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"}'
    answer = Fault("answer", "users/get_current_account", 0, 99, 200, {"Content-Type": "application/json"}, body)
    world.servers.dropbox.faults.append(answer)
    checkup = world.check()
    states = [finding.state for finding in found(checkup, "about the account cannot be read")]
    assert (problems(checkup), states) == ([], ["unknown"])


def test_a_missing_folder_is_not_created(world: CheckWorld) -> None:
    delivering_to(world, "/Reports/Consent")
    assert found(world.check(), "The first report creates the folder /Reports/Consent.")
    assert [entry.path for entry in world.account.account.tree.inside("")] == []


def test_a_test_file_that_cannot_be_deleted_is_a_warning(world: CheckWorld) -> None:
    world.servers.dropbox.faults.append(server_error(match="files/delete_v2", times=999))
    checkup = world.check()
    (finding,) = found(checkup, "verified, but could not be deleted")
    assert (finding.state, TEST_FILE_NAME in finding.fix, problems(checkup)) == ("warning", True, [])


def test_a_folder_of_two_studies_is_tested_once(world: CheckWorld) -> None:
    world.settings()
    other = world.study.replace("OBRI Consent Summary", "Another")
    (world.folder / "studies" / "b-study.toml").write_text(other, encoding="utf-8")
    world.check()
    assert len(world.servers.dropbox.seen("files/upload")) == 1
