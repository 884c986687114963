"""The commands, a function each: read the settings, do the work, print the result on stdout."""

import argparse
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from consent.cli.check.checkup import check_setup
from consent.cli.check.context import CheckContext
from consent.cli.check.output import checkup_document, show_checkup
from consent.cli.command_line import command_line, with_commands
from consent.cli.console import Screen, print_json, printable, show_runs
from consent.cli.exceptions.export import find_quality_rules, find_records_to_review
from consent.cli.exceptions.output import STDOUT, output_review, output_rules
from consent.cli.init.new_study import create_study_file, next_steps
from consent.cli.login.prompts import Prompts
from consent.cli.login.sign_in import Login, login_lines
from consent.cli.parser import LOCAL_PORT, WITH_PYTHON
from consent.cli.private_file import ensure_private_path, git_checkout_of
from consent.cli.request import AppClient, app_address, function_key, outcome_lines
from consent.cli.serve import serve as serve_app
from consent.config.http_session import new_session
from consent.config.settings import Settings, read_settings
from consent.dates import day_in, utc_now
from consent.delivery.local_folder import LocalFolder
from consent.errors import ConfigurationError
from consent.runs.ledger.record import REPORTED
from consent.runs.ledger.store import open_ledger
from consent.runs.on_demand import run_now
from consent.runs.pipeline import RunResult, result_document, run_report, summarise_file
from consent.runs.request import RunRequest
from consent.runs.services import open_services
from consent.runs.status import run_document, shown_runs
from consent.studies.catalog import choose_study, load_studies, named_study
from consent.studies.model import StudyConfig


def demo(options: argparse.Namespace, screen: Screen) -> None:
    """Report on an invented registry, with a simulated REDCap and Dropbox."""
    from sandbox.demo import demo_world

    study = choose_study(load_studies(Settings({})), "obri-ibd")
    _ensure_no_real_report(options.output, study)
    with demo_world(options.participants, today=day_in(study.time_zone, utc_now())) as world, screen.watching():
        with open_services(study, Settings(world.settings)) as services:
            # The registry is new each time, so its report is the first.
            result = run_report(study, services, past=lambda before: (), progress=screen)
        screen.stage("Copying the delivered files")
        output, delivered = LocalFolder(options.output), world.account.files()
        try:
            output.stage(delivered)
            for path, content in delivered.items():
                output.put(path, content, replaces=output.stat(path))
        finally:
            output.discard_staged()
    _print_result(replace(result, place=f"{result.place}, copied to {options.output}"), screen, options)
    pdf = options.output.joinpath(*study.delivery.folder.split("/"), f"{study.title}.pdf")
    if options.open and not options.show(pdf):
        screen.problem(f"Could not open {pdf}. Open it manually.")


def _ensure_no_real_report(output: Path, study: StudyConfig) -> None:
    """Make sure that invented people never replace a real report."""
    manifest = output / "data" / f"{study.title}.manifest.json"
    if output.is_file() or (manifest.is_file() and b'"sandbox": true' not in manifest.read_bytes()):
        raise ConfigurationError(f"'{output}' is a file or holds a real report.", "Give --output another folder.")


def run(options: argparse.Namespace, screen: Screen) -> None:
    """Export, count and deliver one report."""
    settings = read_settings(directory=options.settings)
    study = choose_study(load_studies(settings), options.study)
    request = RunRequest(study.key, options.as_of, options.dry_run, options.accept_drop, options.to)
    with screen.watching():
        result = run_now(study, settings, request, screen)
    _print_result(result, screen, options)


def runs(options: argparse.Namespace, screen: Screen) -> None:
    """Print the run history, newest first."""
    settings, now = read_settings(directory=options.settings), utc_now()
    with closing(open_ledger(settings, default="sqlite")) as ledger:
        found = shown_runs(ledger, ledger.runs(options.study)[: options.limit], now)
    if not found and options.study is not None:
        choose_study(load_studies(settings), options.study)  # raises if there is no such study
    if options.json:
        print_json([run_document(run) for run in found], options)
    elif found:
        show_runs(found, screen.out, options.settings, options.study)
    else:
        screen.say(
            f"No run is recorded in {ledger.place}.", "demo, serve --demo, run --to and run --dry-run record nothing."
        )


def summarise(options: argparse.Namespace, screen: Screen) -> None:
    """Write a report from a CSV file that was exported by hand."""
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
    _print_result(result, screen, options)


def check(options: argparse.Namespace, screen: Screen) -> int:
    """Print every finding about the set-up with its fix; the exit status is 1 if a run would fail."""
    with screen.watching():
        checkup = check_setup(options.settings, options.study, CheckContext(stage=screen.stage, notify=options.notify))
    if options.json:
        print_json(checkup_document(checkup), options)
    else:
        show_checkup(checkup, screen.out, options.settings)
    return 0 if checkup.ready else 1


def login(options: argparse.Namespace, screen: Screen) -> None:
    """Sign in to Dropbox and save the credentials."""
    team_space = None if options.team_space is None else options.team_space == "yes"
    folder, prompts = options.settings, Prompts(screen.messages)
    settings = read_settings(directory=folder, may_be_empty=True)
    login = Login(settings, prompts, folder, options.save_in, team_space, not options.no_browser)
    result = login.sign_in()
    if options.json:
        print_json(result, options)
    else:
        screen.say(*login_lines(result, options.settings))


def init(options: argparse.Namespace, screen: Screen) -> None:
    """Create a study file from a data dictionary."""
    settings = read_settings(directory=options.settings)
    with screen.watching():
        screen.stage("Reading the data dictionary")
        created = create_study_file(settings, dictionary=options.dictionary, output=options.output)
    if options.json:
        print_json(created, options)
    else:
        screen.say(*(with_commands(line, options.settings) for line in next_steps(created)))


def review(options: argparse.Namespace, screen: Screen) -> None:
    """List the records to review, or write REDCap's own rules for them."""
    study, settings = named_study(options.study, options.settings), read_settings(directory=options.settings)
    if options.as_rules:
        with screen.watching():
            rules = find_quality_rules(study, settings, screen)
        output_rules(rules, options.output, screen.out, screen.messages, as_json=options.json)
        return
    if options.output not in (None, STDOUT):
        ensure_private_path(options.output)  # before a long export, not after it
        if checkout := git_checkout_of(options.output):
            screen.problem(f"Never commit {options.output}: it is in the git checkout {checkout}.")
    with screen.watching():
        found = find_records_to_review(study, settings, screen, as_of=options.as_of, with_values=options.show_values)
    output_review(found, options.output, screen.out, as_json=options.json)


def compare(options: argparse.Namespace, screen: Screen) -> None:
    """Explain each number that differs from the old pipeline's report."""
    from consent.cli.compare.comparison import compare_files  # imports pandas, which no other command needs
    from consent.cli.compare.output import comparison_document, show_comparison

    study = named_study(options.study, options.settings)
    with screen.watching():
        screen.stage("Counting the export by both rules")
        comparison = compare_files(options.old, options.export, study, now=utc_now(), as_of=options.as_of)
    if options.json:
        print_json(comparison_document(comparison), options)
    else:
        show_comparison(comparison, screen.out)


def request(options: argparse.Namespace, screen: Screen) -> int:
    """Request a run of the function app; the exit status is 0 if the report is delivered, or was there already."""
    settings, address = read_settings(directory=options.settings), app_address(options.url)
    key, as_of = function_key(address, settings), options.as_of and options.as_of.isoformat()
    given = {"study": options.study, "as_of": as_of, "dry_run": options.dry_run, "accept_drop": options.accept_drop}
    with new_session(settings.network, address) as session:
        app = AppClient(address, key, session)
        run_id = app.request({name: value for name, value in given.items() if value})
        run: dict[str, Any] = {"run_id": run_id, "state": "requested"}
        if not options.no_wait:
            run = app.follow(run_id, lambda state: screen.stage(f"{run_id} is {printable(state)}"))
    if options.json:
        print_json(run, options)
    else:
        screen.say(*outcome_lines(run))
    return 0 if options.no_wait or run.get("state") in REPORTED else 1


def serve(options: argparse.Namespace, screen: Screen) -> None:
    """Run the function app on this computer until Ctrl-C."""
    settings, port = read_settings(directory=options.settings), options.port
    words = f"serve{' --demo' if options.demo else ''}{f' --port {port}' if port != LOCAL_PORT else ''}"
    command = command_line(words, options.settings, start=WITH_PYTHON)
    serve_app(demo=options.demo, port=port, settings=settings, say=screen.say, command=command)


def _print_result(result: RunResult, screen: Screen, options: argparse.Namespace) -> None:
    if options.json:
        print_json(result_document(result), options)
    else:
        screen.report(result)


COMMANDS: dict[str, Callable[[argparse.Namespace, Screen], int | None]] = {
    command.__name__: command
    for command in (demo, run, runs, summarise, check, login, init, review, compare, request, serve)
}
"""The commands by name; each returns its exit status, or None for 0."""
