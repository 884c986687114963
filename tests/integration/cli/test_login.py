"""Tests of signing in to Dropbox without trouble: what is asked, tested, saved and never shown."""

import logging
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from consent.cli.login.sign_in import login_lines
from consent.config.settings import read_settings
from consent.files import to_json
from consent.runs.services import open_services
from consent.studies.catalog import choose_study, load_studies
from sandbox.dropbox.app import Dropbox
from tests.support.builders import CONSENT, RIDER, STUDY
from tests.support.login_bench import LoginBench, allow

BOTH = ("DROPBOX_KEY", "DROPBOX_OAUTH2_REFRESH_TOKEN")


@pytest.fixture(name="team")
def _team(bench: LoginBench) -> LoginBench:
    bench.server.app = Dropbox(root_namespace="7")
    return bench


def token_in(bench: LoginBench) -> str:
    return str(read_settings(directory=bench.folder).get("DROPBOX_OAUTH2_REFRESH_TOKEN"))


def test_only_the_app_key_and_a_code_are_asked_for(bench: LoginBench) -> None:
    assert bench.log_in("sandbox-key", lambda here: f"  {allow(here)}\t").saved.names == BOTH


def test_an_app_key_in_the_settings_is_not_asked_for(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPBOX_KEY", "sandbox-key")
    bench.log_in(allow)
    assert "App key" not in bench.shown


def test_the_address_requests_offline_access_with_pkce_and_the_smallest_scopes(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)
    query = {name: values[0] for name, values in parse_qs(urlsplit(bench.address).query).items()}
    del query["code_challenge"]
    assert query == {
        "response_type": "code",
        "client_id": "sandbox-key",
        "token_access_type": "offline",
        "code_challenge_method": "S256",
        "scope": "account_info.read files.content.write files.metadata.read",
    }
    assert urlsplit(bench.address).netloc == urlsplit(bench.server.url).netloc


@pytest.mark.parametrize("browser", [True, False])
def test_the_address_is_opened_in_the_browser_unless_not_wanted(bench: LoginBench, browser: bool) -> None:
    bench.log_in("sandbox-key", allow, browser=browser)
    assert bench.opened == ([bench.address] if browser else [])


def test_the_owner_of_the_account_is_shown(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)
    assert "Signed in as Franz Ferdinand (franz@example.com), a basic account." in bench.shown


def test_a_test_file_is_written_and_nothing_is_left_in_dropbox(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)
    assert (len(bench.server.seen("files/upload")), bench.app.account.tree.inside("")) == (1, [])


def test_the_folder_of_every_study_is_tested(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("aurora", "lumen"):
        text = (STUDY + CONSENT + RIDER).replace("OBRI Consent Summary", key)
        (bench.folder / f"{key}.toml").write_text(text, encoding="utf-8")
    aurora = bench.folder / "aurora.toml"
    aurora.write_text(aurora.read_text(encoding="utf-8") + '[delivery]\nfolder = "/Aurora"\n', encoding="utf-8")
    monkeypatch.setenv("CONSENT_STUDIES", str(bench.folder))
    bench.log_in("sandbox-key", allow)
    assert bench.shown.count("A test file was written to / and deleted.") == 2
    assert "The first report creates the folder /Aurora." in bench.shown


def test_without_a_study_the_root_folder_is_tested(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENT_STUDIES", str(bench.folder))
    bench.log_in("sandbox-key", allow)
    assert "A test file was written to / and deleted." in bench.shown


def test_a_run_works_with_the_saved_credentials(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.log_in("sandbox-key", allow)
    monkeypatch.setenv("REDCAP_API_URL", "https://redcap.example.org/api/")
    monkeypatch.setenv("REDCAP_ACCESS_TOKEN", "A" * 32)
    settings = read_settings(directory=bench.folder)
    with open_services(choose_study(load_studies(settings), None), settings) as services:
        services.folder.put("/a.txt", b"a", replaces=None)
    assert bench.app.files() == {"/a.txt": b"a"}


@pytest.mark.parametrize(
    ("answers", "option", "namespace"),
    [(["1"], None, "7"), (["2"], None, None), ([], True, "7"), ([], False, None)],
    ids=["team space by answer", "own files by answer", "team space by option", "own files by option"],
)
def test_the_space_is_chosen_saved_and_tested(
    team: LoginBench, answers: list[str], option: bool | None, namespace: str | None
) -> None:
    result = team.log_in("sandbox-key", allow, *answers, team_space=option)
    upload = team.server.seen("files/upload")[0]
    root = '{".tag": "root", "root": "7"}' if namespace else None
    assert (result.space.root_namespace, upload.headers.get("dropbox-api-path-root")) == (namespace, root)
    assert read_settings(directory=team.folder).get("DROPBOX_ROOT_NAMESPACE") == namespace


def test_a_team_space_in_the_settings_is_not_asked_for(team: LoginBench) -> None:
    (team.folder / ".env").write_text("DROPBOX_ROOT_NAMESPACE=7\n", encoding="utf-8")
    assert team.log_in("sandbox-key", allow).space.root_namespace == "7"


def test_returning_to_the_own_files_clears_the_setting(team: LoginBench) -> None:
    (team.folder / ".env").write_text("DROPBOX_ROOT_NAMESPACE=7\n", encoding="utf-8")
    result = team.log_in("sandbox-key", allow, team_space=False)
    assert not read_settings(directory=team.folder).has("DROPBOX_ROOT_NAMESPACE")
    assert "  DROPBOX_ROOT_NAMESPACE  (now empty)" in login_lines(result, None)


def test_the_place_to_save_is_asked_before_the_browser_opens(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", "2", allow, save_in=None)
    assert bench.shown.index("Where should the credentials be saved?") < bench.shown.index("Open this address")
    assert (bench.folder / "local.settings.json").is_file()


def test_an_existing_file_is_offered_first(bench: LoginBench) -> None:
    (bench.folder / "local.settings.json").write_text('{"Values": {}}', encoding="utf-8")
    bench.log_in("sandbox-key", "", allow, save_in=None)
    assert not (bench.folder / ".env").exists()


def test_signing_in_again_shows_what_was_replaced(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)
    first = token_in(bench)
    result = bench.log_in(allow)
    assert (result.saved.replaced, token_in(bench) == first) == (("DROPBOX_OAUTH2_REFRESH_TOKEN",), False)
    assert "  DROPBOX_OAUTH2_REFRESH_TOKEN  (replaced)" in login_lines(result, None)


def test_a_setting_that_takes_precedence_is_named(bench: LoginBench) -> None:
    (bench.folder / "local.settings.json").write_text(
        '{"Values": {"DROPBOX_OAUTH2_REFRESH_TOKEN": "an-old-one"}}', encoding="utf-8"
    )
    [step] = bench.log_in("sandbox-key", allow).remaining
    assert step.startswith("DROPBOX_OAUTH2_REFRESH_TOKEN is also set in local.settings.json")


def test_the_result_has_what_was_saved_how_to_undo_it_and_the_next_command(bench: LoginBench) -> None:
    result = bench.log_in("sandbox-key", allow)
    assert login_lines(result, Path("my trial")) == [
        "Signed in to Dropbox (sandbox).",
        "Reports go to the account's own files.",
        f"Saved in {bench.folder / '.env'}:",
        "  DROPBOX_KEY",
        "  DROPBOX_OAUTH2_REFRESH_TOKEN",
        "To undo this, disconnect the app at https://www.dropbox.com/account/connected_apps",
        "and delete these settings.",
        'Next: uv run consent check --settings "my trial"',
    ]
    assert to_json(result) == {
        "state": "signed-in",
        "service": "dropbox",
        "saved": {"place": str(bench.folder / ".env"), "names": [*BOTH], "replaced": []},
        "space": {"root_namespace": None, "name": "the account's own files"},
        "sandbox": True,
        "remaining": [],
    }


def test_code_and_token_are_neither_shown_nor_logged(bench: LoginBench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    codes: list[str] = []

    def remember(here: LoginBench) -> str:
        codes.append(allow(here))
        return codes[0]

    result = bench.log_in("sandbox-key", remember)
    shown = f"{bench.shown} {login_lines(result, None)} {to_json(result)} {result!r} {caplog.text}"
    assert [secret for secret in (codes[0], token_in(bench)) if secret in shown] == []
