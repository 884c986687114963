"""Find the secrets of a run in the settings or in Key Vault; none is printed, stored or cached between runs."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, NoReturn, Self

from consent.config.azure_identity import LOGIN_URL, azure_transport, find_identity
from consent.config.checks import has_extras, split_url
from consent.config.http_session import new_session
from consent.config.key_vault_errors import NO_RIGHT_TO_READ, key_vault_error
from consent.config.settings import Network, Problems, Settings
from consent.dates import utc_now
from consent.errors import ConsentReportError, Problem, SecretsRefusedError, SettingsError

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import TokenCredential
    from azure.keyvault.secrets import KeyVaultSecret, SecretClient, SecretProperties

DROPBOX_KEY, DROPBOX_SECRET, DROPBOX_TOKEN = "DROPBOX_KEY", "DROPBOX_SECRET", "DROPBOX_OAUTH2_REFRESH_TOKEN"
NOTIFY = "CONSENT_NOTIFY"  # the one secret that may be several, with whitespace between them

_LONGEST_WAIT_SECONDS = 15.0  # also if the vault's Retry-After is longer
_RETRIES = {"retry_total": 3, "retry_backoff_factor": 0.5, "retry_backoff_max": 8}


class Secret:
    """A token, key or password that is not shown when it is printed, logged or formatted."""

    __slots__ = ("__value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.__value = value.strip()

    def reveal(self) -> str:
        """Return the value, for the one call that sends it."""
        return self.__value

    def __repr__(self) -> str:
        return f"<Secret {self.name}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{self!r} must not be copied or stored")


@dataclass(eq=False, repr=False)
class KeyVault:
    """Read secrets from an Azure Key Vault with the Azure identity of this machine.

    The first lookup opens the connection. credential: by default an identity found by Azure's library. session: by
    default a new one; a given one stays open. Raises SettingsError if the address is not https.
    """

    url: str
    _: KW_ONLY
    network: Network
    credential: "TokenCredential | None" = None
    session: "requests.Session | None" = None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = utc_now

    _action, _no_right = "read", NO_RIGHT_TO_READ

    def __post_init__(self) -> None:
        parts = split_url(self.url)
        if parts is None or parts.scheme != "https" or not parts.hostname or has_extras(parts):
            problem = Problem("KEY_VAULT_URL is not the address of a vault.", "Set it to https://NAME.vault.azure.net.")
            raise SettingsError([problem])
        self.url = f"https://{parts.netloc}"
        self._opened = contextlib.ExitStack()

    def lookup(self, name: str) -> str | None:
        """Return the newest value of a secret, or None if the vault does not have it.

        name: the setting's name; the vault's name has ``-`` in place of ``_``. Raises SecretsRefusedError,
        SecretsUnavailableError, or SettingsError if the address is not a Key Vault's.
        """
        vault_name = name.replace("_", "-")
        secret = self._request(vault_name, lambda client: client.get_secret(vault_name))
        if secret is None:
            return None
        self._ensure_within_dates(vault_name, secret.properties)
        return secret.value

    def close(self) -> None:
        """Close the connections that this object opened."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _request(self, name: str, send: "Callable[[SecretClient], KeyVaultSecret]") -> "KeyVaultSecret | None":
        result = self._result(name, send)
        if isinstance(result, ConsentReportError):
            raise result  # outside `except`, where it would carry along the library's error with its response
        return result

    def _result(
        self, name: str, send: "Callable[[SecretClient], KeyVaultSecret]"
    ) -> "KeyVaultSecret | ConsentReportError | None":
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        client = self._client
        try:
            return send(client)
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            return key_vault_error(error, f"{self._label(name)} was not {self._action}", self._no_right)
        except ValueError:  # the challenge is missing, or requests a token for another host
            return SettingsError([Problem("KEY_VAULT_URL is not the address of a Key Vault.", "Correct it.")])

    @cached_property
    def _client(self) -> "SecretClient":
        from azure.keyvault.secrets import SecretClient

        # Azure provides identities at a plain http address of the machine itself, which no proxy can reach.
        network = replace(self.network, http_proxy=None)
        session = self.session or self._opened.enter_context(new_session(network, self.url, LOGIN_URL))
        transport = azure_transport(session, self.sleep, longest_wait=_LONGEST_WAIT_SECONDS)
        credential = self.credential or find_identity(transport, _RETRIES)
        return SecretClient(self.url, credential, transport=transport, **_RETRIES)

    def _ensure_within_dates(self, name: str, properties: "SecretProperties") -> None:
        if properties.expires_on is not None and properties.expires_on <= self.now():
            raise SecretsRefusedError(f"{self._label(name)} has expired.", "Store a new version of it.")
        if properties.not_before is not None and properties.not_before > self.now():
            raise SecretsRefusedError(f"{self._label(name)} is not active yet.", "Correct its activation date.")

    def _label(self, name: str) -> str:
        return f"Secret {name} in Key Vault {self.url}"


def find_secrets(
    settings: Settings, names: Sequence[str], *, optional: Sequence[str] = (), vault: KeyVault | None = None
) -> tuple[dict[str, Secret], tuple[Problem, ...]]:
    """Return the usable secrets by name, and the problems of the others.

    Settings take precedence over the vault (by default that of KEY_VAULT_URL). optional: secrets that may be missing.
    Raises SecretsRefusedError or SecretsUnavailableError if the vault's response cannot be used.
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
        fix = "Run 'consent login dropbox'" if name == DROPBOX_TOKEN else "Add it as a setting"
        also = f", or store it as secret {name.replace('_', '-')} in Key Vault {vault.url}" if vault else ""
        raise settings.missing(name, f"{fix}{also}.")
    return secret


def _find(settings: Settings, name: str, vault: KeyVault | None) -> Secret | None:
    value = settings.get(name)
    if value is None and vault is not None:
        value = vault.lookup(name)
    words = (value or "").split() if name == NOTIFY else [value or ""]
    secret = Secret(name, " ".join(words))
    if not secret.reveal():
        return None
    if not all(word.isascii() and word.isprintable() and " " not in word for word in map(str.strip, words)):
        raise SettingsError([Problem(f"{name} contains whitespace or non-ASCII characters.", "Copy it again.")])
    return secret
