"""Somebody who signs in at a terminal: what they answer in turn, what they were told, and the Dropbox that they use."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from consent.cli.login.prompts import Dialogue
from consent.cli.login.sign_in import Login, LoginResult, Tools, Wishes
from consent.config.settings import read_settings
from sandbox.dropbox.app import Dropbox
from sandbox.server import Server
from tests.integration.delivery.test_dropbox_folder import VirtualTime

Answer = str | Callable[["LoginBench"], str]


@dataclass
class LoginBench:
    """A terminal, a stand-in for Dropbox, and the folder of the settings files."""

    server: Server
    folder: Path
    screen: io.StringIO = field(default_factory=io.StringIO)
    opened: list[str] = field(default_factory=list)
    time: VirtualTime = field(default_factory=VirtualTime)
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def app(self) -> Dropbox:
        """The Dropbox that is signed in to."""
        assert isinstance(self.server.app, Dropbox)
        return self.server.app

    @property
    def told(self) -> str:
        """All that stood on the terminal, line ends as blanks."""
        return " ".join(self.screen.getvalue().split())

    @property
    def address(self) -> str:
        """The address that the person was shown."""
        return str(re.findall(r"^http\S+$", self.screen.getvalue(), re.M)[-1])

    @property
    def dotenv(self) -> str:
        """What stands in .env."""
        return (self.folder / ".env").read_text(encoding="utf-8")

    def log_in(self, *answers: Answer, **wishes: Any) -> LoginResult:
        """Sign in, answering in turn; ``wishes`` are those of the command line (default: to keep it in .env)."""
        usual: dict[str, Any] = {"folder": self.folder, "keep_in": "env"}
        dialogue = Dialogue(Console(file=self.screen, width=80), self._reader(answers), self._opens)
        tools = Tools(sleep=self.time.sleep, clock=self.time.clock, **self.how)
        return Login(
            read_settings(directory=self.folder), Wishes(**usual | wishes), dialogue, tools
        ).handle_run_message()

    def _reader(self, answers: Sequence[Answer]) -> Callable[[], str]:
        left = iter(answers)

        def read() -> str:
            answer = next(left)
            return answer if isinstance(answer, str) else answer(self)

        return read

    def _opens(self, address: str) -> bool:
        self.opened.append(address)
        return True


@contextmanager
def login_bench(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginBench]:
    """A terminal, and settings that lead to a Dropbox of one account and no team."""
    with Server(Dropbox()) as server:
        monkeypatch.setenv("DROPBOX_SANDBOX_URL", server.url)
        yield LoginBench(server, folder)


def allow(bench: LoginBench) -> str:
    """Press Allow on the page that was shown, and copy the code."""
    return bench.app.authorise(bench.address)


def allow_less(bench: LoginBench) -> str:
    """The same, but Dropbox grants one permission alone."""
    return bench.app.authorise(bench.address, granting=frozenset({"account_info.read"}))
