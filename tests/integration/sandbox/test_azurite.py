"""Tests of starting and ending Azurite."""

from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient

from sandbox import azurite as module
from sandbox.azurite import Azurite, is_running, running_azurite
from sandbox.npm import PackageMissingError


def broken_use(ports: list[int]) -> None:
    """Record the ports, then fail."""
    with running_azurite() as running:
        ports.extend(running.ports)
        raise RuntimeError("of the test")


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
        pytest.raises(PackageMissingError, match=rf"did not start on the ports {azurite.ports[0]}, .* another program"),
        running_azurite(azurite.ports),
    ):
        pass


def test_an_azurite_that_ends_at_once_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "installed", lambda package: tmp_path)  # it holds no program

    with pytest.raises(PackageMissingError, match="did not start on the ports"), running_azurite():
        pass
