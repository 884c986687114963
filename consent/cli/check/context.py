"""What the checks work with: clocks and connections, and what the settings gave."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

    here: the time zone of this computer (None: as set). open_vault: connects to the Key Vault at an address.
    stage: is called with the name of each stage.
    """

    now: Callable[[], datetime] = utc_now
    here: tzinfo | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    open_vault: Callable[[str, Network], KeyVault] = lambda url, network: KeyVault(url, network=network)
    stage: Callable[[str], None] = lambda name: None


class ServerClocks:
    """How far the clock of each server is ahead of this computer's, as seen in its responses.

    A server's clock is the ``Date`` of its responses (https://www.rfc-editor.org/rfc/rfc9110#name-date).
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.ahead: dict[str, timedelta] = {}
        """The smallest difference of each server; negative if it is behind."""

    def listen(self, session: "requests.Session", server: str) -> None:
        """Read the date of every response in this session."""

        def read(response: "requests.Response", *args: object, **kwargs: object) -> None:
            date = _parse_date(response.headers.get("Date", ""))
            if date is not None:
                ahead = date - self._now()
                self.ahead[server] = min(self.ahead.get(server, ahead), ahead, key=abs)

        session.hooks["response"].append(read)


def _parse_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ResolvedAccess:
    """The context of the checks, and as much of the access data as could be found.

    network: None if its settings are wrong. redcap_urls: by study key.
    """

    context: CheckContext
    clocks: ServerClocks
    settings: Settings
    network: Network | None
    redcap_urls: Mapping[str, str]
    secrets: Mapping[str, Secret]
