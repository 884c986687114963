"""Tests of choosing the space for the reports: by option, by setting, by question, and never another one silently."""

import pytest

from consent.cli.dropbox_account import Owner
from consent.cli.login.sign_in import possible_spaces
from consent.errors import DeliveryRefusedError


def an_owner(root: str = "1") -> Owner:
    """The own files are namespace 1; another ``root`` makes a member of a team."""
    team = None if root == "1" else "Example Registry"
    return Owner("Franz", "franz@example.org", "basic", team, None if root == "1" else root, root)


@pytest.mark.parametrize(
    ("root", "configured", "option", "expected"),
    [
        pytest.param("1", None, None, None, id="an account without a team has only its own files"),
        pytest.param("1", "1", None, None, id="its own namespace is its own files"),
        pytest.param("1", "7", False, None, id="own files by option, despite the setting"),
        pytest.param("7", "7", None, "7", id="team space by setting"),
        pytest.param("7", None, True, "7", id="team space by option"),
        pytest.param("8", "7", True, "8", id="another team space by option"),
        pytest.param("7", None, False, None, id="a member's own files by option"),
    ],
)
def test_the_space_is_found(root: str, configured: str | None, option: bool | None, expected: str | None) -> None:
    assert [space.root_namespace for space in possible_spaces(an_owner(root), configured, option)] == [expected]


@pytest.mark.parametrize(
    ("root", "configured", "option", "text"),
    [
        ("1", "7", True, "no team space"),
        ("1", "7", None, "team space 7 .*--team-space no"),
        ("7", "8", None, "team space 8 .*--team-space yes"),
    ],
)
def test_another_account_is_refused(root: str, configured: str | None, option: bool | None, text: str) -> None:
    with pytest.raises(DeliveryRefusedError, match=text):
        possible_spaces(an_owner(root), configured, option)


def test_a_member_of_a_team_may_choose_and_the_team_space_is_offered_first() -> None:
    assert [space.name for space in possible_spaces(an_owner("7"), None, None)] == [
        "the team space of Example Registry",
        "the account's own files",
    ]
