"""Builds the real things that a run works with, from settings: the study files, REDCap, the folder, the clock."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from consent.credentials import Secret, find_secrets
from consent.errors import ConfigurationError, SettingsError, StudyNotChosenError, UnknownStudyError
from consent.setting_rules import check_redcap_url, dropbox_sandbox_url, refuse_sdk_hosts, studies_directory
from consent.settings import HEADING, Network, Problems, Settings
from consent.study import StudyConfig, refuse_shared_names
from consent.study_file import parse_study

if TYPE_CHECKING:
    from consent.delivery import Folder
    from consent.redcap.client import RedcapClient

KEY, REFRESH_TOKEN, SECRET = "DROPBOX_KEY", "DROPBOX_OAUTH2_REFRESH_TOKEN", "DROPBOX_SECRET"


@dataclass(frozen=True)
class Services:
    """What one run works with; ``place`` names the destination for people, ``sandbox`` says it is a stand-in."""

    redcap: "RedcapClient"
    folder: "Folder"
    place: str
    sandbox: bool
    now: Callable[[], datetime]


def utc_now() -> datetime:
    """This instant (aware, UTC)."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Studies:
    """The study files that were found: the studies that can be used, and by key why the others cannot."""

    usable: tuple[StudyConfig, ...]
    failed: Mapping[str, ConfigurationError]

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of every study file, sorted."""
        return tuple(sorted([*(study.key for study in self.usable), *self.failed]))


def load_studies(settings: Settings) -> Studies:
    """Every study there is; a file that cannot be used, or would overwrite another's reports, costs only itself.

    Raises:
        ConfigurationError: there is no study file at all.
    """
    directory = studies_directory(settings)
    paths = [path for path in sorted(directory.glob("*.toml")) if not path.name.startswith(".")]
    if not paths:
        raise ConfigurationError(
            f"There is no study file (*.toml) in {directory}. Put one there, or set CONSENT_STUDIES."
        )
    studies: list[StudyConfig] = []
    failed: dict[str, ConfigurationError] = {}
    for path in paths:
        try:
            studies.append(load_study_file(path))
        except ConfigurationError as error:
            failed[path.stem] = error
    failed |= _sharing_names(studies)
    return Studies(tuple(study for study in studies if study.key not in failed), failed)


def load_study_file(path: Path) -> StudyConfig:
    """The study of one file; its key is the file's name without ``.toml``.

    Raises:
        ConfigurationError: it cannot be read or used.
    """
    text, problem = _text_in(path)
    if problem:
        raise ConfigurationError(problem)
    return parse_study(text, path.stem)


def choose_study(studies: Studies, key: str | None) -> StudyConfig:
    """The study of that key; without a key, the only one there is.

    Raises:
        UnknownStudyError: none has that key, or a key is needed to tell them apart.
        ConfigurationError: the file of that study cannot be used.
    """
    keys = studies.keys
    if key is None and len(keys) > 1:
        raise StudyNotChosenError(f"There are several studies; say which: {', '.join(keys)}.")
    chosen = keys[0] if key is None else key
    if chosen in studies.failed:
        raise studies.failed[chosen]
    for study in studies.usable:
        if study.key == chosen:
            return study
    raise UnknownStudyError(f"There is no study '{chosen}'. Known: {', '.join(keys)}.")


@contextlib.contextmanager
def open_services(
    study: StudyConfig,
    settings: Settings,
    *,
    to: Path | None = None,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    beat: Callable[[], None] = lambda: None,
) -> Iterator[Services]:
    """What a run of this study works with, delivering to Dropbox, or to the local folder ``to``.

    beat: called at every step of the export and the delivery; what it raises ends the run.

    Raises:
        SettingsError: with every setting and secret that is missing or malformed.
        SecretsUnavailableError, SecretsRefusedError: Key Vault did not hand one out.
    """
    from consent.network import new_session
    from consent.redcap.client import RedcapClient

    given = _gather(study, settings, to_dropbox=to is None)
    with contextlib.ExitStack() as opened:
        redcap_session = opened.enter_context(new_session(given.network, given.redcap_url))
        token = given.secrets[study.redcap.token_setting]
        redcap = RedcapClient(given.redcap_url, token, redcap_session, sleep=sleep, clock=clock, beat=beat)
        if to is not None:
            from consent.local_folder import LocalFolder

            yield Services(redcap, LocalFolder(to, sleep=sleep), f"folder {to}", sandbox=False, now=now)
            return
        folder = _dropbox(given, opened, sleep, clock, beat)
        sandbox = given.sandbox_url is not None
        place = f"Dropbox folder {study.delivery.folder}" + (" (sandbox)" if sandbox else "")
        yield Services(redcap, folder, place, sandbox=sandbox, now=now)


def _sharing_names(studies: list[StudyConfig]) -> dict[str, ConfigurationError]:
    failed: dict[str, ConfigurationError] = {}
    for pair in itertools.combinations(studies, 2):
        try:
            refuse_shared_names(pair)
        except ConfigurationError as error:
            failed |= {study.key: error for study in pair}
    return failed


def _text_in(path: Path) -> tuple[str, str | None]:
    """The file's text, or what is wrong with it: raised in ``except``, an error would carry the file's bytes along."""
    try:
        return path.read_text(encoding="utf-8-sig"), None
    except OSError as error:
        return "", f"The study file {path} cannot be opened: {error.strerror}. Check its place."
    except UnicodeDecodeError:
        return "", f"The study file {path} is not UTF-8 text. Save it as UTF-8."


@dataclass(frozen=True)
class _Given:
    """What the settings give a run, checked; the last two are for Dropbox alone."""

    redcap_url: str
    network: Network
    secrets: Mapping[str, Secret]
    sandbox_url: str | None
    root_namespace: str | None


def _gather(study: StudyConfig, settings: Settings, *, to_dropbox: bool) -> _Given:
    needed, optional = [study.redcap.token_setting], []
    sandbox_url = root_namespace = None
    problems = Problems()
    url = problems.noting(lambda: _redcap_url(study, settings))
    network = problems.noting(lambda: _network(settings))
    problems.noting(lambda: refuse_sdk_hosts(settings))
    if to_dropbox:
        needed, optional = [*needed, KEY, REFRESH_TOKEN], [SECRET]  # a sign-in with PKCE needs no app secret
        sandbox_url = problems.noting(lambda: dropbox_sandbox_url(settings))
        root_namespace = problems.noting(lambda: settings.get("DROPBOX_ROOT_NAMESPACE"))
    found, unusable = find_secrets(settings, needed, optional=optional)
    problems.add(unusable)
    if url is None or network is None or problems.listed():
        raise SettingsError(f"{HEADING[:-1]} (read from {settings.searched}):", problems.listed())
    return _Given(url, network, found, sandbox_url, root_namespace)


def _redcap_url(study: StudyConfig, settings: Settings) -> str:
    setting = study.redcap.url_setting
    url = settings.get(setting)
    if url is None:
        raise SettingsError(HEADING, [f"{setting} is missing: the https address of REDCap's API, ending in /api/"])
    if problem := check_redcap_url(url, setting=setting, allow_http=study.redcap.allow_http):
        raise SettingsError(HEADING, [problem])
    return url


def _network(settings: Settings) -> Network:
    from consent.network import new_session

    network = settings.network
    new_session(network).close()  # which checks that the certificates are there
    return network


def _dropbox(
    given: _Given,
    opened: contextlib.ExitStack,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    beat: Callable[[], None],
) -> "Folder":
    from consent.dropbox_folder import DropboxFolder
    from consent.dropbox_session import dropbox_session

    return DropboxFolder(
        app_key=given.secrets[KEY],
        refresh_token=given.secrets[REFRESH_TOKEN],
        app_secret=given.secrets.get(SECRET),
        session=opened.enter_context(dropbox_session(given.network, given.sandbox_url)),
        root_namespace=given.root_namespace,
        clock=clock,
        sleep=sleep,
        beat=beat,
    )
