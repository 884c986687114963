"""Commands in messages, written so that a person can paste them."""

import re
from pathlib import Path


def command_line(words: str, settings: Path | None, python: str = "") -> str:
    """Return a command to paste into the terminal, with the ``--settings`` folder if one was given."""
    folder = f'"{settings}"' if " " in str(settings) else str(settings)
    return f"uv run {python}consent {words}{'' if settings is None else f' --settings {folder}'}"


def with_commands(text: str, settings: Path | None) -> str:
    """Return a message whose commands, such as 'consent check', can be pasted; see ``command_line``."""
    return re.sub("'consent ([^']+)'", lambda match: f"'{command_line(match[1], settings)}'", text)
