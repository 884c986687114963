"""Tests of `consent login dropbox` as a command: stdout, stderr and exit status."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consent.cli.main import main
from sandbox.dropbox.app import Dropbox
from sandbox.server import Server

Typed = Callable[..., None]


@pytest.fixture(name="app")
def _app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dropbox]:
    app = Dropbox(root_namespace="7")
    with Server(app) as server:
        monkeypatch.setenv("DROPBOX_SANDBOX_URL", server.url)
        monkeypatch.setenv("DROPBOX_KEY", "sandbox-key")
        yield app


@pytest.fixture(name="typed")
def _typed(app: Dropbox, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Typed:
    """Sets the lines that the person types; None is the code of the page at the printed address."""

    def answers(*lines: str | None) -> None:
        left = iter(lines)

        def read() -> str:
            line = next(left)
            return (
                line
                if line is not None
                else app.authorise(re.findall(r"http\S+authorize\S+", capfd.readouterr().err)[0])
            )

        monkeypatch.setattr("builtins.input", read)

    return answers


def log_in(folder: Path, *options: str) -> int:
    return main(["login", "dropbox", "--settings", str(folder), "--no-browser", *options])


def test_the_result_goes_to_stdout_and_the_prompts_to_stderr(
    tmp_path: Path, typed: Typed, capfd: pytest.CaptureFixture[str]
) -> None:
    typed("1", None, "2")
    status = log_in(tmp_path)
    printed = capfd.readouterr()
    assert (status, printed.out.splitlines()[0]) == (0, "Signed in to Dropbox (sandbox).")
    assert printed.out.splitlines()[-1] == f"Next: uv run consent check --settings {tmp_path}"
    assert "Where should the reports go?" in printed.err


@pytest.mark.parametrize(("space", "namespace"), [("yes", "7"), ("no", None)])
def test_with_every_choice_made_only_the_code_is_asked_for(
    tmp_path: Path, typed: Typed, capfd: pytest.CaptureFixture[str], space: str, namespace: str | None
) -> None:
    typed(None)
    log_in(tmp_path, "--save-in", "local", "--team-space", space, "--json")
    document = json.loads(capfd.readouterr().out)
    place = str(tmp_path / "local.settings.json")
    assert (document["space"]["root_namespace"], document["saved"]["place"]) == (namespace, place)


def test_stopping_is_a_failure(tmp_path: Path, typed: Typed, capfd: pytest.CaptureFixture[str]) -> None:
    typed("")
    status = log_in(tmp_path, "--save-in", "env", "--json")
    error = json.loads(capfd.readouterr().out)["error"]
    assert (status, error["code"], error["what"]) == (1, "configuration", "No code was given.")
