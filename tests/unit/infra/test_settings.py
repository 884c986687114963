"""Tests of the app's settings in Azure: each one that the code reads is set, in the vault, or left out on purpose.

The names are read from the code itself: a new setting fails here until it has its place.
"""

import ast
import re
from pathlib import Path

import pytest

from consent.config.checks import studies_directory
from consent.config.credentials import DROPBOX_KEY, DROPBOX_SECRET, DROPBOX_TOKEN, NOTIFY
from consent.config.settings import Settings
from consent.runs.ledger.storage_account import STORAGE_SETTING
from consent.studies.catalog import load_study_file
from tests.support.bicep import ROOT, app_settings

STUDIES = [load_study_file(path) for path in sorted(studies_directory(Settings({})).glob("*.toml"))]
IN_THE_VAULT = {DROPBOX_KEY, DROPBOX_TOKEN, DROPBOX_SECRET, NOTIFY, *(study.redcap.token_setting for study in STUDIES)}
NOT_SET_IN_AZURE = {
    STORAGE_SETTING: "a connection string holds a key",
    f"{STORAGE_SETTING}__tableServiceUri": "the name of the account is set instead",
    "DROPBOX_SANDBOX_URL": "rejected in Azure",
    "DROPBOX_FOLDER_URL": "parameter moreSettings",
    "DROPBOX_API_HOST": "rejected everywhere",
    "DROPBOX_API_CONTENT_HOST": "rejected everywhere",
    "DROPBOX_API_NOTIFY_HOST": "rejected everywhere",
    "DROPBOX_WEB_HOST": "rejected everywhere",
    "DROPBOX_API_DOMAIN": "rejected everywhere",
    "DROPBOX_WEB_DOMAIN": "rejected everywhere",
    "DROPBOX_DOMAIN": "rejected everywhere",
    "HTTPS_PROXY": "parameter moreSettings",
    "HTTP_PROXY": "parameter moreSettings",
    "NO_PROXY": "parameter moreSettings",
    "REQUESTS_CA_BUNDLE": "parameter moreSettings",
    "CURL_CA_BUNDLE": "parameter moreSettings",
    "CONSENT_FUNCTION_KEY": "for the command line only",
}
SET_BY_THE_PLATFORM = re.compile("WEBSITE_|LEGION_|CONTAINER_|FUNCTIONS_|UV_|OPENBLAS_")

_SETTING = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|AzureWebJobs\w+")


def settings_in(path: Path) -> set[str]:
    """The names of settings in a file's string literals, also those built from the storage setting's name."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    joined = [ast.unparse(node)[2:-1] for node in nodes if isinstance(node, ast.JoinedStr)]
    texts += [text.replace("{STORAGE_SETTING}", STORAGE_SETTING) for text in joined]
    return {text for text in texts if _SETTING.fullmatch(text)}


CODE = [ROOT / "function_app.py", *sorted((ROOT / "consent").rglob("*.py"))]
READ_BY_THE_CODE = set[str]().union(
    *(settings_in(path) for path in CODE), *((s.redcap.url_setting, s.redcap.token_setting) for s in STUDIES)
)


def test_every_setting_that_the_code_reads_is_set_stored_or_left_out_on_purpose() -> None:
    placed = {*app_settings(), *IN_THE_VAULT, *NOT_SET_IN_AZURE}

    assert {name for name in READ_BY_THE_CODE - placed if not SET_BY_THE_PLATFORM.match(name)} == set()


def test_the_settings_of_the_code_are_found() -> None:
    assert {"CONSENT_SCHEDULE", "KEY_VAULT_URL", f"{STORAGE_SETTING}__clientId", DROPBOX_KEY} <= READ_BY_THE_CODE


def test_no_secret_is_an_app_setting() -> None:
    assert IN_THE_VAULT & set(app_settings()) == set()


def test_what_is_left_out_on_purpose_is_not_set_but_still_read() -> None:
    assert set(NOT_SET_IN_AZURE) & set(app_settings()) == set()
    assert set(NOT_SET_IN_AZURE) - READ_BY_THE_CODE == set()


@pytest.mark.parametrize("name", sorted(IN_THE_VAULT))
def test_key_vault_accepts_the_name_of_a_secret(name: str) -> None:
    assert re.fullmatch("[0-9a-zA-Z-]{1,127}", name.replace("_", "-"))
