"""Commands in messages, written so that a person can paste them."""

import re
import shutil
import sys
from pathlib import Path

from consent.config.settings import started_by_uv

_WITHOUT_STUDY = ("demo", "login", "init", "serve")


def program() -> str:
    """Return how this process was started: ``uv run consent``, ``consent``, or ``python -m consent``."""
    if started_by_uv():
        return "uv run consent"
    if Path(sys.argv[0]).stem == "__main__":
        return f"{_on_path(sys.executable)} -m consent"
    return _on_path(sys.argv[0]) if Path(sys.argv[0]).stem == "consent" else "consent"


def _on_path(program: str) -> str:
    """Return the name of a program if the shell finds it by name, otherwise its path."""
    found = shutil.which(Path(program).stem)
    return Path(program).stem if found and Path(found) == Path(program).absolute() else _quoted(program)


def _quoted(text: object) -> str:
    return f'"{text}"' if re.search(r"[\s&()';]", str(text)) else str(text)


def command_line(words: str, settings: Path | None, study: str | None = None, start: str = "") -> str:
    """Return a command to paste into the terminal, with the ``--settings`` folder and the study if they were given.

    study: its key; the commands that need a key ignore a study file. start: the program (default: see ``program``).
    """
    wants_study = study and "--study" not in words and not words.startswith(_WITHOUT_STUDY)
    is_key = not str(study).endswith(".toml") or words.startswith(("review", "summarise", "compare"))
    chosen = f" --study {_quoted(study)}" if wants_study and is_key else ""
    return f"{start or program()} {words}{chosen}{'' if settings is None else f' --settings {_quoted(settings)}'}"


def with_commands(text: str, settings: Path | None, study: str | None = None, blank: str = " ") -> str:
    """Return a message whose commands, such as 'consent check', can be pasted; see ``command_line``.

    blank: replaces each blank in a command.
    """

    def pasteable(match: re.Match[str]) -> str:
        return f"'{command_line(match[1], settings, study)}'".replace(" ", blank)

    return re.sub("'consent ([^']+)'", pasteable, text)
