"""Examines the settings: what is there and from which place, what is missing, what would give a secret away.

Shows no value. Looks secrets up as a run does; whether they are the right ones is found by whoever uses them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from consent.services import KEY, REFRESH_TOKEN, SECRET, redcap_url, usable_network
from consent.setting_rules import dropbox_sandbox_url, heartbeat_url, months_kept, refuse_sdk_hosts, root_namespace
from consent.settings import Settings
from consent.setup.check.notes import Notes
from consent.setup.check.secret_settings import find_all_secrets
from consent.setup.check.tools import Access, Tools
from consent.study import StudyConfig


def examine_settings(studies: Sequence[StudyConfig], settings: Settings, tools: Tools, notes: Notes) -> Access:
    """Note what the settings hold for these studies, and give the examinations to come what they can use of it."""
    notes.ok(f"Read from {settings.searched}")
    network = notes.attempt(lambda: usable_network(settings))
    urls = {study.key: url for study in studies if (url := _redcap_url(study, settings, notes))}
    needed = dict.fromkeys([*(study.redcap.token_setting for study in studies), KEY, REFRESH_TOKEN])
    found = find_all_secrets(settings, network, list(needed), [SECRET], tools, notes)
    _examine_dropbox_settings(settings, notes)
    _examine_others(settings, notes)
    return Access(settings, network, urls, found)


def _redcap_url(study: StudyConfig, settings: Settings, notes: Notes) -> str | None:
    name = study.redcap.url_setting
    url = notes.attempt(lambda: redcap_url(study, settings), fix=_correct_it(name, settings))
    if url is not None:
        notes.ok(f"{name}: in {settings.place_of(name)}")
    return url


def _examine_dropbox_settings(settings: Settings, notes: Notes) -> None:
    notes.attempt(lambda: refuse_sdk_hosts(settings))
    name = "DROPBOX_ROOT_NAMESPACE"
    if notes.attempt(lambda: root_namespace(settings)):
        notes.ok(f"{name}: in {settings.place_of(name)}")
    name = "DROPBOX_SANDBOX_URL"
    if notes.attempt(lambda: dropbox_sandbox_url(settings), fix=_correct_it(name, settings)):
        notes.warning(
            f"{name} leads to a stand-in, so nothing reaches Dropbox",
            f"To deliver for real, remove it from {settings.place_of(name)}.",
        )


def _examine_others(settings: Settings, notes: Notes) -> None:
    """Those that a report does not depend on."""
    rules: Mapping[str, Callable[[Settings], object]] = {
        "HEARTBEAT_URL": heartbeat_url,
        "CONSENT_KEEP_MONTHS": months_kept,
    }
    for name, rule in rules.items():
        value = notes.attempt(partial(rule, settings), state="warning", fix=_correct_it(name, settings))
        if value is not None and settings.has(name):
            notes.ok(f"{name}: in {settings.place_of(name)}")


def _correct_it(name: str, settings: Settings) -> str:
    return f"Correct {name} in {settings.place_of(name)}."
