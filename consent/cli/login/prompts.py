"""Prompts in the terminal, on stderr. What a person types is never shown again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from consent.cli.console import printable
from consent.cli.open_file import show_page

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")


def read_line() -> str:
    """Return what the person types, up to the next line end; nothing where there is no input."""
    try:
        return input().strip()
    except EOFError:
        return ""


@dataclass(frozen=True)
class Prompts:
    """The terminal; tests replace the input and the browser."""

    messages: "Console"
    read: Callable[[], str] = read_line
    open_page: Callable[[str], bool] = show_page

    def say(self, text: str) -> None:
        """Print a text, wrapped at the width of the terminal."""
        self.messages.print(printable(text, "\n"), markup=False, highlight=False)

    def say_address(self, address: str) -> None:
        """Print an address unwrapped, so that it can be copied or clicked."""
        self.messages.print(printable(address, "\n"), markup=False, highlight=False, soft_wrap=True)

    def ask(self, question: str) -> str:
        """Return the answer without the blanks around it."""
        self.messages.print(f"{question} ", end="", markup=False, highlight=False)
        return self.read().strip()

    def choose(self, question: str, choices: Mapping[str, T], default: int | None = None) -> T | None:
        """Return the chosen value; an empty answer means the one at the position ``default``, or None."""
        self.say(question)
        for number, choice in enumerate(choices, 1):
            self.say_address(f"  {number}  {choice}")
        hint = "" if default is None else f" [{default + 1}]"
        while answer := self.ask(f"Number{hint}:"):
            if answer.isascii() and answer.isdecimal() and 1 <= int(answer) <= len(choices):
                default = int(answer) - 1
                break
        return None if default is None else [*choices.values()][default]
