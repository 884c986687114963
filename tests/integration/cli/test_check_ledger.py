"""Claims about the doctor's look at the record of runs, and at the storage that only the function app uses."""

import stat
from pathlib import Path

import pytest

from consent.cli.check.context import CheckContext
from consent.cli.check.findings import Finding, FindingCollector
from consent.cli.check.ledger import examine_ledger
from consent.config.settings import Settings
from consent.runs.ledger.sqlite import SqliteLedger
from sandbox.azurite import Azurite, connection_string
from tests.support.builders import a_study
from tests.support.plain_account import open_to_all, without_root

NOBODY_LISTENS = "http://127.0.0.1:9/devstoreaccount1"


def found_in(**values: str) -> list[Finding]:
    """What is found of the record of runs with these settings."""
    notes = FindingCollector("Record of runs")
    examine_ledger([a_study()], Settings(values), CheckContext(sleep=lambda seconds: None), notes)
    return list(notes.findings)


def test_a_record_that_was_not_begun_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    assert [finding.what for finding in found_in(CONSENT_LEDGER=str(path))] == [f"Runs will be recorded in {path}"]


def test_a_record_that_can_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    SqliteLedger(path).runs()
    assert [finding.what for finding in found_in(CONSENT_LEDGER=str(path))] == [f"Runs are recorded in {path}"]


def test_a_record_where_no_folder_can_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    findings = found_in(CONSENT_LEDGER=str(tmp_path / "a file" / "consent" / "runs.sqlite"))
    assert [(finding.state, "cannot be kept in" in finding.what) for finding in findings] == [("problem", True)]


def test_no_folder_is_made_by_looking(tmp_path: Path) -> None:
    found_in(CONSENT_LEDGER=str(tmp_path / "consent" / "runs.sqlite"))
    assert [*tmp_path.iterdir()] == []


def test_a_record_that_may_only_be_read_is_a_problem() -> None:
    with open_to_all() as folder:
        path = folder / "runs.sqlite"
        SqliteLedger(path).runs()
        path.chmod(stat.S_IREAD | stat.S_IRGRP | stat.S_IROTH)
        with without_root():
            findings = found_in(CONSENT_LEDGER=str(path))
        path.chmod(stat.S_IREAD | stat.S_IWRITE)
    assert [(finding.state, "written" in finding.what) for finding in findings] == [("problem", True)]


def test_the_apps_storage_does_not_concern_a_run_from_here(tmp_path: Path) -> None:
    storage = connection_string(NOBODY_LISTENS, NOBODY_LISTENS, NOBODY_LISTENS)
    findings = found_in(CONSENT_LEDGER=str(tmp_path / "runs.sqlite"), AzureWebJobsStorage=storage)
    assert [(finding.subject, finding.state) for finding in findings] == [
        ("Storage, for the function app alone", "warning"),
        ("Record of runs", "ok"),
    ]


def test_a_record_in_a_table_that_cannot_be_reached_is_a_problem() -> None:
    storage = connection_string(NOBODY_LISTENS, NOBODY_LISTENS, NOBODY_LISTENS)
    assert [finding.state for finding in found_in(CONSENT_LEDGER="table", AzureWebJobsStorage=storage)] == ["problem"]


def test_a_record_in_a_table_is_read(azurite: Azurite) -> None:
    findings = found_in(CONSENT_LEDGER="table", AzureWebJobsStorage=azurite.connection_string)
    assert [finding.what for finding in findings] == ["Runs are recorded in the tables of the storage account"]


def test_the_apps_storage_is_told_by_its_address(azurite: Azurite, tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    findings = found_in(CONSENT_LEDGER=str(path), AzureWebJobsStorage=azurite.connection_string)
    assert findings[0].what == f"Its tables can be read, at {azurite.table_url}"


@pytest.mark.parametrize("name", ["AzureWebJobsStorage__accountName", "AzureWebJobsStorage__tableServiceUri"])
def test_an_account_that_is_named_wrongly_is_a_warning(name: str, tmp_path: Path) -> None:
    findings = found_in(**{"CONSENT_LEDGER": str(tmp_path / "runs.sqlite"), name: "No Account!"})
    assert findings[0].state == "warning"
