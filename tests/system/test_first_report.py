"""Tests of the README's trial: its own commands lead from nothing to a first report, without accounts."""

import json
import re
import shlex
from pathlib import Path

import pytest
import requests

from consent.cli.main import main as consent_main
from sandbox import __main__ as trial
from tests.support.doc_pages import PAGES, ROOT
from tests.support.hosting import eventually

SECTION = PAGES["README.md"].partition("## From nothing to a first report\n")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^uv run consent (.+)$", SECTION, re.MULTILINE)
(LINES,) = re.findall(r"^```toml\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
STUDY = Path("trial", "obri-ibd-registry-made-up.toml")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(name="person_allows")
def _person_allows(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A person who chooses the first place for the credentials, presses Allow, and copies the code."""

    def code() -> str:
        (address,) = re.findall(r"http\S+authorize\S+", capfd.readouterr().err)
        page = requests.post(address, data={"answer": "allow"}, timeout=10).text
        return str(re.findall(r"<code[^>]*>([^<]+)<", page)[0])

    answers = iter([lambda: "", code])

    def read() -> str:
        return next(answers)()

    monkeypatch.setattr("builtins.input", read)


def consent(command: str) -> int:
    """Run a command of the page without opening a browser."""
    words = shlex.split(command)
    return consent_main([*words, *(["--no-browser"] if words[0] == "login" else [])])


def hints(text: str) -> list[str]:
    """Return the commands that a text names, without ``uv run consent``."""
    return re.findall(r"(?:'|Next: )uv run consent ([^'\n]+)", text)


@pytest.mark.usefixtures("person_allows")
def test_the_commands_of_the_readme_deliver_the_report_of_the_demo(capfd: pytest.CaptureFixture[str]) -> None:
    init, login, check, run = COMMANDS
    statuses, delivered = [], Path("trial", "dropbox", "data", "My first report.json")

    def follow() -> None:
        statuses.append(consent(init))
        STUDY.write_text(LINES, encoding="utf-8")
        told = hints(capfd.readouterr().out)
        statuses.append(consent(login))
        told += hints(capfd.readouterr().out)
        statuses.extend(consent(command) for command in [*told, check, run])
        assert len(told) == 2
        assert eventually(delivered.is_file)  # while the services run

    trial.main(["trial"], wait=follow)
    statuses.append(consent("demo --output demo"))

    reports = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (delivered, Path("demo/data/OBRI Consent Summary.json"))
    ]
    mine, demo = ({name: report[name] for name in ("participants", "totals", "weeks")} for report in reports)
    assert (set(statuses), mine, len(mine["totals"]["riders"])) == ({0}, demo, 8)


def test_the_readme_shows_what_init_prints(capsys: pytest.CaptureFixture[str]) -> None:
    trial.main(["trial"], wait=lambda: [consent(COMMANDS[0]), None][1])

    (shown,) = re.findall(r"^```text\n(Created .*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    printed = capsys.readouterr().out.replace(str(Path.cwd()), "/home/me/consent").replace("\\", "/")
    assert shown in printed


def test_the_settings_of_the_trial_hold_no_sign_in_and_are_deleted_at_the_end() -> None:
    settings, found = Path("trial", "local.settings.json"), []

    trial.main(["trial"], wait=lambda: found.append(json.loads(settings.read_text(encoding="utf-8"))["Values"]))

    assert {"REDCAP_API_URL", "DROPBOX_SANDBOX_URL"} < set(found[0])
    assert "DROPBOX_OAUTH2_REFRESH_TOKEN" not in found[0]
    assert not settings.exists()


def test_the_files_in_dropbox_are_copied_as_they_change(tmp_path: Path) -> None:
    files = {"/data/a.json": b"1", "/b.csv": b"2"}
    with trial._mirrored(lambda: dict(files), tmp_path):
        assert eventually((tmp_path / "b.csv").exists)
        del files["/b.csv"]
        files["/data/a.json"] = b"3"

    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*.*")} == {"a.json": b"3"}


def test_existing_settings_are_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    Path("local.settings.json").write_text("{}", encoding="utf-8")

    assert trial.main(["."], wait=lambda: None) == 1
    assert "local.settings.json" in capsys.readouterr().err
    assert Path("local.settings.json").read_text(encoding="utf-8") == "{}"


@pytest.mark.parametrize("name", [".gitignore", ".funcignore"])
def test_the_trial_is_neither_committed_nor_deployed(name: str) -> None:
    assert "trial/" in (ROOT / name).read_text(encoding="utf-8").splitlines()
