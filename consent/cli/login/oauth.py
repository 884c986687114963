"""Asks Dropbox for a lasting log-in: the address that a person opens, and what the code shown there is exchanged for.

Follows the code flow with PKCE, which needs no app secret, by Dropbox's own library. Asks for what a delivery needs and
no more. Shows neither code nor token, and keeps neither.

https://developers.dropbox.com/oauth-guide
"""

from typing import TYPE_CHECKING, Any

from consent.config.credentials import DROPBOX_KEY, DROPBOX_TOKEN, Secret
from consent.errors import ConsentReportError, DeliveryRefusedError, DeliveryUnavailableError, SettingsError

if TYPE_CHECKING:
    import requests

SCOPES = ("account_info.read", "files.content.write", "files.metadata.read")
APP_CONSOLE = "https://www.dropbox.com/developers/apps"

_WEB = "https://www.dropbox.com"
_TIMEOUT = 60  # seconds, between two packets of an answer


class Authorisation:
    """One sign-in with one app: its address, and the exchange of its code, which both must belong together.

    sandbox_url: of a stand-in for Dropbox on this machine. The session stays open.
    """

    def __init__(self, app_key: Secret, session: "requests.Session", sandbox_url: str | None = None) -> None:
        from dropbox import DropboxOAuth2FlowNoRedirect

        self._flow = DropboxOAuth2FlowNoRedirect(
            app_key.reveal(),
            use_pkce=True,
            token_access_type="offline",  # noqa: S106  (without it the log-in ends after four hours)
            scope=[*SCOPES],
            timeout=_TIMEOUT,
        )
        self._flow.requests_session = session
        address = str(self._flow.start())
        self.address = address if sandbox_url is None else sandbox_url + address.removeprefix(_WEB)

    def exchange(self, code: str) -> Secret | None:
        """The refresh token that Dropbox gives for a code; None for a code that it does not know (any more).

        Raises:
            DeliveryRefusedError: it gave less than a delivery needs.
            DeliveryUnavailableError: it could not be reached.
            SettingsError: it does not know the app key.
        """
        answer = self._answer(code)
        if isinstance(answer, ConsentReportError):
            raise answer  # here and not in `except`, where it would carry along an error that holds the code
        return answer

    def _answer(self, code: str) -> Secret | ConsentReportError | None:
        import requests

        try:
            granted = self._flow.finish(code)
        except requests.HTTPError as error:
            return _refusal(error.response)
        except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError):
            return _unreached("Dropbox could not be reached, or something else answered in its place")
        return _refresh_token(granted)


def _refusal(response: "requests.Response") -> ConsentReportError | None:
    if response.status_code != 400:
        return _unreached(f"Dropbox, or something in its place, answered with HTTP status {response.status_code}")
    match _word_in(response):
        case "invalid_grant":
            return None
        case "invalid_client":
            return SettingsError([f"{DROPBOX_KEY} is no app key that Dropbox knows: copy it from {APP_CONSOLE}"])
        case _:
            return DeliveryRefusedError("Dropbox does not take this sign-in (HTTP status 400). Start it once more.")


def _word_in(response: "requests.Response") -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return ""


def _unreached(what: str) -> DeliveryUnavailableError:
    return DeliveryUnavailableError(
        f"{what}, so the code was not exchanged. Check the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE) and "
        "https://status.dropbox.com, then sign in again. Nothing was kept."
    )


def _refresh_token(granted: Any) -> Secret | ConsentReportError:
    missing = [] if granted.scope is None else sorted({*SCOPES} - {*granted.scope.split()})
    if missing:
        return DeliveryRefusedError(
            f"The app lacks the permission {' and '.join(missing)}. Open it at {APP_CONSOLE}, tick it under "
            "Permissions, press Submit, then sign in again: only a new sign-in has a new permission. Nothing was kept."
        )
    if not granted.refresh_token:
        return DeliveryRefusedError("Dropbox gave no lasting log-in. Sign in again. Nothing was kept.")
    return Secret(DROPBOX_TOKEN, granted.refresh_token)
