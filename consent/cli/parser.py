"""The command line: every command, its options and its help."""

import argparse
import re
from datetime import date
from pathlib import Path
from typing import TypeAlias

from consent.cli.login.stores import STORE_KEYS
from consent.dates import parse_day
from consent.version import __version__

LOCAL_PORT = 7071  # the port of Azure's own Core Tools
LATEST_RUNS = 20

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # argparse has no public name for it


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command; the parsed options name the command in ``command``."""
    parser = argparse.ArgumentParser(
        prog="consent", description="A weekly consent report: exported from REDCap, counted, delivered to Dropbox."
    )
    parser.add_argument("--version", action="version", version=f"consent {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_demo, _run, _runs, _summarise, _check, _login, _init, _exceptions, _compare, _serve):
        add(commands)
    return parser


def command_line(words: str, settings: Path | None, python: str = "") -> str:
    """Return a command to paste into the terminal, with the ``--settings`` folder if one was given."""
    folder = f'"{settings}"' if " " in str(settings) else str(settings)
    return f"uv run {python}consent {words}{'' if settings is None else f' --settings {folder}'}"


def with_commands(text: str, settings: Path | None) -> str:
    """Return a message whose commands, such as 'consent check', can be pasted; see ``command_line``."""
    return re.sub("'consent ([^']+)'", lambda match: f"'{command_line(match[1], settings)}'", text)


def _demo(commands: _Commands) -> None:
    demo = _add(
        commands,
        "demo",
        "try everything with a simulated REDCap and Dropbox and invented people",
        "Export an invented registry over HTTP, count it, deliver it to a simulated Dropbox, and copy the delivered "
        "files to a folder. Needs no account and no network.",
        settings=False,
    )
    demo.add_argument(
        "--participants", type=_positive, default=1000, metavar="N", help="how many people (default 1000)"
    )
    demo.add_argument("--output", type=Path, default=Path("consent-demo"), metavar="DIR", help="default: consent-demo")
    demo.add_argument("--open", action="store_true", help="open the PDF at the end")


def _run(commands: _Commands) -> None:
    run = _add(
        commands,
        "run",
        "export, count and deliver the report of a study",
        "The Monday job: export from REDCap, count, and deliver to Dropbox (or, with --to, to a folder).",
    )
    run.add_argument("--study", metavar="KEY", help="study to report; needed only if there are several")
    _add_as_of(run)
    run.add_argument("--dry-run", action="store_true", help="do everything except writing; list the planned files")
    run.add_argument("--to", type=Path, metavar="DIR", help="deliver to this folder instead of Dropbox; not recorded")
    accept = "deliver although the numbers dropped since the last report; use it when you know the reason"
    run.add_argument("--accept-drop", action="store_true", help=accept)


def _runs(commands: _Commands) -> None:
    runs = _add(
        commands,
        "runs",
        "show the latest runs and their outcome",
        "Show the run history of this computer, or with CONSENT_LEDGER=table of the function app; newest first.",
    )
    runs.add_argument("--study", metavar="KEY", help="show only this study")
    runs.add_argument(
        "--limit", type=_positive, default=LATEST_RUNS, metavar="N", help=f"at most N (default {LATEST_RUNS})"
    )


def _summarise(commands: _Commands) -> None:
    summarise = _add(
        commands,
        "summarise",
        "write the same report from a CSV file exported by hand",
        "Count a flat CSV export (raw codes, commas) and write the report. Completeness is not checked.",
    )
    summarise.add_argument("export", type=Path, metavar="EXPORT.csv")
    _add_study_or_file(summarise)
    _add_as_of(summarise)
    folder = Path("consent-report")
    summarise.add_argument("--output", type=Path, default=folder, metavar="DIR", help=f"default: {folder}")


def _check(commands: _Commands) -> None:
    check = _add(
        commands,
        "check",
        "find what would stop a run, and how to fix it",
        "Check everything that a run needs: study files, settings and secrets, run history, REDCap, Dropbox, clock. "
        "Prints a fix for every problem. Writes one small file to Dropbox and deletes it.",
    )
    check.add_argument("--study", metavar="KEY", help="check only this study (default: all)")


def _login(commands: _Commands) -> None:
    login = _add(
        commands,
        "login",
        "sign in to Dropbox and save the credentials",
        "Sign in to Dropbox in a browser, test the delivery with a small file, and save the credentials where you "
        "choose. Needs the app key of a Dropbox app. Shows no token.",
    )
    login.add_argument("service", choices=["dropbox"], help="service to sign in to")
    places = "save in .env, in local.settings.json, or in the Key Vault of KEY_VAULT_URL (default: prompt)"
    login.add_argument("--save-in", choices=STORE_KEYS, help=places)
    spaces = "deliver to the team space, or to the account's own files (default: as set, or prompt)"
    login.add_argument("--team-space", choices=["yes", "no"], help=spaces)
    login.add_argument("--no-browser", action="store_true", help="only print the address")


def _init(commands: _Commands) -> None:
    init = _add(
        commands,
        "init",
        "create a study file from the data dictionary of a REDCap project",
        "Create a study file to complete. Every field that may hold a consent date, decision, rider, site, version or "
        "withdrawal is a line to uncomment. Reads the data dictionary from REDCap or from a file; reads no record.",
    )
    init.add_argument("--dictionary", type=Path, metavar="FILE.csv", help="data dictionary file (default: from REDCap)")
    file = "new file (default: named after the project, in the folder of CONSENT_STUDIES or here)"
    init.add_argument("--output", type=Path, metavar="FILE.toml", help=file)


def _exceptions(commands: _Commands) -> None:
    exceptions = _add(
        commands,
        "exceptions",
        "list the records to review",
        "Export from REDCap and list the records to review, each with the reason and the field. Delivers and records "
        "nothing. Prints record ids only in a terminal, or with --json.",
    )
    _add_study_or_file(exceptions)
    mode = exceptions.add_mutually_exclusive_group()
    _add_as_of(mode)
    rules = "write REDCap data quality rules instead, to open the lists there; reads no record"
    mode.add_argument("--as-rules", action="store_true", help=rules)
    file = "new CSV file; a list of records never goes to a synced or delivered folder (-: standard output)"
    exceptions.add_argument("--output", type=Path, metavar="FILE.csv", help=file)


def _compare(commands: _Commands) -> None:
    compare = _add(
        commands,
        "compare",
        "explain each number that differs from the old pipeline's report",
        "Count one CSV export (raw codes, commas) by the old rules and by today's rules, and name the rule behind "
        "every difference. Writes nothing.",
    )
    compare.add_argument("old", type=Path, metavar="OLD.csv", help="report that the old pipeline delivered")
    compare.add_argument("export", type=Path, metavar="EXPORT.csv", help="export of all records from REDCap")
    _add_study_or_file(compare)
    _add_as_of(compare, "a day of the old report's last week, YYYY-MM-DD (default: its last day, or today)")


def _serve(commands: _Commands) -> None:
    serve = _add(
        commands,
        "serve",
        "run the function app on this computer",
        "Run the function app on this computer: HTTP, timers and queue, with Microsoft's Python runtime and storage "
        "emulator. Needs Python 3.13 and Node.js. Press Ctrl-C to stop.",
        json=False,
    )
    demo = "use invented people and a simulated REDCap and Dropbox; saves nothing"
    serve.add_argument("--demo", action="store_true", help=demo)
    serve.add_argument("--port", type=_port, default=LOCAL_PORT, metavar="N", help=f"HTTP port (default {LOCAL_PORT})")


def _add(
    commands: _Commands, name: str, summary: str, description: str, *, settings: bool = True, json: bool = True
) -> argparse.ArgumentParser:
    """Add a command with the options that most commands have."""
    command = commands.add_parser(name, help=summary, description=description)
    command.set_defaults(settings=None, json=False)
    if settings:
        command.add_argument("--settings", type=Path, metavar="DIR", help="folder of local.settings.json and .env")
    if json:
        command.add_argument("--json", action="store_true", help="print the result as JSON, for scripts")
    return command


def _add_study_or_file(command: argparse.ArgumentParser) -> None:
    command.add_argument("--study", metavar="KEY|FILE.toml", help="study, by its key or its file")


def _add_as_of(
    command: argparse._ActionsContainer, text: str = "last day counted, YYYY-MM-DD (default: today)"
) -> None:
    command.add_argument("--as-of", type=_day, metavar="DATE", help=text)


def _day(text: str) -> date:
    day = parse_day(text)
    if day is None:
        raise argparse.ArgumentTypeError("expected a day such as 2026-11-16")
    return day


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a whole number of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("expected a port, a number from 1 to 65535")
    return int(text)
