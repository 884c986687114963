"""The HTTP transport of Azure's client libraries, which limits their waits, and the Azure identity of this machine."""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from consent.errors import Problem, SettingsError

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import RequestsTransport

LOGIN_URL = "https://login.microsoftonline.com"
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0


def azure_transport(
    session: "requests.Session",
    sleep: Callable[[float], None],
    *,
    longest_wait: float,
    read_seconds: float = READ_SECONDS,
) -> "RequestsTransport":
    """Return a transport that sends a library's requests over this session; the session stays open.

    longest_wait: the limit in seconds for any wait, including one from Retry-After.
    """
    from azure.core.pipeline.transport import RequestsTransport

    transport = RequestsTransport(
        session=session,
        session_owner=False,
        use_env_settings=False,
        connection_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        connection_verify=session.verify,  # or the library's default would replace the session's
    )
    transport.sleep = lambda seconds: sleep(min(seconds, longest_wait))
    return transport


def find_identity(
    transport: "RequestsTransport", retries: dict[str, Any], *, managed: bool = False, client_id: str | None = None
) -> "TokenCredential":
    """Return the Azure identity of this machine; sends no request yet.

    managed: use a managed identity only. client_id: the id of a user-assigned one.
    Raises SettingsError if Azure's identity library rejects a setting.
    """
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    credential: Callable[..., TokenCredential] = ManagedIdentityCredential if managed else DefaultAzureCredential
    chosen = {"client_id" if managed else "managed_identity_client_id": client_id} if client_id else {}
    with contextlib.suppress(ValueError):  # its message repeats the setting's value
        return credential(transport=transport, **retries, **chosen)
    fix = "Check AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_TOKEN_CREDENTIALS."
    raise SettingsError([Problem("Azure's identity library rejects an AZURE_ setting.", fix)])
