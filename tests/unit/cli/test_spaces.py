"""Claims about whose space reports go to: as wished, as set, as asked, and never silently another."""

import pytest

from consent.cli.dropbox_account import Owner
from consent.cli.login.sign_in import settled_space, spaces_of
from consent.errors import DeliveryRefusedError


def an_owner(root: str = "1") -> Owner:
    """Somebody whose own files are namespace 1; with another ``root``, a member of a team."""
    team = None if root == "1" else "Example Registry"
    return Owner("dbid:1", "Franz", "franz@example.org", "basic", team, home_namespace="1", root_namespace=root)


@pytest.mark.parametrize(
    ("root", "configured", "wish", "expected"),
    [
        pytest.param("1", None, None, None, id="an account without a team has only its own files"),
        pytest.param("1", "1", None, None, id="its own namespace is its own files"),
        pytest.param("1", None, False, None, id="its own files, as wished"),
        pytest.param("1", "7", False, None, id="its own files, whatever was set before"),
        pytest.param("7", "7", None, "7", id="a team space, as set"),
        pytest.param("7", None, True, "7", id="a team space, as wished"),
        pytest.param("7", "7", True, "7", id="a team space, as wished and set"),
        pytest.param("7", "7", False, None, id="a member's own files, as wished"),
        pytest.param("7", None, False, None, id="a member's own files, with nothing set"),
    ],
)
def test_the_space_is_settled(root: str, configured: str | None, wish: bool | None, expected: str | None) -> None:
    space = settled_space(an_owner(root), configured, wish)

    assert space is not None
    assert space.root_namespace == expected


def test_a_member_of_a_team_must_be_asked() -> None:
    assert settled_space(an_owner("7"), None, None) is None


@pytest.mark.parametrize(
    ("root", "configured", "wish", "what"),
    [
        ("1", None, True, "This account has no team space"),
        ("1", "7", True, "This account has no team space"),
        ("1", "7", None, "does not have the team space 7 .* --team-space no"),
        ("7", "8", None, "does not have the team space 8 .* --team-space yes"),
    ],
)
def test_another_account_is_refused(root: str, configured: str | None, wish: bool | None, what: str) -> None:
    with pytest.raises(DeliveryRefusedError, match=what):
        settled_space(an_owner(root), configured, wish)


def test_the_space_of_another_team_can_be_taken_when_that_is_said() -> None:
    space = settled_space(an_owner("8"), "7", True)

    assert space is not None
    assert space.root_namespace == "8"


def test_the_space_of_the_team_is_offered_first() -> None:
    assert [space.words for space in spaces_of(an_owner("7"))] == [
        "the team space of Example Registry",
        "the account's own files",
    ]
