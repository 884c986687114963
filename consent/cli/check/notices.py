"""Check that there are addresses for notices which Apprise recognises, and, if asked, send them a test notice."""

from collections.abc import Sequence

from consent.cli.check.context import ResolvedAccess
from consent.cli.check.findings import FindingCollector
from consent.config.credentials import NOTIFY
from consent.runs.notices import Notice, addresses_in, deliver
from consent.studies.model import StudyConfig

TEST = Notice("test", "Consent report: test", "This is a test notice of `consent check --notify`.", "info")

_PROBLEMS = {
    "refused": ("did not accept the test notice", "Correct that address, or look at its service."),
    "unanswered": ("did not answer", "Check the network and its proxy, then check again."),
    "unknown": ("is no address of Apprise", "Correct it: https://appriseit.com/services/ shows the forms."),
}


def check_notices(studies: Sequence[StudyConfig], access: ResolvedAccess, findings: FindingCollector) -> None:
    """Check the addresses in CONSENT_NOTIFY; none is ever shown. A run does not need them."""
    test, secret = TEST if access.context.notify else None, access.secrets.get(NOTIFY)
    if test is None and not any(study.notify for study in studies):
        return
    sandbox = access.settings.has("DROPBOX_SANDBOX_URL")
    addresses = addresses_in(secret, sandbox=sandbox) if secret and access.network else []
    if not addresses:
        why = "with a simulated Dropbox only addresses on this machine are used" if sandbox else "there is no address"
        findings.warning(f"No notice can be sent: {why}.", f"Set {NOTIFY}, or remove [notify] from the study file.")
        return
    access.context.stage("Checking the addresses of notices")
    states = deliver(addresses, test, access.settings)
    for number, state in enumerate(states, 1):
        if state in _PROBLEMS:
            what, fix = _PROBLEMS[state]
            findings.warning(f"Address {number} of {len(states)} {what}.", fix)
    if usable := states.count("accepted" if test else "recognised"):
        done = "accepted the test notice" if test else "recognised by Apprise (none was sent a notice; see --notify)"
        findings.ok(f"{usable} of {len(states)} addresses {done}.")
