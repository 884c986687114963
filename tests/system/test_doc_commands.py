"""Tests of the commands in README and docs/: a test runs each, or the page says which account it needs."""

import json
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

from consent.cli.main import main
from consent.cli.parser import EXAMPLES, WITH_PYTHON, build_parser
from sandbox.demo import DemoWorld, demo_world
from tests.integration.cli.test_main import use
from tests.support.doc_pages import PAGES, ROOT, Command, commands_of, quoted_in

COMMANDS = [command for page in PAGES for command in commands_of(page)]
LINES = [command.text for command in COMMANDS]
CRON = next(command.text for command in commands_of("docs/own-machine.md") if command.text[0] == "0")
INSTALL = "uv sync --locked --no-default-groups --group cli"
CHECK_INSTALL = "uv sync --group check"
ONE_BENCHMARK = "uv run python -m benchmarks requests_sent"
CHECKERS = {"import-linter", "mypy", "playwright", "ruff"}
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
RUN_BY_CI = {"uv run pytest", "uv run pytest tests/campaign --dist worksteal", "uv run --no-project infra/package.py"}

_CLI = "tests/integration/cli/"
RUN_BY = {
    "tests/system/test_first_report.py::test_the_commands_of_the_readme_deliver_the_report_of_the_demo": (
        "uv run python -m sandbox trial",
        "uv run consent init --settings trial",
        "uv run consent login dropbox --settings trial",
        "uv run consent check --settings trial",
        "uv run consent run --settings trial",
    ),
    f"{_CLI}test_main.py::test_demo_leaves_the_delivered_set_in_the_folder": ("uv run consent demo",),
    f"{_CLI}test_main.py::test_demo_opens_the_pdf_or_names_it": ("uv run consent demo --participants 100000 --open",),
    f"{_CLI}test_main.py::test_run_does_the_whole_job_with_settings_from_a_folder": ("uv run consent run",),
    f"{_CLI}test_main.py::test_a_drop_that_a_person_accepts_is_delivered": ("uv run consent run --accept-drop",),
    f"{_CLI}test_main.py::test_run_to_a_folder_delivers_there": ("uv run consent run --to side-by-side",),
    f"{_CLI}test_main.py::test_the_history_is_newest_first": ("uv run consent runs",),
    f"{_CLI}test_main.py::test_summarise_writes_the_report_and_says_what_it_is": (
        "uv run consent summarise export.csv --output report",
    ),
    f"{_CLI}test_check.py::test_a_world_in_which_a_run_works_ends_with_status_0": (
        "uv run consent check",
        "uv run --no-sync consent check",
    ),
    f"{_CLI}test_check_details.py::test_a_check_recognises_addresses_and_sends_a_notice_only_if_asked": (
        "uv run consent check --notify",
    ),
    f"{_CLI}test_new_study.py::test_the_output_names_the_file_and_the_next_steps": ("uv run consent init",),
    f"{_CLI}test_exceptions.py::test_where_nobody_looks_only_the_numbers_are_printed": ("uv run consent review",),
    f"{_CLI}test_exceptions.py::test_the_rules_are_written_into_a_new_file": (
        "uv run consent review --as-rules --output dq.csv",
    ),
    f"{_CLI}test_login_verb.py::test_with_every_choice_made_only_the_code_is_asked_for": (
        "uv run consent login dropbox",
        "uv run consent login dropbox --save-in env",
    ),
    "tests/unit/cli/test_compare_files.py::test_differences_that_are_explained_are_no_failure": (
        "uv run consent compare OLD.csv EXPORT.csv",
    ),
    "tests/system/test_page_in_demo.py::test_the_page_lists_the_run": (
        "uv run --isolated --python 3.13 consent serve --demo",
    ),
    "tests/system/test_page_in_demo.py::test_what_the_host_shows_works_as_it_is": (
        "uv run consent request --url http://localhost:7071",
    ),
    "tests/system/test_end_to_end.py::test_without_the_demo_the_settings_of_the_folder_that_was_named_are_served": (
        "uv run --isolated --python 3.13 consent serve",
    ),
    "tests/system/test_doc_commands.py::test_the_line_for_cron_delivers_and_writes_its_log": (CRON,),
    "tests/system/test_doc_commands.py::test_an_installation_holds_what_it_needs_and_no_more": (INSTALL, CHECK_INSTALL),
    "tests/system/test_doc_commands.py::test_a_benchmark_is_within_its_budget": (ONE_BENCHMARK,),
}


def is_understood(command: str) -> bool:
    """Return whether the command line accepts the words after ``consent``."""
    try:
        build_parser().parse_args(shlex.split(command))
    except SystemExit:
        return False
    return True


SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "consent").rglob("*.py")))
NEEDS_MORE = {"login": "a person", "request": "an app", "serve": "no end"}  # run by the tests of RUN_BY


def test_every_command_in_a_message_is_run_by_a_test() -> None:
    """Tests of ``login``, ``run --accept-drop`` and the new study run the printed commands."""
    messages = set(re.findall(r"'consent ([a-z][^']+)'|command_line\(f?'([a-z][^']+)'", SOURCES))
    shown = {first or second for first, second in messages} - {"check"}
    assert shown == {
        *("login dropbox", "run --accept-drop", "check --study {created.study}", "request --url {url}"),
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_help_is_understood(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    shown = capsys.readouterr().out.splitlines()[-1].strip()
    assert re.fullmatch(rf"uv run (--isolated --python 3.13 )?consent {name} ?.*", shown)
    assert is_understood(shown.partition("consent ")[2])


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in NEEDS_MORE])
@pytest.mark.usefixtures("world")
def test_the_example_of_a_help_works(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    riders = "abcdefgh"
    columns = ",".join(f"summary_event_{rider}" for rider in riders)
    for file in ("export.csv", "EXPORT.csv"):
        text = f"record_id,summary_consent_date,consent_obtained,{columns}\n1,2023-09-12,1,1,1,1,1,1,1,1,1\n"
        Path(file).write_text(text, encoding="utf-8")
    header = ",".join(f"rider {rider}" for rider in riders)
    old = f"period,consent,{header}\n2023-09-11 - 2023-09-17,1,1,1,1,1,1,1,1,1\nTotal,1,1,1,1,1,1,1,1,1\n"
    Path("OLD.csv").write_text(old, encoding="utf-8")

    assert main([name, *shlex.split(EXAMPLES[name]), *([] if name == "demo" else ["--settings", "."])]) == 0


def test_every_command_is_run_by_a_test_or_needs_an_account() -> None:
    run = {command for commands in RUN_BY.values() for command in commands}
    free = {command.text.replace(" --python 3.13 infra", " infra") for command in COMMANDS if not command.needs}
    free |= {text for page in PAGES for text in quoted_in(page) if text.startswith("uv run ")}

    assert free == run | RUN_BY_CI | {"uv run pytest tests/integration", "uv run pytest tests/system"}


@pytest.mark.parametrize("where", RUN_BY)
def test_the_test_that_runs_a_command_exists(where: str) -> None:
    path, _, name = where.partition("::")
    assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_ci_runs_the_other_commands() -> None:
    words = ["pytest\n", "pytest tests/integration tests/system\n", "pytest tests/campaign --dist worksteal\n"]
    assert [each for each in [*words, "infra/package.py\n"] if each not in CI] == []


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.text.startswith(("az ", "azd ", "func "))], ids=str)
def test_a_command_for_an_account_says_so(command: Command) -> None:
    assert command.needs


def test_the_command_line_accepts_every_consent_command() -> None:
    shown = {match[1] for line in LINES if (match := re.search(r"\bconsent ([a-z][^\n>&`]*)", line))}
    prose = re.compile(r"(?:uv run (?:--isolated --python 3\.13 )?)?consent ([a-z].*)")
    shown |= {match[1] for page in PAGES for text in quoted_in(page) if (match := prose.fullmatch(text))}

    assert [command for command in sorted(shown) if not is_understood(command.strip())] == []


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[DemoWorld]:
    with demo_world(60, today=date(2026, 11, 16)) as world:
        use(world, tmp_path)
        yield world


def run_line(command: list[str] | str) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of a scheduler, with the packages of this test's Python."""
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": sys.prefix, "PYTHONWARNINGS": "default"}
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)


@pytest.mark.not_windows
@pytest.mark.skipif(shutil.which("uv") is None, reason="NOT RUN: needs uv")
@pytest.mark.usefixtures("world")
def test_the_line_for_cron_delivers_and_writes_its_log(tmp_path: Path) -> None:
    line = re.sub(r"^[\d*, ]+", "", CRON).replace("/usr/local/bin/uv", str(shutil.which("uv")))
    line = line.replace("--directory /opt/consent", f"--directory {ROOT}").replace("/opt/consent/", f"{tmp_path}/")
    line = line.replace("consent run", f"consent run --settings {tmp_path} --as-of 2026-11-16")

    done = run_line(["sh", "-c", line])

    log = (tmp_path / "consent.log").read_text(encoding="utf-8")
    assert (done.returncode, done.stdout, "5 files delivered" in log) == (0, b"", True)


@pytest.mark.windows
@pytest.mark.usefixtures("world")
def test_the_line_for_the_task_scheduler_delivers_and_writes_its_log(tmp_path: Path) -> None:
    (line,) = re.findall(r'^\$line = "(.*)"$', PAGES["docs/own-machine.md"], re.MULTILINE)
    line = line.replace('`"', '"').replace("$uv", str(shutil.which("uv")))
    line = line.replace(r"C:\consent\consent.log", str(tmp_path / "consent.log"))
    line = line.replace(r"--directory C:\consent", f'--directory "{ROOT}"')
    line = line.replace("consent run", f'consent run --settings "{tmp_path}" --as-of 2026-11-16')

    done = run_line(f"cmd.exe {line}")

    log = (tmp_path / "consent.log").read_text(encoding="utf-8")
    assert (done.returncode, "5 files delivered" in log) == (0, True)


@pytest.mark.skipif(shutil.which("uv") is None, reason="NOT RUN: needs uv")
@pytest.mark.parametrize(
    ("command", "programs"),
    [(INSTALL, {"rich"}), ("uv sync", {"rich", "pytest"}), (CHECK_INSTALL, {"rich", "pytest", *CHECKERS})],
    ids=["to run", "to test", "to check"],
)
def test_an_installation_holds_what_it_needs_and_no_more(command: str, programs: set[str], tmp_path: Path) -> None:
    line = [*shlex.split(command), "--dry-run", "--offline", "--project", str(ROOT), "--python", sys.executable]
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment")}

    done = subprocess.run(line, env=environment, capture_output=True, check=False, timeout=120, encoding="utf-8")

    installed = set(re.findall(r"^ \+ ([\w-]+)==", done.stderr, re.MULTILINE))
    assert (done.returncode, installed & {"rich", "pytest", *CHECKERS}) == (0, programs)


def output_of(command: str, folder: Path) -> str:
    """What a command of uv prints in this folder, which is a project of its own."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")
    }
    done = subprocess.run(shlex.split(command), env=environment, cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.mark.skipif(shutil.which("uv") is None, reason="NOT RUN: needs uv")
def test_the_app_on_another_python_leaves_the_environment_of_the_scheduled_run_alone(tmp_path: Path) -> None:
    project = '[project]\nname = "scheduled"\nversion = "1"\nrequires-python = ">=3"\n'
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    version = "python -c 'import platform; print(platform.python_version())'"
    before = output_of(f"uv run --python {Path(sys.executable).as_posix()} {version}", tmp_path)
    installed = output_of("uv python list --only-installed --output-format json", tmp_path)
    other = next(found["version"] for found in json.loads(installed) if found["version"] != before)

    served = output_of(f"{WITH_PYTHON.removesuffix(' consent').replace('3.13', other)} {version}", tmp_path)

    assert (served, output_of(f"uv run --no-sync {version}", tmp_path)) == (other, before)


def test_a_benchmark_is_within_its_budget() -> None:
    command = [sys.executable, *shlex.split(ONE_BENCHMARK)[3:]]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=300)

    assert (done.returncode, b"Every measured budget holds" in done.stdout) == (0, True)
