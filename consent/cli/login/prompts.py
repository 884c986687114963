"""Talks with the person at the terminal: tells, asks, and lets them choose. Everything goes to stderr.

Repeats nothing that was typed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consent.cli.open_file import show_page

if TYPE_CHECKING:
    from rich.console import Console


def read_line() -> str:
    """What the person types until the next line end; nothing where nobody can type."""
    try:
        return input().strip()
    except EOFError:
        return ""


@dataclass(frozen=True)
class Dialogue:
    """Somebody to talk with; tests put another reader, and another browser, in their place."""

    messages: "Console"
    read: Callable[[], str] = read_line
    show: Callable[[str], bool] = show_page

    def tell(self, text: str = "") -> None:
        """Say something, in as many lines as it takes."""
        self.messages.print(text, markup=False, highlight=False)

    def tell_address(self, address: str) -> None:
        """Show an address in one piece, so that it can be copied or clicked."""
        self.messages.print(address, markup=False, highlight=False, soft_wrap=True)

    def ask(self, question: str) -> str:
        """What the person answers, without the blanks around it."""
        self.messages.print(f"{question} ", end="", markup=False, highlight=False)
        return self.read().strip()

    def choose(self, question: str, choices: Sequence[str], default: int | None = None) -> int | None:
        """Which of the choices the person takes, from 0; None if they answer nothing and there is no default."""
        self.tell(question)
        for number, choice in enumerate(choices, 1):
            self.messages.print(f"  {number}  {choice}", markup=False, highlight=False, soft_wrap=True)
        hint = "" if default is None else f" [{default + 1}]"
        while answer := self.ask(f"Number{hint}:"):
            if answer.isascii() and answer.isdecimal() and 1 <= int(answer) <= len(choices):
                return int(answer) - 1
        return default
