"""Examines Dropbox: the log-in and its permissions, the account, and whether a file can be written where reports go.

Writes one tiny file and removes it (``proof.py``); looks at no report. Shows nobody's name or address.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from consent.cli.check.clock import ServerClocks
from consent.cli.check.context import CheckContext, ResolvedAccess
from consent.cli.check.findings import FindingCollector
from consent.cli.dropbox_account import DropboxAccount, Owner
from consent.cli.write_test import TRIAL_NAME, NewAccount, prove_writable
from consent.config.checks import dropbox_sandbox_url, ensure_no_sdk_hosts, root_namespace
from consent.config.credentials import DROPBOX_KEY, DROPBOX_TOKEN
from consent.config.settings import Network
from consent.delivery.dropbox_session import dropbox_session
from consent.errors import SettingsError
from consent.runs.services import dropbox_folder
from consent.studies.model import StudyConfig


def examine_dropbox(
    studies: Sequence[StudyConfig],
    access: ResolvedAccess,
    tools: CheckContext,
    clocks: ServerClocks,
    notes: FindingCollector,
) -> None:
    """Note whether a run could deliver to the folder of each study."""
    first, network = _needed_first(access), access.network
    if first or network is None:
        notes.unknown(f"Dropbox was not asked: {first or 'the network'} must be right first")
        return
    with _reaching(access, network, tools, clocks) as new_account:
        account = new_account()
        if not notes.succeeds(account.connect):
            notes.unknown("Account, permissions and folder were not examined, because of this")
            return
        notes.ok("The log-in works (permission account_info.read)")
        owner = notes.attempt(account.owner, state="unknown")
        if owner is not None:
            note_owner(owner, root_namespace(access.settings), notes)
        for folder in dict.fromkeys(study.delivery.folder for study in studies):
            _examine_folder(folder, new_account, notes)


@contextmanager
def _reaching(
    access: ResolvedAccess, network: Network, tools: CheckContext, clocks: ServerClocks
) -> Iterator[NewAccount]:
    with dropbox_session(network, dropbox_sandbox_url(access.settings)) as session:
        clocks.listen(session, "Dropbox")
        yield lambda: dropbox_folder(
            DropboxAccount, access.settings, access.secrets, session, sleep=tools.sleep, clock=tools.clock
        )


def _needed_first(access: ResolvedAccess) -> str:
    """What must be mended before any address is safe to ask; it was noted already."""
    if missing := access.missing(DROPBOX_KEY, DROPBOX_TOKEN):
        return missing
    try:
        dropbox_sandbox_url(access.settings)
        root_namespace(access.settings)
        ensure_no_sdk_hosts(access.settings)
    except SettingsError:
        return "the settings named above"
    return ""


def note_owner(owner: Owner, chosen: str | None, notes: FindingCollector) -> None:
    """Note whose space paths start in; chosen: the id of the team space that the settings name."""
    if owner.team_space is None:
        notes.ok(f"A {owner.kind} account; reports go to its own files")
    elif chosen is None:
        notes.warning(
            f"A {owner.kind} account with a team space, but reports go to its member's own files",
            f"If they belong into a folder of the team, set DROPBOX_ROOT_NAMESPACE to {owner.team_space}.",
        )
    else:
        notes.ok(f"A {owner.kind} account; paths start at the team space {chosen}")


def _examine_folder(folder: str, new_account: NewAccount, notes: FindingCollector) -> None:
    proof = notes.attempt(lambda: prove_writable(new_account, folder))
    if proof is None:
        return
    if not proof.stands:
        notes.ok(f"The folder {folder} is not there yet; the first report makes it")
    if proof.removed:
        notes.ok(f"A tiny file was written to {proof.tried_in}, verified and removed")
    else:
        notes.warning(
            f"A tiny file was written to {proof.tried_in} and verified, but could not be removed",
            f"Delete {TRIAL_NAME} there, or check again: the next trial removes it.",
        )
