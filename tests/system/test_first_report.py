"""Claims about the practice that the README describes: from nothing to a first report, by its very commands."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from consent.cli import main as cli
from sandbox import __main__ as accounts
from tests.support.doc_pages import PAGES
from tests.support.study_files import filled, uncommented

SECTION = PAGES["README.md"].partition("## From nothing to a first report\n")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^uv run consent (.+)$", SECTION, re.MULTILINE)
(LINES,) = re.findall(r"^```toml\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
GIVEN = dict(re.findall(r"^(\w+)\s+= (.+)$", LINES, re.MULTILINE))
STUDY = Path("trial", "obri-ibd-registry-made-up.toml")
Typed = Callable[..., None]


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(name="person_allows")
def _person_allows(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Somebody who takes the first place to keep the log-in, presses Allow, and copies the code."""

    def copied() -> str:
        (address,) = re.findall(r"http\S+authorize\S+", capfd.readouterr().err)
        page = requests.post(address, data={"answer": "allow"}, timeout=10).text
        return str(re.findall(r"<code[^>]*>([^<]+)<", page)[0])

    answers = iter([lambda: "", copied])

    def read() -> str:
        return next(answers)()

    monkeypatch.setattr("builtins.input", read)


def consent(command: str) -> int:
    """Give a command of the page; no browser is opened."""
    words = shlex.split(command)
    return cli.main([*words, *(["--no-browser"] if words[0] == "login" else [])])


def complete_the_study_file() -> None:
    """Have the study file say what the page says: values are filled in, candidates uncommented."""
    text = STUDY.read_text(encoding="utf-8")
    blanks = {key: value for key, value in GIVEN.items() if key not in ("date", "decision")}
    text = uncommented(text, *(f"{key} = {GIVEN[key]}" for key in ("date", "decision")))
    STUDY.write_text(filled(text, **blanks), encoding="utf-8")


def test_the_four_commands_are_those_that_were_promised() -> None:
    assert [command.split()[0] for command in COMMANDS] == ["init", "login", "check", "run"]


@pytest.mark.usefixtures("person_allows")
def test_by_following_the_page_a_first_report_is_delivered() -> None:
    init, login, check, run = COMMANDS
    statuses: list[int] = []

    def follow() -> None:
        statuses.append(consent(init))
        complete_the_study_file()
        statuses.extend([consent(login), consent(check), consent(run)])

    accounts.main(["trial"], wait=follow)

    assert (statuses, Path("trial", "dropbox", "My first report.pdf").is_file()) == ([0, 0, 0, 0], True)


def test_the_study_file_lies_where_the_page_says() -> None:
    accounts.main(["trial"], wait=lambda: (consent(COMMANDS[0]), None)[1])

    assert STUDY.is_file()
    assert STUDY.as_posix() in SECTION


def test_the_accounts_are_told_by_settings_and_a_log_in_is_not_among_them() -> None:
    found: list[dict[str, str]] = []

    def look() -> None:
        found.append(json.loads(Path("trial", "local.settings.json").read_text(encoding="utf-8"))["Values"])

    accounts.main(["trial"], wait=look)

    assert {"REDCAP_API_URL", "DROPBOX_SANDBOX_URL"} < set(found[0])
    assert "DROPBOX_OAUTH2_REFRESH_TOKEN" not in found[0]


def test_at_the_end_the_settings_are_gone() -> None:
    accounts.main(["trial"], wait=lambda: None)

    assert not Path("trial", "local.settings.json").exists()


def test_settings_that_are_there_already_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("local.settings.json").write_text("{}", encoding="utf-8")

    assert accounts.main(["."], wait=lambda: None) == 1
    assert "is there already" in capsys.readouterr().err
    assert Path("local.settings.json").read_text(encoding="utf-8") == "{}"


@pytest.mark.parametrize("name", [".gitignore", ".funcignore"])
def test_what_is_practised_is_neither_committed_nor_deployed(name: str) -> None:
    lines = (Path(__file__).resolve().parents[2] / name).read_text(encoding="utf-8").splitlines()

    assert "trial/" in lines
