"""The command line: every command, its options and its help."""

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from consent.cli.command_line import program
from consent.cli.login.stores import STORE_KEYS
from consent.dates import parse_day
from consent.version import __version__

WITH_PYTHON = "uv run --isolated --python 3.13 consent"  # what Azure runs; leaves the environment of other runs alone
LOCAL_PORT = 7071  # the port of Azure's own Core Tools


class _Arg(NamedTuple):
    """An argument; kind: a word of the usage, which has a type in ``_TYPES``, the choices, or None for a flag."""

    name: str
    kind: str | Sequence[str] | None
    help: str
    default: Any = None
    required: bool = False


class _Help(argparse.HelpFormatter):
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("Example:") else super()._fill_text(text, width, indent)  # to paste in one piece


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the command, option or choice that was probably meant."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        options, others = super().parse_known_args(args, namespace)
        if others:  # reported by the command itself: argparse would let the main parser, which has other options
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return options, others

    def error(self, message: str) -> NoReturn:
        given = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (--[^\s=]+)", message)
        known = re.findall(r"[\w-]+", message.partition("(choose from")[2]) or self._option_string_actions
        nearest = difflib.get_close_matches(given[1] or given[2], known, 1) if given else []
        super().error(message + "".join(f". Did you mean '{name}'?" for name in nearest))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command; the parsed options name the command in ``command``."""
    parser = _Parser(
        prog="consent",
        description="A weekly consent report: exported from REDCap, counted, delivered to Dropbox.",
        epilog=f"Example:\n  {program()} demo",
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"consent {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (description, *arguments) in _COMMANDS.items():
        summary = description.partition(". ")[0]
        start = WITH_PYTHON if name == "serve" else program()
        command = commands.add_parser(
            name,
            help=summary[0].lower() + summary[1:],
            description=description,
            epilog=f"Example:\n  {start} {name} {EXAMPLES[name]}".rstrip(),
            formatter_class=_Help,
        )
        command.set_defaults(settings=None, json=False, study=None)
        _add(command, arguments)
    return parser


def _add(command: argparse._ActionsContainer, arguments: Iterable["_Arg | list[_Arg]"]) -> None:
    for argument in arguments:
        if isinstance(argument, list):
            _add(command.add_mutually_exclusive_group(), argument)
            continue
        name, kind, text, default, required = argument
        if kind is None:
            command.add_argument(name, action="store_true", help=text)
        elif isinstance(kind, str):
            shown = text if default is None else f"{text} (default {default})"
            added = command.add_argument(name, type=_TYPES.get(kind, Path), default=default, metavar=kind, help=shown)
            added.required = required or not name.startswith("-")
        else:
            command.add_argument(name, choices=kind, help=text)


def _number(text: str, most: float = float("inf")) -> int | None:
    return int(text) if text.isdecimal() and 1 <= int(text) <= most else None


def _reader(read: Callable[[str], Any], expected: str) -> Callable[[str], Any]:
    """Return a type for argparse; ``read`` returns None for a text that is not what was expected."""

    def convert(text: str) -> Any:
        value = read(text)
        if value is None:
            raise argparse.ArgumentTypeError(f"expected {expected}")
        return value

    return convert


_TYPES: dict[str, Callable[[str], Any]] = {
    "DATE": _reader(parse_day, "a day such as 2026-11-16"),
    "N": _reader(_number, "a whole number of at least 1"),
    "PORT": _reader(lambda text: _number(text, most=65535), "a port, a number from 1 to 65535"),
    "KEY": str,
    "URL": str,
    "KEY|FILE.toml": str,
}
"""How to read each kind of value; every other kind is a path."""

_SETTINGS = _Arg("--settings", "DIR", "folder of local.settings.json and .env")
_JSON = _Arg("--json", None, "print the result as JSON, for scripts")
_STUDY_OR_FILE = _Arg("--study", "KEY|FILE.toml", "study, by its key or its file")
_AS_OF = _Arg("--as-of", "DATE", "last day counted, YYYY-MM-DD (default: today)")

_COMMANDS: dict[str, tuple[Any, ...]] = {
    "demo": (
        "Try everything with a simulated REDCap and Dropbox and invented people. Exports them over HTTP, counts them, "
        "delivers the report, and copies the delivered files to a folder. Needs no account and no network.",
        _JSON,
        _Arg("--participants", "N", "how many people", 1000),
        _Arg("--output", "DIR", "folder for the files", Path("consent-demo")),
        _Arg("--open", None, "open the PDF at the end"),
    ),
    "run": (
        "Export, count and deliver the report of a study. The Monday job: from REDCap to Dropbox (or a folder, --to).",
        *(_SETTINGS, _JSON, _AS_OF),
        _Arg("--study", "KEY", "study to report; needed only if there are several"),
        _Arg("--dry-run", None, "do everything except writing; list the planned files"),
        _Arg("--to", "DIR", "deliver to this folder instead of Dropbox; not recorded"),
        _Arg("--accept-drop", None, "deliver although the numbers dropped since the last report, if you know why"),
    ),
    "runs": (
        "Show the latest runs and their outcome. The run history is that of this computer, or of the function app with "
        "CONSENT_LEDGER=table; newest first.",
        *(_SETTINGS, _JSON),
        _Arg("--study", "KEY", "show only this study"),
        _Arg("--limit", "N", "at most N", 20),
    ),
    "summarise": (
        "Write the same report from a CSV file exported by hand. The file is flat, with raw codes and commas. "
        "Completeness is not checked.",
        *(_SETTINGS, _JSON, _STUDY_OR_FILE, _AS_OF),
        _Arg("export", "EXPORT.csv", "export of all records from REDCap"),
        _Arg("--output", "DIR", "folder for the files", Path("consent-report")),
    ),
    "check": (
        "Find what would stop a run, and how to fix it. Checks study files, settings and secrets, run history, REDCap, "
        "Dropbox and clock. Writes one small file to Dropbox and deletes it.",
        *(_SETTINGS, _JSON),
        _Arg("--study", "KEY", "check only this study (default: all)"),
        _Arg("--notify", None, "also send a test notice to every address in CONSENT_NOTIFY"),
    ),
    "login": (
        "Sign in to Dropbox and save the credentials. Opens a browser, tests the delivery with a small file, and saves "
        "where you choose. Needs the app key of a Dropbox app. Shows no token.",
        *(_SETTINGS, _JSON),
        _Arg("service", ["dropbox"], "service to sign in to"),
        _Arg("--save-in", STORE_KEYS, ".env, local.settings.json or the Key Vault of KEY_VAULT_URL (default: prompt)"),
        _Arg("--team-space", ["yes", "no"], "the team space, or the account's own files (default: as set, or prompt)"),
        _Arg("--no-browser", None, "only print the address"),
    ),
    "init": (
        "Create a study file from the data dictionary of a REDCap project. Every field that may hold a consent date, "
        "decision, rider, site, version or withdrawal is a line to uncomment. Reads no record.",
        *(_SETTINGS, _JSON),
        _Arg("--dictionary", "FILE.csv", "data dictionary file (default: from REDCap)"),
        _Arg("--output", "FILE.toml", "new file (default: named after the project, in CONSENT_STUDIES or studies)"),
    ),
    "review": (
        "List the records to review, each with a link to REDCap. Exports from REDCap, and gives the reason and the "
        "field of each. Delivers and records nothing. Prints record ids only in a terminal, or with --json.",
        *(_SETTINGS, _JSON, _STUDY_OR_FILE),
        [_AS_OF, _Arg("--as-rules", None, "write data quality rules, to open the lists in REDCap; reads no record")],
        _Arg("--show-values", None, "also show what is in the field"),
        _Arg("--output", "FILE.csv", "new file; never in a folder that others may see (-: standard output)"),
    ),
    "compare": (
        "Explain each number that differs from the old pipeline's report. Counts one CSV export (raw codes, commas) by "
        "the old rules and by today's rules, and names the rule behind every difference. Writes nothing.",
        *(_SETTINGS, _JSON, _STUDY_OR_FILE),
        _Arg("old", "OLD.csv", "report that the old pipeline delivered"),
        _Arg("export", "EXPORT.csv", "export of all records from REDCap"),
        _AS_OF._replace(help="a day of the old report's last week, YYYY-MM-DD (default: its last day, or today)"),
    ),
    "request": (
        "Request a run of the function app, and wait until it has ended. Exit status 0 means that the report is in "
        "Dropbox. Reads the function key from CONSENT_FUNCTION_KEY, or asks for it.",
        *(_SETTINGS, _JSON, _AS_OF),
        _Arg("--url", "URL", "address of the app, such as https://my-app.azurewebsites.net", required=True),
        _Arg("--study", "KEY", "study to report; needed only if there are several"),
        _Arg("--dry-run", None, "do everything except writing"),
        _Arg("--accept-drop", None, "deliver although the numbers dropped since the last report, if you know why"),
        _Arg("--no-wait", None, "do not wait for the end of the run"),
    ),
    "serve": (
        "Run the function app on this computer. HTTP, timers and queue, with Microsoft's Python runtime and storage "
        "emulator. Needs Python 3.13 and Node.js. Press Ctrl-C to stop.",
        _SETTINGS,
        _Arg("--demo", None, "use invented people and a simulated REDCap and Dropbox; saves nothing"),
        _Arg("--port", "PORT", "HTTP port", LOCAL_PORT),
    ),
}
"""The commands: a description, whose first sentence is also in the overview, and arguments (of a list, at most one)."""

EXAMPLES = {
    "demo": "--participants 200 --output consent-demo",
    "run": "--dry-run",
    "runs": "--limit 5",
    "summarise": "export.csv --output report",
    "check": "",
    "login": "dropbox",
    "init": "--output my-study.toml",
    "review": "--output review.csv",
    "compare": "OLD.csv EXPORT.csv",
    "request": "--url https://my-app.azurewebsites.net",
    "serve": "--demo",
}
"""The words after each command in the example of its help."""
