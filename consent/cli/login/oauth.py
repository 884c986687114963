"""Sign in to Dropbox with OAuth: the address that a person opens, and the exchange of its code for a refresh token.

Uses the code flow with PKCE of Dropbox's own library, which needs no app secret. Never shows the code or the token.

https://developers.dropbox.com/oauth-guide
"""

import contextlib
from typing import TYPE_CHECKING, Any

from consent.config.credentials import DROPBOX_TOKEN, Secret
from consent.delivery.dropbox_errors import INVALID_CLIENT
from consent.errors import ConsentReportError, DeliveryRefusedError, DeliveryUnavailableError, Problem, SettingsError

if TYPE_CHECKING:
    import requests

SCOPES = ("account_info.read", "files.content.write", "files.metadata.read")
"""The permissions that a delivery needs, and no more."""
APP_CONSOLE = "https://www.dropbox.com/developers/apps"


class Authorisation:
    """One sign-in with one app: its address, and the exchange of its code; the session stays open."""

    def __init__(self, app_key: Secret, session: "requests.Session", sandbox_url: str | None = None) -> None:
        from dropbox import DropboxOAuth2FlowNoRedirect

        self._flow = DropboxOAuth2FlowNoRedirect(
            app_key.reveal(),
            use_pkce=True,
            token_access_type="offline",  # noqa: S106  (otherwise the sign-in expires after four hours)
            scope=[*SCOPES],
            timeout=60,  # seconds between two packets of a response
        )
        self._flow.requests_session = session
        address = str(self._flow.start())
        self.address = address if sandbox_url is None else sandbox_url + address.removeprefix("https://www.dropbox.com")

    def exchange(self, code: str) -> Secret | None:
        """Return the refresh token for a code, or None if Dropbox does not accept it; raises any other failure."""
        import requests

        token: Secret | ConsentReportError | None
        try:
            token = _refresh_token(self._flow.finish(code))
        except requests.HTTPError as error:
            token = _error_from_response(error.response)
        except (requests.RequestException, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            token = _unreachable("Dropbox could not be reached, or another server answered in its place.")
        if isinstance(token, ConsentReportError):
            raise token  # not in `except`: there it would carry the library's error, which holds the code
        return token


def _refresh_token(granted: Any) -> Secret | ConsentReportError:
    missing = [] if granted.scope is None else sorted({*SCOPES} - {*granted.scope.split()})
    if missing:
        return DeliveryRefusedError(
            f"The app lacks the permission {' and '.join(missing)}.",
            f"Open it at {APP_CONSOLE}, tick this under Permissions and press Submit. Then sign in again.",
        )
    if not granted.refresh_token:
        return DeliveryRefusedError("Dropbox returned no refresh token.", "Sign in again.")
    return Secret(DROPBOX_TOKEN, granted.refresh_token)


def _error_from_response(response: "requests.Response") -> ConsentReportError | None:
    """Return the error of a response, or None if the code is not accepted."""
    name = ""
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):
        name = response.json()["error"]
    if name == "invalid_client" and response.status_code in (400, 401):
        reason, fix = INVALID_CLIENT
        return SettingsError([Problem(f"Dropbox refused the sign-in: {reason}.", f"{fix} Both are at {APP_CONSOLE}.")])
    if response.status_code != 400:
        return _unreachable(f"Dropbox, or a server in its place, returned HTTP status {response.status_code}.")
    if name == "invalid_grant":
        return None
    return DeliveryRefusedError("Dropbox rejected this sign-in (HTTP status 400).", "Start it again.")


def _unreachable(what: str) -> DeliveryUnavailableError:
    fix = "Check the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE) and https://status.dropbox.com, then sign in again."
    return DeliveryUnavailableError(what, fix)
