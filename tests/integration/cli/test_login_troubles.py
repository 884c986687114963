"""Tests of signing in to Dropbox with trouble: each error names its cause, and nothing is saved."""

import json
import subprocess
from collections.abc import Callable

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
from tests.support.login_bench import LoginBench, allow, allow_less

HTML = {"Content-Type": "text/html"}
UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/)"


def failure(bench: LoginBench, kind: type[ConsentReportError], *answers: object, **options: object) -> str:
    """The error of a sign-in that fails; nothing may be saved."""
    with pytest.raises(kind, match=r"\w") as caught:
        bench.log_in("sandbox-key", *answers, **options)  # type: ignore[arg-type]
    assert [file.name for file in bench.folder.iterdir()] == []
    return str(caught.value)


def of_another_sign_in(bench: LoginBench) -> str:
    return bench.app.authorise(bench.address.replace("code_challenge=", "code_challenge=x"))


@pytest.mark.parametrize("bad", ["a-wrong-code", of_another_sign_in], ids=["mistyped", "of another sign-in"])
def test_an_unknown_code_is_asked_for_again_and_never_shown(
    bench: LoginBench, bad: str | Callable[[LoginBench], str]
) -> None:
    result = bench.log_in("sandbox-key", bad, allow)
    assert ("Dropbox does not accept this code" in bench.shown, len(result.saved.names)) == (True, 2)
    assert "a-wrong-code" not in bench.shown


def test_a_used_code_is_asked_for_again(bench: LoginBench) -> None:
    bench.server.faults.append(Fault("lost", match="oauth2/token"))
    with pytest.raises(DeliveryUnavailableError, match="could not be reached"):
        bench.log_in("sandbox-key", allow)
    code = allow(bench)
    with pytest.raises(ConfigurationError, match="No code was given"):
        bench.log_in("sandbox-key", code, "")
    assert "Dropbox does not accept this code" in bench.shown


def test_without_a_code_the_error_names_the_likely_causes(bench: LoginBench) -> None:
    error = failure(bench, ConfigurationError, "")
    assert error.startswith("No code was given. If the page showed an error")
    assert "account_info.read, files.content.write, files.metadata.read are ticked" in error
    assert "Nothing was saved." in bench.shown


def test_an_unknown_app_key_is_named(bench: LoginBench) -> None:
    bench.server.app = Dropbox(app_key="another-key")

    def code_of_the_other_app(here: LoginBench) -> str:
        return here.app.authorise(here.address.replace("sandbox-key", "another-key"))

    error = failure(bench, SettingsError, code_of_the_other_app)
    assert "the app key or app secret is wrong. Check DROPBOX_KEY and DROPBOX_SECRET." in error


def test_an_app_refused_with_status_401_is_named_alike(bench: LoginBench) -> None:
    bench.server.faults.append(Fault("answer", "oauth2/token", status=401, body=b'{"error": "invalid_client"}'))
    assert "the app key or app secret is wrong" in failure(bench, SettingsError, allow)


@pytest.mark.parametrize("app_key", ["", "two words", "schlüssel"])
def test_an_impossible_app_key_is_refused_before_the_browser_opens(bench: LoginBench, app_key: str) -> None:
    with pytest.raises(SettingsError, match="DROPBOX_KEY"):
        bench.log_in(app_key)
    assert bench.opened == []


def test_a_permission_that_the_app_lacks_is_named_with_its_fix(bench: LoginBench) -> None:
    bench.server.app = Dropbox(app_scopes=DELIVERY_SCOPES - {"files.metadata.read"})
    error = failure(bench, DeliveryRefusedError, allow)
    assert "lacks the permission files.metadata.read. Open it at https://www.dropbox.com/developers/apps" in error


def test_all_permissions_that_were_not_granted_are_named(bench: LoginBench) -> None:
    error = failure(bench, DeliveryRefusedError, allow_less)
    assert "lacks the permission files.content.write and files.metadata.read" in error


def test_a_sign_in_without_a_refresh_token_is_refused(bench: LoginBench) -> None:
    def without_refresh_token(body: bytes) -> bytes:
        return json.dumps({name: value for name, value in json.loads(body).items() if name != "refresh_token"}).encode()

    bench.server.faults.append(Fault("change", match="oauth2/token", change=without_refresh_token))
    assert "no refresh token" in failure(bench, DeliveryRefusedError, allow)


def test_an_account_without_the_team_space_of_the_settings_is_the_wrong_one(
    bench: LoginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPBOX_ROOT_NAMESPACE", "7")
    error = failure(bench, DeliveryRefusedError, allow)
    assert "This is another account" in error
    assert "--team-space no" in error


def test_an_account_that_may_not_write_to_the_folder_is_refused(bench: LoginBench) -> None:
    bench.server.app = Dropbox(read_only=frozenset({"/consent-write-test.txt"}))
    assert "permission to edit" in failure(bench, DeliveryRefusedError, allow)
    assert "Is this the wrong account? Sign out on dropbox.com" in bench.shown


def test_without_a_chosen_space_nothing_is_saved(bench: LoginBench) -> None:
    bench.server.app = Dropbox(root_namespace="7")
    assert "No space was chosen" in failure(bench, ConfigurationError, allow, "")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        pytest.param(Fault("lost"), "Dropbox could not be reached", id="no response"),
        pytest.param(
            Fault("answer", status=200, headers=HTML, body=b"<html>Please sign in</html>"),
            "another server answered in its place",
            id="a sign-in page of the network",
        ),
        pytest.param(Fault("answer", status=200, body=b"[]"), "another server answered", id="an odd response"),
        pytest.param(Fault("answer", status=407), "returned HTTP status 407", id="a proxy"),
    ],
)
def test_a_network_error_is_not_taken_for_a_wrong_code(bench: LoginBench, fault: Fault, text: str) -> None:
    fault.match = "oauth2/token"
    bench.server.faults.append(fault)
    assert text in failure(bench, DeliveryUnavailableError, allow)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"error": "invalid_request"}'])
def test_a_rejected_sign_in_is_reported(bench: LoginBench, body: bytes) -> None:
    bench.server.faults.append(Fault("answer", match="oauth2/token", status=400, body=body))
    assert "Dropbox rejected this sign-in" in failure(bench, DeliveryRefusedError, allow)


def test_a_test_file_that_cannot_be_deleted_is_named_and_the_credentials_are_saved(bench: LoginBench) -> None:
    bench.server.faults.append(Fault("answer", match="files/delete_v2", status=503, times=1000))
    result = bench.log_in("sandbox-key", allow)
    assert "It could not be deleted: delete consent-write-test.txt there." in bench.shown
    assert len(result.saved.names) == 2


@pytest.mark.parametrize("status", [400, 503])
def test_no_error_holds_the_code(bench: LoginBench, status: int) -> None:
    bench.server.faults.append(Fault("answer", match="oauth2/token", status=status))
    with pytest.raises((DeliveryRefusedError, DeliveryUnavailableError), match=str(status)) as caught:
        bench.log_in("sandbox-key", "the-code")
    assert (caught.value.__context__, "the-code" in f"{caught.value} {bench.shown}") == (None, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DROPBOX_API_HOST", "127.0.0.1:1"),
        ("DROPBOX_SANDBOX_URL", "http://dropbox.example.org"),
        ("REQUESTS_CA_BUNDLE", "nowhere.pem"),
        ("DROPBOX_OAUTH2_REFRESH_TOKEN", UNRESOLVED),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_asked(
    bench: LoginBench, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        bench.log_in()


def test_a_vault_without_a_setting_cannot_be_chosen(bench: LoginBench) -> None:
    assert "KEY_VAULT_URL is missing" in failure(bench, SettingsError, save_in="vault")


def test_a_file_that_git_would_commit_is_refused_before_the_browser_opens(bench: LoginBench) -> None:
    subprocess.run(["git", "init", "--quiet", str(bench.folder)], check=True)
    with pytest.raises(ConfigurationError, match=r"git would commit .*\.env"):
        bench.log_in("sandbox-key")
    assert bench.opened == []


def test_without_another_place_the_error_of_the_first_is_raised(bench: LoginBench) -> None:
    (bench.folder / ".env").mkdir()
    with pytest.raises(ConfigurationError, match=r"\.env cannot be written"):
        bench.log_in("sandbox-key", allow, "")


def test_another_place_can_be_chosen_when_saving_fails(bench: LoginBench) -> None:
    (bench.folder / ".env").mkdir()
    result = bench.log_in("sandbox-key", allow, "2")
    assert result.saved.place.endswith("local.settings.json")
    assert "The credentials are not saved yet. Where now?" in bench.shown
