"""Claims about talking with the person at the terminal."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from consent.cli.login.prompts import Dialogue, read_line


@pytest.fixture(name="screen")
def _screen() -> io.StringIO:
    return io.StringIO()


def talk(screen: io.StringIO, *answers: str) -> Dialogue:
    return Dialogue(Console(file=screen, width=80), iter(answers).__next__)


def test_an_answer_comes_without_the_blanks_around_it(screen: io.StringIO) -> None:
    assert talk(screen, " yes\t").ask("Sure?") == "yes"


@pytest.mark.parametrize(
    ("answers", "default", "chosen"),
    [
        (["2"], None, 1),
        (["0", "3", "x", "-1", "²", "1"], None, 0),
        ([""], 1, 1),
        ([""], None, None),
        (["9", ""], None, None),
    ],
)
def test_only_a_number_that_was_offered_is_a_choice(
    screen: io.StringIO, answers: list[str], default: int | None, chosen: int | None
) -> None:
    assert talk(screen, *answers).choose("Which?", ["one", "two"], default) == chosen


def test_what_can_be_chosen_is_numbered_and_the_usual_choice_is_named(screen: io.StringIO) -> None:
    talk(screen, "").choose("Which?", ["one", "two"], 0)

    assert screen.getvalue() == "Which?\n  1  one\n  2  two\nNumber [1]: "


def test_an_address_is_never_broken_into_lines(screen: io.StringIO) -> None:
    address = "https://www.dropbox.com/oauth2/authorize?" + "x" * 300

    talk(screen).tell_address(address)

    assert screen.getvalue() == f"{address}\n"


def test_a_sentence_is_broken_at_the_width_of_the_terminal(screen: io.StringIO) -> None:
    talk(screen).tell("word " * 40)

    assert max(map(len, screen.getvalue().splitlines())) <= 80


def test_brackets_are_no_markup(screen: io.StringIO) -> None:
    talk(screen).tell("[red]x[/red]")

    assert screen.getvalue() == "[red]x[/red]\n"


@pytest.mark.parametrize(("read", "line"), [(lambda: " a code \n", "a code"), (None, "")])
def test_a_closed_terminal_answers_nothing(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], str] | None, line: str
) -> None:
    def closed() -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", read or closed)

    assert read_line() == line
