"""Claims about keeping a log-in in a settings file: the file on the disk, its rights, and git."""

import stat
import subprocess
from pathlib import Path

import pytest

from consent.cli.login.stores import Credentials, SavedCredentials, SettingsFile, what_else, would_be_committed
from consent.config.credentials import Secret
from consent.config.settings import Settings, read_settings
from consent.errors import ConfigurationError

TOKEN = "DROPBOX_OAUTH2_REFRESH_TOKEN"
ROOT = "DROPBOX_ROOT_NAMESPACE"
BOTH = pytest.mark.parametrize("name", [".env", "local.settings.json"])
on_posix = pytest.mark.not_windows  # which keeps rights elsewhere


def a_log_in(token: str = "the-token", root: str = "") -> Credentials:
    return Credentials({TOKEN: Secret(TOKEN, token)}, {ROOT: root})


@BOTH
def test_what_was_kept_is_found_again(tmp_path: Path, name: str) -> None:
    SettingsFile(tmp_path / name).keep(a_log_in(root="7"))

    found = read_settings({}, tmp_path)
    assert (found.get(TOKEN), found.get(ROOT)) == ("the-token", "7")


@BOTH
def test_a_blank_setting_is_not_among_what_was_kept(tmp_path: Path, name: str) -> None:
    kept = SettingsFile(tmp_path / name).keep(a_log_in())

    assert (kept.names, read_settings({}, tmp_path).has(ROOT)) == ((TOKEN,), False)


def test_the_byte_order_mark_of_notepad_stays(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n", encoding="utf-8-sig")

    SettingsFile(file).keep(a_log_in())

    assert file.read_bytes() == f"\ufeffA=1\n{TOKEN}=the-token\n".encode()


def test_line_ends_stay_as_they_are_on_the_disk(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"A=1\r\n")

    SettingsFile(file).keep(a_log_in())

    assert file.read_bytes() == f"A=1\r\n{TOKEN}=the-token\r\n".encode()


@BOTH
def test_nothing_but_the_file_is_left(tmp_path: Path, name: str) -> None:
    SettingsFile(tmp_path / name).keep(a_log_in())

    assert [file.name for file in tmp_path.iterdir()] == [name]


@on_posix
def test_a_new_file_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    SettingsFile(tmp_path / ".env").keep(a_log_in())

    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


@on_posix
def test_the_rights_of_a_file_that_is_there_stay(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    (tmp_path / ".env").chmod(0o640)

    SettingsFile(tmp_path / ".env").keep(a_log_in())

    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_protected_from_being_written_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n", encoding="utf-8")
    file.chmod(stat.S_IREAD)

    with pytest.raises(ConfigurationError, match=r"\.env cannot be written: Permission denied"):
        SettingsFile(file).keep(a_log_in())

    assert [(left.name, left.read_text(encoding="utf-8")) for left in tmp_path.iterdir()] == [(".env", "A=1\n")]
    file.chmod(stat.S_IREAD | stat.S_IWRITE)


@on_posix
def test_a_link_to_a_file_elsewhere_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")

    SettingsFile(tmp_path / ".env").keep(a_log_in())

    assert ((tmp_path / ".env").is_symlink(), TOKEN in (tmp_path / "elsewhere").read_text(encoding="utf-8")) == (
        True,
        True,
    )


def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n", encoding="utf-8")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(ConfigurationError, match=r"\.env cannot be written: No space left on device"):
        SettingsFile(file).keep(a_log_in())

    assert [(left.name, left.read_text(encoding="utf-8")) for left in tmp_path.iterdir()] == [(".env", "A=1\n")]


@pytest.mark.parametrize(("name", "content"), [(".env", b"\xff"), ("local.settings.json", b"[]")])
def test_a_file_that_is_not_what_it_should_be_is_left_alone(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ConfigurationError, match="is not what it should be") as caught:
        SettingsFile(tmp_path / name).keep(a_log_in())

    assert ((tmp_path / name).read_bytes(), caught.value.__context__) == (content, None)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        SettingsFile(tmp_path / "nowhere" / ".env").keep(a_log_in())


def test_a_log_in_shows_no_secret_when_printed() -> None:
    assert "the-token" not in repr(a_log_in())


# --- what counts before it


def settings_with(place: str, **values: str) -> Settings:
    return Settings(values, _places=dict.fromkeys(values, place))


def test_a_setting_with_the_same_value_elsewhere_is_no_trouble() -> None:
    found = settings_with("the environment", **{TOKEN: "the-token"})

    assert what_else(a_log_in(), SavedCredentials(".env", (TOKEN,)), found) == ()


def test_a_namespace_that_must_not_be_set_is_named_where_it_is() -> None:
    found = settings_with("the environment", **{TOKEN: "the-token", ROOT: "7"})

    [remark] = what_else(a_log_in(), SavedCredentials(".env", (TOKEN,)), found)

    assert remark.startswith(f"{ROOT} is also set in the environment, which counts before what was kept")


def test_a_namespace_that_a_vault_cannot_hold_is_to_be_set_by_hand() -> None:
    kept = SavedCredentials("Key Vault", (TOKEN,), holds_plain=False)

    [remark] = what_else(a_log_in(root="7"), kept, Settings({}))

    assert remark == f"Key Vault holds secrets alone: set {ROOT} to 7 wherever reports are run."


# --- git


@pytest.fixture(name="repository")
def _repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_a_file_outside_any_repository_is_not_committed(tmp_path: Path) -> None:
    assert would_be_committed(tmp_path / ".env") is False


def test_a_file_that_is_not_ignored_would_be_committed(repository: Path) -> None:
    assert would_be_committed(repository / ".env") is True


def test_an_ignored_file_is_not_committed(repository: Path) -> None:
    (repository / ".gitignore").write_text(".env\n", encoding="utf-8")

    assert would_be_committed(repository / ".env") is False


def test_a_file_in_a_folder_below_counts_as_well(repository: Path) -> None:
    (repository / "settings").mkdir()

    assert would_be_committed(repository / "settings" / ".env") is True


def test_an_ignored_file_that_git_holds_already_would_be_committed(repository: Path) -> None:
    (repository / ".env").touch()
    git(repository, "add", ".env")
    (repository / ".gitignore").write_text(".env\n", encoding="utf-8")

    assert would_be_committed(repository / ".env") is True


@on_posix
def test_a_link_into_a_repository_counts_as_the_file_behind_it(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    link = tmp_path_factory.mktemp("elsewhere") / ".env"
    link.symlink_to(repository / "settings.env")

    assert would_be_committed(link) is True


@BOTH
def test_the_settings_files_of_this_project_are_ignored(name: str) -> None:
    ignored = (Path(__file__).resolve().parents[3] / ".gitignore").read_text(encoding="utf-8").splitlines()

    assert name in ignored


def test_without_git_it_cannot_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", "")

    assert would_be_committed(tmp_path / ".env") is None


def test_a_repository_that_git_cannot_read_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()

    assert would_be_committed(tmp_path / ".env") is None


def test_what_cannot_be_told_is_left_to_the_person(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()

    concern = SettingsFile(tmp_path / ".env").concern()

    assert concern == f"Make sure that git does not commit {tmp_path / '.env'}: it could not be asked."
