"""Tests of the settings: their sources and order, every rejected value, and no value ever shown."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import consent.config.settings
from consent.config.checks import (
    check_redcap_url,
    dropbox_sandbox_url,
    ensure_no_sdk_hosts,
    months_kept,
    root_namespace,
    studies_directory,
)
from consent.config.settings import Network, Settings, read_settings, timer_schedule
from consent.errors import SettingsError

ROOT = Path(__file__).resolve().parents[3]
VALUE = "3F9A0B77C1D24E5F8A6B0C1D2E3F4A5B"
UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/)"
IN_AZURE = {"WEBSITE_INSTANCE_ID": "f3a1"}
IN_FLEX_CONSUMPTION = {"LEGION_SERVICE_HOST": "legion"}
READ_BUT_OPTIONAL = {
    "CURL_CA_BUNDLE",
    "DROPBOX_SANDBOX_URL",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
}


def write_local_settings(folder: Path, document: object) -> Path:
    path = folder / "local.settings.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def problems_in(folder: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings({}, folder)
    return str(caught.value)


def test_the_environment_wins_over_local_settings(tmp_path: Path) -> None:
    write_local_settings(tmp_path, {"Values": {"DROPBOX_KEY": "from the file"}})

    assert read_settings({"DROPBOX_KEY": "from the environment"}, tmp_path).get("DROPBOX_KEY") == "from the environment"


def test_local_settings_win_over_dotenv(tmp_path: Path) -> None:
    write_local_settings(tmp_path, {"Values": {"DROPBOX_KEY": "from the file"}})
    (tmp_path / ".env").write_text("DROPBOX_KEY=from dotenv\n", encoding="utf-8")

    assert read_settings({}, tmp_path).get("DROPBOX_KEY") == "from the file"


def test_dotenv_is_read_last(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DROPBOX_KEY='from dotenv'\nNO_VALUE\n", encoding="utf-8")

    assert read_settings({}, tmp_path).get("DROPBOX_KEY") == "from dotenv"


def test_a_dollar_in_dotenv_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DROPBOX_KEY=a${PATH}b\n", encoding="utf-8")

    assert read_settings({}, tmp_path).get("DROPBOX_KEY") == "a${PATH}b"


@pytest.mark.parametrize("name", ["local.settings.json", ".env"])
def test_a_file_saved_by_notepad_with_a_byte_order_mark_is_read(tmp_path: Path, name: str) -> None:
    text = {"local.settings.json": '{"Values": {"DROPBOX_KEY": "k"}}', ".env": "DROPBOX_KEY=k\n"}[name]
    (tmp_path / name).write_text(text, encoding="utf-8-sig")

    assert read_settings({}, tmp_path).get("DROPBOX_KEY") == "k"


def test_a_blank_value_gives_way_to_the_next_source(tmp_path: Path) -> None:
    write_local_settings(tmp_path, {"Values": {"DROPBOX_KEY": "from the file"}})

    assert read_settings({"DROPBOX_KEY": "  "}, tmp_path).get("DROPBOX_KEY") == "from the file"


def test_a_blank_value_counts_as_absent(tmp_path: Path) -> None:
    assert read_settings({"DROPBOX_KEY": " \n"}, tmp_path).get("DROPBOX_KEY") is None


def test_white_space_around_a_value_is_dropped(tmp_path: Path) -> None:
    assert read_settings({"DROPBOX_KEY": f" {VALUE}\r\n"}, tmp_path).get("DROPBOX_KEY") == VALUE


@pytest.mark.parametrize("environ", [IN_AZURE, IN_FLEX_CONSUMPTION], ids=["any plan", "Flex Consumption"])
def test_neither_file_is_read_inside_azure(environ: dict[str, str], tmp_path: Path) -> None:
    write_local_settings(tmp_path, "not even an object")
    (tmp_path / ".env").write_text("DROPBOX_KEY=k\n", encoding="utf-8")

    assert read_settings(environ, tmp_path).get("DROPBOX_KEY") is None


def test_only_the_environment_can_say_that_this_is_azure(tmp_path: Path) -> None:
    write_local_settings(tmp_path, {"Values": IN_AZURE})

    assert not read_settings({}, tmp_path).in_azure


@pytest.mark.parametrize(("beside", "expected"), [("host.json", "k"), ("nothing.json", "None")])
def test_the_files_are_looked_for_beside_host_json_and_not_in_the_current_folder(
    tmp_path: Path, beside: str, expected: str
) -> None:
    package = tmp_path / "app" / "consent"
    (package / "config").mkdir(parents=True)
    shutil.copy(ROOT / "consent" / "config" / "settings.py", package / "config")
    shutil.copy(ROOT / "consent" / "errors.py", package)
    (package / "config" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (tmp_path / "app" / beside).touch()
    write_local_settings(tmp_path / "app", {"Values": {"DROPBOX_KEY": "k"}})
    write_local_settings(tmp_path, {"Values": {"DROPBOX_KEY": "of the current folder"}})
    program = "import sys; sys.path.insert(0, 'app'); from consent.config.settings import read_settings as read; "

    done = subprocess.run(
        [sys.executable, "-I", "-c", program + "print(read({}).get('DROPBOX_KEY'))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == expected


def test_a_settings_folder_that_does_not_exist_is_rejected(tmp_path: Path) -> None:
    assert f"{tmp_path / 'nowhere'} does not exist. Correct --settings." in problems_in(tmp_path / "nowhere")


@pytest.mark.parametrize("flag", [True, "true"])
def test_encrypted_local_settings_are_refused_with_the_way_out(tmp_path: Path, flag: object) -> None:
    write_local_settings(tmp_path, {"IsEncrypted": flag, "Values": {"DROPBOX_KEY": VALUE}})

    assert "func settings decrypt" in problems_in(tmp_path)


@pytest.mark.parametrize("document", [[], {"Values": ["DROPBOX_KEY"]}])
def test_local_settings_of_another_shape_are_refused(tmp_path: Path, document: object) -> None:
    write_local_settings(tmp_path, document)

    assert 'has no object "Values"' in problems_in(tmp_path)


def test_malformed_local_settings_are_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(f'{{"Values":\n {{"DROPBOX_KEY": {VALUE}}}}}', encoding="utf-8")

    assert "is not valid JSON. Correct line 2." in problems_in(tmp_path)


@pytest.mark.parametrize("name", ["local.settings.json", ".env"])
def test_a_file_in_another_encoding_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes("DROPBOX_KEY=é".encode("latin-1"))

    assert "save it as UTF-8" in problems_in(tmp_path)


def test_every_value_that_is_not_text_is_named(tmp_path: Path) -> None:
    write_local_settings(tmp_path, {"Values": {"DROPBOX_KEY": 1, "DROPBOX_SECRET": None, "KEY_VAULT_URL": "x"}})

    assert re.findall(r"- (\w+) in .* is not text", problems_in(tmp_path)) == ["DROPBOX_KEY", "DROPBOX_SECRET"]


def test_a_dotenv_file_without_python_dotenv_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("DROPBOX_KEY=k\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "dotenv", None)

    assert "cannot be read without python-dotenv" in problems_in(tmp_path)


def test_without_a_dotenv_file_python_dotenv_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)

    assert read_settings({"DROPBOX_KEY": "k"}, tmp_path).get("DROPBOX_KEY") == "k"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"IsEncrypted": True, "Values": {"DROPBOX_KEY": VALUE}}),
        json.dumps({"Values": {"DROPBOX_KEY": [VALUE]}}),
        json.dumps({"Values": [VALUE]}),
        f'{{"Values": {{"DROPBOX_KEY": {VALUE}}}}}',
    ],
)
def test_no_refusal_of_a_file_shows_a_value(tmp_path: Path, text: str) -> None:
    (tmp_path / "local.settings.json").write_text(text, encoding="utf-8")

    assert VALUE not in problems_in(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("local.settings.json", f'{{"Values": {{"DROPBOX_KEY": {VALUE}}}}}'.encode(), id="not JSON"),
        pytest.param("local.settings.json", f"{VALUE} é".encode("latin-1"), id="JSON in another encoding"),
        pytest.param(".env", f"DROPBOX_KEY={VALUE} é".encode("latin-1"), id="dotenv in another encoding"),
    ],
)
def test_a_refusal_does_not_carry_the_file_along_in_another_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        read_settings({}, tmp_path)

    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_an_unresolved_key_vault_reference_is_refused_by_name() -> None:
    settings = Settings({"DROPBOX_KEY": UNRESOLVED})

    with pytest.raises(SettingsError, match="DROPBOX_KEY is a Key Vault reference that was not resolved"):
        settings.get("DROPBOX_KEY")


def test_every_unresolved_reference_to_a_proxy_is_named_at_once() -> None:
    settings = Settings({"HTTPS_PROXY": UNRESOLVED, "HTTP_PROXY": UNRESOLVED})

    with pytest.raises(SettingsError) as caught:
        _ = settings.network

    assert [problem.what.split()[0] for problem in caught.value.problems] == ["HTTPS_PROXY", "HTTP_PROXY"]


def test_printed_settings_show_names_and_no_values() -> None:
    assert repr(Settings({"DROPBOX_SECRET": VALUE, "DROPBOX_KEY": VALUE})) == "<Settings DROPBOX_KEY DROPBOX_SECRET>"


def test_a_proxy_is_read_in_capitals_or_not() -> None:
    settings = Settings({"https_proxy": "http://a:1", "HTTP_PROXY": "http://b:2", "NO_PROXY": ".hospital.example"})

    assert settings.network == Network("http://a:1", "http://b:2", ".hospital.example", None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"CURL_CA_BUNDLE": "curl.pem"}, "curl.pem"),
        ({"CURL_CA_BUNDLE": "curl.pem", "REQUESTS_CA_BUNDLE": "requests.pem"}, "requests.pem"),
    ],
)
def test_the_certificate_file_of_requests_wins_over_that_of_curl(values: dict[str, str], expected: str) -> None:
    assert Settings(values).network.ca_bundle == expected


def test_a_printed_network_does_not_show_the_password_of_a_proxy() -> None:
    assert VALUE not in repr(Network(f"http://u:{VALUE}@p:1", f"http://u:{VALUE}@p:1"))


@pytest.mark.parametrize("host", ["127.0.0.1:4000", "[::1]:4000", "localhost:4000"])
def test_the_dropbox_stand_in_may_be_on_this_machine(host: str) -> None:
    assert dropbox_sandbox_url(Settings({"DROPBOX_SANDBOX_URL": f"http://{host}/"})) == f"http://{host}"


def test_no_dropbox_stand_in_is_the_usual_case() -> None:
    assert dropbox_sandbox_url(Settings({})) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:4000",
        "http://sandbox.example.org:4000",
        "http://127.0.0.1@sandbox.example.org",
        "http://user@127.0.0.1:4000",
        "http://127.0.0.1.example.org",
        "http://127.0.0.1:4000/elsewhere",
        "http://127.0.0.1:4000?elsewhere",
        "http://127.0.0.1:port",
        "http://[::1",
        "127.0.0.1:4000",
    ],
)
def test_the_dropbox_stand_in_may_be_nowhere_else(url: str) -> None:
    with pytest.raises(SettingsError, match="DROPBOX_SANDBOX_URL is not an address on this machine"):
        dropbox_sandbox_url(Settings({"DROPBOX_SANDBOX_URL": url}))


def test_the_dropbox_stand_in_is_refused_inside_azure() -> None:
    with pytest.raises(SettingsError, match="DROPBOX_SANDBOX_URL cannot be used in Azure"):
        dropbox_sandbox_url(Settings({"DROPBOX_SANDBOX_URL": "http://127.0.0.1:4000"}, in_azure=True))


@pytest.mark.parametrize(
    "name",
    [
        "DROPBOX_API_HOST",
        "DROPBOX_API_CONTENT_HOST",
        "DROPBOX_API_NOTIFY_HOST",
        "DROPBOX_WEB_HOST",
        "DROPBOX_API_DOMAIN",
        "DROPBOX_WEB_DOMAIN",
        "DROPBOX_DOMAIN",
    ],
)
def test_a_variable_that_redirects_the_dropbox_library_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} would send Dropbox tokens to another host"):
        ensure_no_sdk_hosts(Settings({name: "evil.example.org"}))


def test_every_such_variable_is_named_even_if_azure_left_it_unresolved() -> None:
    with pytest.raises(SettingsError) as caught:
        ensure_no_sdk_hosts(Settings({"DROPBOX_API_HOST": UNRESOLVED, "DROPBOX_DOMAIN": "evil.example.org"}))

    assert [problem.what.split()[0] for problem in caught.value.problems] == ["DROPBOX_API_HOST", "DROPBOX_DOMAIN"]


def test_settings_without_such_a_variable_pass() -> None:
    ensure_no_sdk_hosts(Settings({"DROPBOX_KEY": "k", "DROPBOX_SANDBOX_URL": "http://127.0.0.1:4000"}))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"CONSENT_SCHEDULE": "0 0 6 * * Mon"}, "%CONSENT_SCHEDULE%"),
        ({"CONSENT_SCHEDULE": " "}, "0 0 * * * Sun,Mon,Tue"),
        ({}, "0 0 * * * Sun,Mon,Tue"),
    ],
)
def test_the_timer_names_its_setting_only_when_azure_can_resolve_it(environ: dict[str, str], expected: str) -> None:
    assert timer_schedule(environ) == expected


@pytest.mark.parametrize(("values", "months"), [({}, 24), ({"CONSENT_KEEP_MONTHS": "1"}, 1)])
def test_counts_are_kept_for_two_years_unless_another_number_is_set(values: dict[str, str], months: int) -> None:
    assert months_kept(Settings(values)) == months


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "two", "٣", "1e2", "1201", "9" * 5_000])
def test_anything_but_a_number_of_months_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="CONSENT_KEEP_MONTHS is not a number of months"):
        months_kept(Settings({"CONSENT_KEEP_MONTHS": text}))


def test_the_packaged_studies_are_used_by_default() -> None:
    assert studies_directory(Settings({})) == Path(consent.__file__).parent / "studies"


def test_another_folder_of_studies_can_be_chosen(tmp_path: Path) -> None:
    assert studies_directory(Settings({"CONSENT_STUDIES": str(tmp_path)})) == tmp_path


def test_a_folder_of_studies_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CONSENT_STUDIES is not a folder"):
        studies_directory(Settings({"CONSENT_STUDIES": str(tmp_path / "nowhere")}))


@pytest.mark.parametrize("given", [None, "1234567", "ns:12-3_4"])
def test_the_id_of_a_team_space_is_given_as_it_is_set(given: str | None) -> None:
    assert root_namespace(Settings({"DROPBOX_ROOT_NAMESPACE": given} if given else {})) == given


@pytest.mark.parametrize("given", ["Example Registry", "12 34", "12,34", "№7"])
def test_what_can_be_no_id_of_a_team_space_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="DROPBOX_ROOT_NAMESPACE is not a namespace id"):
        root_namespace(Settings({"DROPBOX_ROOT_NAMESPACE": given}))


@pytest.mark.parametrize(
    ("url", "allow_http"),
    [
        ("https://redcap.example.org/api/", False),
        ("https://example.org:8443/redcap/api/", False),
        ("https://redcap.hôpital.example.org./api/", False),
        ("http://127.0.0.1:4000/api/", False),
        ("http://[::1]:4000/api/", False),
        ("http://redcap.intranet/api/", True),
    ],
)
def test_a_good_redcap_address_has_no_problem(url: str, allow_http: bool) -> None:
    assert check_redcap_url(url, setting="REDCAP_API_URL", allow_http=allow_http) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redcap.example.org/api/", "is not a web address"),
        ("ftp://redcap.example.org/api/", "is not a web address"),
        ("https:///api/", "is not a web address"),
        ("https://[::1/api/", "is not a web address"),
        ("https://redcap..example.org/api/", "is not a web address"),
        ("http://redcap.example.org/api/", "does not start with https://"),
        ("https://user:password@redcap.example.org/api/", "contains a user name or password"),
        ("https://redcap.example.org/api/?token=password", "does not end in /api/"),
        ("https://redcap.example.org/api/#password", "does not end in /api/"),
        ("https://redcap.example.org/api", "does not end in /api/"),
        ("https://redcap.example.org/redcap/", "does not end in /api/"),
    ],
)
def test_a_bad_redcap_address_is_described_by_its_setting(url: str, problem: str) -> None:
    assert str(check_redcap_url(url, setting="SITE_URL", allow_http=False)).startswith(f"SITE_URL {problem}")


def test_the_description_of_a_bad_redcap_address_does_not_repeat_it() -> None:
    problem = check_redcap_url(f"https://h/api/?token={VALUE}", setting="SITE_URL", allow_http=False)

    assert VALUE not in str(problem)


def example_settings() -> dict[str, str]:
    document = json.loads((ROOT / "local.settings.json.example").read_text(encoding="utf-8"))
    return document["Values"]


def settings_read_by_the_product() -> set[str]:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "consent").rglob("*.py"))
    return set(re.findall(r'\b(?:settings|self|environ)\.get\("([A-Z][A-Z0-9_]+)"', sources))


def test_the_example_file_can_be_used_as_it_is(tmp_path: Path) -> None:
    shutil.copy(ROOT / "local.settings.json.example", tmp_path / "local.settings.json")

    assert read_settings({}, tmp_path).get("FUNCTIONS_WORKER_RUNTIME") == "python"


def test_the_example_file_holds_every_setting_that_is_not_optional() -> None:
    assert settings_read_by_the_product() - example_settings().keys() - READ_BUT_OPTIONAL == set()


@pytest.mark.parametrize(
    "name",
    [
        "REDCAP_ACCESS_TOKEN",
        "DROPBOX_KEY",
        "DROPBOX_SECRET",
        "DROPBOX_OAUTH2_REFRESH_TOKEN",
        "DROPBOX_ROOT_NAMESPACE",
        "KEY_VAULT_URL",
        "HEARTBEAT_URL",
    ],
)
def test_the_example_file_leaves_what_only_the_operator_knows_empty(name: str) -> None:
    assert example_settings()[name] == ""


def test_the_example_schedule_is_the_default_one() -> None:
    assert example_settings()["CONSENT_SCHEDULE"] == consent.config.settings.DEFAULT_SCHEDULE


def test_the_example_months_are_the_default_ones() -> None:
    assert months_kept(Settings(example_settings())) == months_kept(Settings({}))


def test_the_example_storage_is_the_emulator_on_this_machine() -> None:
    assert example_settings()["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"


def test_the_example_file_leaves_the_ledger_to_whoever_reads_it() -> None:
    assert example_settings()["CONSENT_LEDGER"] == ""


def test_the_example_address_of_redcap_passes_the_check() -> None:
    assert check_redcap_url(example_settings()["REDCAP_API_URL"], setting="REDCAP_API_URL", allow_http=False) is None


@pytest.mark.parametrize("environ", [{"AZUREWEBJOBSSTORAGE": "from the environment"}, {}])
def test_on_windows_names_that_differ_in_case_alone_are_one(tmp_path: Path, environ: dict[str, str]) -> None:
    values = {"Values": {"AzureWebJobsStorage": "from the file"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(values), encoding="utf-8")

    settings = read_settings(environ, tmp_path, any_case=True)

    assert settings.get("AzureWebJobsStorage") == ("from the environment" if environ else "from the file")
