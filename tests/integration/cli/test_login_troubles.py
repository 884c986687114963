"""Claims about signing in to Dropbox when something is wrong: each is told in plain words, and nothing is kept."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from consent.errors import (
    ConfigurationError,
    ConsentReportError,
    DeliveryRefusedError,
    DeliveryUnavailableError,
    SettingsError,
)
from sandbox.dropbox.app import DELIVERY_SCOPES, Dropbox
from sandbox.server import Fault
from tests.support.login_bench import LoginBench, allow, allow_less, login_bench

HTML = {"Content-Type": "text/html"}
UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/)"


@pytest.fixture(name="bench")
def _bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginBench]:
    with login_bench(tmp_path, monkeypatch) as bench:
        yield bench


def refused(bench: LoginBench, kind: type[ConsentReportError], *answers: object, **wishes: object) -> str:
    """What is said when the sign-in is refused; nothing may be kept then."""
    with pytest.raises(kind, match=r"\w") as caught:
        bench.log_in("sandbox-key", *answers, **wishes)  # type: ignore[arg-type]
    assert [file.name for file in bench.folder.iterdir()] == []
    return str(caught.value)


# --- the code


def used(bench: LoginBench) -> str:
    code = allow(bench)
    bench.app.sign_in.exchange({"grant_type": "authorization_code", "code": code, "client_id": "sandbox-key"})
    return code


def of_another_sign_in(bench: LoginBench) -> str:
    return bench.app.authorise(bench.address.replace("code_challenge=", "code_challenge=x"))


@pytest.mark.parametrize("bad", ["mistyped", of_another_sign_in], ids=["mistyped", "of another sign-in"])
def test_a_code_that_dropbox_does_not_know_is_asked_for_again(
    bench: LoginBench, bad: str | Callable[[LoginBench], str]
) -> None:
    done = bench.log_in("sandbox-key", bad, allow)

    assert ("Dropbox does not know this code" in bench.told, len(done.kept.names)) == (True, 2)


def test_a_code_that_is_too_old_is_asked_for_again(bench: LoginBench) -> None:
    now = [datetime.now(UTC)]
    bench.server.app = Dropbox(clock=lambda: now[0])

    def allow_and_wait(here: LoginBench) -> str:
        code = allow(here)
        now[0] += timedelta(hours=1)
        return code

    bench.log_in("sandbox-key", allow_and_wait, allow)

    assert "more than some minutes old" in bench.told


def test_a_code_that_was_used_already_is_asked_for_again(bench: LoginBench) -> None:
    bench.server.faults.append(Fault("lost", match="oauth2/token"))
    with pytest.raises(DeliveryUnavailableError, match="the code was not exchanged"):
        bench.log_in("sandbox-key", allow)
    code = allow(bench)
    with pytest.raises(ConfigurationError, match="No code was given"):
        bench.log_in("sandbox-key", code, "")

    assert "is used up" in bench.told


def test_a_wrong_code_is_not_repeated(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", "a-wrong-code", allow)

    assert "a-wrong-code" not in bench.told


def test_no_code_stops_it_and_says_what_the_page_may_have_complained_of(bench: LoginBench) -> None:
    said = refused(bench, ConfigurationError, "")

    assert said.startswith("No code was given, so nothing was kept. If the page showed an error")
    assert "account_info.read, files.content.write, files.metadata.read must be ticked and submitted" in said


# --- the app


def test_an_app_key_that_dropbox_does_not_know_is_named(bench: LoginBench) -> None:
    bench.server.app = Dropbox(app_key="another-key")

    def code_of_the_other_app(here: LoginBench) -> str:
        return here.app.authorise(here.address.replace("sandbox-key", "another-key"))

    said = refused(bench, SettingsError, code_of_the_other_app)

    assert "DROPBOX_KEY is no app key that Dropbox knows: copy it from https://www.dropbox.com/developers/apps" in said


@pytest.mark.parametrize("app_key", ["", "two words", "schlüssel"])
def test_an_app_key_that_can_be_none_is_refused_before_the_browser_is_opened(bench: LoginBench, app_key: str) -> None:
    with pytest.raises(SettingsError, match="DROPBOX_KEY"):
        bench.log_in(app_key)

    assert bench.opened == []


@pytest.mark.parametrize("scope", ["files.content.write", "files.metadata.read", "account_info.read"])
def test_a_permission_that_the_app_lacks_is_named_with_the_way_to_mend_it(bench: LoginBench, scope: str) -> None:
    bench.server.app = Dropbox(app_scopes=DELIVERY_SCOPES - {scope})

    said = refused(bench, DeliveryRefusedError, allow)

    assert f"The app lacks the permission {scope}. Open it at https://www.dropbox.com/developers/apps" in said
    assert "tick it under Permissions, press Submit, then sign in again" in said


def test_all_permissions_that_were_not_granted_are_named(bench: LoginBench) -> None:
    said = refused(bench, DeliveryRefusedError, allow_less)

    assert "lacks the permission files.content.write and files.metadata.read" in said


def test_a_log_in_that_would_not_last_is_refused(bench: LoginBench) -> None:
    def without_refresh_token(body: bytes) -> bytes:
        return json.dumps({name: value for name, value in json.loads(body).items() if name != "refresh_token"}).encode()

    bench.server.faults.append(Fault("change", match="oauth2/token", change=without_refresh_token))

    assert "Dropbox gave no lasting log-in" in refused(bench, DeliveryRefusedError, allow)


# --- the account


def test_an_account_without_the_team_space_of_the_settings_is_the_wrong_one(
    bench: LoginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPBOX_ROOT_NAMESPACE", "7")

    said = refused(bench, DeliveryRefusedError, allow)

    assert "This is another account: it does not have the team space 7" in said
    assert "Sign out on dropbox.com (or use a private window)" in said
    assert "--team-space no" in said


def test_an_account_without_a_team_space_is_the_wrong_one_where_that_is_wished_for(bench: LoginBench) -> None:
    assert "This account has no team space." in refused(bench, DeliveryRefusedError, allow, team_space=True)


def test_an_account_that_may_not_write_to_the_folder_is_refused(bench: LoginBench) -> None:
    bench.server.app = Dropbox(read_only=frozenset({"/consent-write-test.txt"}))

    said = refused(bench, DeliveryRefusedError, allow)

    assert "this account may not write there: ask the folder's owner for the right to edit" in said
    assert "Nothing was kept. If this is not the account that you mean" in said


def test_without_an_answer_about_the_space_nothing_is_kept(bench: LoginBench) -> None:
    bench.server.app = Dropbox(root_namespace="7")

    assert "No space was chosen" in refused(bench, ConfigurationError, allow, "")


# --- the network


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        pytest.param(Fault("reset"), "Dropbox could not be reached", id="no network"),
        pytest.param(Fault("lost"), "Dropbox could not be reached", id="a lost answer"),
        pytest.param(
            Fault("answer", status=200, headers=HTML, body=b"<html>Please sign in</html>"),
            "something else answered in its place",
            id="a sign-in page of the network",
        ),
        pytest.param(Fault("answer", status=200, body=b"[]"), "something else answered", id="an odd answer"),
        pytest.param(Fault("answer", status=407), "answered with HTTP status 407", id="a proxy"),
        pytest.param(Fault("answer", status=503), "answered with HTTP status 503", id="Dropbox is down"),
    ],
)
def test_a_network_in_the_way_is_told_apart_from_a_wrong_code(bench: LoginBench, fault: Fault, what: str) -> None:
    fault.match = "oauth2/token"
    bench.server.faults.append(fault)

    said = refused(bench, DeliveryUnavailableError, allow)

    assert what in said
    assert "Check the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE)" in said


@pytest.mark.parametrize("body", [b"", b"{}", b'{"error": "invalid_request"}'])
def test_a_sign_in_that_dropbox_makes_no_sense_of_is_said(bench: LoginBench, body: bytes) -> None:
    bench.server.faults.append(Fault("answer", match="oauth2/token", status=400, body=body))

    assert "Dropbox does not take this sign-in" in refused(bench, DeliveryRefusedError, allow)


def test_a_dropbox_that_falls_silent_before_the_proof_is_said_within_a_minute(bench: LoginBench) -> None:
    bench.server.faults.append(Fault("reset", match="files/upload", times=1000))

    assert "did not do it within 60 seconds" in refused(bench, DeliveryUnavailableError, allow)


def test_a_tiny_file_that_cannot_be_deleted_is_named_and_the_log_in_is_kept(bench: LoginBench) -> None:
    bench.server.faults.append(Fault("answer", match="files/delete_v2", status=503, times=1000))

    done = bench.log_in("sandbox-key", allow)

    assert ("It could not be deleted: delete consent-write-test.txt there." in bench.told, len(done.kept.names)) == (
        True,
        2,
    )


@pytest.mark.parametrize("status", [400, 503])
def test_no_refusal_carries_the_code_along(bench: LoginBench, status: int) -> None:
    bench.server.faults.append(Fault("answer", match="oauth2/token", status=status))

    with pytest.raises((DeliveryRefusedError, DeliveryUnavailableError), match=str(status)) as caught:
        bench.log_in("sandbox-key", "the-code")

    assert (caught.value.__context__, "the-code" in str(caught.value)) == (None, False)


# --- the settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DROPBOX_API_HOST", "127.0.0.1:1"),
        ("DROPBOX_SANDBOX_URL", "http://dropbox.example.org"),
        ("REQUESTS_CA_BUNDLE", "nowhere.pem"),
        ("DROPBOX_OAUTH2_REFRESH_TOKEN", UNRESOLVED),
        ("KEY_VAULT_URL", UNRESOLVED),
    ],
)
def test_settings_that_cannot_be_right_are_refused_before_anything_is_asked(
    bench: LoginBench, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name):
        bench.log_in()


def test_a_vault_that_no_setting_names_cannot_be_chosen(bench: LoginBench) -> None:
    assert "KEY_VAULT_URL must say where" in refused(bench, SettingsError, keep_in="vault")


def test_a_file_that_git_would_commit_is_refused_before_the_browser_is_opened(bench: LoginBench) -> None:
    subprocess.run(["git", "init", "--quiet", str(bench.folder)], check=True)

    with pytest.raises(ConfigurationError, match=r"git would commit .*\.env, and the log-in with it"):
        bench.log_in("sandbox-key")

    assert bench.opened == []


def test_without_an_answer_about_the_place_nothing_is_kept(bench: LoginBench) -> None:
    (bench.folder / ".env").mkdir()

    with pytest.raises(ConfigurationError, match=r"\.env cannot be written"):
        bench.log_in("sandbox-key", allow, "")


def test_what_cannot_be_kept_in_one_place_can_be_kept_in_another(bench: LoginBench) -> None:
    (bench.folder / ".env").mkdir()

    done = bench.log_in("sandbox-key", allow, "2")

    assert done.kept.place.endswith("local.settings.json")
    assert "The log-in is not kept yet. Where now?" in bench.told


def test_the_address_leads_to_the_stand_in(bench: LoginBench) -> None:
    bench.log_in("sandbox-key", allow)

    assert urlsplit(bench.address).netloc == urlsplit(bench.server.url).netloc
