"""The inputs of the checks: clocks, connections, and the values found in the settings."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from consent.config.credentials import KeyVault, Secret
from consent.config.settings import Network, Settings
from consent.dates import utc_now

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True)
class CheckContext:
    """Clocks and connections; tests replace them.

    here: the time zone of this computer (None: as set). open_vault: connects to the Key Vault at an address. stage:
    called with the name of each stage. notify: send a test notice. clocks_ahead: how far each server's clock is ahead.
    """

    now: Callable[[], datetime] = utc_now
    here: tzinfo | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    open_vault: Callable[[str, Network], KeyVault] = lambda url, network: KeyVault(url, network=network)
    stage: Callable[[str], None] = lambda name: None
    notify: bool = False
    clocks_ahead: dict[str, timedelta] = field(default_factory=dict)

    def watch_clock(self, session: "requests.Session", server: str) -> None:
        """Note the clock of a server, the ``Date`` of its responses; the smallest difference counts."""

        # https://www.rfc-editor.org/rfc/rfc9110#name-date
        def note(response: "requests.Response", *args: object, **kwargs: object) -> None:
            try:
                date = parsedate_to_datetime(response.headers.get("Date", ""))
            except ValueError:
                return
            ahead = (date if date.tzinfo else date.replace(tzinfo=UTC)) - self.now()
            self.clocks_ahead[server] = min(self.clocks_ahead.get(server, ahead), ahead, key=abs)

        session.hooks["response"].append(note)


@dataclass(frozen=True)
class ResolvedAccess:
    """The access data that could be found; network: None if its settings are wrong; redcap_urls: by study key."""

    context: CheckContext
    settings: Settings
    network: Network | None
    redcap_urls: Mapping[str, str]
    secrets: Mapping[str, Secret]
