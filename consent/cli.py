"""The command line: verbs, exit status, printed lines.

Results go to stdout, messages to stderr. Exit status 0 done, 1 failed (the message says why), 2 the command was not
understood.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consent import __version__
from consent.errors import ConfigurationError, ConsentReportError, CutoffError, UnknownStudyError, log_text
from consent.period import parse_day
from consent.settings import Settings, read_settings
from consent.study import StudyConfig

if TYPE_CHECKING:
    from consent.run import RunResult
    from consent.screen import Screen


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and return its exit status."""
    _speak_utf8()
    options = _parser().parse_args(arguments)
    try:
        screen = _new_screen()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        result = options.carry_out(options, screen)
    except (CutoffError, UnknownStudyError) as error:
        return _failed(error, str(error), 2, options, screen)
    except ConsentReportError as error:
        return _failed(error, str(error), 1, options, screen)
    except KeyboardInterrupt as error:
        return _failed(error, "Stopped. Whatever was left unfinished, the next run mends.", 1, options, screen)
    except Exception as error:  # the outermost edge: its own words may quote a participant, its place does not
        return _failed(error, log_text(error), 1, options, screen)
    _show(result, screen, as_json=options.json)
    return 0


def _failed(error: BaseException, message: str, status: int, options: argparse.Namespace, screen: "Screen") -> int:
    screen.problem(message)
    if options.json:
        _print_json({"state": "failed", "error": type(error).__name__, "message": message})
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="consent",
        description="A weekly consent report: exported from REDCap, counted, delivered to Dropbox.",
    )
    parser.add_argument("--version", action="version", version=f"consent {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_demo(verbs)
    _add_run(verbs)
    _add_summarise(verbs)
    for verb in verbs.choices.values():
        verb.add_argument("--json", action="store_true", help="print the outcome as JSON, for scripts")
    return parser


def _add_demo(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    demo.set_defaults(carry_out=_demo)


def _add_run(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = verbs.add_parser(
        "run",
        help="export, count and deliver the report of a study",
        description="The Monday job: export from REDCap, count, and deliver to Dropbox (or, with --to, to a folder).",
    )
    run.add_argument("--study", metavar="KEY", help="which study; needed only where there are several")
    run.add_argument("--as-of", type=_day, metavar="DATE", help="last day counted, YYYY-MM-DD (default: today)")
    run.add_argument("--dry-run", action="store_true", help="do everything but write; say what would be written")
    run.add_argument("--to", type=Path, metavar="DIR", help="deliver to this folder instead of Dropbox")
    run.add_argument("--settings", type=Path, metavar="DIR", help="where local.settings.json and .env are")
    run.set_defaults(carry_out=_run)


def _add_summarise(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summarise = verbs.add_parser(
        "summarise",
        help="the same report from a CSV file exported from REDCap by hand",
        description="Count a flat CSV export (raw codes, commas) and write the report. Completeness is not checked.",
    )
    summarise.add_argument("export", type=Path, metavar="EXPORT.csv")
    summarise.add_argument("--study", metavar="KEY|FILE.toml", help="which study, or its file")
    summarise.add_argument("--as-of", type=_day, metavar="DATE", help="last day counted, YYYY-MM-DD (default: today)")
    summarise.add_argument(
        "--output", type=Path, default=Path("consent-report"), metavar="DIR", help="default: consent-report"
    )
    summarise.add_argument("--settings", type=Path, metavar="DIR", help="where local.settings.json and .env are")
    summarise.set_defaults(carry_out=_summarise)


def _demo(options: argparse.Namespace, screen: "Screen") -> "RunResult":
    from consent.local_folder import LocalFolder
    from consent.period import day_in
    from consent.run import run_report
    from consent.services import choose_study, load_studies, open_services, utc_now
    from sandbox.demo import demo_world

    study = choose_study(load_studies(Settings({})), "obri-ibd")
    _refuse_real_reports(options.output, study)
    with demo_world(options.participants, today=day_in(study.time_zone, utc_now())) as world, screen.watching():
        with open_services(study, Settings(world.settings)) as services:
            result = run_report(study, services, watcher=screen)
        screen.stage("Saving what was delivered")
        output, delivered = LocalFolder(options.output), world.account.files()
        try:
            output.prepare(delivered)
            for path, content in delivered.items():
                output.put(path, content, replace=True)
        finally:
            output.release()
    return replace(result, place=f"{result.place}, copied to {options.output}")


def _refuse_real_reports(output: Path, study: StudyConfig) -> None:
    """Invented people must never take the place of a real report."""
    manifest = output / "data" / f"{study.title}.manifest.json"
    if output.is_file() or (manifest.is_file() and '"sandbox": true' not in manifest.read_text(encoding="utf-8")):
        raise ConfigurationError(
            f"'{output}' is a file or holds a real report; the demo would overwrite it. Give --output another folder."
        )


def _run(options: argparse.Namespace, screen: "Screen") -> "RunResult":
    from consent.run import run_report
    from consent.services import choose_study, load_studies, open_services

    settings = read_settings(directory=options.settings)
    study = choose_study(load_studies(settings), options.study)
    with open_services(study, settings, to=options.to) as services, screen.watching():
        return run_report(study, services, as_of=options.as_of, dry_run=options.dry_run, watcher=screen)


def _summarise(options: argparse.Namespace, screen: "Screen") -> "RunResult":
    from consent.local_folder import LocalFolder
    from consent.run import summarise_file
    from consent.services import utc_now

    with screen.watching():
        return summarise_file(
            options.export,
            _study_or_file(options.study, options.settings),
            LocalFolder(options.output),
            place=f"folder {options.output}",
            now=utc_now(),
            as_of=options.as_of,
            watcher=screen,
        )


def _study_or_file(name: str | None, settings: Path | None) -> StudyConfig:
    from consent.services import choose_study, load_studies, load_study_file

    if name is not None and name.endswith(".toml"):
        return load_study_file(Path(name))
    return choose_study(load_studies(read_settings(directory=settings)), name)


def _show(result: "RunResult", screen: "Screen", *, as_json: bool) -> None:
    from consent.run import result_document

    if as_json:
        _print_json(result_document(result))
    else:
        screen.report(result)


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _new_screen() -> "Screen":
    try:
        from rich.logging import RichHandler

        from consent.screen import Screen
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The command line needs the package {error.name}. Start it with 'uv run consent', which installs it."
        ) from None
    screen = Screen()
    handler = RichHandler(console=screen.messages, show_time=False, show_level=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    return screen


def _speak_utf8() -> None:
    """On Windows a redirected stream has the old code page, in which a study's title may not be writable."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a whole number of at least 1")
    return int(text)


def _day(text: str) -> date:
    day = parse_day(text)
    if day is None:
        raise argparse.ArgumentTypeError("expected a day such as 2026-11-16")
    return day
