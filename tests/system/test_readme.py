"""What users read keeps its promises: commands work; files, routes, settings and reasons are there."""

import json
import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest

from consent.cli.main import _VERBS
from consent.cli.parser import build_parser
from consent.config.settings import DEFAULT_SCHEDULE
from consent.errors import INTERNAL, ErrorKind
from consent.errors import KINDS as KIND_BY_ERROR
from consent.runs.due import REST_AFTER_REFUSAL
from consent.runs.lease import LONGEST_RUN
from consent.runs.ledger.record import CLAIM_LENGTH
from consent.runs.plausibility import SMALL_FALL
from consent.studies.schedule import GRACE
from consent.version import __version__

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
BOTH = README + OPERATIONS
APP = (ROOT / "function_app.py").read_text(encoding="utf-8")
SOURCES = [*(ROOT / "consent").rglob("*.py"), *(ROOT / "consent").rglob("*.toml")]
PRODUCT = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
QUEUES = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]

COMMANDS = re.findall(r"^uv run (?:--python 3\.13 )?consent (.*?)(?:\s+#.*)?$", BOTH, re.MULTILINE)
FILES = re.findall(r"`((?:consent|sandbox|tests|docs)/[\w./-]*|[\w.]+\.(?:py|json|txt|example))`", BOTH)
ROUTES_TOLD = re.findall(r"`((?:GET|POST) /api/[\w/{}]+)", BOTH)
ROUTES = [
    f"{method} /api/{route}" for route, method in re.findall(r'route\(\s*route="([^"]+)",\s*methods=\["(\w+)"\]', APP)
]


def rows_below(heading: str, page: str) -> list[list[str]]:
    """The cells of the table with this heading."""
    rows = page.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]


MESSAGES = [
    text for cell in re.findall(r"^\| (`.*?) \| ", TROUBLES, re.MULTILINE) for text in re.findall("`([^`]+)`", cell)
]
REASONS = {row[0].strip("`"): row[1] for row in rows_below("reason", OPERATIONS)}
SETTINGS = [name for row in rows_below("setting", README) for name in re.findall(r"`(\w+)`", row[0])]
KINDS = [*KIND_BY_ERROR.values(), INTERNAL]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    assert build_parser().parse_args(shlex.split(command)).verb


@pytest.mark.parametrize("verb", sorted(_VERBS))
def test_every_verb_is_shown(verb: str) -> None:
    assert verb in {command.split()[0] for command in COMMANDS}


@pytest.mark.parametrize("file", sorted({file for file in FILES if file != "local.settings.json"}))
def test_every_file_it_names_is_there(file: str) -> None:
    assert (ROOT / file).exists()


def test_the_two_commands_stand_alone_on_a_line() -> None:
    assert {"uv run consent demo", "uv run pytest"} <= set(README.splitlines())


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_it_explains_is_one(message: str) -> None:
    assert message in re.sub(r'"\s*\n\s*f?"', "", PRODUCT)


def test_the_messages_are_found_in_the_page() -> None:
    assert len(MESSAGES) > 60


def test_every_reason_of_a_run_is_explained_and_no_other() -> None:
    kinds = {kind.code for kind in KINDS} - {"fallen"}  # which the record calls by what fell
    assert set(REASONS) == kinds | {"shrunk", "groups-vanished", "lost", "stopped"}


@pytest.mark.parametrize("name", ["shrunk", "groups-vanished", '"lost"', '"stopped"'])
def test_the_reasons_that_are_no_kind_of_failure_are_the_program_s_own(name: str) -> None:
    assert name in PRODUCT


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.code != "fallen"], ids=lambda kind: kind.code)
def test_it_says_of_each_reason_whether_the_queue_tries_again(kind: ErrorKind) -> None:
    assert REASONS[kind.code] == ("yes" if kind.passing else "no")


@pytest.mark.parametrize("route", sorted(set(ROUTES_TOLD)))
def test_every_route_it_names_is_one(route: str) -> None:
    assert route in ROUTES


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_named(route: str) -> None:
    assert route in ROUTES_TOLD


@pytest.mark.parametrize("name", sorted(set(re.findall(r"AzureWebJobs\.(\w+)\.Disabled", OPERATIONS))))
def test_every_function_that_can_be_paused_is_one(name: str) -> None:
    assert f"def {name}(" in APP


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_is_one_that_the_program_or_the_platform_reads(setting: str) -> None:
    assert setting.removeprefix("AzureWebJobsStorage__") in PRODUCT


@pytest.mark.parametrize(
    "fact",
    [
        f"`{DEFAULT_SCHEDULE}`",
        f"{GRACE // HOUR} hours late",
        f"ends itself after {LONGEST_RUN // MINUTE} minutes",
        f"within {CLAIM_LENGTH // MINUTE}",
        f"after {REST_AFTER_REFUSAL // HOUR} hours at the earliest",
        f"fell by more than {SMALL_FALL}",
        f"every {int(QUEUES['visibilityTimeout'][3:5])} minutes, {QUEUES['maxDequeueCount']} times",
    ],
)
def test_the_numbers_it_gives_are_those_of_the_program(fact: str) -> None:
    assert fact in " ".join(BOTH.split())


def test_the_changelog_names_the_current_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE)[1] == __version__  # type: ignore[index]


def test_the_version_stands_in_two_places_that_agree() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
