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

from consent.azure_access import LOGIN_URL, azure_transport, found_identity
from consent.errors import ConsentReportError, SecretsRefusedError, SecretsUnavailableError, SettingsError
from consent.network import new_session
from consent.setting_rules import has_extras, split_url
from consent.settings import HEADING, Network, Problems, Settings

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError
    from azure.keyvault.secrets import KeyVaultSecret, SecretClient, SecretProperties

_LONGEST_WAIT_SECONDS = 15.0  # whatever the vault's Retry-After asks for
_RETRIES = {"retry_total": 3, "retry_backoff_factor": 0.5, "retry_backoff_max": 8}
_BUSY_STATUSES = (408, 429)

_NO_RIGHT = (
    "this identity may not read it: ask for the role 'Key Vault Secrets User' on the vault "
    "(where the vault uses access policies: for 'Get' on secrets); a new right can take ten minutes to work"
)
_NOT_ACCEPTED = (
    "the vault does not accept this identity: check that KEY_VAULT_URL is a vault of the identity's own organisation "
    "(tenant), and that the identity has the role 'Key Vault Secrets User' there"
)
_CLOSED_NETWORK = "the vault's network rules keep this machine out: have it allowed under the vault's 'Networking'"
_WHY_FORBIDDEN = {
    "SecretDisabled": "the secret is disabled: enable it, or store a new version of it",
    "ForbiddenByFirewall": _CLOSED_NETWORK,
    "ForbiddenByConnection": _CLOSED_NETWORK,
}


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
            raise SettingsError(HEADING, ["KEY_VAULT_URL must be https://NAME.vault.azure.net"])
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
        answer = self._ask(stored_name)
        if isinstance(answer, ConsentReportError):
            raise answer  # here and not in `except`, where it would carry along the library's error with its response
        if answer is None:
            return None
        self._refuse_outside_its_dates(stored_name, answer.properties)
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

    def _ask(self, stored_name: str) -> "KeyVaultSecret | ConsentReportError | None":
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        client = self._client()
        try:
            return client.get_secret(stored_name)
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            return self._explained(stored_name, error)
        except ValueError:  # the challenge is missing, or asks for a token that is not for this host
            return SettingsError(HEADING, ["KEY_VAULT_URL does not lead to a Key Vault: check the address"])

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

    def _refuse_outside_its_dates(self, name: str, properties: "SecretProperties") -> None:
        if properties.expires_on is not None and properties.expires_on <= self._now():
            raise SecretsRefusedError(f"{self._place(name)} has expired: store a new version of it, then run again.")
        if properties.not_before is not None and properties.not_before > self._now():
            raise SecretsRefusedError(f"{self._place(name)} is not valid yet: correct its activation date.")

    def _explained(self, name: str, error: "AzureError") -> ConsentReportError:
        """The error in our words; the library's own may quote what the server sent."""
        from azure.core.exceptions import ClientAuthenticationError

        status = getattr(error, "status_code", None)
        if status is None and isinstance(error, ClientAuthenticationError):
            return SecretsRefusedError(
                f"{self._place(name)} was not read: Azure gave this machine no identity. On your own computer run "
                "`az login`; in Azure assign the function app a managed identity (and AZURE_CLIENT_ID, if it is a "
                "user-assigned one)."
            )
        if status is None:
            return SecretsUnavailableError(
                f"{self._place(name)} was not read: the vault cannot be reached. Check the address and the network "
                "(HTTPS_PROXY, REQUESTS_CA_BUNDLE); the same run may work later."
            )
        where = f"{self._place(name)} was not read (status {status}, request id {_request_id(error)})"
        return _explained_by_status(where, status, error)

    def _place(self, name: str) -> str:
        return f"Secret {name} in Key Vault {self.url}"


def find_secrets(
    settings: Settings, names: Sequence[str], *, optional: Sequence[str] = (), vault: KeyVault | None = None
) -> tuple[dict[str, Secret], list[str]]:
    """Find the secrets of these names, and say in a sentence each what is wrong with those that cannot be used.

    A setting wins; otherwise the vault is asked (by default the one that KEY_VAULT_URL names, if any). optional: names
    that may be missing, but must be usable where they are not. Raises SecretsRefusedError or SecretsUnavailableError if
    the vault does not answer as it should.
    """
    problems = Problems()
    with contextlib.ExitStack() as opened:
        if vault is None:
            own_vault = problems.noting(lambda: _vault_of(settings))
            vault = opened.enter_context(own_vault) if own_vault else None
        needed = {name: problems.noting(partial(_find_needed, settings, name, vault)) for name in names}
        others = {name: problems.noting(partial(_find, settings, name, vault)) for name in optional}
    found = {name: secret for name, secret in (needed | others).items() if secret is not None}
    return found, problems.listed()


def _vault_of(settings: Settings) -> KeyVault | None:
    url = settings.get("KEY_VAULT_URL")
    return KeyVault(url, network=settings.network) if url else None


def _find_needed(settings: Settings, name: str, vault: KeyVault | None) -> Secret:
    secret = _find(settings, name, vault)
    if secret is None:
        also = f", or as secret {name.replace('_', '-')} in Key Vault {vault.url}" if vault else ""
        raise SettingsError(HEADING, [f"{name} is missing: give it as a setting{also}"])
    return secret


def _find(settings: Settings, name: str, vault: KeyVault | None) -> Secret | None:
    value = settings.get(name)
    if value is None and vault is not None:
        value = vault.lookup(name)
    secret = Secret(name, value or "")
    if not secret.reveal():
        return None
    if not (secret.reveal().isascii() and secret.reveal().isprintable() and " " not in secret.reveal()):
        raise SettingsError(HEADING, [f"{name} holds a blank, a line break or a special character: copy it once more"])
    return secret


def _explained_by_status(where: str, status: int, error: "AzureError") -> ConsentReportError:
    if status < 400:
        return SecretsUnavailableError(
            f"{where}: something else than Key Vault answered, such as a network's sign-in page. Check the network "
            "(HTTPS_PROXY); the same run may work later."
        )
    if status in _BUSY_STATUSES or status >= 500:
        return SecretsUnavailableError(f"{where}: the vault is busy or down. The same run may work later.")
    if status == 403:
        return SecretsRefusedError(f"{where}: {_WHY_FORBIDDEN.get(_inner_code(error), _NO_RIGHT)}.")
    if status == 401:
        return SecretsRefusedError(f"{where}: {_NOT_ACCEPTED}.")
    return SecretsRefusedError(f"{where}: the vault does not take the request. Check the secret's name.")


def _inner_code(error: "AzureError") -> str:
    details = getattr(getattr(error, "error", None), "innererror", None) or {}
    return str(details.get("code", ""))


def _request_id(error: "AzureError") -> str:
    response = getattr(error, "response", None)
    return str(response.headers.get("x-ms-request-id", "unknown")) if response is not None else "unknown"
