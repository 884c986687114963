"""Whether particular settings make sense: addresses that could give a token away, folders that are not there."""

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from consent.config.settings import LOOPBACK_HOSTS, Settings
from consent.errors import SettingsError

_SDK_HOST_SETTINGS = (
    "DROPBOX_API_HOST",
    "DROPBOX_API_CONTENT_HOST",
    "DROPBOX_API_NOTIFY_HOST",
    "DROPBOX_WEB_HOST",
    "DROPBOX_API_DOMAIN",
    "DROPBOX_WEB_DOMAIN",
    "DROPBOX_DOMAIN",
)


def studies_directory(settings: Settings) -> Path:
    """Give the folder of study files: CONSENT_STUDIES, or the one that comes with the package.

    Raises SettingsError if CONSENT_STUDIES names no folder.
    """
    chosen = settings.get("CONSENT_STUDIES")
    if chosen is None:
        return Path(__file__).parent.parent / "studies"
    if not Path(chosen).is_dir():
        raise SettingsError(["CONSENT_STUDIES does not name a folder: give the folder of the study files"])
    return Path(chosen)


def dropbox_sandbox_url(settings: Settings) -> str | None:
    """Give the address of the Dropbox stand-in on this machine, if one is to be used instead of Dropbox.

    Raises SettingsError for anything but plain http on loopback, and always inside Azure.
    """
    url = settings.get("DROPBOX_SANDBOX_URL")
    if url is None:
        return None
    if settings.in_azure:
        raise SettingsError(["DROPBOX_SANDBOX_URL has no place in Azure: remove it to deliver to Dropbox"])
    parts = split_url(url)
    if parts is None or parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS or has_extras(parts):
        raise SettingsError(["DROPBOX_SANDBOX_URL must be http://127.0.0.1:PORT: the stand-in is local only"])
    return f"http://{parts.netloc}"


def root_namespace(settings: Settings) -> str | None:
    """Give the id of the Dropbox team space that paths start in, or nothing for the account's own files.

    Raises SettingsError for what can be no id, which the Dropbox library would stumble over.
    """
    given = settings.get("DROPBOX_ROOT_NAMESPACE")
    if given is not None and not re.fullmatch(r"[-_:0-9A-Za-z]+", given):
        problem = (
            "DROPBOX_ROOT_NAMESPACE is no namespace id, a number such as 1234567: sign in again with "
            "'consent login dropbox', which finds it, or remove it to deliver to the account's own files"
        )
        raise SettingsError([problem])
    return given


def heartbeat_url(settings: Settings) -> str | None:
    """Give the address to ask for once every report is delivered, if a monitor waits for that.

    A run against the Dropbox stand-in vouches for nothing, so then only a monitor on this machine is told. Raises
    SettingsError for anything but https, or plain http on loopback.
    """
    url = settings.get("HEARTBEAT_URL")
    if url is None:
        return None
    parts = split_url(url)
    if parts is None or not parts.hostname or "@" in parts.netloc:
        raise SettingsError(["HEARTBEAT_URL is not a web address: give the one that the monitor shows"])
    is_local = parts.hostname in LOOPBACK_HOSTS
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise SettingsError(["HEARTBEAT_URL must start with https://: whoever reads it can fake a heartbeat"])
    return url if is_local or dropbox_sandbox_url(settings) is None else None


def months_kept(settings: Settings) -> int:
    """Give for how many months the ledger keeps the counts of a run: CONSENT_KEEP_MONTHS, or 24.

    Raises SettingsError for anything but a whole number from 1 to 1200.
    """
    text = settings.get("CONSENT_KEEP_MONTHS") or "24"
    if not text.isascii() or not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= 1200:
        raise SettingsError(["CONSENT_KEEP_MONTHS must be a number of months, 1 to 1200, such as 24"])
    return int(text)


def ensure_no_sdk_hosts(settings: Settings) -> None:
    """Stop if a variable would make the Dropbox library send its tokens to another host.

    Raises SettingsError naming every such variable.
    """
    problems = [
        f"{name} would send Dropbox tokens to another host: remove it"
        for name in _SDK_HOST_SETTINGS
        if settings.has(name)
    ]
    if problems:
        raise SettingsError(problems)


def check_redcap_url(url: str, *, setting: str, allow_http: bool) -> str | None:
    """Say what is wrong with the address of REDCap's API, or nothing if it can be used.

    setting: the name of the setting, for the sentence; the address itself is not repeated.
    """
    parts = split_url(url)
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        return f"{setting} is not a web address: give the one of REDCap's API, https://HOST/api/"
    if parts.scheme == "http" and not allow_http and parts.hostname not in LOOPBACK_HOSTS:
        return f"{setting} must start with https://, or the token and the answers travel readable by anyone"
    if "@" in parts.netloc:
        return f"{setting} must not hold a user name or password: remove what is before the @"
    if "?" in url or "#" in url:
        return f"{setting} must end in /api/, with nothing after it"
    if not parts.path.endswith("/api/"):
        return f"{setting} must end in /api/, with the last slash: without it REDCap redirects and loses the request"
    return None


def split_url(url: str) -> SplitResult | None:
    """Take an address apart, or give nothing if it is not one."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked only when asked for
        (parts.hostname or "").encode("idna")  # which a name with two full stops together is not fit for
    except ValueError:
        return None
    return parts


def has_extras(parts: SplitResult) -> bool:
    """Say whether an address holds more than a scheme, a host and a port."""
    return "@" in parts.netloc or parts.path not in ("", "/") or bool(parts.query or parts.fragment)
