"""What the command line understands: its verbs, their options, and the help it prints.

Carries nothing out: ``cli.py`` does.
"""

import argparse
from pathlib import Path

from consent import __version__
from consent.setup.parser import add_setup_verbs, day_argument

_Verbs = argparse._SubParsersAction  # argparse offers no public name for what ``add_subparsers`` returns

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
        "--accept-fall",
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
