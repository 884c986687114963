"""Decides whose space reports go to: the team's, or the account's own files. Asks nobody; ``sign_in.py`` does.

Never falls back from one to the other silently: a folder of the same name may stand in both.
"""

from dataclasses import dataclass

from consent.errors import DeliveryRefusedError
from consent.setup.dropbox_account import Owner

_ANOTHER_ACCOUNT = (
    "Sign out on dropbox.com (or use a private window), then sign in again with the account that reports go to"
)


@dataclass(frozen=True)
class Space:
    """Where paths start: the namespace id of the team space, or None for the account's own files."""

    root_namespace: str | None
    words: str


def spaces_of(owner: Owner) -> tuple[Space, ...]:
    """The spaces that the account has, that of its team first."""
    own = Space(None, "the account's own files")
    return (own,) if owner.team_space is None else (Space(owner.team_space, f"the team space of {owner.team}"), own)


def settled_space(owner: Owner, configured: str | None, wish: bool | None) -> Space | None:
    """The space that reports go to, or None where the person must be asked.

    Args:
        configured: the namespace id that the settings name already.
        wish: whether it shall be the team space, if the person has said so.

    Raises:
        DeliveryRefusedError: this is another account than the settings, or the person, mean.
    """
    *team, own = spaces_of(owner)
    if wish is False:
        return own
    if wish and not team:
        raise DeliveryRefusedError(f"This account has no team space. {_ANOTHER_ACCOUNT}.")
    if not wish and configured is not None and configured != owner.root_namespace:
        raise DeliveryRefusedError(
            f"This is another account: it does not have the team space {configured} that the settings name in "
            f"DROPBOX_ROOT_NAMESPACE. {_ANOTHER_ACCOUNT}; or take this one with --team-space {'yes' if team else 'no'}."
        )
    if team and (wish or configured):
        return team[0]
    return None if team else own
