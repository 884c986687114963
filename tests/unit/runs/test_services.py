"""Finding the studies and connecting what a run works with: every missing piece is named at once."""

from pathlib import Path

import pytest

from consent.config.settings import Settings
from consent.errors import ConfigurationError, SettingsError, StudyFileError, UnknownStudyError
from consent.runs.services import open_services
from consent.studies.catalog import choose_study, load_studies, load_study_file
from tests.support.builders import CONSENT, RIDER, STUDY, a_study

UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/)"
COMPLETE = {
    "REDCAP_API_URL": "https://redcap.example.org/api/",
    "REDCAP_ACCESS_TOKEN": "A" * 32,
    "DROPBOX_KEY": "key",
    "DROPBOX_OAUTH2_REFRESH_TOKEN": "refresh",
}


def a_folder_of_studies(folder: Path, **titles: str) -> Settings:
    """A folder with one study file for each key, by title."""
    for key, title in titles.items():
        text = (STUDY + CONSENT + RIDER).replace("OBRI Consent Summary", title)
        (folder / f"{key}.toml").write_text(text, encoding="utf-8")
    return Settings({"CONSENT_STUDIES": str(folder)})


def usable_keys(settings: Settings) -> list[str]:
    """The keys of the studies that can be used."""
    return [study.key for study in load_studies(settings).usable]


def with_a_broken_file(folder: Path, key: str = "borealis") -> Path:
    """Put a file that is not TOML beside the others."""
    path = folder / f"{key}.toml"
    path.write_text("title = ", encoding="utf-8")
    return path


def problems_of(settings: Settings) -> list[str]:
    """The settings that opening the services of a study complains about, in order."""
    with pytest.raises(SettingsError, match="must be changed first") as caught, open_services(a_study(), settings):
        pass
    return [problem.what.split()[0] for problem in caught.value.problems]


def test_the_packaged_study_is_found_without_any_setting() -> None:
    assert usable_keys(Settings({})) == ["obri-ibd"]


def test_every_file_of_the_folder_is_a_study(tmp_path: Path) -> None:
    assert usable_keys(a_folder_of_studies(tmp_path, lumen="Lumen", aurora="Aurora")) == ["aurora", "lumen"]


def test_a_hidden_file_is_no_study(tmp_path: Path) -> None:
    (tmp_path / "._lumen.toml").write_bytes(b"\x00\x05\x16\x07")  # as macOS leaves them on a shared folder
    studies = load_studies(a_folder_of_studies(tmp_path, lumen="Lumen"))
    assert studies.keys == ("lumen",)


def test_a_study_file_saved_by_notepad_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    plain, marked = tmp_path / "plain.toml", tmp_path / "marked.toml"
    plain.write_text(STUDY + CONSENT, encoding="utf-8")
    marked.write_text(STUDY + CONSENT, encoding="utf-8-sig")
    assert load_study_file(marked).sha256 == load_study_file(plain).sha256


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no study file"):
        load_studies(Settings({"CONSENT_STUDIES": str(tmp_path)}))


def test_two_studies_that_would_overwrite_each_other_fail_and_no_other(tmp_path: Path) -> None:
    settings = a_folder_of_studies(tmp_path, lumen="The Report", aurora="the report", polaris="Polaris")
    studies = load_studies(settings)
    assert ([study.key for study in studies.usable], sorted(studies.failed)) == (["polaris"], ["aurora", "lumen"])


def test_a_study_that_would_overwrite_another_names_both(tmp_path: Path) -> None:
    studies = load_studies(a_folder_of_studies(tmp_path, lumen="The Report", aurora="the report"))
    with pytest.raises(ConfigurationError, match="aurora and lumen"):
        choose_study(studies, "lumen")


def test_a_broken_study_file_does_not_cost_the_others_their_report(tmp_path: Path) -> None:
    with_a_broken_file(tmp_path)
    assert usable_keys(a_folder_of_studies(tmp_path, lumen="Lumen", aurora="Aurora")) == ["aurora", "lumen"]


def test_a_broken_study_file_is_one_of_the_studies(tmp_path: Path) -> None:
    with_a_broken_file(tmp_path)
    assert load_studies(a_folder_of_studies(tmp_path, lumen="Lumen", aurora="Aurora")).keys == (
        "aurora",
        "borealis",
        "lumen",
    )


def test_choosing_a_study_whose_file_is_broken_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    with_a_broken_file(tmp_path)
    with pytest.raises(StudyFileError, match="'borealis'"):
        choose_study(load_studies(a_folder_of_studies(tmp_path, lumen="Lumen")), "borealis")


def test_a_study_can_be_chosen_though_the_file_of_another_is_broken(tmp_path: Path) -> None:
    with_a_broken_file(tmp_path)
    assert choose_study(load_studies(a_folder_of_studies(tmp_path, lumen="Lumen")), "lumen").key == "lumen"


def test_the_only_study_file_is_chosen_even_if_it_is_broken(tmp_path: Path) -> None:
    with_a_broken_file(tmp_path)
    with pytest.raises(StudyFileError, match="'borealis'"):
        choose_study(load_studies(a_folder_of_studies(tmp_path)), None)


def test_a_broken_file_leaves_it_open_which_study_is_meant(tmp_path: Path) -> None:
    with_a_broken_file(tmp_path)
    with pytest.raises(UnknownStudyError, match="Choose one: borealis, lumen"):
        choose_study(load_studies(a_folder_of_studies(tmp_path, lumen="Lumen")), None)


def test_a_study_file_in_another_encoding_is_said(tmp_path: Path) -> None:
    path = tmp_path / "lumen.toml"
    path.write_bytes('title = "Étude"'.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="UTF-8") as caught:
        load_study_file(path)
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_a_study_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"lumen\.toml cannot be opened"):
        load_study_file(tmp_path / "lumen.toml")


def test_an_unknown_study_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    studies = load_studies(a_folder_of_studies(tmp_path, lumen="Lumen", aurora="Aurora"))
    with pytest.raises(UnknownStudyError, match="Use one of: aurora, lumen"):
        choose_study(studies, "luna")


def test_among_several_studies_one_must_be_named(tmp_path: Path) -> None:
    studies = load_studies(a_folder_of_studies(tmp_path, lumen="Lumen", aurora="Aurora"))
    with pytest.raises(UnknownStudyError, match="Choose one: aurora, lumen"):
        choose_study(studies, None)


def test_all_missing_settings_and_secrets_are_listed_at_once() -> None:
    assert problems_of(Settings({})) == list(COMPLETE)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        pytest.param("DROPBOX_API_HOST", "127.0.0.1:1", id="a host of the Dropbox library"),
        pytest.param("DROPBOX_SANDBOX_URL", "http://dropbox.example.org", id="a sandbox elsewhere"),
        pytest.param("DROPBOX_ROOT_NAMESPACE", UNRESOLVED, id="an unresolved namespace"),
        pytest.param("DROPBOX_ROOT_NAMESPACE", "Example Registry", id="a namespace that is no id"),
        pytest.param("DROPBOX_SECRET", UNRESOLVED, id="an unresolved optional secret"),
        pytest.param("DROPBOX_SECRET", "s s", id="an optional secret pasted badly"),
        pytest.param("REDCAP_API_URL", UNRESOLVED, id="an unresolved address"),
        pytest.param("REDCAP_API_URL", "https://redcap.example.org/", id="a bad address"),
        pytest.param("REQUESTS_CA_BUNDLE", "nowhere.pem", id="certificates that are not there"),
        pytest.param("HTTPS_PROXY", UNRESOLVED, id="an unresolved proxy"),
        pytest.param("HTTPS_PROXY", "http://[proxy", id="a proxy that is no address"),
        pytest.param("KEY_VAULT_URL", "http://v.vault.azure.net", id="a bad vault"),
    ],
)
def test_a_setting_that_cannot_be_used_does_not_hide_a_missing_secret(setting: str, value: str) -> None:
    settings = {name: text for name, text in COMPLETE.items() if name != "DROPBOX_KEY"}
    assert set(problems_of(Settings({**settings, setting: value}))) == {setting, "DROPBOX_KEY"}


def test_everything_that_is_wrong_with_the_settings_is_listed_at_once() -> None:
    bad = {
        "DROPBOX_API_HOST": "127.0.0.1:1",
        "DROPBOX_SANDBOX_URL": "http://dropbox.example.org",
        "DROPBOX_ROOT_NAMESPACE": UNRESOLVED,
        "DROPBOX_SECRET": "s s",
        "REDCAP_API_URL": UNRESOLVED,
        "REQUESTS_CA_BUNDLE": "nowhere.pem",
        "KEY_VAULT_URL": "http://v.vault.azure.net",
    }
    assert set(problems_of(Settings({**COMPLETE, **bad}))) == set(bad)


def test_a_problem_that_two_checks_find_is_listed_once() -> None:
    settings = {**COMPLETE, "KEY_VAULT_URL": "https://v.vault.azure.net", "HTTPS_PROXY": UNRESOLVED}
    assert problems_of(Settings(settings)) == ["HTTPS_PROXY"]


def test_delivering_to_a_folder_asks_for_no_dropbox_secret(tmp_path: Path) -> None:
    settings = Settings({"DROPBOX_SECRET": "s s"})
    with (
        pytest.raises(SettingsError, match="must be changed first") as caught,
        open_services(a_study(), settings, to=tmp_path),
    ):
        pass
    assert [problem.what.split()[0] for problem in caught.value.problems] == ["REDCAP_API_URL", "REDCAP_ACCESS_TOKEN"]


@pytest.mark.parametrize(
    "url",
    ["http://redcap.example.org/api/", "https://redcap.example.org/api", "https://u:p@redcap.example.org/api/"],
)
def test_a_redcap_address_that_could_give_the_token_away_is_refused(url: str) -> None:
    with (
        pytest.raises(SettingsError, match="REDCAP_API_URL"),
        open_services(a_study(), Settings({**COMPLETE, "REDCAP_API_URL": url})),
    ):
        pass


def test_a_sandbox_elsewhere_than_on_this_machine_is_refused() -> None:
    settings = Settings({**COMPLETE, "DROPBOX_SANDBOX_URL": "http://dropbox.example.org"})
    with pytest.raises(SettingsError, match="DROPBOX_SANDBOX_URL"), open_services(a_study(), settings):
        pass


def test_the_dropbox_librarys_own_host_settings_are_refused() -> None:
    settings = Settings({**COMPLETE, "DROPBOX_API_HOST": "127.0.0.1:1"})
    with pytest.raises(SettingsError, match="DROPBOX_API_HOST"), open_services(a_study(), settings):
        pass


def test_a_sandbox_run_says_so_where_it_delivers() -> None:
    settings = Settings({**COMPLETE, "DROPBOX_SANDBOX_URL": "http://127.0.0.1:1"})
    with open_services(a_study(), settings) as services:
        assert (services.sandbox, services.place) == (True, "Dropbox folder / (sandbox)")
