"""The Dropbox account as ``check`` and ``login`` need it: its owner, whether a folder exists, and deleting a file.

The Monday job does not use this module, so it cannot delete anything.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from consent.delivery.dropbox_folder import DropboxFolder, nfc
from consent.errors import DeliveryRefusedError
from consent.files import StoredFile

if TYPE_CHECKING:
    import dropbox


@dataclass(frozen=True)
class Owner:
    """The owner of the account. Name and e-mail are for the screen only; ``repr`` shows neither.

    kind: Dropbox's word for the account: basic, pro or business. team: its name; None outside a team. team_space: its
    namespace id; None if the account has only its own files. root_namespace: where paths start by default.
    """

    name: str = field(repr=False)
    email: str = field(repr=False)
    kind: str
    team: str | None
    team_space: str | None
    root_namespace: str


@dataclass(eq=False, repr=False, kw_only=True)
class DropboxAccount(DropboxFolder):
    """A Dropbox folder that can also name its owner and delete a file; times out after a minute."""

    deadline_seconds: float = 60

    def owner(self) -> Owner:
        """Return the owner; raises DeliveryUnavailableError, or DeliveryRefusedError (also for an odd response)."""
        client = self._connected()
        found = self._ask("reading the account", partial(_owner, client))
        if found is None:
            raise DeliveryRefusedError(
                "Dropbox's response about the account cannot be read, so its team space is unknown.",
                "Update the package dropbox, then try again.",
            )
        return found

    def exists(self, folder: str) -> bool:
        """Return whether this folder exists; raises as ``owner`` does, also for a file of that name."""
        from dropbox.files import FileMetadata

        client = self._connected()
        if folder == "/":
            return True
        found: Any = self._ask(f"reading '{folder}'", partial(client.files_get_metadata, nfc(folder)))
        if isinstance(found, FileMetadata):
            raise DeliveryRefusedError(f"'{folder}' in Dropbox is a file, not a folder.", "Move the file away.")
        return found is not None

    def delete(self, file: StoredFile) -> None:
        """Delete a file, unless it has changed since it was read; raises as ``owner`` does."""
        client = self._connected()
        delete = partial(client.files_delete_v2, nfc(file.path), parent_rev=file.rev)
        self._ask(f"deleting '{file.path}'", delete)


def _owner(client: "dropbox.Dropbox") -> Owner | None:
    """Return the owner; None where the response lacks a team policy, which the library insists on."""
    from dropbox.stone_validators import ValidationError

    try:
        account: Any = client.users_get_current_account()
    except ValidationError:
        return None
    root, own = account.root_info.root_namespace_id, account.root_info.home_namespace_id
    team, kind = account.team.name if account.team else None, account.account_type._tag
    return Owner(account.name.display_name, account.email, kind, team, None if root == own else root, root)
