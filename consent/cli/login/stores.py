"""Places that can save the credentials: .env, local.settings.json or a Key Vault. Values are never shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from consent.cli.login.prompts import Prompts
from consent.cli.login.settings_files import update_settings_file, would_be_committed
from consent.config.credentials import DROPBOX_SECRET, KeyVault, Secret
from consent.config.settings import Network, Settings, app_folder
from consent.errors import ConfigurationError, ConsentReportError, Problem, SecretsRefusedError, SettingsError

FILE_NAMES = {"env": ".env", "local": "local.settings.json"}
VAULT = "vault"
STORE_KEYS = (*FILE_NAMES, VAULT)
"""The values of ``--save-in``."""


class WritableVault(KeyVault):
    """A Key Vault that also stores secrets; only the sign-in uses it, so that no run can write."""

    _action = "stored"
    _no_right = (
        "Give this identity the role 'Key Vault Secrets Officer' on the vault, or 'Set' on secrets in its access "
        "policies. A new right can take ten minutes to work."
    )

    def store(self, secret: Secret) -> None:
        """Store a secret under its name, with ``-`` for ``_``; earlier values stay as older versions."""
        name = secret.name.replace("_", "-")
        if self._request(name, lambda client: client.set_secret(name, secret.reveal())) is None:
            raise SecretsRefusedError(
                f"{self._label(name)} was not stored: the vault does not exist.", "Check KEY_VAULT_URL."
            )


OpenVault = Callable[[str, Network], WritableVault]


@dataclass(frozen=True)
class Credentials:
    """What a sign-in gives: the secrets, and the plain settings; an empty one of these must not be set."""

    secrets: Mapping[str, Secret]
    plain: Mapping[str, str]

    def values(self) -> dict[str, str]:
        """Return all values in plain text, to be written: never print them."""
        return {**{name: secret.reveal() for name, secret in self.secrets.items()}, **self.plain}


@dataclass(frozen=True)
class SavedCredentials:
    """The place and the names that were saved, and the names that had another value there."""

    place: str
    names: tuple[str, ...]
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True)
class CredentialStore:
    """One place: a settings file, there or not yet, or a Key Vault, which holds secrets only."""

    place: str
    target: Path | Callable[[], WritableVault]

    def git_warning(self) -> str | None:
        """Return a warning if git might commit the file; raise ConfigurationError if it would."""
        file = self.target
        committed = isinstance(file, Path) and would_be_committed(file)
        if isinstance(file, Path) and committed:
            raise ConfigurationError(
                f"git would commit {file} with the credentials in it.",
                f"Add the line {file.name} to .gitignore, or choose another place. If git tracks the file already, run "
                f"`git rm --cached {file.name}`.",
            )
        return f"Make sure that git does not commit {file}: git did not respond." if committed is None else None

    def save(self, credentials: Credentials) -> SavedCredentials:
        """Save the credentials; raises ConfigurationError for a file, or what ``WritableVault.store`` raises."""
        if isinstance(self.target, Path):
            values = credentials.values()
            replaced = update_settings_file(self.target, values)
            return SavedCredentials(self.place, tuple(name for name, value in values.items() if value), replaced)
        with self.target() as vault:
            for secret in credentials.secrets.values():
                vault.store(secret)
        return SavedCredentials(self.place, tuple(name.replace("_", "-") for name in credentials.secrets))

    def remaining_steps(self, credentials: Credentials, after: Settings) -> tuple[str, ...]:
        """Return what the person must still do, a sentence each; after: the settings as a run finds them now."""
        steps = [
            f"{name} is also set in {after.place_of(name)}, which takes precedence. Remove it there."
            for name, value in credentials.values().items()
            if after.has(name) and after.get(name) != value
        ]
        if not isinstance(self.target, Path):
            by_hand = (
                f"Set {name} to {value} where reports run." for name, value in credentials.plain.items() if value
            )
            steps += [f"Key Vault holds secrets only. {step}" for step in by_hand]
        if after.has(DROPBOX_SECRET):
            steps.append(f"{DROPBOX_SECRET} (in {after.place_of(DROPBOX_SECRET)}) is no longer needed. Remove it.")
        return tuple(steps)


def available_stores(settings: Settings, folder: Path | None, open_vault: OpenVault) -> dict[str, CredentialStore]:
    """Return the stores by ``--save-in`` key, existing files first; folder: that of the settings files, if given."""
    stores: dict[str, CredentialStore] = {}
    if home := folder or app_folder():
        files = {key: home / name for key, name in FILE_NAMES.items()}
        stores = {
            key: CredentialStore(str(files[key]), files[key])
            for key in sorted(files, key=lambda key: not files[key].exists())
        }
    if url := settings.get("KEY_VAULT_URL"):
        stores[VAULT] = CredentialStore(f"Key Vault {url}", partial(open_vault, url, settings.network))
    return stores


def choose_store(stores: Mapping[str, CredentialStore], key: str | None, prompts: Prompts) -> CredentialStore:
    """Return the store of this key, or ask for one; raises ConfigurationError without one, or if git commits it."""
    if not stores or key not in (None, *stores):
        missing = "KEY_VAULT_URL" if key == VAULT else "--settings"
        what = f"{missing} is missing, so there is no place to save the credentials."
        raise SettingsError([Problem(what, f"Give {missing}.")])
    places = {store.place: store for store in stores.values()}
    store = stores[key] if key else prompts.choose("Where should the credentials be saved?", places, default=0)
    if store is None:
        raise ConfigurationError("No place was chosen.", "Sign in again.")
    if warning := store.git_warning():
        prompts.say(warning)
    return store


def save_credentials(
    credentials: Credentials, store: CredentialStore, stores: Mapping[str, CredentialStore], prompts: Prompts
) -> tuple[CredentialStore, SavedCredentials]:
    """Save the credentials; after a failure, ask for another store, or raise the failure if none is chosen."""
    while True:
        try:
            store.git_warning()
            return store, store.save(credentials)
        except ConsentReportError as error:
            failure = error
        prompts.say(str(failure))
        places = {store.place: store for store in stores.values()}
        other = prompts.choose("The credentials are not saved yet. Where now? (Enter to stop)", places)
        if other is None:
            raise failure
        store = other
