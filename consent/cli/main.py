"""The command line: verbs, exit status, printed lines.

Results go to stdout, messages to stderr. Exit status 0 done, 1 failed (the message says why), 2 the command was not
understood.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consent.cli.commands import SETUP_VERBS, Verb
from consent.cli.open_file import show_file
from consent.cli.parser import build_parser
from consent.config.settings import Settings, read_settings
from consent.errors import (
    ConfigurationError,
    ConsentReportError,
    CutoffError,
    MissingDependencyError,
    UnknownStudyError,
    log_text,
)
from consent.studies.model import StudyConfig

if TYPE_CHECKING:
    from consent.cli.console import Screen
    from consent.runs.ledger.record import RunLedger
    from consent.runs.pipeline import RunResult


def main(arguments: Sequence[str] | None = None, show: Callable[[Path], bool] = show_file) -> int:
    """Carry out one command and return its exit status; ``show`` opens a file for the person at this machine."""
    _speak_utf8()
    options = build_parser().parse_args(arguments, argparse.Namespace(show=show))
    try:
        screen = _new_screen()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        return _VERBS[options.verb](options, screen) or 0
    except (CutoffError, UnknownStudyError, MissingDependencyError) as error:
        return _failed(error, str(error), 2, options, screen)
    except ConsentReportError as error:
        return _failed(error, str(error), 1, options, screen)
    except KeyboardInterrupt as error:
        return _failed(error, "Stopped. Whatever was left unfinished, the next run mends.", 1, options, screen)
    except Exception as error:  # the outermost edge: its own words may quote a participant, its place does not
        return _failed(error, log_text(error), 1, options, screen)


def _failed(error: BaseException, message: str, status: int, options: argparse.Namespace, screen: "Screen") -> int:
    screen.problem(message)
    if options.json:
        _print_json({"state": "failed", "error": type(error).__name__, "message": message})
    return status


def _demo(options: argparse.Namespace, screen: "Screen") -> None:
    from consent.dates import day_in, utc_now
    from consent.delivery.local_folder import LocalFolder
    from consent.runs.changes import PastReports
    from consent.runs.pipeline import run_report
    from consent.runs.services import open_services
    from consent.studies.catalog import choose_study, load_studies
    from sandbox.demo import demo_world

    study = choose_study(load_studies(Settings({})), "obri-ibd")
    _ensure_no_real_reports(options.output, study)
    with demo_world(options.participants, today=day_in(study.time_zone, utc_now())) as world, screen.watching():
        with open_services(study, Settings(world.settings)) as services:
            past = PastReports(before=lambda cutoff: None)  # the registry is new each time: its report is the first
            result = run_report(study, services, past=past, progress=screen)
        screen.stage("Saving what was delivered")
        output, delivered = LocalFolder(options.output), world.account.files()
        try:
            output.stage(delivered)
            for path, content in delivered.items():
                output.put(path, content, replace=True)
        finally:
            output.discard_staged()
    _show(replace(result, place=f"{result.place}, copied to {options.output}"), screen, as_json=options.json)
    pdf = options.output.joinpath(*study.delivery.folder.split("/"), f"{study.title}.pdf")
    if options.open and not options.show(pdf):
        screen.problem(f"Nothing on this machine can show it: open {pdf} yourself.")


def _ensure_no_real_reports(output: Path, study: StudyConfig) -> None:
    """Invented people must never take the place of a real report."""
    manifest = output / "data" / f"{study.title}.manifest.json"
    if output.is_file() or (manifest.is_file() and '"sandbox": true' not in manifest.read_text(encoding="utf-8")):
        raise ConfigurationError(
            f"'{output}' is a file or holds a real report; the demo would overwrite it. Give --output another folder."
        )


def _run(options: argparse.Namespace, screen: "Screen") -> None:
    from consent.runs.on_demand import run_now
    from consent.runs.request import RunRequest
    from consent.studies.catalog import choose_study, load_studies

    settings = read_settings(directory=options.settings)
    study = choose_study(load_studies(settings), options.study)
    request = RunRequest(study.key, options.as_of, options.dry_run, options.accept_drop, options.to)
    with screen.watching():
        result = run_now(study, settings, request, screen)
    _show(result, screen, as_json=options.json)


def _runs(options: argparse.Namespace, screen: "Screen") -> None:
    from consent.cli.console import show_runs
    from consent.dates import utc_now
    from consent.runs.due import shown_state
    from consent.runs.ledger.store import open_ledger
    from consent.runs.status import ShownRun, run_document, with_leases
    from consent.studies.catalog import choose_study, load_studies

    settings, now = read_settings(directory=options.settings), utc_now()
    with closing(open_ledger(settings, default="sqlite")) as ledger:
        records = with_leases(ledger, ledger.runs(options.study)[: options.limit], now)
    if not records and options.study is not None:
        choose_study(load_studies(settings), options.study)  # nothing found: is there such a study at all?
    if options.json:
        _print_json([run_document(record, lease, now) for record, lease in records])
    elif records:
        show_runs([ShownRun(record, shown_state(record, lease, now)) for record, lease in records], screen.out)
    else:
        screen.say(
            f"No run is recorded in {_place_of(ledger)}. Those of demo, serve --demo, run --to and run --dry-run "
            "never are."
        )


def _place_of(ledger: "RunLedger") -> str:
    from consent.runs.ledger.sqlite import SqliteLedger

    return str(ledger.path) if isinstance(ledger, SqliteLedger) else "the storage account of AzureWebJobsStorage"


def _serve(options: argparse.Namespace, screen: "Screen") -> None:
    from consent.cli.serve import serve

    serve(demo=options.demo, port=options.port, settings=read_settings(directory=options.settings), say=screen.say)


def _summarise(options: argparse.Namespace, screen: "Screen") -> None:
    from consent.dates import utc_now
    from consent.delivery.local_folder import LocalFolder
    from consent.runs.pipeline import summarise_file
    from consent.studies.catalog import named_study

    with screen.watching():
        result = summarise_file(
            options.export,
            named_study(options.study, options.settings),
            LocalFolder(options.output),
            place=f"folder {options.output}",
            now=utc_now(),
            as_of=options.as_of,
            progress=screen,
        )
    _show(result, screen, as_json=options.json)


def _show(result: "RunResult", screen: "Screen", *, as_json: bool) -> None:
    from consent.runs.pipeline import result_document

    if as_json:
        _print_json(result_document(result))
    else:
        screen.report(result)


def _print_json(document: dict[str, Any] | list[dict[str, Any]]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _new_screen() -> "Screen":
    try:
        from rich.logging import RichHandler

        from consent.cli.console import Screen
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The command line needs the package {error.name}. Start it with 'uv run consent', which installs it."
        ) from None
    screen = Screen()
    handler = RichHandler(console=screen.messages, show_time=False, show_level=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("consent.runs.worker").setLevel(logging.CRITICAL)  # the command itself says how a run failed
    return screen


def _speak_utf8() -> None:
    """On Windows a redirected stream has the old code page, in which a study's title may not be writable."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


_VERBS: "dict[str, Verb]" = {
    "demo": _demo,
    "run": _run,
    "runs": _runs,
    "serve": _serve,
    "summarise": _summarise,
    **SETUP_VERBS,
}
