"""How Azure's libraries reach Azure from here: over our own session, with our patience, as an identity that they find.

Retries nothing itself: the libraries do, and sleep as they are told here.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from consent.errors import SettingsError

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
    """Carry the requests of one of Azure's libraries over a session, which stays open.

    longest_wait: seconds, whatever a Retry-After asks for.
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


def found_identity(
    transport: "RequestsTransport", retries: dict[str, Any], *, managed: bool = False, client_id: str | None = None
) -> "TokenCredential":
    """Find who this machine is to Azure; asks nobody yet.

    managed: only as a managed identity. client_id: which of several. Raises SettingsError if a setting of the
    identity library cannot be used.
    """
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    chosen: dict[str, Any] = (
        {} if client_id is None else {"client_id" if managed else "managed_identity_client_id": client_id}
    )
    with contextlib.suppress(ValueError):  # its message repeats the setting's value
        if managed:
            return ManagedIdentityCredential(transport=transport, **retries, **chosen)
        return DefaultAzureCredential(transport=transport, **retries, **chosen)
    problem = "an AZURE_ setting has a value that Azure's identity library does not take: check AZURE_CLIENT_ID, "
    raise SettingsError([problem + "AZURE_TENANT_ID and AZURE_TOKEN_CREDENTIALS"])
