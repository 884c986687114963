"""Tests of telling raw codes from labels and changed values in a file, where no data dictionary vouches for them."""

from pathlib import Path

import pytest

from consent.errors import SourceDataError
from consent.studies.model import StudyConfig
from tests.support.builders import CONSENT, RIDER, a_study
from tests.unit.redcap.test_csv_export import a_file, counted

BOX = RIDER.replace('"rider_a"', '"box(2)"').replace('["0"]', "[]")
LEAVE_OUT = '[[leave_out]]\nreason = "test"\nfield = "is_test"\ncodes = [{}]\n'
ONLY = '[only]\nfield = "cohort"\ncodes = [{}]\n'
SITES = '[sites]\nby = "{}"\n[[sites.site]]\ncode = "{}"\n'
WITHDRAWAL = '[withdrawal]\nflag = "left"\ncodes = ["1"]\nextent = "extent"\nends = ["2"]\n'
VERSION = '[version]\nfield = "version"\naccepted = ["{}"]\n'
CERTIFIED = CONSENT + 'form_complete = "consent_complete"\n'
LETTERS = RIDER.replace('["1"]', '["A"]').replace('["0"]', '["B"]')
GROUP = "redcap_data_access_group"


def fails(tmp_path: Path, study: StudyConfig, column: str, values: list[str]) -> str:
    """What is wrong with a file of consented participants with these values in a column; empty if it is counted."""
    columns = {name: "" for name in ("left", "extent") if study.withdrawal} | {"rider_a": ""}
    usual = {"consent_date": "2023-09-12", "consent_obtained": "1", **columns}
    others = {name: value for name, value in usual.items() if name != column}
    lines = [["record_id", column, *others], *([f"r{n}", value, *others.values()] for n, value in enumerate(values, 1))]
    try:
        counted(a_file(tmp_path, "".join(f"{','.join(line)}\n" for line in lines)), study)
    except SourceDataError as error:
        return error.what
    return ""


@pytest.mark.parametrize(
    ("study", "column", "raw"),
    [
        (a_study(), "rider_a", ["1", "0"]),
        (a_study(), "rider_a", ["", ""]),
        (a_study(), "rider_a", ["2", "3"]),
        (a_study(), "rider_a", ["NI", "NA"]),
        (a_study(), "rider_a", ["1", "Yes"]),
        (a_study(riders=LETTERS), "rider_a", ["B", "C"]),
        (a_study(riders=LETTERS), "rider_a", ["C", "D"]),
        (a_study(riders=BOX), "box___2", ["0", "0"]),
        (a_study(consents=CERTIFIED), "consent_complete", ["0", ""]),
        (a_study(more=LEAVE_OUT.format('"1"')), "is_test", ["0", "0", "0", "0"]),
        (a_study(more=LEAVE_OUT.format('"Yes"')), "is_test", ["No", "No", "No"]),
        (a_study(more=LEAVE_OUT.format('"TEST"')), "is_test", ["Smith", "Jones", "Silva"]),
        (a_study(more=LEAVE_OUT.format('"999"')), "is_test", ["H 17", "H 18", "H 19"]),
        (a_study(more=ONLY.format('"1"')), "cohort", ["2", "2", "3", "3"]),
        (a_study(more=ONLY.format('"ibd"')), "cohort", ["control", "control"]),
        (a_study(more=SITES.format("site", "n")), "site", ["s", "w"]),
        (a_study(more=SITES.format("site", "North")), "site", ["South", "West"]),
        (a_study(more=SITES.format("data_access_group", "north")), GROUP, ["south", "west_2"]),
        (a_study(more=WITHDRAWAL), "left", ["0", "2"]),
        (a_study(more=WITHDRAWAL), "extent", ["7", "8"]),
        (a_study(more=VERSION.format("2")), "version", ["1.1", "1.1", "1.2", "1.2"]),
        (a_study(more=VERSION.format("V3")), "version", ["v1", "v1", "v2", "v2"]),
    ],
)
def test_raw_values_are_counted(tmp_path: Path, study: StudyConfig, column: str, raw: list[str]) -> None:
    assert fails(tmp_path, study, column, raw) == ""


@pytest.mark.parametrize(
    ("study", "column", "labels"),
    [
        (a_study(), "consent_obtained", ["Yes", "No"]),
        (a_study(), "rider_a", ["Yes", "No"]),
        (a_study(), "rider_a", ["TRUE", "FALSE"]),
        (a_study(), "rider_a", ["1.0", "0.0"]),
        (a_study(), "rider_a", ["oui", "non"]),
        (a_study(), "rider_a", ["I agree to this", "I do not agree"]),
        (a_study(riders=LETTERS), "rider_a", ["Agrees", "Refuses"]),
        (a_study(riders=LETTERS), "rider_a", ["a", "b"]),
        (a_study(riders=BOX), "box___2", ["Checked", "Unchecked"]),
        (a_study(riders=BOX), "box___2", ["Unchecked", "Unchecked"]),
        (a_study(riders=BOX), "box___2", ["True", "False"]),
        (a_study(consents=CERTIFIED), "consent_complete", ["Complete", "Incomplete"]),
        (a_study(consents=CERTIFIED), "consent_complete", ["2.0", "2.0"]),
        (a_study(more=LEAVE_OUT.format('"1"')), "is_test", ["No", "No"]),
        (a_study(more=LEAVE_OUT.format('"1"')), "is_test", ["No", ""]),
        (a_study(more=LEAVE_OUT.format('"1"')), "is_test", ["0.0", "0.0"]),
        (a_study(more=LEAVE_OUT.format('"1"')), "is_test", ["Real person", "Real person", "A test", "A test"]),
        (a_study(more=LEAVE_OUT.format('"yes"')), "is_test", ["No", "No", "Yes"]),
        (a_study(more=ONLY.format('"1"')), "cohort", ["IBD", "IBD", "Control", "Control"]),
        (a_study(more=ONLY.format('"ibd"')), "cohort", ["IBD", "CONTROL"]),
        (a_study(more=SITES.format("site", "1")), "site", ["Hospital North", "Hospital South"]),
        (a_study(more=SITES.format("data_access_group", "north")), GROUP, ["North", "South"]),
        (a_study(more=WITHDRAWAL), "left", ["No", "No"]),
        (a_study(more=WITHDRAWAL), "extent", ["All data", "Contact only"]),
        (a_study(more=VERSION.format("2")), "version", ["2.0", "1.0"]),
        (a_study(more=VERSION.format("2")), "version", ["Version of May"] * 4),
    ],
)
def test_labels_and_changed_values_are_refused(
    tmp_path: Path, study: StudyConfig, column: str, labels: list[str]
) -> None:
    assert f"its column {column} holds no code of the study file" in fails(tmp_path, study, column, labels)


def test_up_to_three_options_are_shown(tmp_path: Path) -> None:
    why = fails(tmp_path, a_study(), "rider_a", ["Agree", "Refuse", "Not sure", "Other"] * 2)
    assert why.endswith("('Agree', 'Not sure', 'Other', …).")


@pytest.mark.parametrize("labels", [["Ann Smith", "Bo Jones"], [f"Person {n}" for n in range(40)] * 2])
def test_values_that_may_identify_a_person_are_not_shown(tmp_path: Path, labels: list[str]) -> None:
    assert fails(tmp_path, a_study(), "rider_a", labels).endswith("labels or changed values.")


def test_names_on_several_rows_of_a_free_text_column_are_not_shown(tmp_path: Path) -> None:
    study = a_study(more=LEAVE_OUT.format('"TEST"'))
    assert fails(tmp_path, study, "is_test", ["Ann Smith", "Bo Jones"] * 2).endswith("labels or changed values.")


def test_codes_far_down_a_large_file_are_found(tmp_path: Path) -> None:
    assert fails(tmp_path, a_study(), "rider_a", ["Yes"] * 12_000 + ["1"]) == ""
