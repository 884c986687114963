"""Tests of `consent serve` where it cannot start."""

import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest

from consent.cli.serve import serve
from consent.config.settings import Settings
from consent.errors import ConfigurationError, MissingDependencyError
from sandbox.azurite import Azurite


def start(*, demo: bool = True, port: int = 0, **settings: str) -> None:
    serve(demo=demo, port=port, settings=Settings(settings), say=lambda _text: None, command="uv run consent serve")


def test_without_microsofts_runtime_the_error_names_the_python_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure_functions_runtime", None)
    with pytest.raises(MissingDependencyError, match=r"Python 3\.13.*'uv run consent serve'"):
        start()


@pytest.mark.runtime
def test_without_node_the_error_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"Node\.js"):
        start()


@pytest.mark.runtime
def test_a_port_in_use_is_named(azurite: Azurite) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} is in use"):
            start(demo=False, port=port, AzureWebJobsStorage=azurite.connection_string)
