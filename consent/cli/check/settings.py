"""Check the settings and find the secrets as a run does. Shows where each one is, never its value."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from consent.cli.check.context import CheckContext, ResolvedAccess
from consent.cli.check.findings import FindingCollector
from consent.config.checks import dropbox_sandbox_url, ensure_no_sdk_hosts, heartbeat_url, months_kept, root_namespace
from consent.config.credentials import DROPBOX_KEY, DROPBOX_SECRET, DROPBOX_TOKEN, NOTIFY, Secret, find_secrets
from consent.config.http_session import usable_network
from consent.config.settings import NAMES, Network, Settings
from consent.errors import SecretsRefusedError, SecretsUnavailableError
from consent.runs.services import redcap_url
from consent.studies.model import StudyConfig


def check_settings(
    studies: Sequence[StudyConfig], settings: Settings, context: CheckContext, findings: FindingCollector
) -> ResolvedAccess:
    """Check the settings of these studies, and return what the next checks can use of them."""
    findings.ok(f"Read from {settings.searched}.")
    network = findings.attempt(lambda: usable_network(settings))
    urls = {}
    for study in studies:
        if url := findings.attempt(partial(redcap_url, study.redcap, settings)):
            urls[study.key] = url
            _add_place(study.redcap.url_setting, settings, findings)
    tokens = dict.fromkeys(study.redcap.token_setting for study in studies)
    optional = [DROPBOX_SECRET, *([NOTIFY] if context.notify or any(study.notify for study in studies) else [])]
    secrets = _find_secrets(settings, network, [*tokens, DROPBOX_KEY, DROPBOX_TOKEN], optional, context, findings)
    findings.attempt(lambda: ensure_no_sdk_hosts(settings))
    if findings.attempt(lambda: root_namespace(settings)):
        _add_place("DROPBOX_ROOT_NAMESPACE", settings, findings)
    if findings.attempt(lambda: dropbox_sandbox_url(settings)):
        findings.warning(
            "DROPBOX_SANDBOX_URL is set, so reports go to a simulated Dropbox.",
            f"To deliver to Dropbox, remove it from {settings.place_of('DROPBOX_SANDBOX_URL')}.",
        )
    rules: dict[str, Callable[[Settings], object]] = {
        "HEARTBEAT_URL": heartbeat_url,
        "CONSENT_KEEP_MONTHS": months_kept,
    }
    for name, rule in rules.items():  # a report does not need them
        value = findings.attempt(partial(rule, settings), state="warning")
        if value is not None and settings.has(name):
            _add_place(name, settings, findings)
    _find_misspelt(studies, settings, findings)
    return ResolvedAccess(context, settings, network, urls, secrets)


def _find_misspelt(studies: Sequence[StudyConfig], settings: Settings, findings: FindingCollector) -> None:
    """Warn of settings that are ignored because of their names; the error of a missing one names its own."""
    needed = {name for study in studies for name in (study.redcap.url_setting, study.redcap.token_setting)}
    required = ("REDCAP_API_URL", "REDCAP_ACCESS_TOKEN", DROPBOX_KEY, DROPBOX_TOKEN)
    for name in (name for name in NAMES if name not in required):
        if near := settings.misspelt(name, {*NAMES, *needed}):
            findings.warning(
                f"{near} in {settings.place_of(near)} is not used. Its name is nearly {name}.", f"Rename it to {name}."
            )


def _add_place(name: str, settings: Settings, findings: FindingCollector) -> None:
    findings.ok(f"{name}: in {settings.place_of(name)}.")


def _find_secrets(
    settings: Settings,
    network: Network | None,
    needed: Sequence[str],
    optional: Sequence[str],
    context: CheckContext,
    findings: FindingCollector,
) -> dict[str, Secret]:
    """Find every secret that can be found; each missing or unusable one is a finding."""
    found: dict[str, Secret] = {}
    answered = blocked = False
    url = findings.attempt(lambda: settings.get("KEY_VAULT_URL"))
    vault = findings.attempt(lambda: context.open_vault(url, network)) if url and network else None
    in_vault = {name for name in (*needed, *optional) if vault is not None and not settings.has(name)}
    with vault or contextlib.nullcontext(), _used_identities() as identities:
        for name in (*needed, *optional):
            if name in in_vault and blocked:
                findings.unknown(f"{name} was not looked up, because of this problem.")
                continue
            names, others = ([], [name]) if name in optional else ([name], [])
            try:
                secrets, problems = find_secrets(settings, names, optional=others, vault=vault)
                answered = answered or name in in_vault
            except (SecretsUnavailableError, SecretsRefusedError) as error:
                secrets, problems = {}, error.problems
                blocked = isinstance(error, SecretsUnavailableError) or not identities
            findings.add_problems(problems, "warning" if name == NOTIFY else "problem")
            found |= secrets
            if name in secrets and name in in_vault:
                findings.ok(f"{name}: in Key Vault, as {name.replace('_', '-')}.")
            elif name in secrets:
                _add_place(name, settings, findings)
    users = " and ".join(identities)
    if vault is not None and not in_vault:
        findings.ok("Key Vault is not used: every secret is a setting.")
    elif vault is not None and answered:
        findings.ok(f"Key Vault {vault.url} can be read{users and f', as {users}'}.")
    elif users:
        findings.ok(f"Key Vault was queried as {users}.")
    return found


@contextlib.contextmanager
def _used_identities() -> Iterator[dict[str, None]]:
    """Collect the names of the credentials that give Azure's library a token; only its log has them.

    https://learn.microsoft.com/python/api/overview/azure/identity-readme#credential-classes
    """
    found: dict[str, None] = {}

    def note(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and "acquired a token from" in str(record.msg):
            found[str(record.args[-1])] = None
        return False

    library, listener = logging.getLogger("azure.identity"), logging.Handler()
    listener.addFilter(note)
    level, propagates = library.level, library.propagate
    library.addHandler(listener)
    library.setLevel(logging.INFO)
    library.propagate = False  # a failure is already a finding
    try:
        yield found
    finally:
        library.removeHandler(listener)
        library.setLevel(level)
        library.propagate = propagates
