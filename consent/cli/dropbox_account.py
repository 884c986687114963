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

DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class Owner:
    """The owner of the account. Name and e-mail are for the screen only; ``repr`` shows neither.

    Attributes:
        kind: Dropbox's word for the account: basic, pro or business.
        team: the team's name, None outside a team.
        home_namespace: the id of the account's own files.
        root_namespace: the id of the team space; without one, the id of the account's own files.
    """

    account_id: str
    name: str = field(repr=False)
    email: str = field(repr=False)
    kind: str
    team: str | None
    home_namespace: str
    root_namespace: str

    @property
    def team_space(self) -> str | None:
        """The namespace id of the team space; None if the account has only its own files."""
        return None if self.root_namespace == self.home_namespace else self.root_namespace


class DropboxAccount(DropboxFolder):
    """A Dropbox folder that can also name its owner and delete a file; gives up after a minute."""

    def __init__(self, *, deadline_seconds: float = DEADLINE_SECONDS, **how: Any) -> None:
        super().__init__(deadline_seconds=deadline_seconds, **how)

    def owner(self) -> Owner:
        """Return the owner of the account.

        Raises ``DeliveryRefusedError`` (also for a response that the library cannot read) or
        ``DeliveryUnavailableError``.
        """
        client = self._connected()
        found = self._ask("reading the account", partial(_owner, client))
        if found is None:
            raise DeliveryRefusedError(
                "Dropbox's response about the account cannot be read, so its team space is unknown.",
                "Update the package dropbox, then try again.",
            )
        return found

    def exists(self, folder: str) -> bool:
        """Return whether this folder exists; the root folder ``/`` always does.

        Raises ``DeliveryRefusedError`` (also for a file of that name) or ``DeliveryUnavailableError``.
        """
        from dropbox.files import FileMetadata

        client = self._connected()
        if folder == "/":
            return True
        found: Any = self._ask(f"reading '{folder}'", partial(client.files_get_metadata, nfc(folder)))
        if isinstance(found, FileMetadata):
            raise DeliveryRefusedError(f"'{folder}' in Dropbox is a file, not a folder.", "Move the file away.")
        return found is not None

    def delete(self, file: StoredFile) -> None:
        """Delete a file, unless it has changed since it was read.

        Raises ``DeliveryRefusedError`` or ``DeliveryUnavailableError``.
        """
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
    return Owner(
        account_id=account.account_id,
        name=account.name.display_name,
        email=account.email,
        kind=account.account_type._tag,
        team=account.team.name if account.team else None,
        home_namespace=account.root_info.home_namespace_id,
        root_namespace=account.root_info.root_namespace_id,
    )
