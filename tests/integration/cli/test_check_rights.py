"""Tests of checking the rights in REDCap: what is seen of them, whom to ask otherwise, and that no name is shown."""

from dataclasses import replace
from typing import Any

import pytest

from consent.cli.check.findings import Finding, FindingCollector
from consent.cli.check.redcap import check_user
from sandbox.redcap.app import User
from tests.support.builders import TOKEN, a_redcap_row
from tests.support.check_world import CheckWorld, found, printed, problems


def findings_about(**user: Any) -> list[Finding]:
    """The findings about a user with these rights on the form ``consent``."""
    findings = FindingCollector()
    check_user({"forms_export": {"consent": "1"}, "api_import": "0", "expiration": "", **user}, ["consent"], findings)
    return [finding for finding in findings.findings if finding.state != "ok"]


def test_for_unreadable_rights_the_administrator_must_be_asked(world: CheckWorld) -> None:
    world.project.users = [User("pipeline", TOKEN, user_rights=False)]
    (finding,) = found(world.check(), "The rights of the token's user cannot be seen")
    assert (finding.state, finding.fix.startswith("Ask your REDCap administrator")) == ("unknown", True)


def test_rights_are_unknown_if_several_users_may_export(world: CheckWorld) -> None:
    world.project.users = [User("pipeline", TOKEN), User("colleague", "1" * 32, rights={"consent": "none"})]
    (finding,) = found(world.check(), "The rights of the token's user cannot be seen: 2 users may export")
    assert finding.state == "unknown"


def test_a_user_who_may_not_export_is_not_the_tokens_user(world: CheckWorld) -> None:
    world.project.users = [User("pipeline", TOKEN), User("colleague", "1" * 32, api_export=False)]
    assert found(world.check(), "Full Data Set on the form consent")


def test_no_name_is_shown(world: CheckWorld) -> None:
    world.project.users = [User("pipeline", TOKEN), User("colleague", "1" * 32)]
    shown = printed(world.check())
    assert [name for name in ("pipeline", "colleague", "Example", "@") if name in shown] == []


def test_a_user_in_no_group_of_several_sees_every_site(world: CheckWorld) -> None:
    world.project.groups = ("north", "south")
    assert found(world.check(), "in no data access group and sees every site")


def test_for_an_unknown_group_the_administrator_must_be_asked(world: CheckWorld) -> None:
    world.project.groups = ("north",)
    world.project.rows = [replace(a_redcap_row(), group="north")]
    world.project.users = [User("pipeline", TOKEN, group="north", user_rights=False, dag_right=False)]
    (finding,) = found(world.check(), "Whether the token's user is in a data access group cannot be seen")
    assert finding.state == "unknown"


def test_a_partial_right_is_a_warning_if_every_field_arrives(world: CheckWorld) -> None:
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
def test_a_right_that_is_missing_not_needed_or_about_to_end_is_a_warning(user: dict[str, Any], what: str) -> None:
    (finding,) = findings_about(**user)
    assert (finding.state, what in finding.what) == ("warning", True)


def test_a_server_without_rights_by_form_gives_no_warning() -> None:
    assert findings_about(forms_export=None) == []
