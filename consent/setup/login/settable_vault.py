"""A Key Vault that new secrets are put into: what signing in needs, and the Monday job has no right to."""

from consent.credentials import KeyVault, Secret
from consent.errors import SecretsRefusedError


class SettableVault(KeyVault):
    """Reads and stores secrets, as whoever this machine is signed in to Azure as; see ``KeyVault``."""

    _deed = "stored"
    _no_right = (
        "this identity may not store it: ask for the role 'Key Vault Secrets Officer' on the vault "
        "(where the vault uses access policies: for 'Set' on secrets); a new right can take ten minutes to work"
    )

    def store(self, secret: Secret) -> None:
        """Store a secret under its name, with ``-`` for ``_``; earlier values stay in the vault as older versions.

        Raises SecretsRefusedError, SecretsUnavailableError, or SettingsError if no Key Vault answers at this address.
        """
        name = secret.name.replace("_", "-")
        if self._ask(name, lambda client: client.set_secret(name, secret.reveal())) is None:
            raise SecretsRefusedError(
                f"{self._place(name)} was not stored: the vault is not there. Check KEY_VAULT_URL."
            )
