"""Claims about `consent login dropbox` as a command: what goes where, and its exit status."""

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
    """What the person types in turn; None is the code of the page whose address was printed."""

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


def test_what_was_kept_goes_to_stdout_and_the_talk_to_stderr(
    tmp_path: Path, typed: Typed, capfd: pytest.CaptureFixture[str]
) -> None:
    typed("1", None, "2")

    status = log_in(tmp_path)

    printed = capfd.readouterr()
    assert (status, printed.out.splitlines()[0]) == (0, "Signed in to Dropbox (sandbox).")
    assert "Where do reports go?" in printed.err


@pytest.mark.parametrize(("space", "is_team"), [("yes", True), ("no", False)])
def test_with_every_choice_made_only_the_code_is_asked_for(
    tmp_path: Path, typed: Typed, capfd: pytest.CaptureFixture[str], space: str, is_team: bool
) -> None:
    typed(None)

    log_in(tmp_path, "--keep-in", "local", "--team-space", space, "--json")

    document = json.loads(capfd.readouterr().out)
    assert (document["team_space"], document["kept_in"]) == (is_team, str(tmp_path / "local.settings.json"))


def test_stopping_is_a_failure_that_says_so(tmp_path: Path, typed: Typed, capfd: pytest.CaptureFixture[str]) -> None:
    typed("")

    status = log_in(tmp_path, "--keep-in", "env", "--json")

    assert (status, json.loads(capfd.readouterr().out)["error"]) == (1, "ConfigurationError")


def test_no_line_on_the_screen_is_wider_than_80_columns_but_for_addresses_and_paths(
    tmp_path: Path, typed: Typed, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    typed("1", None, "1")

    log_in(tmp_path)

    printed = capfd.readouterr()
    lines = [line for line in f"{printed.out}{printed.err}".splitlines() if "/" not in line]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("words", [["login"], ["login", "redcap"], ["login", "dropbox", "--keep-in", "drawer"]])
def test_other_words_are_not_understood(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
