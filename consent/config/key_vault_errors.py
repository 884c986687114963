"""Map an error of Azure's Key Vault library to one of ours: retry later, or request a right.

The library's own text is never used: it may quote what the server sent.
"""

from typing import TYPE_CHECKING

from consent.errors import ConsentReportError, SecretsRefusedError, SecretsUnavailableError

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

NO_RIGHT_TO_READ = (
    "Give this identity the role 'Key Vault Secrets User' on the vault, or 'Get' on secrets in its access policies. "
    "A new right can take ten minutes to work."
)
_NETWORK_RULES = ("the vault's network rules block this machine", "Allow it in the vault's 'Networking' settings.")
_FORBIDDEN = {
    "SecretDisabled": ("the secret is disabled", "Enable it, or store a new version of it."),
    "ForbiddenByFirewall": _NETWORK_RULES,
    "ForbiddenByConnection": _NETWORK_RULES,
}


def key_vault_error(error: "AzureError", what: str, no_right: str) -> ConsentReportError:
    """Return our error for one of the library's.

    what: what failed, as the start of a sentence. no_right: the fix where the identity has no right to do it.
    """
    from azure.core.exceptions import ClientAuthenticationError

    status = getattr(error, "status_code", None)
    if status is None and isinstance(error, ClientAuthenticationError):
        return SecretsRefusedError(
            f"{what}: this machine has no Azure identity.",
            "On your own computer run `az login`. In Azure assign the function app a managed identity (and set "
            "AZURE_CLIENT_ID if it is a user-assigned one).",
        )
    if status is None:
        return SecretsUnavailableError(
            f"{what}: the vault cannot be reached.",
            "Check KEY_VAULT_URL and the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE), or try again later.",
        )
    return _by_status(error, status, what, no_right)


def _by_status(error: "AzureError", status: int, what: str, no_right: str) -> ConsentReportError:
    what = f"{what} (status {status}, request id {_request_id(error)})"
    if status < 400:
        fix = "Check the network (HTTPS_PROXY): a sign-in page may have answered."
        return SecretsUnavailableError(f"{what}: the response is not from Key Vault.", fix)
    if status in (408, 425, 429) or status >= 500:
        return SecretsUnavailableError(f"{what}: the vault is overloaded or down.", "Try again later.")
    why, fix = {
        401: (
            "the vault does not accept this identity",
            "Check that KEY_VAULT_URL is a vault of the identity's own organisation (tenant), and that the identity "
            "has the role 'Key Vault Secrets User' there.",
        ),
        403: _FORBIDDEN.get(_inner_code(error), ("this identity has no right to do it", no_right)),
        409: ("a deleted secret of this name still exists", "Recover or purge it, then try again."),
    }.get(status, ("the vault rejected the request", "Check the secret's name."))
    return SecretsRefusedError(f"{what}: {why}.", fix)


def _inner_code(error: "AzureError") -> str:
    details = getattr(getattr(error, "error", None), "innererror", None) or {}
    return str(details.get("code", ""))


def _request_id(error: "AzureError") -> str:
    response = getattr(error, "response", None)
    return str(response.headers.get("x-ms-request-id", "unknown")) if response is not None else "unknown"
