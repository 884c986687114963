"""The storage account of the run history, and how to sign in to it, from the settings of the Functions platform.

https://learn.microsoft.com/azure/azure-functions/functions-reference#connections
"""

import base64
import binascii
import re
from dataclasses import dataclass

from consent.config.checks import split_url
from consent.config.credentials import Secret
from consent.config.settings import LOOPBACK_HOSTS, Settings
from consent.errors import Problem, SettingsError

STORAGE_SETTING = "AzureWebJobsStorage"
# Every storage emulator has this account; its key is no secret.
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
DEVELOPMENT_ACCOUNT = "devstoreaccount1"
DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_ACCOUNT_NAME = re.compile("[a-z0-9]{3,24}")
_DEFAULT_SUFFIX = "core.windows.net"


@dataclass(frozen=True)
class TableStorage:
    """The address of a storage account's tables, and how to sign in: with a key, or with an Azure identity.

    managed: use a managed identity only; otherwise, without a key, any identity of this machine.
    client_id: selects one of several identities.
    """

    endpoint: str
    account: str = ""
    key: Secret | None = None
    managed: bool = False
    client_id: str | None = None


def table_storage(settings: Settings) -> TableStorage:
    """Return the storage account that the settings name; raises SettingsError, which repeats no value."""
    text = settings.get(STORAGE_SETTING)
    return _by_identity(settings) if text is None else _by_connection_string(text)


def _by_identity(settings: Settings) -> TableStorage:
    return TableStorage(
        endpoint=_identity_endpoint(settings),
        managed=(settings.get(f"{STORAGE_SETTING}__credential") or "").lower() == "managedidentity",
        client_id=settings.get(f"{STORAGE_SETTING}__clientId"),
    )


def _identity_endpoint(settings: Settings) -> str:
    url, name = f"{STORAGE_SETTING}__tableServiceUri", f"{STORAGE_SETTING}__accountName"
    given, account = settings.get(url), settings.get(name)
    if given is not None:
        return _checked(given, url, https_only=True)
    if account is None:
        raise _unusable(
            f"{STORAGE_SETTING} is missing.",
            f"Set it to the connection string of the storage account for the run history (or {name}, to sign in with "
            "an identity), or set CONSENT_LEDGER to a file.",
        )
    if not _ACCOUNT_NAME.fullmatch(account):
        raise _unusable(
            f"{name} is not the name of a storage account.", "Set it to the name: 3 to 24 small letters and digits."
        )
    return f"https://{account}.table.{_DEFAULT_SUFFIX}"


def _by_connection_string(text: str) -> TableStorage:
    parts = {
        name.strip().lower(): value.strip() for name, _, value in (part.partition("=") for part in text.split(";"))
    }
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        key = Secret(STORAGE_SETTING, DEVELOPMENT_KEY)
        return TableStorage(f"http://127.0.0.1:10002/{DEVELOPMENT_ACCOUNT}", DEVELOPMENT_ACCOUNT, key)
    account, key_text = parts.get("accountname", ""), parts.get("accountkey", "")
    if not account or not _is_key(key_text):
        raise _unusable(
            f"{STORAGE_SETTING} is not a whole connection string (AccountName=...;AccountKey=...).",
            "Copy the connection string again from 'Access keys' of the storage account.",
        )
    scheme = parts.get("defaultendpointsprotocol", "https")
    by_name = f"{scheme}://{account}.table.{parts.get('endpointsuffix', _DEFAULT_SUFFIX)}"
    endpoint = _checked(parts.get("tableendpoint", by_name), STORAGE_SETTING)
    return TableStorage(endpoint, account, Secret(STORAGE_SETTING, key_text))


def _is_key(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def _checked(url: str, setting: str, *, https_only: bool = False) -> str:
    parts = split_url(url)
    if parts is None or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise _unusable(
            f"{setting} is not the address of a table service.", f"Set it to https://NAME.table.{_DEFAULT_SUFFIX}."
        )
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS and not https_only
    if parts.scheme != "https" and not is_local:
        raise _unusable(f"{setting} is not an https address.", "Use https; http is for an emulator on this machine.")
    return url.rstrip("/")


def _unusable(what: str, fix: str) -> SettingsError:
    return SettingsError([Problem(what, fix)])
