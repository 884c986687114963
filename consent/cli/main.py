"""Entry point of the command line: run one command, print its error, return the exit status.

Exit status: 0 done, 1 failed, 2 the command line cannot be used. Results go to stdout, messages to stderr.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from consent.cli.command_line import with_commands
from consent.cli.open_file import show_file
from consent.cli.parser import build_parser
from consent.errors import (
    ConsentReportError,
    CutoffError,
    MissingDependencyError,
    Problem,
    UnknownStudyError,
    error_document,
    log_text,
)


def main(arguments: Sequence[str] | None = None, show: Callable[[Path], bool] = show_file) -> int:
    """Run one command and return its exit status; ``show`` opens a file on this computer."""
    _use_utf8()
    parser = build_parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help()
        return 2
    options = parser.parse_args(arguments, argparse.Namespace(show=show))
    try:
        from rich.logging import RichHandler

        from consent.cli.commands import COMMANDS
        from consent.cli.console import Screen, print_json
    except ModuleNotFoundError as error:
        fix = "Start it with 'uv run consent', which installs it."
        sys.stderr.write(f"The command line needs the package {error.name}. {fix}\n")
        return 1
    screen = Screen()
    handler = RichHandler(console=screen.messages, show_time=False, show_level=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("consent.runs.worker").setLevel(logging.CRITICAL)  # the command itself prints why a run failed
    try:
        return COMMANDS[options.command](options, screen) or 0
    except KeyboardInterrupt:
        problem = Problem("Interrupted.", "Run it again to finish.")
        status, message, document = 1, str(problem), {"code": "interrupted", **problem._asdict()}
    except ConsentReportError as error:
        status = 2 if isinstance(error, (CutoffError, UnknownStudyError, MissingDependencyError)) else 1
        message, document = str(error), error_document(error)
    except Exception as error:  # its own message may quote a participant, its location does not
        status, message, document = 1, log_text(error), error_document(error)
    screen.problem(with_commands(message, options.settings, options.study))
    if options.json:
        print_json({"state": "failed", "error": document}, options)
    return status


def _use_utf8() -> None:
    """Write UTF-8: on Windows a redirected stream has the old code page, which may lack a character of a title."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
