"""Claims about what ``consent serve`` says where it cannot host anything."""

import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest

from consent.cli.serve import MissingDependencyError, serve
from consent.config.settings import Settings
from consent.errors import ConfigurationError
from sandbox.azurite import Azurite


def host(*, demo: bool = True, port: int = 0, **settings: str) -> None:
    """Serve, silently."""
    serve(demo=demo, port=port, settings=Settings(settings), say=lambda _text: None)


def test_without_microsofts_runtime_it_names_the_python_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure_functions_runtime", None)

    with pytest.raises(MissingDependencyError, match=r"^Needs Python 3\.13"):
        host()


@pytest.mark.runtime
def test_without_node_it_says_that_it_needs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingDependencyError, match=r"^Needs Node\.js"):
        host()


@pytest.mark.runtime
def test_a_port_that_is_in_use_is_named(azurite: Azurite) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} is in use"):
            host(demo=False, port=port, AzureWebJobsStorage=azurite.connection_string)
