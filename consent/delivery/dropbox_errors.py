"""What an error of the Dropbox library means for the run: wait, stop and tell a person, look again, or not there.

Sends nothing and remembers nothing. Takes only known words out of an error, never its text: the library's and requests'
exceptions hold tokens and what the server sent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dropbox import exceptions as sdk

_DEFAULT_WAIT_SECONDS = 5.0
_LOG_IN_AGAIN = "sign in again with 'consent login dropbox', which keeps a new DROPBOX_OAUTH2_REFRESH_TOKEN"

_REASONS = {
    "file": "a different file already stands there and is never overwritten: look at it and move it away",
    "folder": "a folder of that name is in the way: move it away",
    "file_ancestor": "a file stands where a folder is needed: move it away",
    "insufficient_space": "the account is full: free some space or have its quota raised",
    "no_write_permission": "this account may not write there: ask the folder's owner for the right to edit",
    "access_restricted": "this account is kept out of that folder: ask a Dropbox administrator",
    "disallowed_name": "Dropbox does not allow that name: change the title or the folder in the study file",
    "malformed_path": "Dropbox does not take that path: change the title or the folder in the study file",
    "team_folder": "a team folder cannot be changed that way: choose a folder inside it",
    "operation_suppressed": "Dropbox holds such changes back for this account: ask a Dropbox administrator",
    "payload_too_large": "the file is larger than one upload may be (150 MB)",
    "encryption_not_supported": "the folder is an encrypted team folder, which apps cannot write to: choose another",
    "not_file": "a folder of that name is in the way: move it away",
    "not_folder": "a file stands where a folder is needed: move it away",
    "restricted_content": "Dropbox has locked that file for legal reasons: ask a Dropbox administrator",
    "locked": "somebody has locked that file: ask them to unlock it",
    "invalid_access_token": (
        f"the stored log-in is not valid (app disconnected, log-in withdrawn, or a wrong token): {_LOG_IN_AGAIN}"
    ),
    "user_suspended": "the account is suspended: ask a Dropbox administrator",
    "route_access_denied": "this app may not use that part of Dropbox: check the app in the Dropbox App Console",
}


@dataclass(frozen=True)
class ApiFailure:
    """Why a call did not succeed, in words that may be shown; ``seconds`` is how long Dropbox asks to wait.

    verdict: ``wait`` (nothing was done), ``refused`` (a person must act), ``absent`` (nothing of that name), or
    ``unknown`` (it may have been done or not: look, then send the same bytes again).
    """

    verdict: Literal["wait", "refused", "absent", "unknown"]
    reason: str
    seconds: float = 0.0


def kinds_of_trouble() -> tuple[type[Exception], ...]:
    """Everything a call of the library is known to raise when the server or the network misbehaves.

    Much of it lies outside the library's own exceptions: a broken connection, a body that is not JSON, an answer that
    lacks a field although the file has been stored, or one that is no object at all.
    """
    import requests
    from dropbox.exceptions import DropboxException
    from dropbox.stone_validators import ValidationError

    unreadable = (ValidationError, AssertionError, ValueError, KeyError, TypeError, AttributeError)
    return (DropboxException, requests.RequestException, *unreadable)


def classify(error: Exception) -> ApiFailure:
    """Say what an error, one of ``kinds_of_trouble()``, means."""
    from dropbox import exceptions as sdk

    if isinstance(error, sdk.RateLimitError):
        seconds = _DEFAULT_WAIT_SECONDS if error.backoff is None else float(error.backoff)
        return ApiFailure("wait", "Dropbox is being asked too often", seconds)
    if isinstance(error, sdk.ApiError):
        return _refused_by_route(error)
    if isinstance(error, sdk.AuthError):
        return _refused_login(error)
    if isinstance(error, sdk.BadInputError):
        return _refused_input(error)
    if isinstance(error, sdk.PathRootError):
        return ApiFailure(
            "refused",
            "the account no longer has the team space that DROPBOX_ROOT_NAMESPACE names, and no other is used in its "
            f"place: {_LOG_IN_AGAIN}",
        )
    if isinstance(error, sdk.HttpError):
        return ApiFailure("unknown", f"HTTP status {error.status_code}")
    return ApiFailure("unknown", type(error).__name__)


def _refused_by_route(error: "sdk.ApiError") -> ApiFailure:
    tags = list(_tags(error.error))
    last = tags[-1] if tags else "other"
    if last == "not_found":
        return ApiFailure("absent", "there is nothing of that name")
    if last == "too_many_write_operations":
        return ApiFailure("wait", "other programs are writing to the same Dropbox")
    if last in ("content_hash_mismatch", "reset"):
        return ApiFailure("unknown", f"Dropbox answered '{last}'")
    if error.user_message_text:  # the only sign of a Business team's monthly limit, whose tag the library does not know
        return ApiFailure("refused", f"a limit of the team's plan is reached ('{last}'): ask a Dropbox administrator")
    return ApiFailure("refused", _REASONS.get(last, f"it gave the reason '{last}': ask a Dropbox administrator"))


def _refused_login(error: "sdk.AuthError") -> ApiFailure:
    tags = list(_tags(error.error))
    last = tags[-1] if tags else "other"
    if last == "expired_access_token":
        return ApiFailure("unknown", f"Dropbox answered '{last}'")
    if last == "missing_scope":
        scope = _scope_in(f"'{error.error.get_missing_scope().required_scope}'")
        return ApiFailure("refused", f"the log-in lacks the permission {scope}: {_LOG_IN_AGAIN}")
    return ApiFailure("refused", _REASONS.get(last, f"the log-in was refused ('{last}'): {_LOG_IN_AGAIN}"))


def _refused_input(error: "sdk.BadInputError") -> ApiFailure:
    text = str(error.message)
    if "invalid_client" in text:
        return ApiFailure("refused", "the app key or app secret is wrong: check DROPBOX_KEY and DROPBOX_SECRET")
    if "required scope" in text:
        return ApiFailure(
            "refused",
            f"the app lacks the permission {_scope_in(text)}: tick and submit it under Permissions in the Dropbox App "
            f"Console, then {_LOG_IN_AGAIN}",
        )
    return ApiFailure("refused", "Dropbox cannot make sense of the request (HTTP status 400): report this as a fault")


def _scope_in(text: str) -> str:
    found = re.search(r"'([a-z_]+(?:\.[a-z_]+)+)'", text)
    return found.group(1) if found else "it needs"


def _tags(union: object) -> Iterator[str]:
    """The words of a nested error, outermost first; its classes share no public way to ask for them."""
    while union is not None:
        tag = getattr(union, "_tag", None)
        if tag:
            yield tag
        union = getattr(union, "_value" if tag else "reason", None)
