"""What an error of Azure's Key Vault library means for the operator: wait, or ask for a right, and for which.

Takes only known words out of an error, never its text: that may quote what the server sent.
"""

from typing import TYPE_CHECKING

from consent.errors import ConsentReportError, SecretsRefusedError, SecretsUnavailableError

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

_BUSY_STATUSES = (408, 429)

NO_RIGHT_TO_READ = (
    "this identity may not read it: ask for the role 'Key Vault Secrets User' on the vault "
    "(where the vault uses access policies: for 'Get' on secrets); a new right can take ten minutes to work"
)
_NOT_ACCEPTED = (
    "the vault does not accept this identity: check that KEY_VAULT_URL is a vault of the identity's own organisation "
    "(tenant), and that the identity has the role 'Key Vault Secrets User' there"
)
_CLOSED_NETWORK = "the vault's network rules keep this machine out: have it allowed under the vault's 'Networking'"
_WHY_FORBIDDEN = {
    "SecretDisabled": "the secret is disabled: enable it, or store a new version of it",
    "ForbiddenByFirewall": _CLOSED_NETWORK,
    "ForbiddenByConnection": _CLOSED_NETWORK,
}


def explained(error: "AzureError", what: str, no_right: str) -> ConsentReportError:
    """The error in our words.

    what: what did not come about, as the start of a sentence. no_right: the rest of it where a right is missing.
    """
    from azure.core.exceptions import ClientAuthenticationError

    status = getattr(error, "status_code", None)
    if status is None and isinstance(error, ClientAuthenticationError):
        return SecretsRefusedError(
            f"{what}: Azure gave this machine no identity. On your own computer run `az login`; in Azure assign the "
            "function app a managed identity (and AZURE_CLIENT_ID, if it is a user-assigned one)."
        )
    if status is None:
        return SecretsUnavailableError(
            f"{what}: the vault cannot be reached. Check the address and the network (HTTPS_PROXY, "
            "REQUESTS_CA_BUNDLE); the same run may work later."
        )
    where = f"{what} (status {status}, request id {_request_id(error)})"
    return _explained_by_status(error, status, where, no_right)


def _explained_by_status(error: "AzureError", status: int, where: str, no_right: str) -> ConsentReportError:
    if status < 400:
        return SecretsUnavailableError(
            f"{where}: something else than Key Vault answered, such as a network's sign-in page. Check the network "
            "(HTTPS_PROXY); the same run may work later."
        )
    if status in _BUSY_STATUSES or status >= 500:
        return SecretsUnavailableError(f"{where}: the vault is busy or down. The same run may work later.")
    if status == 403:
        return SecretsRefusedError(f"{where}: {_WHY_FORBIDDEN.get(_inner_code(error), no_right)}.")
    if status == 409:
        return SecretsRefusedError(f"{where}: a deleted secret of that name is still kept. Recover it, then try again.")
    if status == 401:
        return SecretsRefusedError(f"{where}: {_NOT_ACCEPTED}.")
    return SecretsRefusedError(f"{where}: the vault does not take the request. Check the secret's name.")


def _inner_code(error: "AzureError") -> str:
    details = getattr(getattr(error, "error", None), "innererror", None) or {}
    return str(details.get("code", ""))


def _request_id(error: "AzureError") -> str:
    response = getattr(error, "response", None)
    return str(response.headers.get("x-ms-request-id", "unknown")) if response is not None else "unknown"
