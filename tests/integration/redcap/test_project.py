"""What REDCap, or a downloaded data dictionary, says of a project."""

from pathlib import Path

import pytest

from consent.errors import ConfigurationError, IncompleteExportError, SourceRefusedError
from consent.redcap.project import ask_project, read_dictionary
from consent.redcap.project_description import DescribedField
from sandbox.redcap import faults
from sandbox.redcap.app import Field, Switches, User
from tests.support.builders import TOKEN, Open, a_redcap_project

HEADINGS = (
    '"Variable / Field Name","Form Name","Section Header","Field Type","Field Label","Choices, Calculations, OR Slider '
    'Labels","Field Note","Text Validation Type OR Show Slider Number","Text Validation Min","Text Validation Max",'
    'Identifier?,"Branching Logic (Show field only if...)","Required Field?","Custom Alignment","Question Number '
    '(surveys only)","Matrix Group Name","Matrix Ranking?","Field Annotation"'
)
LINES = (
    'record_id,enrolment,,text,"Record ID",,,,,,,,,,,,,',
    'born,enrolment,,text,"Date of birth",,,date_ymd,,,y,,,,,,,',
    'agreed,consent,"Part 1",radio,"<b>Consent</b>,\r\ngiven","1, Yes | 0, No, thanks",,,,,,,,,,,,@HIDDEN',
)
AGREED = DescribedField(
    "agreed", "consent", "radio", "Consent, given", (("1", "Yes"), ("0", "No, thanks")), annotation="@HIDDEN"
)


def a_dictionary(folder: Path, *lines: str, name: str = "OBRIIBD_DataDictionary_2026-11-16.csv") -> Path:
    """A data dictionary as REDCap's Online Designer hands it out: with a BOM, and Windows line ends."""
    path = folder / name
    path.write_bytes(("\ufeff" + "\r\n".join(lines or (HEADINGS, *LINES)) + "\r\n").encode())
    return path


def test_a_downloaded_dictionary_is_read_by_its_headings(tmp_path: Path) -> None:
    project = read_dictionary(a_dictionary(tmp_path))
    assert [each.name for each in project.fields] == ["record_id", "born", "agreed"]
    assert project.fields[2] == AGREED
    assert (project.fields[1].validation, project.fields[1].is_identifier) == ("date_ymd", True)


def test_a_downloaded_dictionary_names_its_project_by_its_file(tmp_path: Path) -> None:
    project = read_dictionary(a_dictionary(tmp_path))
    assert (project.title, project.project_id) == ("OBRIIBD", None)


def test_a_dictionary_saved_with_semicolons_is_read_too(tmp_path: Path) -> None:
    lines = ["Variable / Field Name;Form Name;Field Type;Field Label", "record_id;enrolment;text;Record, ID"]
    assert read_dictionary(a_dictionary(tmp_path, *lines)).fields[0].label == "Record, ID"


def test_a_dictionary_that_was_exported_by_api_is_read_too(tmp_path: Path) -> None:
    lines = ["field_name,form_name,field_type,field_label", "record_id,enrolment,text,ID"]
    assert read_dictionary(a_dictionary(tmp_path, *lines)).fields[0].name == "record_id"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"record_id,consent_date\n1,2023-09-12\n", "no column 'Variable / Field Name'"),
        (b"", "no column 'Variable / Field Name'"),
        (HEADINGS.encode() + b"\n", "a header and no fields"),
        (HEADINGS.encode() + b"\nrecord_id,enrolment\n", "not all as many values"),
        (HEADINGS.encode() + b'\n"record_id\n', "not CSV"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_what_is_no_data_dictionary_is_refused_with_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "dictionary.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=why):
        read_dictionary(path)


def test_a_dictionary_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.csv cannot be used as a data dictionary: No such file"):
        read_dictionary(tmp_path / "nowhere.csv")


def test_redcap_tells_title_number_groups_and_whether_there_are_surveys(open_redcap: Open) -> None:
    project = ask_project(open_redcap(a_redcap_project(groups=["north"], surveys={"consent"})).client)
    assert (project.title, project.project_id, project.groups) == ("Consent registry", 14, (("north", "North"),))
    assert project.surveys is True


def test_redcap_tells_the_events_with_their_forms_and_what_repeats(open_redcap: Open) -> None:
    events = {"first_arm_1": ["enrolment", "consent"], "second_arm_1": ["consent"]}
    repeats = {"repeating_forms": {("second_arm_1", "consent")}, "repeating_events": {"first_arm_1"}}
    project = ask_project(open_redcap(a_redcap_project(events=events, **repeats)).client)
    assert project.forms_by_event == {"first_arm_1": ("enrolment", "consent"), "second_arm_1": ("consent",)}
    assert project.repeating == frozenset({("second_arm_1", "consent"), ("first_arm_1", "")})


def test_groups_that_the_token_may_not_read_stay_unknown(open_redcap: Open) -> None:
    users = [User("pipeline", TOKEN, dag_right=False)]
    assert ask_project(open_redcap(a_redcap_project(groups=["north"], users=users)).client).groups is None


def test_on_a_server_that_does_not_say_whether_anything_repeats_it_stays_unknown(open_redcap: Open) -> None:
    opened = open_redcap(a_redcap_project(), switches=Switches(hide_newer_project_keys=True))
    assert ask_project(opened.client).repeating is None


@pytest.mark.parametrize(
    ("content", "column"), [("metadata", "form_name"), ("dag", "unique_group_name"), ("formEventMapping", "form")]
)
def test_an_answer_without_a_column_is_refused_by_its_name(open_redcap: Open, content: str, column: str) -> None:
    opened = open_redcap(a_redcap_project(groups=["north"], events={"first_arm_1": ["enrolment", "consent"]}))
    opened.server.faults.append(faults.without_column(column, match=content))
    with pytest.raises(IncompleteExportError, match=f"came without '{column}'"):
        ask_project(opened.client)


def test_a_wrong_token_is_refused_as_everywhere(open_redcap: Open) -> None:
    with pytest.raises(SourceRefusedError, match="refused the API token"):
        ask_project(open_redcap(a_redcap_project(), token="F" * 32).client)


def test_no_record_is_asked_for(open_redcap: Open) -> None:
    opened = open_redcap(a_redcap_project(fields=[Field("record_id", "enrolment")]))
    ask_project(opened.client)
    assert opened.asked == ["project", "metadata", "dag"]
