"""Claims about the app's settings in Azure: what the code looks for is set, kept in the vault, or left out knowingly.

What the code looks for is found in the code itself, so a setting that is new there fails here until it has its place.
"""

import ast
import re
from pathlib import Path

import pytest

from consent.config.checks import studies_directory
from consent.config.credentials import DROPBOX_KEY, DROPBOX_SECRET, DROPBOX_TOKEN
from consent.config.settings import Settings
from consent.runs.ledger.storage_account import STORAGE_SETTING
from consent.studies.catalog import load_study_file
from tests.support.bicep import ROOT, app_settings

STUDIES = [load_study_file(path) for path in sorted(studies_directory(Settings({})).glob("*.toml"))]
IN_THE_VAULT = {DROPBOX_KEY, DROPBOX_TOKEN, DROPBOX_SECRET, *(study.redcap.token_setting for study in STUDIES)}
NOT_MADE_IN_AZURE = {
    STORAGE_SETTING: "a connection string, hence a key",
    f"{STORAGE_SETTING}__accountName": "the address of each service is given instead",
    "DROPBOX_SANDBOX_URL": "refused in Azure",
    "DROPBOX_API_HOST": "refused everywhere, as the next ones are",
    "DROPBOX_API_CONTENT_HOST": "refused",
    "DROPBOX_API_NOTIFY_HOST": "refused",
    "DROPBOX_WEB_HOST": "refused",
    "DROPBOX_API_DOMAIN": "refused",
    "DROPBOX_WEB_DOMAIN": "refused",
    "DROPBOX_DOMAIN": "refused",
    "HTTPS_PROXY": "given with the parameter moreSettings where a hospital has a proxy, as the next ones are",
    "HTTP_PROXY": "moreSettings",
    "NO_PROXY": "moreSettings",
    "REQUESTS_CA_BUNDLE": "moreSettings",
    "CURL_CA_BUNDLE": "moreSettings",
}
SET_BY_THE_PLATFORM = re.compile("WEBSITE_|LEGION_|CONTAINER_|FUNCTIONS_")

_A_SETTING = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|AzureWebJobs\w+")


def looked_for_in(path: Path) -> set[str]:
    """The names of settings that stand in a file: those written out, and those that begin with the storage's."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    joined = [ast.unparse(node)[2:-1] for node in nodes if isinstance(node, ast.JoinedStr)]
    texts += [text.replace("{STORAGE_SETTING}", STORAGE_SETTING) for text in joined]
    return {text for text in texts if _A_SETTING.fullmatch(text)}


CODE = [ROOT / "function_app.py", *sorted((ROOT / "consent").rglob("*.py"))]
LOOKED_FOR = set[str]().union(
    *(looked_for_in(path) for path in CODE), *((s.redcap.url_setting, s.redcap.token_setting) for s in STUDIES)
)


@pytest.mark.parametrize("name", sorted(LOOKED_FOR))
def test_a_setting_that_the_code_looks_for_has_its_place(name: str) -> None:
    assert name in {*app_settings(), *IN_THE_VAULT, *NOT_MADE_IN_AZURE} or SET_BY_THE_PLATFORM.match(name)


@pytest.mark.parametrize("name", ["CONSENT_SCHEDULE", "KEY_VAULT_URL", f"{STORAGE_SETTING}__clientId", DROPBOX_KEY])
def test_what_the_code_looks_for_is_found(name: str) -> None:
    assert name in LOOKED_FOR


@pytest.mark.parametrize("name", sorted(IN_THE_VAULT))
def test_a_secret_is_no_app_setting(name: str) -> None:
    assert name not in app_settings()


@pytest.mark.parametrize("name", sorted(NOT_MADE_IN_AZURE))
def test_what_has_no_place_in_azure_is_not_set_there(name: str) -> None:
    assert name not in app_settings()


@pytest.mark.parametrize("name", sorted(NOT_MADE_IN_AZURE))
def test_what_is_left_out_knowingly_is_still_looked_for(name: str) -> None:
    assert name in LOOKED_FOR


@pytest.mark.parametrize("name", sorted(IN_THE_VAULT))
def test_the_vault_takes_the_name_of_a_secret(name: str) -> None:
    assert re.fullmatch("[0-9a-zA-Z-]{1,127}", name.replace("_", "-"))
