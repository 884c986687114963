"""The services around the app, simulated on loopback: a REDCap with an invented registry, and a Dropbox."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sandbox.dropbox.app import Dropbox
from sandbox.people import TOKEN, registry
from sandbox.redcap.app import Redcap
from sandbox.server import Server


@dataclass(frozen=True)
class DemoWorld:
    """The simulated services, and the settings of the app for them."""

    settings: dict[str, str]
    redcap: Server
    dropbox: Server
    account: Dropbox


@contextlib.contextmanager
def demo_world(participants: int, *, today: date, seed: int = 2023, more_fields: int = 0) -> Iterator[DemoWorld]:
    """Run a REDCap with a registry of this size, and an empty Dropbox, within the ``with`` block."""
    account = Dropbox()
    project = registry(participants, seed=seed, today=today, more_fields=more_fields)
    with Server(Redcap([project])) as redcap, Server(account) as dropbox:
        settings = {
            "REDCAP_API_URL": f"{redcap.url}/api/",
            "REDCAP_ACCESS_TOKEN": TOKEN,
            "DROPBOX_SANDBOX_URL": dropbox.url,
            "DROPBOX_KEY": "sandbox-key",
            "DROPBOX_OAUTH2_REFRESH_TOKEN": "sandbox-refresh",
        }
        yield DemoWorld(settings, redcap, dropbox, account)
