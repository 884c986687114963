"""Which Azure storage account keeps the run ledger, and who this program is to it, as the settings say.

Opens no connection. The settings are those by which the Functions platform itself finds its storage.
https://learn.microsoft.com/azure/azure-functions/functions-reference#connections
"""

import base64
import binascii
import re
from dataclasses import dataclass

from consent.config.checks import split_url
from consent.config.credentials import Secret
from consent.config.settings import LOOPBACK_HOSTS, Settings
from consent.errors import SettingsError

STORAGE_SETTING = "AzureWebJobsStorage"
# The account that every storage emulator has; its key is no secret.
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
DEVELOPMENT_ACCOUNT = "devstoreaccount1"
DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_ACCOUNT_NAME = re.compile("[a-z0-9]{3,24}")
_DEFAULT_SUFFIX = "core.windows.net"


@dataclass(frozen=True)
class TableStorage:
    """The address of a storage account's tables, and how to sign in there: by key, or as an identity of Azure.

    managed: only as a managed identity; otherwise, without a key, as whatever identity this machine has.
    client_id: which one, if there are several.
    """

    endpoint: str
    account: str = ""
    key: Secret | None = None
    managed: bool = False
    client_id: str | None = None


def table_storage(settings: Settings) -> TableStorage:
    """Find the storage account of the settings.

    Raises SettingsError saying what is missing or malformed; no value is repeated.
    """
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
        raise _problem(
            f"{STORAGE_SETTING} is missing: give the connection string of the storage account that keeps the record of "
            f"runs ({name} where this program has an identity there), or a file in CONSENT_LEDGER instead"
        )
    if not _ACCOUNT_NAME.fullmatch(account):
        raise _problem(f"{name} must be the plain name of a storage account: 3 to 24 small letters and digits")
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
        raise _problem(
            f"{STORAGE_SETTING} must hold AccountName=...;AccountKey=... whole: copy the connection string once more "
            "from the storage account's 'Access keys'"
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
        raise _problem(f"{setting} does not lead to a table service: give https://NAME.table.{_DEFAULT_SUFFIX}")
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS and not https_only
    if parts.scheme != "https" and not is_local:
        raise _problem(f"{setting} must lead to an https address; plain http is for a stand-in on this machine only")
    return url.rstrip("/")


def _problem(sentence: str) -> SettingsError:
    return SettingsError([sentence])
