"""Claims about the commands in README and docs/: each runs, is understood, or says what it takes of the reader's."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from consent.cli.parser import build_parser
from sandbox.demo import DemoWorld, demo_world
from tests.integration.cli.test_main import use
from tests.support.doc_pages import PAGES, ROOT, Command, commands_of, quoted_in

COMMANDS = [command for page in PAGES for command in commands_of(page)]
FREE = sorted({command.text for command in COMMANDS if not command.needs})
LINES = "\n".join(command.text for command in COMMANDS)

_CI = ".ci/run"
_TRIAL = "tests/test_first_report.py::test_by_following_the_page_a_first_report_is_delivered"
_CLI = "tests/test_cli.py::test_"
_APP = "tests/test_page_in_demo.py::test_the_page_lists_the_run"
_RUN = f"{_CLI}run_does_the_whole_job_with_settings_from_a_folder"
_CHECK = "tests/test_check.py::test_a_world_in_which_a_run_works_ends_with_status_0"
_LOGIN = "tests/test_login_verb.py::test_with_every_choice_made_only_the_code_is_asked_for"
_COMPARE = "tests/test_compare_files.py::test_differences_that_are_explained_are_no_failure"
_TO = f"{_CLI}run_to_a_folder_delivers_there"
RUN_BY = {
    "uv run consent demo": f"{_CLI}demo_leaves_the_delivered_set_in_the_folder",
    "uv run consent demo --participants 100000 --open": f"{_CLI}demo_shows_the_pdf_when_asked_to",
    "uv run python -m sandbox trial": _TRIAL,
    "uv run consent init --settings trial": _TRIAL,
    "uv run consent login dropbox --settings trial": _TRIAL,
    "uv run consent check --settings trial": _TRIAL,
    "uv run consent run --settings trial": _TRIAL,
    "uv run consent check": _CHECK,
    "uv run --no-sync consent check": _CHECK,
    "uv run consent run": _RUN,
    "uv run consent run --as-of 2026-11-16": _RUN,
    "uv run consent run --dry-run": f"{_CLI}a_dry_run_lists_what_it_would_do",
    "uv run consent run --accept-drop": f"{_CLI}a_fall_that_a_person_accepts_is_delivered",
    "uv run consent run --to reports": _TO,
    "uv run consent run --to side-by-side": _TO,
    "uv run consent runs": f"{_CLI}the_history_is_newest_first",
    "uv run consent summarise export.csv --output report": f"{_CLI}summarise_writes_the_report_and_says_what_it_is",
    "uv run consent exceptions": "tests/test_exceptions.py::test_where_nobody_looks_only_the_numbers_are_printed",
    "uv run consent exceptions --as-rules --output dq.csv": (
        "tests/test_exceptions.py::test_the_rules_are_written_into_a_new_file"
    ),
    "uv run consent compare old.csv export.csv": _COMPARE,
    "uv run consent compare OLD.csv EXPORT.csv": _COMPARE,
    "uv run consent init": "tests/test_init.py::test_without_a_name_the_file_is_called_after_the_project_and_lies_here",
    "uv run consent login dropbox": _LOGIN,
    "uv run consent login dropbox --save-in env": _LOGIN,
    "uv run --python 3.13 consent serve --demo": _APP,
    'curl -X POST localhost:7071/api/runs -d "{}"': _APP,
    "curl localhost:7071/api/runs/obri-ibd.20261122T202630Z-a574d0": _APP,
    "uv run --no-project --python 3.13 infra/package.py": _CI,
    "uv run pytest": _CI,
    "uv sync --locked --no-default-groups --group cli": (
        "tests/test_doc_commands.py::test_what_a_machine_of_one_s_own_installs_is_in_the_lock_file"
    ),
}
CRON = next(command.text for command in commands_of("docs/own-machine.md") if command.text[0] == "0")


def fails_to_parse(command: str) -> str | None:
    """Why the command line does not understand the words after ``consent``, or nothing if it does."""
    try:
        build_parser().parse_args(shlex.split(command))
    except SystemExit:
        return command
    return None


@pytest.mark.parametrize("command", FREE)
def test_a_command_that_needs_no_account_is_run_by_a_test(command: str) -> None:
    assert command == CRON or command in RUN_BY


@pytest.mark.parametrize("command", RUN_BY)
def test_a_command_that_a_test_runs_is_still_told(command: str) -> None:
    assert command in FREE


@pytest.mark.parametrize("where", sorted(set(RUN_BY.values()) - {_CI}))
def test_the_test_that_runs_a_command_is_there(where: str) -> None:
    path, _, name = where.partition("::")
    assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("words", ["infra/package.py", "pytest"])
def test_what_is_left_to_ci_is_run_there(words: str) -> None:
    assert words in (ROOT / _CI).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.text.startswith(("az ", "azd ", "func "))], ids=str)
def test_what_takes_an_account_says_so(command: Command) -> None:
    assert command.needs


@pytest.mark.parametrize("command", sorted(set(re.findall(r"uv run [^\n>&]*?\bconsent ([a-z][^\n>&]*)", LINES))))
def test_a_consent_command_is_understood(command: str) -> None:
    assert fails_to_parse(command.strip()) is None


@pytest.mark.parametrize("page", PAGES)
def test_a_consent_command_in_a_sentence_is_understood(page: str) -> None:
    told = re.compile(r"(?:uv run (?:--python 3\.13 )?)?consent ([a-z].*)")
    found = [match[1] for match in map(told.fullmatch, quoted_in(page)) if match]

    assert [command for command in found if fails_to_parse(command)] == []


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[DemoWorld]:
    with demo_world(60, today=date(2026, 11, 16)) as world:
        use(world, tmp_path)
        yield world


def with_uv() -> dict[str, str]:
    """The environment of a job that finds its settings in files alone, and the packages of this test's Python."""
    return {**os.environ, "UV_PROJECT_ENVIRONMENT": sys.prefix, "PYTHONWARNINGS": "default"}


@pytest.mark.not_windows
@pytest.mark.skipif(shutil.which("uv") is None, reason="NOT RUN: needs uv")
@pytest.mark.usefixtures("world")
def test_the_line_for_cron_delivers_and_writes_its_log(tmp_path: Path) -> None:
    line = re.sub(r"^[\d*, ]+", "", CRON).replace("/usr/local/bin/uv", str(shutil.which("uv")))
    line = line.replace("--directory /opt/consent", f"--directory {ROOT}").replace("/opt/consent/", f"{tmp_path}/")
    line = line.replace("consent run", f"consent run --settings {tmp_path} --as-of 2026-11-16")

    done = subprocess.run(["sh", "-c", line], env=with_uv(), capture_output=True, check=False, timeout=120)

    log = (tmp_path / "consent.log").read_text(encoding="utf-8")
    assert (done.returncode, done.stdout, "5 files delivered" in log) == (0, b"", True)


@pytest.mark.windows
@pytest.mark.usefixtures("world")
def test_the_line_for_the_task_scheduler_delivers_and_writes_its_log(tmp_path: Path) -> None:
    (line,) = re.findall(r'^\$line = "(.*)"$', PAGES["docs/own-machine.md"], re.MULTILINE)
    line = (
        line.replace('`"', '"')
        .replace("$uv", str(shutil.which("uv")))
        .replace(r"C:\consent\consent", r"C:\log\consent")
    )
    line = line.replace(r"--directory C:\consent", f'--directory "{ROOT}"').replace(r"C:\log", str(tmp_path))
    line = line.replace("consent run", f'consent run --settings "{tmp_path}" --as-of 2026-11-16')

    done = subprocess.run(f"cmd.exe {line}", env=with_uv(), capture_output=True, check=False, timeout=120)

    log = (tmp_path / "consent.log").read_text(encoding="utf-8")
    assert (done.returncode, "5 files delivered" in log) == (0, True)


@pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv")
def test_what_a_machine_of_one_s_own_installs_is_in_the_lock_file(tmp_path: Path) -> None:
    told = "uv sync --locked --no-default-groups --group cli"
    command = [*shlex.split(told), "--dry-run", "--offline", "--project", str(ROOT), "--python", sys.executable]
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment")}

    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)

    assert (done.returncode, b"rich==" in done.stderr, b"pytest==" in done.stderr) == (0, True, False)
