"""Tests of the data dictionary: how REDCap's descriptions of fields are read, and downloaded dictionaries."""

from pathlib import Path

import pytest

from consent.errors import ConfigurationError
from consent.redcap.dictionary import Project, ProjectField, parse_project, plain_text
from consent.redcap.project import read_dictionary

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
AGREED = ProjectField(
    "agreed", "consent", "radio", "Consent, given", (("1", "Yes"), ("0", "No, thanks")), annotation="@HIDDEN"
)


def a_dictionary(folder: Path, *lines: str, name: str = "OBRIIBD_DataDictionary_2026-11-16.csv") -> Path:
    """A data dictionary as downloaded from REDCap's Online Designer: with a BOM and Windows line ends."""
    path = folder / name
    path.write_bytes(("\ufeff" + "\r\n".join(lines or (HEADINGS, *LINES)) + "\r\n").encode())
    return path


def a_field(kind: str, choices: str = "") -> ProjectField:
    line = {"field_name": "a", "form_name": "f", "field_type": kind, "select_choices_or_calculations": choices}
    return parse_project({}, {"metadata": [line]}).fields[0]


def about(**responses: str) -> Project:
    return parse_project(responses, {"metadata": []})


@pytest.mark.parametrize("kind", ["text", "calc", "sql", "slider"])
def test_a_field_without_options_has_none(kind: str) -> None:
    assert a_field(kind, "[a] + [b]").options is None


@pytest.mark.parametrize(
    "choices", ["1, Yes | 2, No | 0, Open", "1,Yes|2,No, never|0,Open", " 1 , <b>Yes</b>\n | 2, No | 0, "]
)
def test_option_codes_are_read_with_any_spaces(choices: str) -> None:
    assert a_field("radio", choices).options == ("1", "2", "0")


def test_yes_no_fields_have_redcaps_codes() -> None:
    assert a_field("yesno").options == ("1", "0")


def test_missing_data_codes_are_read() -> None:
    assert about(missing_data_codes="-999, Not asked | UNK, Unknown, or not").missing_codes == {"-999", "UNK"}


@pytest.mark.parametrize(
    ("flag", "repeating"), [({"has_repeating_instruments_or_events": "0"}, frozenset()), ({}, None)]
)
def test_without_a_list_of_repeats_only_the_servers_flag_shows_that_there_are_none(
    flag: dict[str, str], repeating: frozenset[tuple[str, str]] | None
) -> None:
    assert about(**flag).repeating == repeating


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("the <i>biobank</i>, please", "the biobank, please"),
        ("<b>Consent</b><br>given?", "Consent given?"),
        ("age < 18 & R&amp;D", "age < 18 & R&D"),
        ("two\r\nlines\ttab\x00", "two lines tab"),
        ("<script>alert('x')</script>Consent", "Consent"),
        ("right\u202eleft", "right left"),
    ],
)
def test_a_label_becomes_one_line_of_text(label: str, text: str) -> None:
    assert plain_text(label) == text


def test_a_downloaded_dictionary_is_read_by_its_headings(tmp_path: Path) -> None:
    project = read_dictionary(a_dictionary(tmp_path))
    assert [each.name for each in project.fields] == ["record_id", "born", "agreed"]
    assert project.fields[2] == AGREED
    assert (project.fields[1].validation, project.fields[1].is_identifier) == ("date_ymd", True)


def test_a_downloaded_dictionary_takes_its_title_from_the_file_name(tmp_path: Path) -> None:
    project = read_dictionary(a_dictionary(tmp_path))
    assert (project.title, project.project_id, project.surveys, project.repeating) == ("OBRIIBD", None, None, None)


@pytest.mark.parametrize(
    "lines",
    [
        ("Variable / Field Name;Form Name;Field Type;Field Label", "record_id;enrolment;text;Record, ID"),
        ("field_name,form_name,field_type,field_label", 'record_id,enrolment,text,"Record, ID"'),
    ],
    ids=["with semicolons", "exported by API"],
)
def test_other_kinds_of_dictionary_files_are_read(tmp_path: Path, lines: tuple[str, ...]) -> None:
    assert read_dictionary(a_dictionary(tmp_path, *lines)).fields[0].label == "Record, ID"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"record_id,consent_date\n1,2023-09-12\n", "no column 'Variable / Field Name'"),
        (b"", "no column 'Variable / Field Name'"),
        (HEADINGS.encode() + b"\n", "a header but no fields"),
        (HEADINGS.encode() + b"\nrecord_id,enrolment\n", "more or fewer values than the header"),
        (HEADINGS.encode() + b'\n"record_id\n', "not CSV"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_not_a_dictionary_is_an_error(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "dictionary.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be used as a data dictionary") as caught:
        read_dictionary(path)
    assert why in caught.value.what
