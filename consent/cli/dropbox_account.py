"""A Dropbox as whoever sets it up needs it: whose it is, whether a folder stands, and away with what was just written.

Only setting up uses it: the Monday job has no way to delete. Sends the same way, and waits as long, as a delivery does.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from consent.delivery.dropbox_folder import DropboxFolder, nfc
from consent.errors import DeliveryRefusedError
from consent.files import StoredFile

if TYPE_CHECKING:
    import dropbox

PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Owner:
    """Whose Dropbox it is; who they are is for the screen alone, so printing this shows neither name nor e-mail.

    Attributes:
        kind: Dropbox's word for the account: basic, pro or business.
        team: the team's name, None outside a team.
        home_namespace: the id of the account's own files.
        root_namespace: the id of the team space; where there is none, that of the account's own files.
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
        """The namespace id of the team space, None where the account has only its own files."""
        return None if self.root_namespace == self.home_namespace else self.root_namespace


class DropboxAccount(DropboxFolder):
    """A Dropbox folder that also says whose it is, and takes a file away again that it has just written.

    Everything as for its base, but that it gives up after a minute: somebody is waiting at the screen.
    """

    def __init__(self, *, deadline_seconds: float = PATIENCE_SECONDS, **how: Any) -> None:
        super().__init__(deadline_seconds=deadline_seconds, **how)

    def owner(self) -> Owner:
        """Whose Dropbox it is, and which team space there is.

        Raises ``DeliveryRefusedError`` (also for an answer that the library cannot read) or
        ``DeliveryUnavailableError``.
        """
        client = self._connected()
        found = self._ask("whose account it is", partial(_owner, client))
        if found is None:
            raise DeliveryRefusedError(
                "Dropbox's answer about the account cannot be read, so it is not known whether there is a team space. "
                "Update the package dropbox, then try again."
            )
        return found

    def stands(self, folder: str) -> bool:
        """Whether there is a folder of this name; the topmost, ``/``, always stands.

        Raises ``DeliveryRefusedError`` (also for a file of that name) or ``DeliveryUnavailableError``.
        """
        from dropbox.files import FileMetadata

        client = self._connected()
        if folder == "/":
            return True
        found: Any = self._ask(f"to look at '{folder}'", partial(client.files_get_metadata, nfc(folder)))
        if isinstance(found, FileMetadata):
            raise DeliveryRefusedError(f"In Dropbox a file stands at '{folder}', where a folder belongs. Move it away.")
        return found is not None

    def remove(self, written: StoredFile) -> None:
        """Delete a file that ``put`` has just stored, unless somebody has changed it since.

        Raises ``DeliveryRefusedError`` or ``DeliveryUnavailableError``.
        """
        client = self._connected()
        delete = partial(client.files_delete_v2, nfc(written.path), parent_rev=written.rev)
        self._ask(f"to delete '{written.path}'", delete)


def _owner(client: "dropbox.Dropbox") -> Owner | None:
    """None where the library misses something: it insists on every policy of a team, whatever Dropbox leaves out."""
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
