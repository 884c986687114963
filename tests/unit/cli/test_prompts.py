"""Tests of the prompts in the terminal."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from consent.cli.login.prompts import Prompts, read_line


@pytest.fixture(name="screen")
def _screen() -> io.StringIO:
    return io.StringIO()


def prompts(screen: io.StringIO, *answers: str) -> Prompts:
    return Prompts(Console(file=screen, width=80), iter(answers).__next__)


def test_an_answer_has_no_blanks_around_it(screen: io.StringIO) -> None:
    assert prompts(screen, " yes\t").ask("Sure?") == "yes"


@pytest.mark.parametrize(
    ("answers", "default", "chosen"),
    [
        (["2"], None, "b"),
        (["0", "3", "x", "-1", "²", "1"], None, "a"),
        ([""], 1, "b"),
        (["9", ""], None, None),
    ],
)
def test_only_an_offered_number_is_a_choice(
    screen: io.StringIO, answers: list[str], default: int | None, chosen: str | None
) -> None:
    assert prompts(screen, *answers).choose("Which?", {"one": "a", "two": "b"}, default) == chosen


def test_the_choices_are_numbered_and_the_default_is_named(screen: io.StringIO) -> None:
    prompts(screen, "").choose("Which?", {"one": "a", "two": "b"}, 0)
    assert screen.getvalue() == "Which?\n  1  one\n  2  two\nNumber [1]: "


def test_an_address_is_never_wrapped(screen: io.StringIO) -> None:
    address = "https://www.dropbox.com/oauth2/authorize?" + "x" * 300
    prompts(screen).say_address(address)
    assert screen.getvalue() == f"{address}\n"


def test_a_text_is_wrapped_and_its_brackets_are_no_markup(screen: io.StringIO) -> None:
    prompts(screen).say("[red]word[/red] " * 40)
    lines = screen.getvalue().splitlines()
    assert (max(map(len, lines)) <= 80, lines[0].startswith("[red]word[/red]")) == (True, True)


@pytest.mark.parametrize(("read", "line"), [(lambda: " a code \n", "a code"), (None, "")])
def test_without_input_the_answer_is_empty(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], str] | None, line: str
) -> None:
    def closed() -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", read or closed)
    assert read_line() == line
