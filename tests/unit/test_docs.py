"""Tests of README and docs/: links lead somewhere, and every name and number in them is the code's own."""

import argparse
import json
import re
import shlex
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from consent.cli.commands import COMMANDS
from consent.cli.login.oauth import SCOPES
from consent.cli.parser import build_parser
from consent.cli.write_test import TEST_FILE_NAME
from consent.config.azure_identity import LOGIN_URL
from consent.config.credentials import DROPBOX_KEY, DROPBOX_SECRET, DROPBOX_TOKEN
from consent.config.settings import DEFAULT_SCHEDULE
from consent.delivery.dropbox_session import _HOSTS
from consent.errors import INTERNAL, KINDS
from consent.runs.due import REST_AFTER_REFUSAL
from consent.runs.lease import LONGEST_RUN
from consent.runs.ledger.record import LEASE_LENGTH
from consent.runs.plausibility import SMALL_DROP
from consent.studies.schedule import GRACE
from consent.version import __version__
from tests.support.bicep import NAMES, default, template, variable
from tests.support.doc_pages import PAGES, ROOT, anchors_of, commands_of, links_of, prose_of, quoted_in
from tests.unit.infra.test_settings import READ_BY_THE_CODE

README, OPERATIONS = PAGES["README.md"], PAGES["docs/operations.md"]
APP = (ROOT / "function_app.py").read_text(encoding="utf-8")
SOURCES = [*(ROOT / "consent").rglob("*.py"), *(ROOT / "consent").rglob("*.toml")]
PRODUCT = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
QUEUES = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

OF_THE_PLATFORM = {"AZURE_CLIENT_ID", "UV_PYTHON_INSTALL_MIRROR"}
REFUSED = re.compile(r"DROPBOX_(API|WEB|DOMAIN)")
SET_BY_THE_PLATFORM = re.compile(r"WEBSITE_|LEGION_|CONTAINER_|FUNCTIONS_|AZURE_|UV_|OPENBLAS_")


def rows_below(heading: str, page: str) -> list[list[str]]:
    """The cells of the table with this heading."""
    rows = page.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]


def settings_shown() -> set[str]:
    """The settings in the table of docs/settings.md."""
    return {name for row in rows_below("setting", PAGES["docs/settings.md"]) for name in re.findall(r"`(\w+)`", row[0])}


def options_of(command: str) -> argparse.Namespace:
    """The options of a command of the command line, without redirections."""
    return build_parser().parse_args(shlex.split(re.split(r" >+ | 2>", command)[0]))


def azd_names() -> set[str]:
    """What azd fills into the templates, and what they return."""
    filled = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    return set(re.findall(r"\$\{(\w+)", filled)) | set(template("main")["outputs"])


# --- links, files, commands


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    targets = [((ROOT / page).parent / path if path else ROOT / page, heading) for path, heading in links_of(page)]

    assert [path for path, _ in targets if not path.exists()] == []
    assert [
        heading for path, heading in targets if heading and heading not in anchors_of(path.read_text(encoding="utf-8"))
    ] == []


def test_the_readme_links_to_every_guide() -> None:
    assert {(page, "") for page in PAGES if page != "README.md"} <= set(links_of("README.md"))


def test_the_readme_is_short_and_shows_the_two_commands() -> None:
    lines = README.splitlines()

    assert len(lines) <= 150
    assert {"uv run consent demo", "uv run pytest"} <= set(lines)


def test_every_file_that_a_page_names_exists() -> None:
    named = {
        text
        for page in PAGES
        for text in quoted_in(page)
        if re.fullmatch(r"(?:consent|sandbox|tests|docs|infra|benchmarks)/[\w./-]*|[\w.]+\.(?:py|toml|example)", text)
    }
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_command_of_the_command_line_is_shown_and_understood() -> None:
    shown = {
        command.text.split("consent ", 1)[1]
        for page in PAGES
        for command in commands_of(page)
        if re.match(r"uv run (?:--\S+ (?:3\.\d+ )?)*consent ", command.text)
    }
    used = {options_of(text).command for text in shown}

    assert used == set(COMMANDS)


@pytest.mark.skipif(shutil.which("git") is None, reason="NOT RUN: needs git")
def test_git_ignores_every_file_that_a_shown_command_reads_or_writes(tmp_path: Path) -> None:
    shown = (re.search(r"\bconsent ([a-z][^\n>&`]*)", command.text) for page in PAGES for command in commands_of(page))
    used = [vars(options_of(match[1])) for match in shown if match]
    paths = {str(options[name]) for options in used for name in ("output", "to", "old", "export") if options.get(name)}
    paths |= {"reports", "trial", ".env.production", "runs.sqlite", "runs.sqlite-wal", "key.pem", "export-2026.csv"}
    kept = {".env.example", "local.settings.json.example", "consent/reports/pdf.py", "consent/studies/new.toml"}
    asked = {path if "." in path else f"{path}/file" for path in paths} | kept
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    command = ["git", "-C", str(tmp_path), "check-ignore", *asked]
    ignored = subprocess.run(command, capture_output=True, check=False, encoding="utf-8").stdout.splitlines()

    assert {"report", "dq.csv", "consent-demo"} <= paths
    assert asked - set(ignored) == kept


# --- settings, rights, addresses


def test_a_setting_that_a_page_names_is_one() -> None:
    named = {name for page in PAGES for name in quoted_in(page) if re.fullmatch(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", name)}
    assert named <= READ_BY_THE_CODE | azd_names() | OF_THE_PLATFORM


def test_the_table_of_settings_holds_what_the_code_reads_and_nothing_else() -> None:
    shown = settings_shown()
    expected = {name for name in READ_BY_THE_CODE if not REFUSED.match(name) and not SET_BY_THE_PLATFORM.match(name)}

    assert expected <= shown
    assert {name for name in shown if name.removeprefix("AzureWebJobsStorage__") not in PRODUCT} == set()


def test_the_page_of_the_vault_shows_each_secret_under_both_names() -> None:
    names = {"REDCAP_ACCESS_TOKEN", DROPBOX_KEY, DROPBOX_TOKEN, DROPBOX_SECRET}
    assert names | {name.replace("_", "-") for name in names} <= set(quoted_in("docs/key-vault.md"))


@pytest.mark.parametrize("page", ["docs/dropbox.md", "docs/it.md"])
def test_the_permissions_are_those_that_a_sign_in_requests(page: str) -> None:
    assert {text for text in quoted_in(page) if re.fullmatch(r"\w+\.[a-z.]*(read|write)", text)} == set(SCOPES)


def test_the_page_for_it_names_every_host() -> None:
    hosts = {host.removeprefix("https://") for host in (*_HOSTS, LOGIN_URL) if "notify" not in host}
    assert hosts <= set(quoted_in("docs/it.md"))


def test_the_page_for_it_names_every_role_and_no_other() -> None:
    shown = re.findall(r"^\| \*([A-Z][\w ]+)\* \| (?:the|whoever)", prose_of("docs/it.md"), re.MULTILINE)
    given = {
        role for name in NAMES if "roles" in template(name).get("variables", {}) for role in variable(name, "roles")
    }

    assert [role for role in shown if not any(_same_role(role, each) for each in given)] == []
    assert len(set(shown)) == len(given)


def _same_role(shown: str, given: str) -> bool:
    return shown.replace(" ", "").lower().endswith(given.lower())


def test_the_table_of_azure_lists_every_parameter_and_its_variable() -> None:
    filled = json.loads((ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    shown = {row[0].strip("`"): row[1].strip("`") for row in rows_below("variable", PAGES["docs/azure.md"])}

    assert shown == {re.sub(r"[${}]|=.*", "", each["value"]): name for name, each in filled.items()}


# --- errors, routes, numbers


def test_every_reason_of_a_run_is_explained_with_whether_it_is_retried() -> None:
    retried = {kind.code: "yes" if kind.retryable else "no" for kind in (*KINDS.values(), INTERNAL)}
    for code in ("implausible-drop", "bad-request", "unknown-run", "not-signed-in", "foreign-request", "no-sign-in"):
        del retried[code]  # the first is recorded by what dropped, the others never are a run's reason
    own = {"shrunk": "no", "groups-vanished": "no", "lost": "no", "stopped": "no"}

    assert {row[0].strip("`"): row[1] for row in rows_below("reason", OPERATIONS)} == retried | own


def test_every_alert_is_explained() -> None:
    names = {*(f"consent-{rule['name']}" for rule in variable("alerts", "rules")), "consent-unhealthy"}
    assert {row[0].strip("`") for row in rows_below("alert", OPERATIONS)} - {"of your own monitor"} == names


def test_every_message_in_troubleshooting_is_one_of_the_code() -> None:
    cells = re.findall(r"^\| (`.*?) \| ", PAGES["docs/troubleshooting.md"], re.MULTILINE)
    messages = [text for cell in cells for text in re.findall("`([^`]+)`", cell)]
    sources = re.sub(r'"\s*\n\s*f?"', "", PRODUCT)

    assert len(messages) > 50
    assert [message for message in messages if message not in sources] == []


def test_the_routes_are_those_of_the_app() -> None:
    routes = re.findall(r'route\(\s*route="([^"]+)",\s*methods=\["(\w+)"[],]', APP)
    shown = {text for page in PAGES for text in quoted_in(page) if re.fullmatch(r"(GET|POST) /api/[\w/{}]+", text)}

    assert shown == {f"{method} /api/{route}" for route, method in routes}


def test_every_function_that_can_be_paused_is_one() -> None:
    paused = set(re.findall(r"AzureWebJobs\.(\w+)\.Disabled", OPERATIONS))
    assert {name for name in paused if f"def {name}(" not in APP} == set()


@pytest.mark.parametrize(
    "fact",
    [
        f"`{DEFAULT_SCHEDULE}`",
        f"{GRACE // HOUR} hours late",
        f"stops after {LONGEST_RUN // MINUTE} minutes",
        f"within {LEASE_LENGTH // MINUTE} minutes",
        f"after {REST_AFTER_REFUSAL // HOUR} hours at the earliest",
        f"more than {SMALL_DROP}",
        f"every {int(QUEUES['visibilityTimeout'][3:5])} minutes, {QUEUES['maxDequeueCount']} times",
        f"{default('logRetentionDays')} days",
        f"`{TEST_FILE_NAME}`",
        f"{len(variable('alerts', 'rules'))} × 0.50",
        f"{len(variable('health', 'locations'))} places × 4 an hour",
    ],
)
def test_the_numbers_and_names_are_those_of_the_program(fact: str) -> None:
    assert fact in " ".join(" ".join(PAGES.values()).split())


def test_the_version_is_the_same_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.findall(r"^## (\S+)", changelog, re.MULTILINE)[0] == __version__
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
