"""What the command line understands: its verbs, their options, and the help it prints.

Carries nothing out: ``cli.py`` does.
"""

import argparse
from datetime import date
from pathlib import Path

from consent.cli.login.stores import PLACE_KEYS
from consent.dates import parse_day
from consent.version import __version__

_Verbs = argparse._SubParsersAction  # argparse offers no public name for what ``add_subparsers`` returns


def add_setup_verbs(verbs: "_Verbs[argparse.ArgumentParser]") -> tuple[argparse.ArgumentParser, ...]:
    """Adds these verbs to the others and returns their parsers."""
    return (_add_check(verbs), _add_login(verbs), _add_init(verbs), _add_exceptions(verbs), _add_compare(verbs))


def _add_check(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    check = verbs.add_parser(
        "check",
        help="find what would stop a run, and how to mend it",
        description="Examine everything that a run depends on: study files, settings and secrets, REDCap, Dropbox, "
        "clock, record of runs. Says how to mend what is wrong; writes one tiny file to Dropbox and removes it.",
    )
    check.add_argument("--study", metavar="KEY", help="of this study alone (default: of all)")
    _add_settings(check)
    return check


def _add_login(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    login = verbs.add_parser(
        "login",
        help="sign in to Dropbox and keep the log-in where you choose",
        description="Sign in to Dropbox in a browser, prove that reports can be delivered by writing a tiny file and "
        "deleting it again, and keep the log-in where you choose. Needs the app key of a Dropbox app; shows no token.",
    )
    login.add_argument("service", choices=["dropbox"], help="what to sign in to")
    login.add_argument(
        "--keep-in",
        choices=PLACE_KEYS,
        help="keep the log-in in .env, in local.settings.json, or in the Key Vault of KEY_VAULT_URL (default: ask)",
    )
    login.add_argument(
        "--team-space",
        choices=["yes", "no"],
        help="deliver to the space of your team, or to the account's own files (default: as set, or ask)",
    )
    login.add_argument("--no-browser", action="store_true", help="only print the address; open it wherever you like")
    _add_settings(login)
    return login


def _add_init(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    init = verbs.add_parser(
        "init",
        help="write a study file from the data dictionary of a REDCap project",
        description="Write a study file to complete: every field that could be the consent's date, its decision, a "
        "rider, a site, a version or a withdrawal stands there as a line to uncomment. Asks REDCap for its data "
        "dictionary, or reads one downloaded from the Online Designer; asks for no record.",
    )
    init.add_argument("--dictionary", type=Path, metavar="FILE.csv", help="a downloaded data dictionary (default: ask)")
    init.add_argument(
        "--output",
        type=Path,
        metavar="FILE.toml",
        help="where to write it; never over a file (default: named after the project, in the folder of CONSENT_STUDIES "
        "or here)",
    )
    _add_settings(init)
    return init


def _add_exceptions(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    exceptions = verbs.add_parser(
        "exceptions",
        help="the records that a data manager should look at",
        description="Export from REDCap as for a report, and list the records that a data manager should look at, each "
        "with the reason and the field. Delivers and records nothing. On the screen records are named only in a "
        "terminal, or with --json.",
    )
    exceptions.add_argument("--study", metavar="KEY|FILE.toml", help="which study, or its file")
    what = exceptions.add_mutually_exclusive_group()
    what.add_argument("--as-of", type=day_argument, metavar="DATE", help="as of this day, YYYY-MM-DD (default: today)")
    what.add_argument(
        "--as-rules",
        action="store_true",
        help="write data quality rules for REDCap instead, so that the lists open there; asks for no record",
    )
    exceptions.add_argument(
        "--output",
        type=Path,
        metavar="FILE.csv",
        help="write a new CSV file; a list of records never into a synced or delivered folder (-: standard output)",
    )
    _add_settings(exceptions)
    return exceptions


def _add_compare(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    compare = verbs.add_parser(
        "compare",
        help="explain each number that differs from the old pipeline's report",
        description="Count one CSV export (raw codes, commas) by the old pipeline's rule and by today's, and name the "
        "rule behind every number of the old report that is another one today. Writes nothing.",
    )
    compare.add_argument("old", type=Path, metavar="OLD.csv", help="the report that the old pipeline delivered")
    compare.add_argument("export", type=Path, metavar="EXPORT.csv", help="an export of all records from REDCap")
    compare.add_argument("--study", metavar="KEY|FILE.toml", help="which study, or its file")
    compare.add_argument(
        "--as-of",
        type=day_argument,
        metavar="DATE",
        help="a day of the old report's last week (default: its last, or today)",
    )
    _add_settings(compare)
    return compare


def day_argument(text: str) -> date:
    """A day given on the command line as YYYY-MM-DD; argparse's own error for anything else."""
    day = parse_day(text)
    if day is None:
        raise argparse.ArgumentTypeError("expected a day such as 2026-11-16")
    return day


LOCAL_PORT = 7071  # where Azure's own Core Tools listen
LATEST_RUNS = 20


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; what it returns names the verb in ``verb``."""
    parser = argparse.ArgumentParser(
        prog="consent",
        description="A weekly consent report: exported from REDCap, counted, delivered to Dropbox.",
    )
    parser.add_argument("--version", action="version", version=f"consent {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    spoken = (_add_demo(verbs), _add_run(verbs), _add_runs(verbs), _add_summarise(verbs), *add_setup_verbs(verbs))
    for verb in spoken:
        verb.add_argument("--json", action="store_true", help="print the outcome as JSON, for scripts")
    _add_serve(verbs).set_defaults(json=False)
    return parser


def _add_demo(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    demo = verbs.add_parser(
        "demo",
        help="the whole job against stand-ins for REDCap and Dropbox, with invented people",
        description="Export a made-up registry over HTTP, count it, deliver it through the real Dropbox library to a "
        "stand-in, and leave the delivered files in a folder. Needs no account and no network.",
    )
    demo.add_argument(
        "--participants", type=_positive, default=1000, metavar="N", help="how many people (default 1000)"
    )
    demo.add_argument("--output", type=Path, default=Path("consent-demo"), metavar="DIR", help="default: consent-demo")
    demo.add_argument("--open", action="store_true", help="show the PDF when it is there")
    return demo


def _add_run(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    run = verbs.add_parser(
        "run",
        help="export, count and deliver the report of a study",
        description="The Monday job: export from REDCap, count, and deliver to Dropbox (or, with --to, to a folder).",
    )
    run.add_argument("--study", metavar="KEY", help="which study; needed only where there are several")
    run.add_argument("--as-of", type=day_argument, metavar="DATE", help="last day counted, YYYY-MM-DD (default: today)")
    run.add_argument("--dry-run", action="store_true", help="do everything but write; say what would be written")
    run.add_argument("--to", type=Path, metavar="DIR", help="deliver to this folder instead of Dropbox; not recorded")
    run.add_argument(
        "--accept-drop",
        action="store_true",
        help="deliver although the numbers fell since the last report: for when you know why they did",
    )
    _add_settings(run)
    return run


def _add_runs(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    runs = verbs.add_parser(
        "runs",
        help="the last runs, and what came of each",
        description="The recorded runs, newest first: of this machine, or with CONSENT_LEDGER=table of the function "
        "app.",
    )
    runs.add_argument("--study", metavar="KEY", help="of this study alone")
    runs.add_argument(
        "--limit", type=_positive, default=LATEST_RUNS, metavar="N", help=f"how many at most (default {LATEST_RUNS})"
    )
    _add_settings(runs)
    return runs


def _add_serve(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    serve = verbs.add_parser(
        "serve",
        help="the function app on this machine, under Microsoft's Python runtime",
        description="Serve the function app on this machine: HTTP, timers and queue, under Microsoft's Python runtime "
        "and with Azure's storage emulator. Needs Python 3.13 and Node.js. Ends with Ctrl-C.",
    )
    serve.add_argument(
        "--demo", action="store_true", help="with invented people and stand-ins for REDCap and Dropbox; keeps nothing"
    )
    serve.add_argument(
        "--port", type=_port, default=LOCAL_PORT, metavar="N", help=f"where to listen (default {LOCAL_PORT})"
    )
    _add_settings(serve)
    return serve


def _add_summarise(verbs: "_Verbs[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    summarise = verbs.add_parser(
        "summarise",
        help="the same report from a CSV file exported from REDCap by hand",
        description="Count a flat CSV export (raw codes, commas) and write the report. Completeness is not checked.",
    )
    summarise.add_argument("export", type=Path, metavar="EXPORT.csv")
    summarise.add_argument("--study", metavar="KEY|FILE.toml", help="which study, or its file")
    summarise.add_argument(
        "--as-of", type=day_argument, metavar="DATE", help="last day counted, YYYY-MM-DD (default: today)"
    )
    summarise.add_argument(
        "--output", type=Path, default=Path("consent-report"), metavar="DIR", help="default: consent-report"
    )
    _add_settings(summarise)
    return summarise


def _add_settings(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--settings", type=Path, metavar="DIR", help="where local.settings.json and .env are")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a whole number of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("expected a port, a number from 1 to 65535")
    return int(text)
