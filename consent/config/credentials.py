"""Finds the secrets of a run, in the settings or in Key Vault, and keeps them from being printed.

Stores no secret, caches none between runs, and looks no ordinary setting up in the vault.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from consent.config.azure_identity import LOGIN_URL, azure_transport, found_identity
from consent.config.checks import has_extras, split_url
from consent.config.http_session import new_session
from consent.config.key_vault_errors import NO_RIGHT_TO_READ, explained
from consent.config.settings import Network, Problems, Settings
from consent.errors import ConsentReportError, Problem, SecretsRefusedError, SettingsError

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import TokenCredential
    from azure.keyvault.secrets import KeyVaultSecret, SecretClient, SecretProperties


KEY, REFRESH_TOKEN, SECRET = "DROPBOX_KEY", "DROPBOX_OAUTH2_REFRESH_TOKEN", "DROPBOX_SECRET"


_LONGEST_WAIT_SECONDS = 15.0  # whatever the vault's Retry-After asks for
_RETRIES = {"retry_total": 3, "retry_backoff_factor": 0.5, "retry_backoff_max": 8}
_MADE_BY = {"DROPBOX_OAUTH2_REFRESH_TOKEN": "'consent login dropbox'"}


class Secret:
    """A token, key or password that does not show when it is printed, logged or formatted."""

    __slots__ = ("__value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.__value = value.strip()

    def reveal(self) -> str:
        """Give the value itself, for the one call that sends it."""
        return self.__value

    def __repr__(self) -> str:
        return f"<Secret {self.name}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{self!r} must not be copied or stored")


class KeyVault:
    """Reads secrets from an Azure Key Vault, as whoever this machine is signed in to Azure as.

    Connects at the first lookup. credential: by default Azure's own search for an identity. session: by default a new
    one as ``network`` says; a given one stays open. sleep and now are for tests.
    Raises SettingsError if the address is not https.
    """

    _deed, _no_right = "read", NO_RIGHT_TO_READ

    def __init__(
        self,
        url: str,
        *,
        network: Network,
        credential: "TokenCredential | None" = None,
        session: "requests.Session | None" = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        parts = split_url(url)
        if parts is None or parts.scheme != "https" or not parts.hostname or has_extras(parts):
            raise SettingsError(["KEY_VAULT_URL must be https://NAME.vault.azure.net"])
        self.url = f"https://{parts.netloc}"
        self._network = network
        self._credential = credential
        self._given_session = session
        self._own_session: requests.Session | None = None
        self._sleep = sleep
        self._now = now
        self._opened: SecretClient | None = None

    def lookup(self, name: str) -> str | None:
        """Give the newest value of a secret, or nothing if the vault has none of that name.

        name: the setting's name; the vault's has ``-`` in place of ``_``. Raises SecretsRefusedError,
        SecretsUnavailableError, or SettingsError if no Key Vault answers at this address.
        """
        stored_name = name.replace("_", "-")
        answer = self._ask(stored_name, lambda client: client.get_secret(stored_name))
        if answer is None:
            return None
        self._ensure_within_dates(stored_name, answer.properties)
        return answer.value

    def close(self) -> None:
        """Close the connections it opened itself."""
        if self._own_session is not None:
            self._own_session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, name: str, question: "Callable[[SecretClient], KeyVaultSecret]") -> "KeyVaultSecret | None":
        answer = self._answer(name, question)
        if isinstance(answer, ConsentReportError):
            raise answer  # here and not in `except`, where it would carry along the library's error with its response
        return answer

    def _answer(
        self, stored_name: str, question: "Callable[[SecretClient], KeyVaultSecret]"
    ) -> "KeyVaultSecret | ConsentReportError | None":
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        client = self._client()
        try:
            return question(client)
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            return explained(error, f"{self._place(stored_name)} was not {self._deed}", self._no_right)
        except ValueError:  # the challenge is missing, or asks for a token that is not for this host
            return SettingsError(["KEY_VAULT_URL does not lead to a Key Vault: check the address"])

    def _client(self) -> "SecretClient":
        if self._opened is None:
            from azure.keyvault.secrets import SecretClient

            transport = azure_transport(self._session(), self._sleep, longest_wait=_LONGEST_WAIT_SECONDS)
            credential = self._credential or found_identity(transport, _RETRIES)
            self._opened = SecretClient(self.url, credential, transport=transport, **_RETRIES)
        return self._opened

    def _session(self) -> "requests.Session":
        if self._given_session is not None:
            return self._given_session
        if self._own_session is None:
            # Azure hands out identities at a plain http address of the machine itself, which no proxy can reach.
            self._own_session = new_session(replace(self._network, http_proxy=None), self.url, LOGIN_URL)
        return self._own_session

    def _ensure_within_dates(self, name: str, properties: "SecretProperties") -> None:
        if properties.expires_on is not None and properties.expires_on <= self._now():
            raise SecretsRefusedError(f"{self._place(name)} has expired: store a new version of it, then run again.")
        if properties.not_before is not None and properties.not_before > self._now():
            raise SecretsRefusedError(f"{self._place(name)} is not valid yet: correct its activation date.")

    def _place(self, name: str) -> str:
        return f"Secret {name} in Key Vault {self.url}"


def find_secrets(
    settings: Settings, names: Sequence[str], *, optional: Sequence[str] = (), vault: KeyVault | None = None
) -> tuple[dict[str, Secret], tuple[Problem, ...]]:
    """Find the secrets of these names, and say in a sentence each what is wrong with those that cannot be used.

    A setting wins; otherwise the vault is asked (by default the one that KEY_VAULT_URL names, if any). optional: names
    that may be missing, but must be usable where they are not. Raises SecretsRefusedError or SecretsUnavailableError if
    the vault does not answer as it should.
    """
    problems = Problems()
    with contextlib.ExitStack() as opened:
        if vault is None:
            own_vault = problems.collect(lambda: _vault_of(settings))
            vault = opened.enter_context(own_vault) if own_vault else None
        needed = {name: problems.collect(partial(_find_needed, settings, name, vault)) for name in names}
        others = {name: problems.collect(partial(_find, settings, name, vault)) for name in optional}
    found = {name: secret for name, secret in (needed | others).items() if secret is not None}
    return found, problems.listed()


def _vault_of(settings: Settings) -> KeyVault | None:
    url = settings.get("KEY_VAULT_URL")
    return KeyVault(url, network=settings.network) if url else None


def _find_needed(settings: Settings, name: str, vault: KeyVault | None) -> Secret:
    secret = _find(settings, name, vault)
    if secret is None:
        also = f", or as secret {name.replace('_', '-')} in Key Vault {vault.url}" if vault else ""
        made = f"; {_MADE_BY[name]} makes it and keeps it" if name in _MADE_BY else ""
        raise SettingsError([f"{name} is missing: give it as a setting{also}{made}"])
    return secret


def _find(settings: Settings, name: str, vault: KeyVault | None) -> Secret | None:
    value = settings.get(name)
    if value is None and vault is not None:
        value = vault.lookup(name)
    secret = Secret(name, value or "")
    if not secret.reveal():
        return None
    if not (secret.reveal().isascii() and secret.reveal().isprintable() and " " not in secret.reveal()):
        raise SettingsError([f"{name} holds a blank, a line break or a special character: copy it once more"])
    return secret
