"""What every examination works with: clocks, patience, and what the settings gave it.

Reads no setting and finds no secret: ``settings.py`` does.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from consent.config.credentials import KeyVault, Secret
from consent.config.settings import Network, Settings
from consent.dates import utc_now


@dataclass(frozen=True)
class CheckContext:
    """Clocks and connections; tests put others in their place.

    here: the time zone of this computer (None: as it is set). open_vault: connects to the Key Vault at an address.
    stage: is told what is examined next.
    """

    now: Callable[[], datetime] = utc_now
    here: tzinfo | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    open_vault: Callable[[str, Network], KeyVault] = lambda url, network: KeyVault(url, network=network)
    stage: Callable[[str], None] = lambda what: None


@dataclass(frozen=True)
class ResolvedAccess:
    """What the settings give the examinations: as much of it as could be found.

    network: None where it cannot be used. redcap_urls: by study key.
    """

    settings: Settings
    network: Network | None
    redcap_urls: Mapping[str, str]
    secrets: Mapping[str, Secret]

    def missing(self, *secrets: str) -> str:
        """Those of these secrets that were not found, as words; empty if all were."""
        return " and ".join(name for name in secrets if name not in self.secrets)
