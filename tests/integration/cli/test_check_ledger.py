"""Tests of checking the run history, and the storage that only the function app uses."""

import stat
from pathlib import Path

import pytest

from consent.cli.check.context import CheckContext
from consent.cli.check.findings import Finding, FindingCollector
from consent.cli.check.ledger import check_ledger
from consent.config.settings import Settings
from consent.runs.ledger.sqlite import SqliteLedger
from sandbox.azurite import Azurite, connection_string
from tests.support.builders import a_study
from tests.support.plain_account import open_to_all, without_root
from tests.support.run_builders import a_run

NOBODY_LISTENS = "http://127.0.0.1:9/devstoreaccount1"
UNREACHABLE = connection_string(NOBODY_LISTENS, NOBODY_LISTENS, NOBODY_LISTENS)


def found_in(**values: str) -> list[Finding]:
    findings = FindingCollector("Run history")
    check_ledger([a_study()], Settings(values), CheckContext(sleep=lambda seconds: None), findings)
    return list(findings.findings)


def test_a_history_that_does_not_exist_yet_is_no_problem_and_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "consent" / "runs.sqlite"
    assert [finding.what for finding in found_in(CONSENT_LEDGER=str(path))] == [
        f"Runs will be recorded in the file {path}."
    ]
    assert [*tmp_path.iterdir()] == []


def test_a_history_that_can_be_read_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    SqliteLedger(path).add(a_run())
    assert [finding.what for finding in found_in(CONSENT_LEDGER=str(path))] == [
        f"Runs are recorded in the file {path}."
    ]


def test_a_folder_that_cannot_be_created_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    findings = found_in(CONSENT_LEDGER=str(tmp_path / "a file" / "consent" / "runs.sqlite"))
    assert [finding.state for finding in findings] == ["problem"]


def test_a_read_only_history_is_a_problem() -> None:
    with open_to_all() as folder:
        path = folder / "runs.sqlite"
        SqliteLedger(path).add(a_run())
        path.chmod(stat.S_IREAD | stat.S_IRGRP | stat.S_IROTH)
        with without_root():
            findings = found_in(CONSENT_LEDGER=str(path))
        path.chmod(stat.S_IREAD | stat.S_IWRITE)
    assert [(finding.state, str(path) in finding.what) for finding in findings] == [("problem", True)]


def test_a_fault_in_the_apps_storage_is_only_a_warning(tmp_path: Path) -> None:
    findings = found_in(CONSENT_LEDGER=str(tmp_path / "runs.sqlite"), AzureWebJobsStorage=UNREACHABLE)
    assert [(finding.subject, finding.state) for finding in findings] == [
        ("Function app storage", "warning"),
        ("Run history", "ok"),
    ]


def test_a_table_that_cannot_be_reached_is_a_problem() -> None:
    findings = found_in(CONSENT_LEDGER="table", AzureWebJobsStorage=UNREACHABLE)
    assert [finding.state for finding in findings] == ["problem"]


def test_a_table_can_be_read(azurite: Azurite) -> None:
    findings = found_in(CONSENT_LEDGER="table", AzureWebJobsStorage=azurite.connection_string)
    assert [finding.what for finding in findings] == [f"Runs are recorded in table ConsentRuns at {azurite.table_url}."]


def test_the_apps_storage_is_shown_by_its_address(azurite: Azurite, tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    findings = found_in(CONSENT_LEDGER=str(path), AzureWebJobsStorage=azurite.connection_string)
    assert findings[0].what == f"Its tables can be read at {azurite.table_url}."


@pytest.mark.parametrize("name", ["AzureWebJobsStorage__accountName", "AzureWebJobsStorage__tableServiceUri"])
def test_a_wrong_account_name_is_a_warning(name: str, tmp_path: Path) -> None:
    findings = found_in(**{"CONSENT_LEDGER": str(tmp_path / "runs.sqlite"), name: "No Account!"})
    assert findings[0].state == "warning"
