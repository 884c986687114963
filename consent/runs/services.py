"""Connects a run to REDCap and to its folder, as the settings say."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from consent.config.checks import check_redcap_url, dropbox_sandbox_url, ensure_no_sdk_hosts, root_namespace
from consent.config.credentials import DROPBOX_KEY, DROPBOX_SECRET, DROPBOX_TOKEN, Secret, find_secrets
from consent.config.http_session import usable_network
from consent.config.settings import Network, Problems, Settings
from consent.dates import utc_now
from consent.errors import SettingsError
from consent.studies.model import RedcapSource, StudyConfig

if TYPE_CHECKING:
    import requests

    from consent.delivery.dropbox_folder import DropboxFolder
    from consent.delivery.plan import Folder
    from consent.redcap.client import RedcapClient


DropboxKind = TypeVar("DropboxKind", bound="DropboxFolder")


@dataclass(frozen=True)
class Services:
    """The services of one run. ``place`` names the destination for people; ``sandbox`` means a simulated Dropbox."""

    redcap: "RedcapClient"
    folder: "Folder"
    place: str
    sandbox: bool
    now: Callable[[], datetime]


@contextlib.contextmanager
def open_services(
    study: StudyConfig,
    settings: Settings,
    *,
    to: Path | None = None,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    keep_alive: Callable[[], None] = lambda: None,
) -> Iterator[Services]:
    """Connect to REDCap and to Dropbox, or to the local folder ``to``.

    keep_alive: called at every step of the export and the delivery; an error that it raises ends the run.

    Raises:
        SettingsError: every setting and secret that is missing or malformed.
        SecretsUnavailableError, SecretsRefusedError: Key Vault returned no secret.
    """
    from consent.config.http_session import new_session
    from consent.delivery.dropbox_folder import DropboxFolder
    from consent.delivery.dropbox_session import dropbox_session
    from consent.redcap.client import RedcapClient

    url, network, secrets = _gather(study.redcap, settings, to_dropbox=to is None)
    with contextlib.ExitStack() as opened:
        redcap_session = opened.enter_context(new_session(network, url))
        token = secrets[study.redcap.token_setting]
        redcap = RedcapClient(url, token, redcap_session, sleep=sleep, clock=clock, keep_alive=keep_alive)
        if to is not None:
            from consent.delivery.local_folder import LocalFolder

            yield Services(redcap, LocalFolder(to, sleep=sleep), f"folder {to}", sandbox=False, now=now)
            return
        sandbox_url = dropbox_sandbox_url(settings)
        session = opened.enter_context(dropbox_session(network, sandbox_url))
        folder = dropbox_folder(
            DropboxFolder, settings, secrets, session, sleep=sleep, clock=clock, keep_alive=keep_alive
        )
        sandbox = sandbox_url is not None
        place = f"Dropbox folder {study.delivery.folder}" + (" (sandbox)" if sandbox else "")
        yield Services(redcap, folder, place, sandbox=sandbox, now=now)


@contextlib.contextmanager
def open_redcap(
    source: RedcapSource, settings: Settings, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator["RedcapClient"]:
    """Connect to REDCap only; raises as ``open_services`` does."""
    from consent.config.http_session import new_session
    from consent.redcap.client import RedcapClient

    url, network, secrets = _gather(source, settings, to_dropbox=False)
    with new_session(network, url) as session:
        yield RedcapClient(url, secrets[source.token_setting], session, sleep=sleep)


def redcap_url(source: RedcapSource, settings: Settings) -> str:
    """Return the address of REDCap's API; raises SettingsError if it is missing or would expose the token."""
    setting = source.url_setting
    url = settings.get(setting)
    if url is None:
        raise settings.missing(setting, "Set it to the address of REDCap's API, https://HOST/api/.")
    if problem := check_redcap_url(url, setting=setting, allow_http=source.allow_http):
        raise SettingsError([problem])
    return url


def dropbox_folder(
    kind: type[DropboxKind],
    settings: Settings,
    secrets: Mapping[str, Secret],
    session: "requests.Session",
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    keep_alive: Callable[[], None] = lambda: None,
) -> DropboxKind:
    """Return the Dropbox folder of these settings and secrets; no request is sent yet."""
    return kind(
        app_key=secrets[DROPBOX_KEY],
        refresh_token=secrets[DROPBOX_TOKEN],
        app_secret=secrets.get(DROPBOX_SECRET),
        session=session,
        root_namespace=root_namespace(settings),
        clock=clock,
        sleep=sleep,
        keep_alive=keep_alive,
    )


def _gather(source: RedcapSource, settings: Settings, *, to_dropbox: bool) -> tuple[str, Network, Mapping[str, Secret]]:
    """Return REDCap's address, the network and the secrets; raises one SettingsError with every problem."""
    needed, optional, problems = [source.token_setting], [], Problems()
    url = problems.collect(lambda: redcap_url(source, settings))
    network = problems.collect(lambda: usable_network(settings))
    problems.collect(lambda: ensure_no_sdk_hosts(settings))
    if to_dropbox:
        needed += [DROPBOX_KEY, DROPBOX_TOKEN]
        optional = [DROPBOX_SECRET]  # a sign-in with PKCE needs no app secret
        problems.collect(lambda: dropbox_sandbox_url(settings))
        problems.collect(lambda: root_namespace(settings))
    found, unusable = find_secrets(settings, needed, optional=optional)
    problems.add(unusable)
    if url is None or network is None or problems.listed():
        raise SettingsError(problems.listed(), f"{SettingsError.heading[:-1]} (read from {settings.searched}):")
    return url, network, found
