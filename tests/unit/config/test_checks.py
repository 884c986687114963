"""Tests of the checks of single settings: what is accepted, and what is rejected without showing a secret."""

from pathlib import Path

import pytest

import consent
from consent.config.checks import (
    check_redcap_url,
    dropbox_sandbox_url,
    ensure_no_sdk_hosts,
    heartbeat_url,
    months_kept,
    root_namespace,
    studies_directory,
)
from consent.config.settings import Settings
from consent.errors import SettingsError

UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/)"


@pytest.mark.parametrize("host", ["127.0.0.1:4000", "[::1]:4000", "localhost:4000"])
def test_a_simulated_dropbox_may_be_on_this_machine(host: str) -> None:
    assert dropbox_sandbox_url(Settings({"DROPBOX_SANDBOX_URL": f"http://{host}/"})) == f"http://{host}"


def test_by_default_there_is_no_simulated_dropbox() -> None:
    assert dropbox_sandbox_url(Settings({})) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:4000",
        "http://sandbox.example.org:4000",
        "http://127.0.0.1@sandbox.example.org",
        "http://user@127.0.0.1:4000",
        "http://127.0.0.1:4000/elsewhere",
        "http://127.0.0.1:4000?elsewhere",
        "http://127.0.0.1:port",
    ],
)
def test_a_simulated_dropbox_may_be_nowhere_else(url: str) -> None:
    with pytest.raises(SettingsError, match="DROPBOX_SANDBOX_URL"):
        dropbox_sandbox_url(Settings({"DROPBOX_SANDBOX_URL": url}))


def test_a_simulated_dropbox_is_rejected_in_azure() -> None:
    with pytest.raises(SettingsError, match="DROPBOX_SANDBOX_URL cannot be used in Azure"):
        dropbox_sandbox_url(Settings({"DROPBOX_SANDBOX_URL": "http://127.0.0.1:4000"}, in_azure=True))


def test_every_variable_that_redirects_the_dropbox_library_is_rejected() -> None:
    names = [
        *("DROPBOX_API_HOST", "DROPBOX_API_CONTENT_HOST", "DROPBOX_API_NOTIFY_HOST", "DROPBOX_WEB_HOST"),
        *("DROPBOX_API_DOMAIN", "DROPBOX_WEB_DOMAIN", "DROPBOX_DOMAIN"),
    ]
    values = dict.fromkeys(names, "evil.example.org") | {"DROPBOX_API_HOST": UNRESOLVED, "DROPBOX_KEY": "k"}

    with pytest.raises(SettingsError) as caught:
        ensure_no_sdk_hosts(Settings(values))

    assert [problem.what.split()[0] for problem in caught.value.problems] == names


def test_settings_without_such_a_variable_pass() -> None:
    ensure_no_sdk_hosts(Settings({"DROPBOX_KEY": "k", "DROPBOX_SANDBOX_URL": "http://127.0.0.1:4000"}))


@pytest.mark.parametrize(("values", "months"), [({}, 24), ({"CONSENT_KEEP_MONTHS": "1"}, 1)])
def test_counts_are_kept_for_two_years_by_default(values: dict[str, str], months: int) -> None:
    assert months_kept(Settings(values)) == months


@pytest.mark.parametrize("text", ["0", "1.5", "٣", "1201", "9" * 5_000])
def test_anything_but_a_number_of_months_is_rejected(text: str) -> None:
    with pytest.raises(SettingsError, match="CONSENT_KEEP_MONTHS"):
        months_kept(Settings({"CONSENT_KEEP_MONTHS": text}))


def test_the_study_files_are_in_the_package_by_default() -> None:
    assert studies_directory(Settings({})) == Path(consent.__file__).parent / "studies"


def test_study_files_beside_the_settings_are_used_before_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    assert studies_directory(Settings({}, folder=tmp_path)) == studies_directory(Settings({}))
    (tmp_path / "studies/mine.toml").touch()
    assert studies_directory(Settings({}, folder=tmp_path)) == tmp_path / "studies"


def test_another_folder_of_study_files_can_be_chosen(tmp_path: Path) -> None:
    assert studies_directory(Settings({"CONSENT_STUDIES": str(tmp_path)})) == tmp_path


def test_a_folder_of_study_files_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere of CONSENT_STUDIES does not exist"):
        studies_directory(Settings({"CONSENT_STUDIES": str(tmp_path / "nowhere")}))


@pytest.mark.parametrize("given", [None, "1234567", "ns:12-3_4"])
def test_the_id_of_a_team_space_is_returned(given: str | None) -> None:
    assert root_namespace(Settings({"DROPBOX_ROOT_NAMESPACE": given} if given else {})) == given


@pytest.mark.parametrize("given", ["Example Registry", "№7"])
def test_other_text_is_not_the_id_of_a_team_space(given: str) -> None:
    with pytest.raises(SettingsError, match="DROPBOX_ROOT_NAMESPACE"):
        root_namespace(Settings({"DROPBOX_ROOT_NAMESPACE": given}))


@pytest.mark.parametrize(
    ("url", "allow_http"),
    [
        ("https://example.org:8443/redcap/api/", False),
        ("https://redcap.hôpital.example.org./api/", False),
        ("http://127.0.0.1:4000/api/", False),
        ("http://redcap.intranet/api/", True),
    ],
)
def test_a_good_redcap_address_has_no_problem(url: str, allow_http: bool) -> None:
    assert check_redcap_url(url, setting="REDCAP_API_URL", allow_http=allow_http) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://redcap.example.org/api/", "is not a web address"),
        ("https:///api/", "is not a web address"),
        ("https://redcap..example.org/api/", "is not a web address"),
        ("http://redcap.example.org/api/", "does not start with https://"),
        ("https://user:passw0rd@redcap.example.org/api/", "contains a user name or password"),
        ("https://redcap.example.org/api/?token=passw0rd", "does not end in /api/"),
        ("https://redcap.example.org/api/#passw0rd", "does not end in /api/"),
        ("https://redcap.example.org/api", "does not end in /api/"),
    ],
)
def test_a_bad_redcap_address_is_described_by_its_setting_and_not_repeated(url: str, problem: str) -> None:
    found = check_redcap_url(url, setting="SITE_URL", allow_http=False)

    assert found is not None
    assert found.what == f"SITE_URL {problem}."
    assert "passw0rd" not in found.fix


@pytest.mark.parametrize("url", ["https://monitor.example.org/a-b-c", "http://127.0.0.1:4000/x", "http://localhost/x"])
def test_a_monitor_is_reached_over_https_or_on_this_machine(url: str) -> None:
    assert heartbeat_url(Settings({"HEARTBEAT_URL": url})) == url


@pytest.mark.parametrize(
    "url",
    ["monitor.example.org/x", "https://", "https://u:p@h.org/x", "http://monitor.example.org/x", "ftp://127.0.0.1/x"],
)
def test_any_other_monitor_is_rejected_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="HEARTBEAT_URL") as caught:
        heartbeat_url(Settings({"HEARTBEAT_URL": url}))
    assert url not in str(caught.value).replace("https://.", "")


@pytest.mark.parametrize(("host", "is_used"), [("https://monitor.example.org", False), ("http://127.0.0.1:4000", True)])
def test_a_simulated_dropbox_sends_no_heartbeat_to_another_machine(host: str, is_used: bool) -> None:
    settings = Settings({"HEARTBEAT_URL": host, "DROPBOX_SANDBOX_URL": "http://127.0.0.1:1"})
    assert heartbeat_url(settings) == (host if is_used else None)
