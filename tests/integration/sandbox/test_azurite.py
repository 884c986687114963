"""Tests of installing, starting and ending Azurite."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient

from sandbox import azurite as module
from sandbox.azurite import Azurite, AzuriteMissingError, install, is_running, running_azurite


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache folder."""
    for name in ("XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def an_npm(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Replace npm by a Python script."""
    (folder / "install").write_text(script, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(shutil, "which", lambda name: sys.executable)


def broken_use(ports: list[int]) -> None:
    """Record the ports, then fail."""
    with running_azurite() as running:
        ports.extend(running.ports)
        raise RuntimeError("of the test")


INSTALLS = """
import pathlib, sys
script = pathlib.Path(sys.argv[2], "node_modules", "azurite", "dist", "src", "azurite.js")
script.parent.mkdir(parents=True)
script.write_text("made by npm", encoding="utf-8")
"""
INSTALLS_SECOND = """
import pathlib, sys
home = pathlib.Path(sys.argv[2]).parent
for place in (home / "azurite-3.35.0", pathlib.Path(sys.argv[2])):
    script = place / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    script.parent.mkdir(parents=True)
    script.write_text(place.name, encoding="utf-8")
"""


def test_a_stored_entity_can_be_read(azurite: Azurite) -> None:
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_table("Azurites")
        service.get_table_client("Azurites").create_entity({"PartitionKey": "a", "RowKey": "b", "number": 7})

        assert service.get_table_client("Azurites").get_entity("a", "b")["number"] == 7


def test_it_ends_after_an_error() -> None:
    ports: list[int] = []

    with pytest.raises(RuntimeError, match="of the test"):
        broken_use(ports)

    assert [is_running(port) for port in ports] == [False, False, False]


def test_data_in_a_folder_is_kept(tmp_path: Path) -> None:
    with running_azurite(folder=tmp_path) as first:
        TableServiceClient.from_connection_string(first.connection_string).create_table("Kept")
    with (
        running_azurite(folder=tmp_path) as second,
        TableServiceClient.from_connection_string(second.connection_string) as service,
    ):
        assert [table.name for table in service.list_tables()] == ["Kept"]


def test_used_ports_are_named(azurite: Azurite) -> None:
    with (
        pytest.raises(AzuriteMissingError, match=rf"did not start on the ports {azurite.ports[0]}, .* another program"),
        running_azurite(azurite.ports),
    ):
        pass


def test_an_azurite_that_ends_at_once_is_an_error(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_npm(monkeypatch, empty_cache, INSTALLS)  # what it installs is no program

    with pytest.raises(AzuriteMissingError, match="did not start on the ports"), running_azurite():
        pass


def test_it_is_installed_once(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_npm(monkeypatch, empty_cache, INSTALLS)
    script = install()
    script.write_text("still there", encoding="utf-8")

    assert install().read_text(encoding="utf-8") == "still there"


def test_an_installation_by_another_process_is_kept(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_npm(monkeypatch, empty_cache, INSTALLS_SECOND)

    assert install().read_text(encoding="utf-8") == "azurite-3.35.0"


def test_a_failed_installation_leaves_nothing_behind(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_npm(monkeypatch, empty_cache, "import pathlib, sys; pathlib.Path(sys.argv[2], 'half').touch(); sys.exit(1)")

    with pytest.raises(AzuriteMissingError, match=r"npm could not install azurite@3\.35\.0.* run `npm install"):
        install()

    assert list(empty_cache.rglob("half")) == []


def test_an_npm_that_does_not_end_fails(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_npm(monkeypatch, empty_cache, "import time; time.sleep(60)")
    monkeypatch.setattr(module, "_INSTALL_SECONDS", 0.2)

    with pytest.raises(AzuriteMissingError, match=r"npm could not install azurite@3\.35\.0"):
        install()


@pytest.mark.parametrize("missing", ["node", "npm"])
def test_without_node_the_error_has_a_fix(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else f"/usr/bin/{name}")

    with pytest.raises(AzuriteMissingError, match=r"needs Node\.js with npm\. Install it from https://nodejs\.org"):
        install()


def test_the_module_prints_the_path(azurite: Azurite) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "sandbox.azurite"], capture_output=True, encoding="utf-8", check=True, timeout=60
    )

    assert Path(ran.stdout.strip()).name == "azurite.js"
