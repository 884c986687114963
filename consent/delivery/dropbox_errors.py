"""Map an error of the Dropbox SDK to what the run does: wait, stop, check the file, or treat it as not found.

Uses only known words of an error, never its text: the SDK's and requests' exceptions hold tokens and response bodies.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from consent.config.http_limits import retry_after

if TYPE_CHECKING:
    import requests
    from dropbox import exceptions as sdk

INVALID_CLIENT = ("the app key or app secret is wrong", "Check DROPBOX_KEY and DROPBOX_SECRET.")
"""What Dropbox's ``invalid_client`` means, and how to fix it."""

_DEFAULT_WAIT_SECONDS = 5.0
_SIGN_IN = "Sign in again with 'consent login dropbox'."
_ASK_ADMIN = "Ask a Dropbox administrator."
_CHANGE_PATH = "Change the title or the folder in the study file."
_MOVE_AWAY = "Move it away."

_REFUSALS = {
    "folder": ("a folder with that name exists there", _MOVE_AWAY),
    "file_ancestor": ("a file exists where a folder is needed", _MOVE_AWAY),
    "insufficient_space": ("the account is full", "Free some space or increase the account's quota."),
    "no_write_permission": ("this account may not write there", "Ask the folder's owner for permission to edit."),
    "access_restricted": ("this account may not access that folder", _ASK_ADMIN),
    "disallowed_name": ("Dropbox does not allow that name", _CHANGE_PATH),
    "malformed_path": ("Dropbox does not accept that path", _CHANGE_PATH),
    "team_folder": ("a team folder cannot be changed that way", "Choose a folder inside it."),
    "operation_suppressed": ("Dropbox blocks such changes for this account", _ASK_ADMIN),
    "payload_too_large": ("the file is larger than one upload may be (150 MB)", "Report this as a bug."),
    "encryption_not_supported": ("apps cannot write to an encrypted team folder", "Choose another folder."),
    "not_file": ("a folder with that name exists there", _MOVE_AWAY),
    "not_folder": ("a file exists where a folder is needed", _MOVE_AWAY),
    "restricted_content": ("Dropbox has locked that file for legal reasons", _ASK_ADMIN),
    "locked": ("the file is locked", "Ask the person who locked it to unlock it."),
    "invalid_access_token": ("the stored sign-in is not valid (DROPBOX_OAUTH2_REFRESH_TOKEN)", _SIGN_IN),
    "user_suspended": ("the account is suspended", _ASK_ADMIN),
    "route_access_denied": (
        "this app may not use that part of Dropbox",
        "Check the app's permissions in the Dropbox App Console.",
    ),
}


@dataclass(frozen=True)
class ApiFailure:
    """Why a call failed, in words that may be shown: ``reason`` is a clause, ``fix`` a sentence.

    Verdicts: ``wait`` (nothing was done), ``refused`` (a person must act), ``absent`` (nothing has that name),
    ``conflict`` (another file is there) or ``unknown`` (it may have been done: check, then send the same bytes again).
    """

    verdict: Literal["wait", "refused", "absent", "conflict", "unknown"]
    reason: str
    fix: str = ""
    seconds: float = 0.0  # the wait that Dropbox requests


def failure_types() -> tuple[type[Exception], ...]:
    """Return every exception that a call of the SDK may raise because of the server or the network.

    Many are not the SDK's own: a broken connection, a body that is not JSON, or a response without a required field
    although the file was stored.
    """
    import requests
    from dropbox.exceptions import DropboxException
    from dropbox.stone_validators import ValidationError

    unreadable = (ValidationError, AssertionError, ValueError, KeyError, TypeError, AttributeError)
    return (DropboxException, requests.RequestException, *unreadable)


def classify(error: Exception, response: "requests.Response | None") -> ApiFailure:
    """Map one of ``failure_types()`` to its meaning; ``response``: the last one, parts of which the SDK ignores."""
    from dropbox import exceptions as sdk

    status = 0 if response is None else response.status_code
    if response is not None and (status in (408, 425, 429) or status in range(500, 600)) and status != 501:
        return _transient_failure(error, response)
    if response is not None and _is_invalid_client(error, response):
        return ApiFailure("refused", *INVALID_CLIENT)
    if status == 501:
        return ApiFailure("refused", "HTTP status 501", "Check whether a proxy answered (HTTPS_PROXY).")
    if isinstance(error, sdk.ApiError):
        return _route_failure(error)
    if isinstance(error, sdk.AuthError):
        return _login_failure(error)
    if isinstance(error, sdk.BadInputError):
        return _bad_input_failure(error)
    if isinstance(error, sdk.PathRootError):
        reason = "the account no longer has the team space in DROPBOX_ROOT_NAMESPACE"
        return ApiFailure("refused", reason, _SIGN_IN)
    if isinstance(error, sdk.HttpError):
        return ApiFailure("unknown", f"HTTP status {error.status_code}")
    return ApiFailure("unknown", type(error).__name__)


def _is_invalid_client(error: Exception, response: "requests.Response") -> bool:
    """Whether the token endpoint refused the app; for status 401 the SDK's error does not show it."""
    import requests

    if response.request.path_url != "/oauth2/token" or isinstance(error, requests.RequestException):  # or no whole body
        return False
    return response.status_code in (400, 401) and "invalid_client" in response.text


def _transient_failure(error: Exception, response: "requests.Response") -> ApiFailure:
    asked = retry_after(response.headers)
    if response.status_code != 429:
        return ApiFailure("unknown", f"HTTP status {response.status_code}", seconds=asked)
    seconds = max(asked, float(getattr(error, "backoff", None) or 0)) or _DEFAULT_WAIT_SECONDS
    return ApiFailure("wait", "too many requests", seconds=seconds)


def _route_failure(error: "sdk.ApiError") -> ApiFailure:
    tag = _last_tag(error.error)
    if tag == "not_found":
        return ApiFailure("absent", "nothing has that name")
    if tag == "too_many_write_operations":
        return ApiFailure("wait", "other programs are writing to the same Dropbox")
    if tag == "file":
        return ApiFailure("conflict", "a different file exists there")
    if tag in ("content_hash_mismatch", "reset"):
        return ApiFailure("unknown", tag)
    if error.user_message_text:  # the only sign of a team's monthly limit: the SDK lacks its tag
        return ApiFailure("refused", f"the team's plan has reached a limit ('{tag}')", _ASK_ADMIN)
    return ApiFailure("refused", *_REFUSALS.get(tag, (f"Dropbox gave the reason '{tag}'", _ASK_ADMIN)))


def _login_failure(error: "sdk.AuthError") -> ApiFailure:
    tag = _last_tag(error.error)
    if tag == "expired_access_token":
        return ApiFailure("unknown", tag)
    if tag == "missing_scope":
        scope = _scope_in(f"'{error.error.get_missing_scope().required_scope}'")
        return ApiFailure("refused", f"the sign-in lacks the permission {scope}", _SIGN_IN)
    return ApiFailure("refused", *_REFUSALS.get(tag, (f"Dropbox gave the reason '{tag}'", _SIGN_IN)))


def _bad_input_failure(error: "sdk.BadInputError") -> ApiFailure:
    text = str(error.message)
    if "required scope" in text:
        fix = "Select and submit it under Permissions in the Dropbox App Console. Then sign in again."
        return ApiFailure("refused", f"the app lacks the permission {_scope_in(text)}", fix)
    return ApiFailure("refused", "Dropbox rejected the request (HTTP status 400)", "Report this as a bug.")


def _scope_in(text: str) -> str:
    found = re.search(r"'([a-z_]+(?:\.[a-z_]+)+)'", text)
    return found.group(1) if found else "it needs"


def _last_tag(union: object) -> str:
    """Return the innermost tag of a nested error; the SDK's classes have no public way to read it."""
    last = "other"
    while union is not None:
        tag = getattr(union, "_tag", None)
        last = tag or last
        union = getattr(union, "_value" if tag else "reason", None)
    return last
