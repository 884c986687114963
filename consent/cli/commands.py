"""The verbs of setting up and looking after: what ``check``, ``login``, ``init``, ``exceptions`` and ``compare`` do.

Each reads the settings, asks one module for what is so, and prints it; results go to stdout, messages to stderr.
"""

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consent.cli.console import Screen


Verb = Callable[[argparse.Namespace, "Screen"], int | None]
"""Carries a verb out and gives its exit status; nothing means that it is done."""


def check(options: argparse.Namespace, screen: "Screen") -> int:
    """Prints every finding about a study's set-up, with its fix; the status is 1 when a run would fail."""
    from consent.cli.check.checkup import check_up
    from consent.cli.check.context import CheckContext
    from consent.cli.check.findings import checkup_document
    from consent.cli.check.output import show_checkup

    with screen.watching():
        checkup = check_up(options.settings, options.study, CheckContext(stage=screen.stage))
    if options.json:
        screen.say(json.dumps(checkup_document(checkup), ensure_ascii=False, indent=2))
    else:
        show_checkup(checkup, screen.out)
    return 0 if checkup.would_run else 1


def login(options: argparse.Namespace, screen: "Screen") -> None:
    """Signs in to Dropbox and keeps what a run needs."""
    from consent.cli.login.prompts import Dialogue
    from consent.cli.login.sign_in import Login, Wishes, login_document, login_lines
    from consent.config.settings import read_settings

    team_space = None if options.team_space is None else options.team_space == "yes"
    wishes = Wishes(options.settings, options.keep_in, team_space, browser=not options.no_browser)
    done = Login(read_settings(directory=options.settings), wishes, Dialogue(screen.messages)).carry_out()
    if options.json:
        screen.say(json.dumps(login_document(done), ensure_ascii=False, indent=2))
        return
    for line in login_lines(done):
        screen.say(line)


def init(options: argparse.Namespace, screen: "Screen") -> None:
    """Writes a study file from a data dictionary."""
    from consent.cli.init.new_study import begin_study, begun_document, next_steps
    from consent.config.settings import read_settings

    settings = read_settings(directory=options.settings)
    with screen.watching():
        screen.stage("Reading the data dictionary")
        begun = begin_study(settings, dictionary=options.dictionary, output=options.output)
    if options.json:
        screen.say(json.dumps(begun_document(begun), ensure_ascii=False, indent=2))
        return
    for line in next_steps(begun):
        screen.say(line)


def exceptions(options: argparse.Namespace, screen: "Screen") -> None:
    """Lists the records that a data manager should look at, or writes REDCap's own rules for them."""
    from consent.cli.exceptions.export import find_exceptions, find_rules
    from consent.cli.exceptions.output import STDOUT, give_exceptions, give_rules
    from consent.cli.private_file import ensure_private_path
    from consent.config.settings import read_settings
    from consent.studies.catalog import named_study

    study, settings = named_study(options.study, options.settings), read_settings(directory=options.settings)
    if options.as_rules:
        with screen.watching():
            rules = find_rules(study, settings, screen)
        give_rules(rules, options.output, screen.out, screen.messages, as_json=options.json)
        return
    if options.output not in (None, STDOUT):
        ensure_private_path(options.output)  # before a long export, not after it
    with screen.watching():
        found = find_exceptions(study, settings, screen, as_of=options.as_of)
    give_exceptions(found, options.output, screen.out, as_json=options.json)


def compare(options: argparse.Namespace, screen: "Screen") -> None:
    """Explains each number in which the old pipeline's report differs from this one."""
    from consent.cli.compare.comparison import compare_files
    from consent.cli.compare.output import comparison_document, show_comparison
    from consent.dates import utc_now
    from consent.studies.catalog import named_study

    study = named_study(options.study, options.settings)
    with screen.watching():
        screen.stage("Counting the export by both rules")
        comparison = compare_files(options.old, options.export, study, now=utc_now(), as_of=options.as_of)
    if options.json:
        screen.say(json.dumps(comparison_document(comparison), ensure_ascii=False, indent=2))
    else:
        show_comparison(comparison, screen.out)


SETUP_VERBS: dict[str, Verb] = {
    "check": check,
    "login": login,
    "init": init,
    "exceptions": exceptions,
    "compare": compare,
}
