"""Tests of the places that save the credentials: what remains to be done, and files that git would commit."""

import subprocess
from pathlib import Path

import pytest

from consent.cli.login.settings_files import would_be_committed
from consent.cli.login.stores import Credentials, CredentialStore
from consent.config.credentials import Secret
from consent.config.settings import Settings, read_settings

TOKEN = "DROPBOX_OAUTH2_REFRESH_TOKEN"
ROOT = "DROPBOX_ROOT_NAMESPACE"
BOTH = pytest.mark.parametrize("name", [".env", "local.settings.json"])


def credentials(root: str = "") -> Credentials:
    return Credentials({TOKEN: Secret(TOKEN, "the-token")}, {ROOT: root})


def file_store(path: Path) -> CredentialStore:
    return CredentialStore(str(path), path)


@BOTH
@pytest.mark.parametrize(("root", "names"), [("7", (TOKEN, ROOT)), ("", (TOKEN,))])
def test_a_run_finds_the_saved_credentials(tmp_path: Path, name: str, root: str, names: tuple[str, ...]) -> None:
    saved = file_store(tmp_path / name).save(credentials(root))
    found = read_settings({}, tmp_path)
    assert (saved.names, found.get(TOKEN), found.get(ROOT)) == (names, "the-token", root or None)


def test_the_repr_of_credentials_has_no_secret() -> None:
    assert "the-token" not in repr(credentials())


@pytest.mark.parametrize(
    ("settings", "root", "steps"),
    [
        ({TOKEN: "the-token"}, "", []),
        ({TOKEN: "the-token", ROOT: "7"}, "", [f"{ROOT} is also set in the environment"]),
        ({TOKEN: "another", "DROPBOX_SECRET": "x"}, "", [f"{TOKEN} is also set in", "DROPBOX_SECRET (in"]),
    ],
    ids=["same value elsewhere", "a namespace elsewhere", "another token and an app secret"],
)
def test_what_takes_precedence_or_is_not_needed_is_to_be_removed(
    settings: dict[str, str], root: str, steps: list[str]
) -> None:
    after = Settings(settings, _places=dict.fromkeys(settings, "the environment"))
    remaining = file_store(Path(".env")).remaining_steps(credentials(root), after)
    assert [text.startswith(start) for text, start in zip(remaining, steps, strict=True)] == [True] * len(steps)


def test_a_namespace_must_be_set_by_hand_beside_a_vault() -> None:
    [step] = CredentialStore("Key Vault", lambda: pytest.fail("not opened")).remaining_steps(
        credentials("7"), Settings({})
    )
    assert step == f"Key Vault holds secrets only. Set {ROOT} to 7 where reports run."


@pytest.fixture(name="repository")
def _repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def test_a_file_outside_a_repository_is_not_committed(tmp_path: Path) -> None:
    assert would_be_committed(tmp_path / ".env") is False


def test_a_file_in_a_repository_would_be_committed_unless_ignored(repository: Path) -> None:
    (repository / "folder").mkdir()
    files = [repository / ".env", repository / "folder" / ".env"]
    before = [would_be_committed(file) for file in files]
    (repository / ".gitignore").write_text(".env\n", encoding="utf-8")
    assert (before, [would_be_committed(file) for file in files]) == ([True, True], [False, False])


def test_a_tracked_file_would_be_committed_although_ignored(repository: Path) -> None:
    (repository / ".env").touch()
    git(repository, "add", ".env")
    (repository / ".gitignore").write_text(".env\n", encoding="utf-8")
    assert would_be_committed(repository / ".env") is True


@pytest.mark.not_windows
def test_for_a_link_the_file_behind_it_counts(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("elsewhere") / ".env"
    link.symlink_to(repository / "settings.env")
    assert would_be_committed(link) is True


@BOTH
def test_the_settings_files_of_this_project_are_ignored(name: str) -> None:
    ignored = (Path(__file__).resolve().parents[3] / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert name in ignored


@pytest.mark.parametrize("has_git", [True, False], ids=["unreadable repository", "no git"])
def test_where_git_gives_no_answer_the_person_is_warned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_git: bool
) -> None:
    (tmp_path / ".git").mkdir()
    if not has_git:
        monkeypatch.setenv("PATH", "")
    assert would_be_committed(tmp_path / ".env") is None
    warning = file_store(tmp_path / ".env").git_warning()
    assert warning == f"Make sure that git does not commit {tmp_path / '.env'}: git did not respond."
