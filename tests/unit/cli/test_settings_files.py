"""Tests of writing settings into .env and local.settings.json: the values, the other settings, and the file itself."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.cli.login.settings_files import update_settings_file
from consent.config.settings import read_settings
from consent.errors import ConfigurationError

KEY = "DROPBOX_KEY"
TOKEN = "DROPBOX_OAUTH2_REFRESH_TOKEN"
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
BOTH = pytest.mark.parametrize("name", [".env", "local.settings.json"])
on_posix = pytest.mark.not_windows  # which keeps rights elsewhere
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def value_in(path: Path, name: str) -> str | None:
    return read_settings({}, path.parent).get(name)


@BOTH
@one_folder
@given(old=VALUES, new=VALUES)
def test_every_value_can_be_written_and_replaced(tmp_path: Path, name: str, old: str, new: str) -> None:
    path = tmp_path / name
    update_settings_file(path, {KEY: old, TOKEN: old})
    update_settings_file(path, {KEY: new})
    assert (value_in(path, KEY), value_in(path, TOKEN)) == (new, old)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("A=1\n", "A=1\nKEY=new\n", id="added"),
        pytest.param("A=1", "A=1\nKEY=new\n", id="added after a last line without an end"),
        pytest.param("# KEY=no\nKEY='old' # mine\nA=1\n", "# KEY=no\nKEY=new\nA=1\n", id="replaced in place"),
        pytest.param("KEY=1\nKEY=2\n", "KEY=new\nKEY=new\n", id="replaced everywhere"),
        pytest.param("OTHER_KEY=1\nnot a setting!\n", "OTHER_KEY=1\nnot a setting!\nKEY=new\n", id="other lines stay"),
        pytest.param("\ufeffA=1\n", "\ufeffA=1\nKEY=new\n", id="the byte order mark of Notepad stays"),
    ],
)
def test_a_dotenv_keeps_its_other_lines(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes(before.encode())
    update_settings_file(path, {"KEY": "new"})
    assert path.read_text(encoding="utf-8") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"Values": {"A": "1", "KEY": "old"}, "Host": {"CORS": "*"}}, {"A": "1", "KEY": "new"}),
        ({"IsEncrypted": False}, {"KEY": "new"}),
        (None, {"KEY": "new"}),
    ],
    ids=["replaced", "no Values yet", "empty file"],
)
def test_a_local_settings_file_keeps_its_other_settings(
    tmp_path: Path, before: dict[str, object] | None, after: dict[str, str]
) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text("" if before is None else json.dumps(before), encoding="utf-8")
    update_settings_file(path, {"KEY": "new"})
    expected = {**({"IsEncrypted": False} if before is None else before), "Values": after}
    assert json.loads(path.read_text(encoding="utf-8")) == expected


@BOTH
def test_the_replaced_names_are_those_that_had_another_value(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    update_settings_file(path, {"A": "1", "B": "2"})
    assert update_settings_file(path, {"A": "1", "B": "3", "C": "4"}) == ("B",)


@BOTH
def test_an_empty_value_clears_a_setting_and_adds_none(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    update_settings_file(path, {"A": "1"})
    assert update_settings_file(path, {"A": "", "B": ""}) == ("A",)
    assert (value_in(path, "A"), "B" in path.read_text(encoding="utf-8")) == (None, False)


@BOTH
def test_only_the_file_is_left(tmp_path: Path, name: str) -> None:
    update_settings_file(tmp_path / name, {"A": "1"})
    assert [file.name for file in tmp_path.iterdir()] == [name]


@on_posix
@BOTH
@pytest.mark.parametrize(("before", "after"), [(None, 0o600), (0o640, 0o640)], ids=["new", "existing"])
def test_a_new_file_is_private_and_an_existing_one_keeps_its_rights(
    tmp_path: Path, name: str, before: int | None, after: int
) -> None:
    path = tmp_path / name
    if before is not None:
        path.touch()
        path.chmod(before)
    update_settings_file(path, {"A": "1"})
    assert path.stat().st_mode & 0o777 == after


@on_posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    update_settings_file(tmp_path / ".env", {"A": "1"})
    assert ((tmp_path / ".env").is_symlink(), (tmp_path / "elsewhere").read_text(encoding="utf-8")) == (True, "A=1\n")


def test_a_write_protected_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n", encoding="utf-8")
    path.chmod(stat.S_IREAD)
    with pytest.raises(ConfigurationError, match=r"\.env cannot be written: Permission denied"):
        update_settings_file(path, {"A": "2"})
    assert [(left.name, left.read_text(encoding="utf-8")) for left in tmp_path.iterdir()] == [(".env", "A=1\n")]
    path.chmod(stat.S_IREAD | stat.S_IWRITE)


@BOTH
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    update_settings_file(path, {"A": "1"})
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left on device"):
        update_settings_file(path, {"A": "2", "B": "3"})
    assert [(left.name, left.read_bytes()) for left in tmp_path.iterdir()] == [(name, before)]


@pytest.mark.parametrize(
    ("name", "content"),
    [(".env", b"\xff"), ("local.settings.json", b"the-token"), ("local.settings.json", b'{"Values": []}')],
)
def test_an_invalid_file_is_left_alone_and_not_quoted(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not a valid settings file") as caught:
        update_settings_file(tmp_path / name, {"A": "1"})
    assert ((tmp_path / name).read_bytes(), caught.value.__context__) == (content, None)
