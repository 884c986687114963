"""Claims about signing in to Dropbox when all goes well: what is asked, proven, kept and never shown."""

import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from consent.cli.login.sign_in import login_document, login_lines
from consent.config.settings import read_settings
from consent.runs.services import open_services
from consent.studies.catalog import choose_study, load_studies
from sandbox.dropbox.app import Dropbox
from tests.support.login_bench import LoginBench, allow, login_bench
from tests.unit.runs.test_services import a_folder_of_studies


@pytest.fixture(name="bench")
def _bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginBench]:
    with login_bench(tmp_path, monkeypatch) as bench:
        yield bench


@pytest.fixture(name="team")
def _team(bench: LoginBench) -> LoginBench:
    bench.server.app = Dropbox(root_namespace="7")
    return bench


def token_in(bench: LoginBench) -> str:
    return str(read_settings(directory=bench.folder).get("DROPBOX_OAUTH2_REFRESH_TOKEN"))


# --- the way


def test_an_app_key_and_a_code_are_all_that_is_asked_for(bench: LoginBench) -> None:
    done = bench.log_in("sandbox-key", allow)

    assert done.kept.names == ("DROPBOX_KEY", "DROPBOX_OAUTH2_REFRESH_TOKEN")


def test_an_app_key_that_is_a_setting_is_not_asked_for(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPBOX_KEY", "sandbox-key")

    bench.log_in(allow)

    assert "App key" not in bench.told


def test_the_address_asks_for_lasting_access_with_pkce_and_the_smallest_scopes(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)

    asked = {name: values[0] for name, values in parse_qs(urlsplit(bench.address).query).items()}
    del asked["code_challenge"]
    assert asked == {
        "response_type": "code",
        "client_id": "sandbox-key",
        "token_access_type": "offline",
        "code_challenge_method": "S256",
        "scope": "account_info.read files.content.write files.metadata.read",
    }


def test_the_address_is_shown_in_one_piece_and_opened(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)

    assert bench.opened == [bench.address]


def test_without_a_browser_the_address_is_only_shown(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow, browser=False)

    assert bench.opened == []


def test_blanks_around_a_pasted_code_do_not_matter(bench: LoginBench) -> None:
    assert bench.log_in("sandbox-key", lambda here: f"  {allow(here)}\t").kept.names


def test_whose_account_it_is_is_shown(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)

    assert "Signed in as Franz Ferdinand (franz@example.com), a basic account." in bench.told


def test_nothing_is_left_in_the_dropbox(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)

    assert (len(bench.server.seen("files/upload")), bench.app.account.tree.inside("")) == (1, [])


def test_the_folder_of_every_study_is_proven(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    a_folder_of_studies(bench.folder, aurora="Aurora", lumen="Lumen")
    aurora = bench.folder / "aurora.toml"
    aurora.write_text(aurora.read_text(encoding="utf-8") + '[delivery]\nfolder = "/Aurora"\n', encoding="utf-8")
    monkeypatch.setenv("CONSENT_STUDIES", str(bench.folder))

    bench.log_in("sandbox-key", allow)

    assert "The folder /Aurora is not there yet: the first report makes it." in bench.told
    assert "A tiny file was written to / and deleted again." in bench.told


def test_without_a_study_the_topmost_folder_is_proven(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENT_STUDIES", str(bench.folder))

    bench.log_in("sandbox-key", allow)

    assert "A tiny file was written to / and deleted again." in bench.told


def test_a_run_then_works_with_what_was_kept(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.log_in("sandbox-key", allow)
    monkeypatch.setenv("REDCAP_API_URL", "https://redcap.example.org/api/")
    monkeypatch.setenv("REDCAP_ACCESS_TOKEN", "A" * 32)
    settings = read_settings(directory=bench.folder)

    with open_services(choose_study(load_studies(settings), None), settings) as services:
        services.folder.put("/a.txt", b"a", replace=False)

    assert bench.app.files() == {"/a.txt": b"a"}


# --- the team space


def test_in_a_team_it_is_asked_whose_space_reports_go_to(team: LoginBench) -> None:
    done = team.log_in("sandbox-key", allow, "1")

    assert (done.space.root_namespace, "DROPBOX_ROOT_NAMESPACE=7\n" in team.dotenv) == ("7", True)


def test_the_own_files_of_a_member_of_a_team_need_no_namespace(team: LoginBench) -> None:
    done = team.log_in("sandbox-key", allow, "2")

    assert (done.space.root_namespace, "NAMESPACE" in team.dotenv) == (None, False)


@pytest.mark.parametrize(("wish", "namespace"), [(True, "7"), (False, None)])
def test_what_was_said_beforehand_is_not_asked(team: LoginBench, wish: bool, namespace: str | None) -> None:
    assert team.log_in("sandbox-key", allow, team_space=wish).space.root_namespace == namespace


def test_the_file_is_written_to_the_space_that_was_chosen(team: LoginBench) -> None:
    team.log_in("sandbox-key", allow, "1")

    assert team.server.seen("files/upload")[0].headers["dropbox-api-path-root"] == '{".tag": "root", "root": "7"}'


def test_a_team_space_that_is_a_setting_already_is_not_asked_for(team: LoginBench) -> None:
    (team.folder / ".env").write_text("DROPBOX_ROOT_NAMESPACE=7\n", encoding="utf-8")

    assert team.log_in("sandbox-key", allow).space.root_namespace == "7"


def test_going_back_to_the_own_files_empties_the_setting(team: LoginBench) -> None:
    (team.folder / ".env").write_text("DROPBOX_ROOT_NAMESPACE=7\n", encoding="utf-8")

    done = team.log_in("sandbox-key", allow, team_space=False)

    assert team.dotenv.splitlines()[0] == "DROPBOX_ROOT_NAMESPACE="
    assert "  DROPBOX_ROOT_NAMESPACE  (now blank)" in login_lines(done)


# --- what is kept, and what is said of it


def test_where_to_keep_it_is_asked_before_the_browser_is_opened(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", "2", allow, keep_in=None)

    assert bench.told.index("Where shall the log-in be kept?") < bench.told.index("Open this address")
    assert (bench.folder / "local.settings.json").is_file()


def test_a_file_that_is_there_is_offered_first(bench: LoginBench) -> None:
    (bench.folder / "local.settings.json").write_text('{"Values": {}}', encoding="utf-8")

    bench.log_in("sandbox-key", "", allow, keep_in=None)

    assert not (bench.folder / ".env").exists()


def test_signing_in_again_says_what_it_replaced(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)
    first = token_in(bench)

    done = bench.log_in(allow)

    assert (done.kept.replaced, token_in(bench) == first) == (("DROPBOX_OAUTH2_REFRESH_TOKEN",), False)
    assert "  DROPBOX_OAUTH2_REFRESH_TOKEN  (in place of another)" in login_lines(done)


def test_a_setting_that_counts_before_what_was_kept_is_named(bench: LoginBench) -> None:
    (bench.folder / "local.settings.json").write_text(
        '{"Values": {"DROPBOX_OAUTH2_REFRESH_TOKEN": "an-old-one"}}', encoding="utf-8"
    )

    [remark] = bench.log_in("sandbox-key", allow).remarks

    assert remark == (
        "DROPBOX_OAUTH2_REFRESH_TOKEN is also set in local.settings.json, which counts before what was kept: remove it "
        "there."
    )


def test_an_app_secret_that_is_not_needed_any_more_is_named(bench: LoginBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPBOX_SECRET", "sandbox-secret")

    assert bench.log_in("sandbox-key", allow).remarks == (
        "DROPBOX_SECRET (in the environment) is not needed with this log-in: remove it.",
    )


def test_the_last_lines_say_what_is_where_how_to_undo_it_and_what_comes_next(bench: LoginBench) -> None:
    done = bench.log_in("sandbox-key", allow)

    assert login_lines(done) == [
        "Signed in to Dropbox (sandbox).",
        "Reports go to the account's own files.",
        f"Kept in {bench.folder / '.env'}:",
        "  DROPBOX_KEY",
        "  DROPBOX_OAUTH2_REFRESH_TOKEN",
        "To undo it: disconnect the app at https://www.dropbox.com/account/connected_apps,",
        "and delete these settings.",
        "Next: consent check",
    ]


def test_the_document_for_scripts_says_the_same(bench: LoginBench) -> None:
    assert login_document(bench.log_in("sandbox-key", allow)) == {
        "state": "signed-in",
        "service": "dropbox",
        "sandbox": True,
        "team_space": False,
        "kept_in": str(bench.folder / ".env"),
        "kept": ["DROPBOX_KEY", "DROPBOX_OAUTH2_REFRESH_TOKEN"],
        "replaced": [],
        "remarks": [],
    }


def test_neither_code_nor_token_is_shown_or_logged(bench: LoginBench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    codes: list[str] = []

    def remember(here: LoginBench) -> str:
        codes.append(allow(here))
        return codes[0]

    done = bench.log_in("sandbox-key", remember)

    shown = f"{bench.told} {login_lines(done)} {login_document(done)} {done!r} {caplog.text}"
    assert [secret for secret in (codes[0], token_in(bench)) if secret in shown] == []
