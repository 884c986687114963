"""Tests of the settings: their sources and order, and files that cannot be used; no value is ever shown."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

import consent.config.settings
from consent.config.checks import check_redcap_url, months_kept
from consent.config.settings import DEFAULT_SCHEDULE, Network, Settings, read_settings, timer_schedule
from consent.errors import SettingsError

ROOT = Path(__file__).resolve().parents[3]
VALUE = "3F9A0B77C1D24E5F8A6B0C1D2E3F4A5B"
UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/)"
READ_BUT_OPTIONAL = {
    *("DROPBOX_SANDBOX_URL", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"),
    *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "UV_RUN_RECURSION_DEPTH", "CONSENT_SIGN_IN", "WEBSITE_AUTH_ENABLED"),
}


def write_local_settings(folder: Path, document: object) -> None:
    (folder / "local.settings.json").write_text(json.dumps(document), encoding="utf-8")


def error_in(folder: Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        read_settings({}, folder)
    return caught.value


# Sources


@pytest.mark.parametrize(
    ("environ", "local", "dotenv", "value", "place"),
    [
        pytest.param("e", "l", "d", "e", "the environment", id="environment first"),
        pytest.param("  ", "l", "d", "l", "local.settings.json", id="then local.settings.json"),
        pytest.param("", "", "d", "d", ".env", id="then .env"),
        pytest.param(" \n", "", "", None, "the settings", id="blank is absent"),
        pytest.param(f" {VALUE}\r\n", "", "", VALUE, "the environment", id="without white space"),
        pytest.param("", "", "a${PATH}b", "a${PATH}b", ".env", id="a dollar stays"),
    ],
)
def test_sources_are_read_in_order(
    tmp_path: Path, environ: str, local: str, dotenv: str, value: str | None, place: str
) -> None:
    write_local_settings(tmp_path, {"Values": {"DROPBOX_KEY": local}})
    (tmp_path / ".env").write_text(f"DROPBOX_KEY='{dotenv}'\nNO_VALUE\n", encoding="utf-8")

    settings = read_settings({"DROPBOX_KEY": environ}, tmp_path)

    assert (settings.get("DROPBOX_KEY"), settings.place_of("DROPBOX_KEY")) == (value, place)


@pytest.mark.parametrize(
    ("name", "text"), [("local.settings.json", '{"Values": {"DROPBOX_KEY": "k"}}'), (".env", "DROPBOX_KEY=k\n")]
)
def test_a_byte_order_mark_is_ignored(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert read_settings({}, tmp_path).get("DROPBOX_KEY") == "k"


@pytest.mark.parametrize("name", ["WEBSITE_INSTANCE_ID", "LEGION_SERVICE_HOST"], ids=["any plan", "Flex Consumption"])
def test_no_file_is_read_in_azure(name: str, tmp_path: Path) -> None:
    write_local_settings(tmp_path, "not even an object")
    (tmp_path / ".env").write_text("DROPBOX_KEY=k\n", encoding="utf-8")

    settings = read_settings({name: "f3a1"}, tmp_path)

    assert (settings.in_azure, settings.get("DROPBOX_KEY")) == (True, None)


def test_only_the_environment_shows_that_this_is_azure(tmp_path: Path) -> None:
    write_local_settings(tmp_path, {"Values": {"WEBSITE_INSTANCE_ID": "f3a1"}})
    assert not read_settings({}, tmp_path).in_azure


@pytest.mark.parametrize(("beside", "expected"), [("host.json", "k"), ("nothing.json", None)])
def test_the_files_are_beside_host_json_and_not_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: str, expected: str | None
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / beside).touch()
    write_local_settings(app, {"Values": {"DROPBOX_KEY": "k"}})
    write_local_settings(tmp_path, {"Values": {"DROPBOX_KEY": "of the current folder"}})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(consent.config.settings, "__file__", str(app / "consent" / "config" / "settings.py"))

    assert read_settings({}).get("DROPBOX_KEY") == expected


@pytest.mark.parametrize("environ", [{"AZUREWEBJOBSSTORAGE": "from the environment"}, {}])
def test_names_do_not_depend_on_case_on_windows(tmp_path: Path, environ: dict[str, str]) -> None:
    write_local_settings(tmp_path, {"Values": {"AzureWebJobsStorage": "from the file"}})
    settings = read_settings(environ, tmp_path, any_case=True)
    assert settings.get("AzureWebJobsStorage") == ("from the environment" if environ else "from the file")


# Files that cannot be used


def test_a_settings_folder_that_does_not_exist_is_rejected(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in error_in(tmp_path / "nowhere").problems[0].what


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("local.settings.json", f'{{"IsEncrypted": true, "Values": {{"K": "{VALUE}"}}}}', "is encrypted"),
        ("local.settings.json", f'{{"IsEncrypted": "True", "Values": {{"K": "{VALUE}"}}}}', "is encrypted"),
        ("local.settings.json", f'["{VALUE}"]', 'no object "Values"'),
        ("local.settings.json", f'{{"Values": ["{VALUE}"]}}', 'no object "Values"'),
        ("local.settings.json", f'{{"Values":\n {{"K": {VALUE}}}}}', "not valid JSON. Correct line 2"),
        ("local.settings.json", f'{{"Values": {{"K": ["{VALUE}"]}}}}', "is not text"),
        ("local.settings.json", f"{VALUE} é", "save it as UTF-8"),
        (".env", f"K={VALUE} é", "save it as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_without_a_value(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))

    error = error_in(tmp_path)

    assert f"{tmp_path / name}" in str(error)
    assert expected in str(error)
    assert VALUE not in f"{error} {error!r}"
    assert (error.__context__, error.__cause__) == (None, None)  # which would hold the file's text


def test_every_value_that_is_not_text_is_named(tmp_path: Path) -> None:
    write_local_settings(tmp_path, {"Values": {"DROPBOX_KEY": 1, "DROPBOX_SECRET": None, "KEY_VAULT_URL": "x"}})
    assert [problem.what.split()[0] for problem in error_in(tmp_path).problems] == ["DROPBOX_KEY", "DROPBOX_SECRET"]


def test_python_dotenv_is_needed_for_a_dotenv_file_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)
    write_local_settings(tmp_path, {"Values": {}})
    assert read_settings({"DROPBOX_KEY": "k"}, tmp_path).get("DROPBOX_KEY") == "k"

    (tmp_path / ".env").write_text("DROPBOX_KEY=k\n", encoding="utf-8")
    assert "python-dotenv" in error_in(tmp_path).problems[0].what


@pytest.mark.parametrize(("name", "text"), [("absent", "does not exist"), ("file", "is a file"), ("", "has neither")])
def test_a_settings_folder_without_settings_is_an_error(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert text in error_in(tmp_path / name).problems[0].what


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"REDCAP_ACCES_TOKEN": "x"}, "REDCAP_ACCES_TOKEN"),
        ({"redcap_access_token": "x"}, "redcap_access_token"),
        ({"REDCAP_API_TOKEN": "x"}, "REDCAP_API_TOKEN"),
        ({"REDCAP_ACCESS_TOKEN": "x", "REDCAP_ACCES_TOKEN": "x"}, None),
        ({"REDCAP_API_URL": "x", "GITHUB_ACCESS_TOKEN": "x"}, None),
    ],
)
def test_a_setting_with_nearly_the_right_name_is_found(given: dict[str, str], expected: str | None) -> None:
    assert Settings(given).misspelt("REDCAP_ACCESS_TOKEN") == expected


# Values


def test_an_unresolved_key_vault_reference_is_rejected_by_name() -> None:
    with pytest.raises(SettingsError, match="DROPBOX_KEY is a Key Vault reference that was not resolved"):
        Settings({"DROPBOX_KEY": UNRESOLVED}).get("DROPBOX_KEY")


def test_every_unresolved_reference_to_a_proxy_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        _ = Settings({"HTTPS_PROXY": UNRESOLVED, "HTTP_PROXY": UNRESOLVED}).network
    assert [problem.what.split()[0] for problem in caught.value.problems] == ["HTTPS_PROXY", "HTTP_PROXY"]


def test_printed_settings_show_names_and_no_values() -> None:
    assert repr(Settings({"DROPBOX_SECRET": VALUE, "DROPBOX_KEY": VALUE})) == "<Settings DROPBOX_KEY DROPBOX_SECRET>"


def test_a_proxy_is_read_in_capitals_or_not() -> None:
    settings = Settings({"https_proxy": "http://a:1", "HTTP_PROXY": "http://b:2", "NO_PROXY": ".hospital.example"})
    assert settings.network == Network("http://a:1", "http://b:2", ".hospital.example", None)


@pytest.mark.parametrize(("more", "expected"), [({}, "curl.pem"), ({"REQUESTS_CA_BUNDLE": "r.pem"}, "r.pem")])
def test_the_certificate_file_of_requests_wins_over_curls(more: dict[str, str], expected: str) -> None:
    assert Settings({"CURL_CA_BUNDLE": "curl.pem", **more}).network.ca_bundle == expected


def test_a_printed_network_does_not_show_the_password_of_a_proxy() -> None:
    assert VALUE not in repr(Network(f"http://u:{VALUE}@p:1", f"http://u:{VALUE}@p:1"))


@pytest.mark.parametrize(
    ("schedule", "expected"), [("0 0 6 * * Mon", "%CONSENT_SCHEDULE%"), (" ", "0 0 * * * Sun,Mon,Tue")]
)
def test_the_timer_names_its_setting_only_if_azure_can_resolve_it(schedule: str, expected: str) -> None:
    assert timer_schedule({"CONSENT_SCHEDULE": schedule}) == expected


# The example file


def example_settings() -> dict[str, str]:
    document = json.loads((ROOT / "local.settings.json.example").read_text(encoding="utf-8"))
    return document["Values"]


def test_the_example_file_can_be_used_as_it_is(tmp_path: Path) -> None:
    shutil.copy(ROOT / "local.settings.json.example", tmp_path / "local.settings.json")
    assert read_settings({}, tmp_path).get("FUNCTIONS_WORKER_RUNTIME") == "python"


def test_the_example_file_has_every_setting_that_is_not_optional() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "consent").rglob("*.py"))
    read = set(re.findall(r'\b(?:settings|self|environ)\.get\("([A-Z][A-Z0-9_]+)"', sources))
    assert read - example_settings().keys() - READ_BUT_OPTIONAL == set()


def test_the_example_file_leaves_unknown_values_empty() -> None:
    known = {name for name, value in example_settings().items() if value}
    assert known == {
        *("AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME", "CONSENT_SCHEDULE", "CONSENT_KEEP_MONTHS"),
        "REDCAP_API_URL",
    }


def test_the_example_file_shows_the_defaults() -> None:
    example = example_settings()

    assert example["CONSENT_SCHEDULE"] == DEFAULT_SCHEDULE
    assert months_kept(Settings(example)) == months_kept(Settings({}))
    assert example["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"
    assert check_redcap_url(example["REDCAP_API_URL"], setting="REDCAP_API_URL", allow_http=False) is None
