"""The README and the changelog keep their promises: commands work, files are there, messages are explained."""

import re
import shlex
from pathlib import Path

import pytest

from consent import __version__
from consent.cli import _parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^uv run consent (.*?)(?:\s+#.*)?$", README, re.MULTILINE)
FILES = re.findall(r"`((?:consent|sandbox|tests)/[\w./-]*|[\w.]+\.(?:py|json|txt|example))`", README)
TROUBLE = README.partition("| the message says |")[2].partition("\n\n")[0]
MESSAGES = [text for row in TROUBLE.splitlines()[2:] for text in re.findall("`([^`]+)`", row.split("|")[1])]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    assert _parser().parse_args(shlex.split(command)).carry_out


@pytest.mark.parametrize("verb", ["demo", "run", "summarise"])
def test_every_verb_is_shown(verb: str) -> None:
    assert any(command.startswith(verb) for command in COMMANDS)


@pytest.mark.parametrize("file", sorted({file for file in FILES if file != "local.settings.json"}))
def test_every_file_it_names_is_there(file: str) -> None:
    assert (ROOT / file).exists()


def test_the_two_commands_stand_alone_on_a_line() -> None:
    assert {"uv run consent demo", "uv run pytest"} <= set(README.splitlines())


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_it_explains_is_one(message: str) -> None:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "consent").rglob("*.py"))
    assert message in " ".join(re.sub(r'"\s*\n\s*f?"', "", text) for text in texts)


def test_the_messages_are_found_in_the_readme() -> None:
    assert len(MESSAGES) > 8


def test_the_changelog_names_the_current_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE)[1] == __version__  # type: ignore[index]


def test_the_version_stands_in_two_places_that_agree() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
