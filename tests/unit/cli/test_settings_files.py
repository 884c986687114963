"""Claims about putting settings into the text of .env and local.settings.json: only what must change does."""

import io
import json

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from consent.cli.login.settings_files import Edited, with_dotenv, with_local_settings

TOKEN = "DROPBOX_OAUTH2_REFRESH_TOKEN"
KEY = "DROPBOX_KEY"
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


def read_back(text: str) -> dict[str, str | None]:
    return dotenv_values(stream=io.StringIO(text, newline=""), interpolate=False)


# --- .env


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", "KEY=new\n", id="an empty file"),
        pytest.param("A=1\n", "A=1\nKEY=new\n", id="others stay"),
        pytest.param("A=1", "A=1\nKEY=new\n", id="the last line gets its end"),
        pytest.param("KEY=old\nA=1\n", "KEY=new\nA=1\n", id="changed where it stands"),
        pytest.param("KEY=\nA=1\n", "KEY=new\nA=1\n", id="a blank one is filled"),
        pytest.param("KEY\n", "KEY=new\n", id="a bare name is filled"),
        pytest.param("KEY=old", "KEY=new", id="at the very end"),
        pytest.param("# KEY=no\n\n  KEY = old\n", "# KEY=no\n\n  KEY=new\n", id="comments and blank lines stay"),
        pytest.param("KEY=old  # mine\n", "KEY=new  # mine\n", id="a comment behind it stays"),
        pytest.param("KEY='old' # mine\n", "KEY=new # mine\n", id="a comment behind quotes stays"),
        pytest.param('KEY="o # d"\nA=1\n', "KEY=new\nA=1\n", id="a hash in the old value is no comment"),
        pytest.param('KEY="o\nd"\nA=1\n', "KEY=new\nA=1\n", id="an old value of two lines"),
        pytest.param("export KEY=old\n", "export KEY=new\n", id="exported"),
        pytest.param("'KEY'=old\n", "KEY=new\n", id="a quoted name"),
        pytest.param("KEY=1\nKEY=2\n", "KEY=new\nKEY=new\n", id="wherever it stands"),
        pytest.param("A=1\r\nKEY=old\r\n", "A=1\r\nKEY=new\r\n", id="Windows line ends stay"),
        pytest.param("A=1\r\n", "A=1\r\nKEY=new\r\n", id="Windows line ends are kept up"),
        pytest.param("OTHER_KEY=1\nKEY_2=2\n", "OTHER_KEY=1\nKEY_2=2\nKEY=new\n", id="names that only contain it"),
        pytest.param("not a setting!\nKEY=old\n", "not a setting!\nKEY=new\n", id="lines without sense stay"),
    ],
)
def test_a_dotenv_changes_only_where_it_must(before: str, after: str) -> None:
    assert with_dotenv(before, {"KEY": "new"}).text == after


@given(VALUES)
def test_a_dotenv_gives_back_every_value_that_was_put_in(value: str) -> None:
    assert read_back(with_dotenv("A=1\n", {KEY: value}).text) == {"A": "1", KEY: value}


@given(VALUES, VALUES)
def test_a_dotenv_forgets_the_old_value_whatever_it_was(old: str, new: str) -> None:
    text = with_dotenv(with_dotenv("", {KEY: old, "B": "2"}).text, {KEY: new}).text

    assert read_back(text) == {KEY: new, "B": "2"}


def test_putting_the_same_settings_in_again_changes_nothing() -> None:
    once = with_dotenv("A=1\n", {KEY: "k", TOKEN: "t"}).text

    assert with_dotenv(once, {KEY: "k", TOKEN: "t"}) == Edited(once, ())


@pytest.mark.parametrize(
    ("before", "replaced"),
    [("", ()), ("KEY=\n", ()), ("KEY=new\n", ()), ("KEY=old\n", ("KEY",)), ("KEY=old\nKEY=new\n", ("KEY",))],
)
def test_a_dotenv_tells_what_was_replaced(before: str, replaced: tuple[str, ...]) -> None:
    assert with_dotenv(before, {"KEY": "new"}).replaced == replaced


@pytest.mark.parametrize(("before", "after"), [("A=1\n", "A=1\n"), ("KEY=old\n", "KEY=\n")])
def test_a_blank_value_empties_a_setting_and_adds_none(before: str, after: str) -> None:
    assert with_dotenv(before, {"KEY": ""}).text == after


# --- local.settings.json

TWO_SPACES = """{
  "IsEncrypted": false,
  "Values": {
    "A": "1",
    "KEY": "old"
  },
  "Host": {"CORS": "*"}
}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(TWO_SPACES, TWO_SPACES.replace("old", "new"), id="changed where it stands"),
        pytest.param(
            TWO_SPACES.replace('"KEY"', '"B"'),
            TWO_SPACES.replace('"KEY": "old"', '"B": "old",\n    "KEY": "new"'),
            id="added behind the last",
        ),
        pytest.param(
            TWO_SPACES.replace('"KEY"', '"B"').replace("\n", "\r\n"),
            TWO_SPACES.replace('"KEY": "old"', '"B": "old",\n    "KEY": "new"').replace("\n", "\r\n"),
            id="with Windows line ends",
        ),
        pytest.param('{"Values": {"KEY" : "old"}}', '{"Values": {"KEY" : "new"}}', id="all on one line"),
        pytest.param('{"Values":{"A":"1"}}', '{"Values":{"A":"1",\n"KEY": "new"}}', id="added on one line"),
        pytest.param(
            '{\n\t"Values": {}\n}', '{\n\t"Values": {\n\t  "KEY": "new"\n\t}\n}', id="the first of its Values"
        ),
        pytest.param('{"A": 1}', '{"A": 1,\n"Values": {\n  "KEY": "new"\n}}', id="no Values yet"),
        pytest.param("", '{\n  "IsEncrypted": false,\n  "Values": {\n    "KEY": "new"\n  }\n}\n', id="no file yet"),
        pytest.param(
            '{"KEY": "x", "Values": {"A": "KEY", "KEY": "o\\"l}d"}}',
            '{"KEY": "x", "Values": {"A": "KEY", "KEY": "new"}}',
            id="only among its Values",
        ),
        pytest.param(
            '{"Values": {"KEY": "1"}, "Values": {"KEY": "2"}}',
            '{"Values": {"KEY": "1"}, "Values": {"KEY": "new"}}',
            id="of two Values the one that is read",
        ),
    ],
)
def test_a_local_settings_file_changes_only_where_it_must(before: str, after: str) -> None:
    assert with_local_settings(before, {"KEY": "new"}).text == after


@given(st.dictionaries(st.text(), st.text()), VALUES)
def test_a_local_settings_file_gives_back_every_value_that_was_put_in(there: dict[str, str], value: str) -> None:
    text = with_local_settings(json.dumps({"Values": there}, indent=4), {KEY: value, TOKEN: value}).text

    assert json.loads(text)["Values"] == {**there, KEY: value, TOKEN: value}


def test_a_local_settings_file_tells_what_was_replaced() -> None:
    assert with_local_settings(TWO_SPACES, {"KEY": "new", "A": "1", "B": "2"}).replaced == ("KEY",)


@pytest.mark.parametrize(
    ("before", "after"), [('{"Values": {"A": "1"}}',) * 2, ('{"Values": {"KEY": "old"}}', '{"Values": {"KEY": ""}}')]
)
def test_a_blank_value_empties_a_local_setting_and_adds_none(before: str, after: str) -> None:
    assert with_local_settings(before, {"KEY": ""}).text == after


@pytest.mark.parametrize("text", ["[]", "{", '{"Values": []}', '{"Values" {}}', "no"])
def test_a_text_that_is_no_local_settings_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON object|Expecting"):
        with_local_settings(text, {"KEY": "new"})


def test_what_was_edited_shows_no_value_when_printed() -> None:
    assert "new" not in repr(with_dotenv("", {"KEY": "new"}))
