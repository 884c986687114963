"""Claims about rights in REDCap: what is seen of them, whom to ask otherwise, and that nobody's name is shown."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consent.cli.check.findings import Finding, FindingCollector
from consent.cli.check.redcap import check_user
from sandbox.redcap.app import User
from tests.support.builders import TOKEN, a_redcap_row
from tests.support.check_world import CheckWorld, Servers, a_world, found, printed, problems, servers_of_a_world


@pytest.fixture(name="servers", scope="module")
def _servers() -> Iterator[Servers]:
    with servers_of_a_world() as servers:
        yield servers


@pytest.fixture(name="world")
def _world(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckWorld:
    return a_world(servers, tmp_path, monkeypatch)


def noted(**user: Any) -> list[Finding]:
    """What is noted of a user with these rights, on the form ``consent``."""
    notes = FindingCollector()
    check_user({"forms_export": {"consent": "1"}, "api_import": "0", "expiration": "", **user}, ["consent"], notes)
    return [finding for finding in notes.findings if finding.state != "ok"]


def test_rights_that_may_not_be_read_are_to_be_asked_for(world: CheckWorld) -> None:
    world.project.users = [User("pipeline", TOKEN, user_rights=False)]
    (finding,) = found(world.check(), "The rights of the token's user cannot be seen")
    assert (finding.state, finding.fix.startswith("Ask your REDCap administrator")) == ("unknown", True)


def test_rights_are_not_guessed_where_several_users_may_export(world: CheckWorld) -> None:
    world.project.users = [User("pipeline", TOKEN), User("colleague", "1" * 32, rights={"consent": "none"})]
    (finding,) = found(world.check(), "The rights of the token's user cannot be seen: 2 users may export")
    assert finding.state == "unknown"


def test_a_user_who_may_not_export_is_not_taken_for_the_tokens(world: CheckWorld) -> None:
    world.project.users = [User("pipeline", TOKEN), User("colleague", "1" * 32, api_export=False)]
    assert found(world.check(), "Full Data Set on the form consent")


def test_nobody_is_named(world: CheckWorld) -> None:
    world.project.users = [User("pipeline", TOKEN), User("colleague", "1" * 32)]
    shown = printed(world.check())
    assert [name for name in ("pipeline", "colleague", "Example", "@") if name in shown] == []


def test_a_user_in_no_group_of_several_sees_every_site(world: CheckWorld) -> None:
    world.project.groups = ("north", "south")
    assert found(world.check(), "in no data access group: it sees every site")


def test_a_group_that_cannot_be_seen_is_to_be_asked_for(world: CheckWorld) -> None:
    world.project.groups = ("north",)
    world.project.rows = [replace(a_redcap_row(), group="north")]
    world.project.users = [User("pipeline", TOKEN, group="north", user_rights=False, dag_right=False)]
    (finding,) = found(world.check(), "Whether the token's user is in a data access group cannot be seen")
    assert finding.state == "unknown"


def test_a_right_to_less_than_everything_is_a_warning_where_every_field_arrives(world: CheckWorld) -> None:
    world.project.users = [replace(world.project.users[0], rights={"consent": "no identifiers"})]
    checkup = world.check()
    assert (problems(checkup), len(found(checkup, "consent (Remove All Identifier Fields)"))) == ([], 1)


@pytest.mark.parametrize(
    ("user", "what"),
    [
        ({"forms_export": {"consent": "0"}}, r"consent (No Access)"),
        ({"forms_export": {"consent": "2"}}, r"consent (De-Identified)"),
        ({"api_import": "1"}, "may also change records"),
        ({"expiration": "2027-01-31"}, "ends on 2027-01-31"),
    ],
)
def test_a_right_that_is_too_little_too_much_or_about_to_end_is_a_warning(user: dict[str, Any], what: str) -> None:
    (finding,) = noted(**user)
    assert (finding.state, what in finding.what) == ("warning", True)


def test_a_server_that_tells_no_rights_by_form_is_believed() -> None:
    assert noted(forms_export=None) == []
