"""Tests of the services of a run: every missing or unusable setting is listed at once."""

from pathlib import Path

import pytest

from consent.config.settings import Settings
from consent.errors import SettingsError
from consent.runs.services import open_services
from tests.support.builders import a_study

UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/)"
COMPLETE = {
    "REDCAP_API_URL": "https://redcap.example.org/api/",
    "REDCAP_ACCESS_TOKEN": "A" * 32,
    "DROPBOX_KEY": "key",
    "DROPBOX_OAUTH2_REFRESH_TOKEN": "refresh",
}


def problems_of(settings: Settings, to: Path | None = None) -> list[str]:
    """The settings that are missing or unusable, in order."""
    with pytest.raises(SettingsError) as caught, open_services(a_study(), settings, to=to):
        pass
    return [problem.what.split()[0] for problem in caught.value.problems]


def test_all_missing_settings_and_secrets_are_listed_at_once() -> None:
    assert problems_of(Settings({})) == list(COMPLETE)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        pytest.param("DROPBOX_API_HOST", "127.0.0.1:1", id="a host of the Dropbox library"),
        pytest.param("DROPBOX_SANDBOX_URL", "http://dropbox.example.org", id="a sandbox on another machine"),
        pytest.param("DROPBOX_ROOT_NAMESPACE", "Example Registry", id="a namespace that is no id"),
        pytest.param("DROPBOX_SECRET", UNRESOLVED, id="an unresolved optional secret"),
        pytest.param("REDCAP_API_URL", "http://redcap.example.org/api/", id="an unencrypted address"),
        pytest.param("REQUESTS_CA_BUNDLE", "nowhere.pem", id="missing certificates"),
        pytest.param("KEY_VAULT_URL", "http://v.vault.azure.net", id="a bad vault"),
    ],
)
def test_an_unusable_setting_does_not_hide_a_missing_secret(setting: str, value: str) -> None:
    settings = {name: text for name, text in COMPLETE.items() if name != "DROPBOX_KEY"}

    assert set(problems_of(Settings({**settings, setting: value}))) == {setting, "DROPBOX_KEY"}


def test_a_problem_that_two_checks_find_is_listed_once() -> None:
    settings = {**COMPLETE, "KEY_VAULT_URL": "https://v.vault.azure.net", "HTTPS_PROXY": UNRESOLVED}
    assert problems_of(Settings(settings)) == ["HTTPS_PROXY"]


def test_a_run_to_a_folder_needs_no_dropbox_secret(tmp_path: Path) -> None:
    assert problems_of(Settings({}), to=tmp_path) == ["REDCAP_API_URL", "REDCAP_ACCESS_TOKEN"]


def test_a_sandbox_run_names_its_place_so() -> None:
    settings = Settings({**COMPLETE, "DROPBOX_SANDBOX_URL": "http://127.0.0.1:1"})
    with open_services(a_study(), settings) as services:
        assert (services.sandbox, services.place) == (True, "Dropbox folder / (sandbox)")
