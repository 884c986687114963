"""Claims about which studies are late, and when nothing is left to be delivered."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from consent.errors import ConfigurationError
from consent.runs.due import all_reported, late
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.studies.catalog import Studies
from tests.support.builders import a_study
from tests.support.run_builders import MONDAY, NOW, a_report, a_run

AFTERNOON = NOW + timedelta(hours=8)  # beyond the grace
BROKEN = {"broken": ConfigurationError("It cannot be read. Correct it.")}
ADULTS, CHILDREN = (replace(a_study(), key=key, time_zone="America/Toronto") for key in ("adults", "children"))


def studies(*, failed: Mapping[str, ConfigurationError] | None = None) -> Studies:
    return Studies((ADULTS, CHILDREN), failed or {})


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> SqliteLedger:
    """Both studies were first seen a month ago."""
    ledger = SqliteLedger(tmp_path / "runs.sqlite")
    ledger.first_seen("adults", NOW - timedelta(days=30))
    ledger.first_seen("children", NOW - timedelta(days=30))
    return ledger


def keep(ledger: SqliteLedger, *records: RunRecord) -> None:
    for record in records:
        ledger.add(record)


def test_a_study_without_its_report_is_late(ledger: SqliteLedger) -> None:
    keep(ledger, a_report(study="adults"), a_run(study="children"))

    assert late(ledger, studies(), AFTERNOON, sandbox=False) == ("children",)


def test_with_every_report_none_is_late(ledger: SqliteLedger) -> None:
    keep(ledger, a_report(study="adults"), a_report(study="children", state="unchanged"))

    assert late(ledger, studies(), AFTERNOON, sandbox=False) == ()


def test_a_study_whose_file_cannot_be_used_is_late(ledger: SqliteLedger) -> None:
    keep(ledger, a_report(study="adults"), a_report(study="children"))

    assert late(ledger, studies(failed=BROKEN), AFTERNOON, sandbox=False) == ("broken",)


def test_a_study_that_was_never_asked_about_before_is_not_late(tmp_path: Path) -> None:
    assert late(SqliteLedger(tmp_path / "runs.sqlite"), studies(), AFTERNOON, sandbox=False) == ()


def test_a_report_to_a_stand_in_is_none_for_the_real_folder(ledger: SqliteLedger) -> None:
    keep(ledger, a_report(study="adults", sandbox=True), a_report(study="children"))

    assert late(ledger, studies(), AFTERNOON, sandbox=False) == ("adults",)


def test_with_every_report_all_is_reported_at_once(ledger: SqliteLedger) -> None:
    keep(ledger, a_report(study="adults"), a_report(study="children", state="unchanged"))

    assert all_reported(ledger, studies(), NOW, sandbox=False)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(a_run(study="children"), id="only asked for"),
        pytest.param(a_run(study="children", state="refused"), id="refused"),
        pytest.param(a_report(study="children", sandbox=True), id="to a stand-in"),
        pytest.param(a_report(study="children", monday=MONDAY - timedelta(weeks=1)), id="for the Monday before"),
    ],
)
def test_while_one_report_is_missing_not_all_is_reported(ledger: SqliteLedger, record: RunRecord) -> None:
    keep(ledger, a_report(study="adults"), record)

    assert not all_reported(ledger, studies(), NOW, sandbox=False)


def test_while_a_study_file_cannot_be_used_not_all_is_reported(ledger: SqliteLedger) -> None:
    keep(ledger, a_report(study="adults"), a_report(study="children"))

    assert not all_reported(ledger, studies(failed=BROKEN), NOW, sandbox=False)


def test_a_study_that_has_yet_to_begin_is_not_waited_for(ledger: SqliteLedger) -> None:
    keep(ledger, a_report(study="adults"))
    to_come = replace(CHILDREN, start_date=date(2027, 1, 1))

    assert all_reported(ledger, Studies((ADULTS, to_come), {}), NOW, sandbox=False)
