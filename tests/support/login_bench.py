"""A person who signs in at a terminal: the answers in turn, the text on the screen, and the simulated Dropbox."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from consent.cli.login.prompts import Prompts
from consent.cli.login.sign_in import Login, LoginResult
from consent.config.settings import read_settings
from sandbox.dropbox.app import Dropbox
from sandbox.server import Server
from tests.integration.delivery.test_dropbox_folder import VirtualTime

Answer = str | Callable[["LoginBench"], str]


@dataclass
class LoginBench:
    """A terminal, a simulated Dropbox, and the folder of the settings files."""

    server: Server
    folder: Path
    screen: io.StringIO = field(default_factory=io.StringIO)
    opened: list[str] = field(default_factory=list)
    time: VirtualTime = field(default_factory=VirtualTime)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def app(self) -> Dropbox:
        """The simulated Dropbox."""
        assert isinstance(self.server.app, Dropbox)
        return self.server.app

    @property
    def shown(self) -> str:
        """The text on the terminal, line ends as blanks."""
        return " ".join(self.screen.getvalue().split())

    @property
    def address(self) -> str:
        """The address on the terminal."""
        return str(re.findall(r"^http\S+$", self.screen.getvalue(), re.M)[-1])

    @property
    def dotenv(self) -> str:
        """The content of .env."""
        return (self.folder / ".env").read_text(encoding="utf-8")

    def log_in(self, *answers: Answer, **options: Any) -> LoginResult:
        """Sign in with these answers in turn; the options save in .env by default."""
        usual: dict[str, Any] = {"folder": self.folder, "save_in": "env", **self.options}
        usual |= {"sleep": self.time.sleep, "clock": self.time.clock}
        prompts = Prompts(Console(file=self.screen, width=80), self._reader(answers), self._open)
        return Login(read_settings(directory=self.folder, may_be_empty=True), prompts, **usual | options).sign_in()

    def _reader(self, answers: Sequence[Answer]) -> Callable[[], str]:
        left = iter(answers)

        def read() -> str:
            answer = next(left)
            return answer if isinstance(answer, str) else answer(self)

        return read

    def _open(self, address: str) -> bool:
        self.opened.append(address)
        return True


@contextmanager
def login_bench(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginBench]:
    """Give a terminal, with settings for a Dropbox account without a team."""
    with Server(Dropbox()) as server:
        monkeypatch.setenv("DROPBOX_SANDBOX_URL", server.url)
        yield LoginBench(server, folder)


def allow(bench: LoginBench) -> str:
    """Press Allow on the page, and copy the code."""
    return bench.app.authorise(bench.address)


def allow_less(bench: LoginBench) -> str:
    """Press Allow, but get one permission only."""
    return bench.app.authorise(bench.address, granting=frozenset({"account_info.read"}))
