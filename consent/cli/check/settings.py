"""Examines the settings: what is there and from which place, what is missing, what would give a secret away.

Shows no value. Looks secrets up as a run does; whether they are the right ones is found by whoever uses them.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from consent.cli.check.context import CheckContext, ResolvedAccess
from consent.cli.check.findings import FindingCollector
from consent.config.checks import dropbox_sandbox_url, ensure_no_sdk_hosts, heartbeat_url, months_kept, root_namespace
from consent.config.credentials import DROPBOX_KEY, DROPBOX_SECRET, DROPBOX_TOKEN, KeyVault, Secret, find_secrets
from consent.config.http_session import usable_network
from consent.config.settings import Network, Settings
from consent.errors import SecretsRefusedError, SecretsUnavailableError, SettingsError
from consent.runs.services import redcap_url
from consent.studies.model import StudyConfig

_IDENTITIES = {
    "ManagedIdentityCredential": "the managed identity of this machine",
    "EnvironmentCredential": "the app registration of AZURE_CLIENT_ID",
    "WorkloadIdentityCredential": "the workload identity of this machine",
    "AzureCliCredential": "whoever signed in with `az login`",
    "AzurePowerShellCredential": "whoever signed in with Connect-AzAccount",
    "AzureDeveloperCliCredential": "whoever signed in with `azd auth login`",
    "VisualStudioCodeCredential": "whoever signed in in Visual Studio Code",
}


def find_all_secrets(
    settings: Settings,
    network: Network | None,
    needed: Sequence[str],
    optional: Sequence[str],
    tools: CheckContext,
    notes: FindingCollector,
) -> dict[str, Secret]:
    """Find every secret that can be found; those missing or unusable are noted, each by itself."""
    with contextlib.ExitStack() as opened:
        vault = notes.attempt(lambda: _vault(settings, network, tools), fix=_correct_url(settings))
        identities = opened.enter_context(_noticing_identities())
        search = _Search(settings, opened.enter_context(vault) if vault else None, identities, notes)
        found = {name: secret for name in needed if (secret := search.find(name, is_needed=True))}
        found |= {name: secret for name in optional if (secret := search.find(name, is_needed=False))}
    search.note_vault()
    return found


def _vault(settings: Settings, network: Network | None, tools: CheckContext) -> KeyVault | None:
    url = settings.get("KEY_VAULT_URL")
    return tools.open_vault(url, network) if url and network else None


def _correct_url(settings: Settings) -> str:
    return f"Correct KEY_VAULT_URL in {settings.place_of('KEY_VAULT_URL')}."


class _Search:
    """One search for secrets: remembers whether the vault was asked, and whether it answered.

    identities: as whom Azure let this machine in, so far.
    """

    def __init__(
        self, settings: Settings, vault: KeyVault | None, identities: Sequence[str], notes: FindingCollector
    ) -> None:
        self._settings = settings
        self._vault = vault
        self._identities = identities
        self._notes = notes
        self._asked = self._answered = self._closed = False

    def find(self, name: str, *, is_needed: bool) -> Secret | None:
        """The secret of this name, if it can be found."""
        in_vault = self._vault is not None and not self._settings.has(name)
        if in_vault and self._closed:
            self._notes.unknown(f"{name} was not looked up, because of this")
            return None
        self._asked = self._asked or in_vault
        look = partial(self._looked_up, name, is_needed=is_needed)
        secret = self._notes.attempt(look, fix=_correct_url(self._settings))
        if secret is not None:
            place = f"in Key Vault, as {name.replace('_', '-')}" if in_vault else f"in {self._settings.place_of(name)}"
            self._notes.ok(f"{name}: {place}")
        return secret

    def note_vault(self) -> None:
        """Note what was seen of the vault itself."""
        if self._vault is None:
            return
        if not self._asked:
            self._notes.ok("Key Vault was not asked: every secret is a setting")
        elif self._answered:
            self._notes.ok(f"Key Vault {self._vault.url} answers" + "".join(f", to {who}" for who in self._identities))
        elif self._identities:
            self._notes.ok(f"Key Vault was asked as {' and '.join(self._identities)}")

    def _looked_up(self, name: str, *, is_needed: bool) -> Secret | None:
        needed, optional = ([name], []) if is_needed else ([], [name])
        try:
            found, problems = find_secrets(self._settings, needed, optional=optional, vault=self._vault)
        except (SecretsUnavailableError, SecretsRefusedError) as error:
            self._closed = isinstance(error, SecretsUnavailableError) or not self._identities
            raise
        self._answered = self._answered or not self._settings.has(name)
        if problems:
            raise SettingsError(problems)
        return found.get(name)


@contextlib.contextmanager
def _noticing_identities() -> Iterator[list[str]]:
    """Gather, in words, as whom Azure's identity library got a token: it tells nobody but its log."""
    found: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.args, tuple) and "acquired a token from" in str(record.msg):
                kind = str(record.args[-1])
                found[:] = dict.fromkeys([*found, _IDENTITIES.get(kind, kind)])

    library, listener = logging.getLogger("azure.identity"), Listener(logging.INFO)
    level, propagates = library.level, library.propagate
    library.addHandler(listener)
    library.setLevel(logging.INFO)
    library.propagate = False  # what it says of a failure is said here in fewer words
    try:
        yield found
    finally:
        library.removeHandler(listener)
        library.setLevel(level)
        library.propagate = propagates


def examine_settings(
    studies: Sequence[StudyConfig], settings: Settings, tools: CheckContext, notes: FindingCollector
) -> ResolvedAccess:
    """Note what the settings hold for these studies, and give the examinations to come what they can use of it."""
    notes.ok(f"Read from {settings.searched}")
    network = notes.attempt(lambda: usable_network(settings))
    urls = {study.key: url for study in studies if (url := _redcap_url(study, settings, notes))}
    needed = dict.fromkeys([*(study.redcap.token_setting for study in studies), DROPBOX_KEY, DROPBOX_TOKEN])
    found = find_all_secrets(settings, network, list(needed), [DROPBOX_SECRET], tools, notes)
    _examine_dropbox_settings(settings, notes)
    _examine_others(settings, notes)
    return ResolvedAccess(settings, network, urls, found)


def _redcap_url(study: StudyConfig, settings: Settings, notes: FindingCollector) -> str | None:
    name = study.redcap.url_setting
    url = notes.attempt(lambda: redcap_url(study, settings), fix=_correct_it(name, settings))
    if url is not None:
        notes.ok(f"{name}: in {settings.place_of(name)}")
    return url


def _examine_dropbox_settings(settings: Settings, notes: FindingCollector) -> None:
    notes.attempt(lambda: ensure_no_sdk_hosts(settings))
    name = "DROPBOX_ROOT_NAMESPACE"
    if notes.attempt(lambda: root_namespace(settings)):
        notes.ok(f"{name}: in {settings.place_of(name)}")
    name = "DROPBOX_SANDBOX_URL"
    if notes.attempt(lambda: dropbox_sandbox_url(settings), fix=_correct_it(name, settings)):
        notes.warning(
            f"{name} leads to a stand-in, so nothing reaches Dropbox",
            f"To deliver for real, remove it from {settings.place_of(name)}.",
        )


def _examine_others(settings: Settings, notes: FindingCollector) -> None:
    """Those that a report does not depend on."""
    rules: Mapping[str, Callable[[Settings], object]] = {
        "HEARTBEAT_URL": heartbeat_url,
        "CONSENT_KEEP_MONTHS": months_kept,
    }
    for name, rule in rules.items():
        value = notes.attempt(partial(rule, settings), state="warning", fix=_correct_it(name, settings))
        if value is not None and settings.has(name):
            notes.ok(f"{name}: in {settings.place_of(name)}")


def _correct_it(name: str, settings: Settings) -> str:
    return f"Correct {name} in {settings.place_of(name)}."
