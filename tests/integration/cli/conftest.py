"""Fixtures of the tests of ``consent check`` and ``consent login``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.check_world import CheckWorld, Servers, a_world, servers_of_a_world
from tests.support.login_bench import LoginBench, login_bench


@pytest.fixture(name="servers", scope="module")
def _servers() -> Iterator[Servers]:
    with servers_of_a_world() as servers:
        yield servers


@pytest.fixture(name="world")
def _world(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckWorld:
    return a_world(servers, tmp_path, monkeypatch)


@pytest.fixture(name="bench")
def _bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginBench]:
    with login_bench(tmp_path, monkeypatch) as bench:
        yield bench
