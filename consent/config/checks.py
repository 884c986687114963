"""Check single settings: addresses that could leak a token, folders that do not exist, numbers out of range.

Each function raises SettingsError, except where noted.
"""

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from consent.config.settings import LOOPBACK_HOSTS, Settings
from consent.errors import Problem, SettingsError

_SDK_HOST_SETTINGS = (
    *("DROPBOX_API_HOST", "DROPBOX_API_CONTENT_HOST", "DROPBOX_API_NOTIFY_HOST", "DROPBOX_WEB_HOST"),
    *("DROPBOX_API_DOMAIN", "DROPBOX_WEB_DOMAIN", "DROPBOX_DOMAIN"),
)


def studies_directory(settings: Settings) -> Path:
    """Return the folder of study files: CONSENT_STUDIES, ``studies`` beside the settings, or this package's."""
    chosen = settings.get("CONSENT_STUDIES")
    if chosen is None:
        own = settings.folder and settings.folder / "studies"
        return own if own and any(own.glob("*.toml")) else Path(__file__).parent.parent / "studies"
    if not Path(chosen).is_dir():
        what = "is a file, not a folder" if Path(chosen).exists() else "does not exist"
        raise _error(f"The folder {chosen} of CONSENT_STUDIES {what}.", "Set it to the folder of the study files.")
    return Path(chosen)


def dropbox_sandbox_url(settings: Settings) -> str | None:
    """Return the address of the simulated Dropbox on this machine, or None to use Dropbox itself.

    Only plain http on loopback is accepted, and nothing in Azure.
    """
    url = settings.get("DROPBOX_SANDBOX_URL")
    if url is None:
        return None
    if settings.in_azure:
        raise _error("DROPBOX_SANDBOX_URL cannot be used in Azure.", "Remove it to deliver to Dropbox.")
    parts = split_url(url)
    if parts is None or parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS or has_extras(parts):
        raise _error("DROPBOX_SANDBOX_URL is not an address on this machine.", "Set it to http://127.0.0.1:PORT.")
    return f"http://{parts.netloc}"


def root_namespace(settings: Settings) -> str | None:
    """Return the id of the Dropbox team space where paths start, or None for the account's own files."""
    given = settings.get("DROPBOX_ROOT_NAMESPACE")
    if given is not None and not re.fullmatch(r"[-_:0-9A-Za-z]+", given):
        fix = "Sign in again with 'consent login dropbox', or remove it to use the account's own files."
        raise _error("DROPBOX_ROOT_NAMESPACE is not a namespace id (a number such as 1234567).", fix)
    return given


def dropbox_folder_url(settings: Settings) -> str:
    """Return the address at which people see the folder where the paths of delivered files start."""
    url = settings.get("DROPBOX_FOLDER_URL") or "https://www.dropbox.com/home"
    parts = split_url(url)
    is_dropbox = parts is not None and (parts.scheme, parts.netloc) == ("https", "www.dropbox.com")
    if parts is None or not is_dropbox or parts.query or parts.fragment:
        fix = "Open the folder at dropbox.com and copy its address: https://www.dropbox.com/home/Apps/..."
        raise _error("DROPBOX_FOLDER_URL is not the address of a folder at dropbox.com.", fix)
    return url.rstrip("/")


def heartbeat_url(settings: Settings) -> str | None:
    """Return the address to request once every report is delivered; None without a monitor.

    Only https, or plain http on loopback. With a simulated Dropbox only a monitor on this machine is used.
    """
    url = settings.get("HEARTBEAT_URL")
    if url is None:
        return None
    parts = split_url(url)
    if parts is None or not parts.hostname or "@" in parts.netloc:
        raise _error("HEARTBEAT_URL is not a web address.", "Copy the address from your monitoring service.")
    is_local = parts.hostname in LOOPBACK_HOSTS
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise _error("HEARTBEAT_URL does not start with https://.", "Use https, so that nobody can fake a heartbeat.")
    return url if is_local or dropbox_sandbox_url(settings) is None else None


def months_kept(settings: Settings) -> int:
    """Return for how many months the run history keeps a run's counts: CONSENT_KEEP_MONTHS (1 to 1200), or 24."""
    text = settings.get("CONSENT_KEEP_MONTHS") or "24"
    if not text.isascii() or not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= 1200:
        raise _error("CONSENT_KEEP_MONTHS is not a number of months.", "Set it to a number from 1 to 1200, such as 24.")
    return int(text)


def ensure_no_sdk_hosts(settings: Settings) -> None:
    """Reject every variable that would make the Dropbox library send its tokens to another host."""
    problems = [
        Problem(f"{name} would send Dropbox tokens to another host.", "Remove it.")
        for name in _SDK_HOST_SETTINGS
        if settings.has(name)
    ]
    if problems:
        raise SettingsError(problems)


def check_redcap_url(url: str, *, setting: str, allow_http: bool) -> Problem | None:
    """Return what is wrong with the address of REDCap's API, without the address itself; raises nothing."""
    parts = split_url(url)
    what, fix = None, "Set it to the address of REDCap's API, https://HOST/api/."
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        what = "is not a web address"
    elif parts.scheme == "http" and not allow_http and parts.hostname not in LOOPBACK_HOSTS:
        what, fix = "does not start with https://", "Use https: plain http exposes the token and the data."
    elif "@" in parts.netloc:
        what, fix = "contains a user name or password", "Remove the part before the @."
    elif "?" in url or "#" in url or not parts.path.endswith("/api/"):  # without the slash REDCap redirects
        what, fix = "does not end in /api/", "End it in /api/, with the last slash and nothing after it."
    return Problem(f"{setting} {what}.", fix) if what else None


def os_reason(error: OSError, path: Path) -> str:
    """Return why a file cannot be opened or created; a folder that does not exist is named."""
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return f"the folder {path.parent} does not exist"
    return error.strerror or type(error).__name__


def split_url(url: str) -> SplitResult | None:
    """Split an address; None if it is not one. Raises nothing."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked only when it is read
        (parts.hostname or "").encode("idna")  # rejects a name with two dots in a row
    except ValueError:
        return None
    return parts


def has_extras(parts: SplitResult) -> bool:
    """Return whether an address has more than a scheme, a host and a port."""
    return "@" in parts.netloc or parts.path not in ("", "/") or bool(parts.query or parts.fragment)


def _error(what: str, fix: str) -> SettingsError:
    return SettingsError([Problem(what, fix)])
