"""Check Dropbox: the sign-in and its permissions, the account, and that a file can be written where reports go.

Writes one small file and deletes it; reads no report. Never shows the owner's name or address.
"""

from collections.abc import Callable, Sequence
from functools import partial

from consent.cli.check.context import ResolvedAccess
from consent.cli.check.findings import FindingCollector
from consent.cli.dropbox_account import DropboxAccount, Owner
from consent.cli.write_test import TEST_FILE_NAME, run_write_test
from consent.config.checks import dropbox_sandbox_url, ensure_no_sdk_hosts, root_namespace
from consent.config.credentials import DROPBOX_KEY, DROPBOX_TOKEN
from consent.delivery.dropbox_session import dropbox_session
from consent.errors import SettingsError
from consent.runs.services import dropbox_folder
from consent.studies.model import StudyConfig


def check_dropbox(studies: Sequence[StudyConfig], access: ResolvedAccess, findings: FindingCollector) -> None:
    """Check that a run could deliver to the folder of each study."""
    blocked, network = _blocked_by(access), access.network
    if blocked or network is None:
        findings.unknown(f"Dropbox was not checked: fix {blocked or 'the network settings'} first.")
        return
    settings, context = access.settings, access.context
    with dropbox_session(network, dropbox_sandbox_url(settings)) as session:
        context.watch_clock(session, "Dropbox")
        open_account = partial(dropbox_folder, DropboxAccount, settings, access.secrets, session)
        new_account = partial(open_account, sleep=context.sleep, clock=context.clock)
        account = new_account()
        if not findings.succeeds(account.connect):
            findings.unknown("Account, permissions and folder were not checked, because of this problem.")
            return
        findings.ok("The sign-in works (permission account_info.read).")
        owner = findings.attempt(account.owner, state="unknown")
        if owner is not None:
            _check_space(owner, root_namespace(settings), findings)
        for folder in dict.fromkeys(folder for study in studies for folder in study.folders):
            _check_folder(folder, new_account, findings)


def _blocked_by(access: ResolvedAccess) -> str:
    """Return what must be fixed before any address is safe to use; it has its own findings already."""
    if missing := [name for name in (DROPBOX_KEY, DROPBOX_TOKEN) if name not in access.secrets]:
        return " and ".join(missing)
    try:
        dropbox_sandbox_url(access.settings)
        root_namespace(access.settings)
        ensure_no_sdk_hosts(access.settings)
    except SettingsError:
        return "the settings above"
    return ""


def _check_space(owner: Owner, chosen: str | None, findings: FindingCollector) -> None:
    """Check which space paths start in; ``chosen``: the id of the team space in the settings."""
    if owner.team_space is None:
        findings.ok(f"A {owner.kind} account; reports go to its own files.")
    elif chosen is None:
        findings.warning(
            f"A {owner.kind} account with a team space, but reports go to the member's own files.",
            f"If they belong in a team folder, set DROPBOX_ROOT_NAMESPACE to {owner.team_space}.",
        )
    else:
        findings.ok(f"A {owner.kind} account; paths start at the team space {chosen}.")


def _check_folder(folder: str, new_account: Callable[[], DropboxAccount], findings: FindingCollector) -> None:
    result = findings.attempt(lambda: run_write_test(new_account, folder))
    if result is None:
        return
    if not result.exists:
        findings.ok(f"The first report creates the folder {folder}.")
    if result.deleted:
        findings.ok(f"A test file was written to {result.written_to}, verified and deleted.")
    else:
        findings.warning(
            f"A test file was written to {result.written_to} and verified, but could not be deleted.",
            f"Delete {TEST_FILE_NAME} there. The next check also deletes it.",
        )
