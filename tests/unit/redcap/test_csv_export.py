"""Tests of counting a CSV export made by hand: what is counted, and which files are refused.

A file truncated exactly between two rows looks like a whole one; a file truncated anywhere else is refused.
"""

import codecs
import re
import zipfile
from collections import Counter
from contextlib import nullcontext
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.counting.consents import Counting
from consent.counting.participants import build_participants
from consent.counting.tally import Tally, tally_participants
from consent.errors import ConfigurationError, SourceDataError
from consent.redcap.arrivals import EVENT, RECORD, Rows
from consent.redcap.csv_export import count_file, csv_column_map
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import FieldRef, StudyConfig
from tests.support.builders import CONSENT, RIDER, a_period, a_study

HEADER = "record_id,consent_date,consent_obtained,rider_a\n"
ONE = "1,2023-09-12,1,1\n"
TWO = "2,2023-09-13,1,0\n"
USUAL = HEADER + ONE + TWO
REPEATING = HEADER.replace("record_id", "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance")


def a_file(folder: Path, content: str | bytes = USUAL, name: str = "export.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def counted(path: Path, study: StudyConfig | None = None) -> tuple[Tally, int]:
    """The counts of this file, as a report would have them."""
    study, period = study or a_study(), a_period()

    def tally(column_map: ColumnMap, rows: Rows) -> Tally:
        return tally_participants(build_participants(rows, Counting(study, column_map, period)), period.start)

    return count_file(path, study, tally, Tally())


def rows_in(path: Path) -> int:
    """How many rows were counted."""
    nothing: Counter[str] = Counter()
    return count_file(path, a_study(), lambda _, rows: Counter(rows=len(rows)), nothing)[0]["rows"]


def is_refused(path: Path) -> bool:
    try:
        rows_in(path)
    except SourceDataError:
        return True
    return False


def written(row: list[str]) -> bytes:
    """A row as the bytes that REDCap writes: values with other characters than letters and digits in quotes."""
    cells = (cell if re.fullmatch(r"[\w-]*", cell) else '"' + cell.replace('"', '""') + '"' for cell in row)
    return (",".join(cells) + "\n").encode()


def with_notes(notes: list[str]) -> list[bytes]:
    """The lines of a file, one record for each note."""
    rows = [[str(n), note, "2023-09-12", "1", "1"] for n, note in enumerate(notes, 1)]
    return [written(row) for row in [["record_id", "notes", "consent_date", "consent_obtained", "rider_a"], *rows]]


# What is counted


def test_a_file_gives_the_counts_and_the_number_of_its_records(tmp_path: Path) -> None:
    counts, records = counted(a_file(tmp_path))
    assert (counts.riders, records) == ({("rider a", "agreed"): 1, ("rider a", "declined"): 1}, 2)


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + USUAL.encode(),
        USUAL.replace("\n", "\r\n"),
        USUAL + "\n",
        HEADER + ONE + "\n\r\n" + TWO,
        HEADER + ONE.replace("\n", "\r\n") + TWO,
        USUAL.replace("_a\n", "_a,notes\n").replace(",1,1\n", ',1,1,so-called "seven"\n').replace(",1,0\n", ",1,0,\n"),
        USUAL.replace("record_id", '"record_id"').replace("2023-09-12", '"2023-09-12"'),
        "study_number,rider_a,consent_obtained,consent_date\n1,1,1,2023-09-12\n2,0,1,2023-09-13\n",
        "record_id,full_name,consent_date,consent_obtained,rider_a,notes\n"
        '1,"Ann, B.",2023-09-12,1,1,"two\nlines, and ""quotes"""\n2,Émile,2023-09-13,1,0,"a\r\nb"\n',
        "record_id,letter,consent_date,consent_obtained,rider_a\n"
        f'1,"{"long " * 50_000}",2023-09-12,1,1\n2,,2023-09-13,1,0\n',
        "record_id,extra,extra,consent_date,consent_obtained,rider_a\n1,,,2023-09-12,1,1\n2,,,2023-09-13,1,0\n",
        "sep=,\n" + USUAL,
        USUAL.replace("record_id", "index"),
        USUAL.replace("record_id", "index,form_id").replace("\n1,", "\n7,A,").replace("\n2,", "\n8,B,"),
        USUAL.replace("record_id", "no,site_id").replace("\n1,", "\n1,A,").replace("\n2,", "\n2,B,"),
    ],
    ids=[
        "a byte order mark",
        "Windows line ends",
        "a blank line at the end",
        "blank lines in between",
        "other line ends in between",
        "quotes within a value that has none around it",
        "quotes",
        "another order of columns and name of the record id",
        "other columns with names and notes",
        "a very long letter",
        "other columns of one name",
        "a first line for Excel",
        "a record id that is named like a column of row numbers",
        "such a record id beside an id of something else",
        "a record id that counts, beside an id of something else",
    ],
)
def test_the_format_of_a_file_does_not_change_the_counts(tmp_path: Path, content: str | bytes) -> None:
    assert counted(a_file(tmp_path, content)) == counted(a_file(tmp_path, USUAL, "usual.csv"))


BY_GROUP = '[sites]\nby = "data_access_group"\n'


def test_a_file_may_have_data_access_groups_as_sites(tmp_path: Path) -> None:
    content = USUAL.replace("record_id", "record_id,redcap_data_access_group").replace("1,2023", "1,north,2023", 1)
    path = a_file(tmp_path, content.replace("2,2023", "2,,2023", 1))
    assert counted(path, a_study(more=BY_GROUP))[0].sites[("north", "participants")] == 1


def test_a_file_without_the_groups_that_are_the_sites_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceDataError, match="it has no column redcap_data_access_group"):
        counted(a_file(tmp_path), a_study(more=BY_GROUP))


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    assert counted(a_file(tmp_path, name="EXPORT Ünïcode"))[1] == 2


def test_record_ids_are_text(tmp_path: Path) -> None:
    rows = "".join(f"{record},2023-09-12,1,1\n" for record in ("1", "01", "001", "1-1", "1.0", "1e5", "100000", "NA"))
    assert counted(a_file(tmp_path, HEADER + rows))[0].classes == {("consented", ""): 8}


def test_repeats_of_a_record_are_one_participant(tmp_path: Path) -> None:
    rows = "1,,,,,,\n1,,consent,1,2023-09-12,1,1\n1,,consent,2,2023-09-20,1,0\n"
    assert counted(a_file(tmp_path, REPEATING + rows))[0].classes == {("consented", ""): 1}


def test_repeats_are_sorted(tmp_path: Path) -> None:
    rows = "1,,consent,10,2023-09-12,1,0\n1,,consent,9,2023-09-12,1,1\n"
    assert counted(a_file(tmp_path, REPEATING + rows))[0].riders == {("rider a", "declined"): 1}


@pytest.mark.parametrize("between", [1, 12_000])
def test_rows_of_a_record_that_are_not_adjacent_are_one_participant(tmp_path: Path, between: int) -> None:
    others = "".join(f"x{n},,,,,,\n" for n in range(between))
    rows = f"1,,consent,1,2023-09-12,1,1\n{others}1,,consent,2,2023-09-20,1,0\n"

    counts, records = counted(a_file(tmp_path, REPEATING + rows))
    assert (records, counts.riders) == (between + 1, {("rider a", "declined"): 1})


@pytest.mark.parametrize(
    ("option", "column"),
    [
        ("0", "extras___0"),
        ("-99", "extras____99"),
        ("A", "extras___a"),
        ("k>=9", "extras___k__9"),
    ],
)
def test_a_checkbox_option_is_read_from_redcaps_column(option: str, column: str) -> None:
    study = a_study(riders=RIDER.replace('"rider_a"', f'"extras({option})"'))
    assert csv_column_map(study, "record_id").columns[FieldRef("extras", option)] == column


def test_timestamps_are_recognised_by_their_names() -> None:
    consents = CONSENT.replace('"consent_date"', '"consent_timestamp"')
    study = a_study(consents=consents, more='[withdrawal]\ndate = "leaving_timestamp"\n')
    assert csv_column_map(study, "record_id").timestamps == {"consent_timestamp", "leaving_timestamp"}


def test_records_may_be_left_out_by_record_id(tmp_path: Path) -> None:
    study = a_study(more='[[leave_out]]\nreason = "trial run"\nfield = "record_id"\ncodes = ["2"]\n')
    assert counted(a_file(tmp_path), study)[0].classes["left_out", "trial run"] == 1


def test_every_form_may_offer_a_rider_without_a_dictionary() -> None:
    study = a_study(consents=CONSENT + CONSENT.replace("consent_", "v2_"))
    assert csv_column_map(study, RECORD).offered_by["rider a"].keys() == {0, 1}


# Refused files


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (codecs.BOM_UTF8 + b"\n", "it has no column consent_date"),
        (HEADER, "it has a header but no rows"),
        (USUAL.removesuffix("\n"), "it does not end with a line break"),
        (HEADER + "1,2023-09-12,1\n", "row 2 has 3 values where the header has 4"),
        (USUAL + "3,2023-09-12,1,1,\n", "row 4 has 5 values where the header has 4"),
        (USUAL + " ,2023-09-12,1,1\n", "row 4 has no record id"),
        (USUAL + "\u00a0\u3000,2023-09-12,1,1\n", "row 4 has no record id"),
        (USUAL + "9" * 401 + ",2023-09-12,1,1\n", "more than 100 characters"),
        ("record_id,consent_date\n1,2023-09-12\n", "it has no column consent_obtained, rider_a"),
        (USUAL.replace(",", ";"), "its columns are separated by ';'"),
        (USUAL.replace(",", "\t"), "its columns are separated by tabs"),
        ("consent_date,consent_obtained,rider_a\n2023-09-12,1,1\n", "its first column is consent_date, not the record"),
        (
            "redcap_event_name,consent_date,consent_obtained,rider_a\nstart,2023-09-12,1,1\n",
            "its first column is redcap_event_name, not the record id",
        ),
        (
            "record_id,rider_a,consent_date,consent_obtained,rider_a\n1,1,2023-09-12,1,0\n",
            "it has the column rider_a twice",
        ),
        (
            f"record_id,{EVENT},{EVENT},consent_date,consent_obtained,rider_a\n",
            "it has the column redcap_event_name twice",
        ),
        ("record_id,consent_date,consent_obtained,rider_a,record_id\n", "it has the column record_id twice"),
        (USUAL.replace("rider_a\n", "rider_a,redcap_event_name\n"), "REDCap puts redcap_event_name right behind"),
        ("no,study_id,redcap_data_access_group,consent_date,consent_obtained,rider_a\n", "right behind the record id"),
        ("sep=;\n" + USUAL.replace(",", ";"), "its columns are separated by ';'"),
        ('"' + USUAL, "its first line is not CSV"),
        (USUAL.replace("\n", "\r"), "its first line is not CSV"),
        (f'"{"long" * 50_000}",more\n{ONE}', "it has no column consent_date"),
        (HEADER + '1,"2023-09-12,1,1\n' + TWO, "line 3 is not CSV (perhaps a quote"),
        (HEADER + '1,"2023-09-12"x,1,1\n', "line 2 is not CSV"),
        (USUAL.encode("utf-16"), "it is UTF-16 or binary"),
        (USUAL.encode("utf-16-le"), "it is UTF-16 or binary"),
        (USUAL.replace("2023-09-13", "né").encode("latin-1"), "it is not UTF-8 text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "it is an Excel workbook"),
        (USUAL + ONE + TWO + "\n", "holds 2 rows more than once"),
        (REPEATING + "1,a,b,1,,,\n2,,,,,,\n1,a,b,1,,,\n", "holds 1 row more than once"),
    ],
)
def test_a_file_that_cannot_be_counted_is_refused(tmp_path: Path, content: str | bytes, why: str) -> None:
    with pytest.raises(SourceDataError, match=r"The file export\.csv ") as caught:
        counted(a_file(tmp_path, content))
    assert why in caught.value.what
    assert caught.value.fix
    assert caught.value.__context__ is None  # it would hold the file's bytes


def numbered(header: str, start: int = 1) -> str:
    """The usual file with row numbers before the record ids."""
    head, *rows = USUAL.splitlines()
    return "\n".join([f"{header},{head}", *(f"{n},P{row}" for n, row in enumerate(rows, start)), ""])


@pytest.mark.parametrize(
    "header", ["", " ", "X", "X.1", "V1", "...1", "Unnamed: 0", "0", "#", "No.", "_n", "Record ID"]
)
def test_a_first_column_that_no_redcap_field_can_be_is_not_the_record_id(tmp_path: Path, header: str) -> None:
    with pytest.raises(SourceDataError, match=r"its first column (has no name|is not named like a REDCap field)"):
        counted(a_file(tmp_path, numbered(header)))


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("header", ["index", "x", "x1", "row", "rownames", "row_number", "obs", "rowid", "level_0"])
def test_row_numbers_before_the_ids_are_not_the_record_id(tmp_path: Path, header: str, start: int) -> None:
    with pytest.raises(SourceDataError, match=f"its first column, {header}, holds row numbers"):
        counted(a_file(tmp_path, numbered(header, start)))


def test_combined_checkbox_options_have_their_own_remedy(tmp_path: Path) -> None:
    study = a_study(riders=RIDER.replace('"rider_a"', '"rider_a(1)"').replace('["0"]', "[]"))
    with pytest.raises(SourceDataError, match="'Combine checkbox options into single column'"):
        counted(a_file(tmp_path), study)


def test_two_options_with_one_column_are_refused(tmp_path: Path) -> None:
    boxes = [f'[[riders]]\nkey = "{code}"\nfield = "box({code})"\nagreed = ["1"]\n' for code in ("a-b", "A_b")]
    with pytest.raises(SourceDataError, match="another option of the study file as one column"):
        counted(a_file(tmp_path, USUAL.replace("rider_a", "box___a_b")), a_study(riders="".join(boxes)))


def test_missing_data_codes_of_the_study_file_are_no_answers(tmp_path: Path) -> None:
    study = a_study(consents='missing_codes = ["-999"]' + CONSENT)
    assert counted(a_file(tmp_path, HEADER + "1,2023-09-12,-999,\n"), study)[0].classes == {("pending", "open"): 1}


IN_EVENTS = CONSENT + 'events = ["start_arm_1"]\n'
WITH_EVENTS = USUAL.replace("record_id", f"record_id,{EVENT}").replace(",2023", ",{},2023")


@pytest.mark.parametrize("events", [("Start", "Later (Arm 1: A)"), ("later_arm_1", "later_arm_1b"), ("", "")])
def test_a_file_needs_rows_of_the_events_that_count(tmp_path: Path, events: tuple[str, str]) -> None:
    study = a_study(consents=IN_EVENTS)
    counted(a_file(tmp_path, WITH_EVENTS.format("start_arm_1", "later_arm_1")), study)
    with pytest.raises(SourceDataError, match="no row is of an event that the study file names"):
        counted(a_file(tmp_path, WITH_EVENTS.format(*events)), study)


def test_a_file_needs_its_events_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceDataError, match="it has no column redcap_event_name"):
        counted(a_file(tmp_path), a_study(consents=IN_EVENTS))


@pytest.mark.parametrize(("event", "is_refused"), [("later_arm_1b", False), ("Later", True)])
def test_the_event_of_one_form_alone_may_be_still_to_come(tmp_path: Path, event: str, is_refused: bool) -> None:
    study = a_study(consents=CONSENT + IN_EVENTS.replace("consent_", "second_"))
    content = WITH_EVENTS.format(event, event).replace(",consent_date", ",second_date,second_obtained,consent_date")
    with pytest.raises(SourceDataError) if is_refused else nullcontext():
        counted(a_file(tmp_path, content.replace(",2023", ",,,2023")), study)


def test_a_workbook_under_another_name_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.csv", "w") as workbook:
        workbook.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(SourceDataError, match="it is an Excel workbook, despite its name"):
        counted(tmp_path / "export.csv")


def test_letters_of_another_encoding_far_down_the_file_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"{n},2023-09-12,1,1\n" for n in range(3, 5000))
    with pytest.raises(SourceDataError, match="it is not UTF-8 text"):
        counted(a_file(tmp_path, (USUAL + rows).encode() + "x,é,1,1\n".encode("latin-1")))


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_a_file_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        counted(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        USUAL + "QX-0073,soon,1\n",
        USUAL + 'QX-0073,"soon,1,1\n',
        USUAL + "QX-0073,soon,1,1",
        USUAL + "QX-0073,soon,1,1\n" * 2,
        USUAL.replace("2023-09-13", "né").encode("latin-1") + b"QX-0073,soon,1,1\n",
    ],
)
def test_no_message_repeats_the_contents_of_the_file(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(SourceDataError, match=r"export\.csv") as caught:
        counted(a_file(tmp_path, content))
    assert not [word for word in ("QX-0073", "soon") if word in f"{caught.value} {caught.value!r}"]


# Truncated files


QUOTED = 'record_id,notes,consent_date,consent_obtained,rider_a\n1,"é, ""x""\ny",2023-09-12,1,1\n2,"a\n\nb",,,\n'


def test_a_file_truncated_within_a_row_is_refused(tmp_path: Path) -> None:
    whole = QUOTED.encode()
    truncated = [a_file(tmp_path, whole[:size], f"{size}.csv") for size in range(len(whole))]
    assert [path.stem for path in truncated if not is_refused(path)] == [str(whole.index(b'2,"a'))]


def test_a_file_with_windows_line_ends_truncated_within_a_row_is_refused(tmp_path: Path) -> None:
    whole = USUAL.replace("\n", "\r\n").encode()
    border = whole.index(b"\n2,") + 1
    truncated = [a_file(tmp_path, whole[:size], f"{size}.csv") for size in range(len(whole))]

    assert [int(path.stem) for path in truncated if not is_refused(path)] == [border - 1, border, len(whole) - 1]


cells = st.text(st.sampled_from('a1",;\n\r é\t'), max_size=6)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), notes=st.lists(cells, min_size=1, max_size=4))
def test_any_file_truncated_within_a_row_is_refused(tmp_path: Path, data: st.DataObject, notes: list[str]) -> None:
    lines = with_notes(notes)
    whole, borders = b"".join(lines), list(accumulate(map(len, lines)))[1:]
    size = data.draw(st.integers(0, len(whole)))

    assert is_refused(a_file(tmp_path, whole[:size])) == (size not in borders)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notes=st.lists(cells, min_size=1, max_size=6))
def test_no_text_in_other_columns_changes_the_number_of_rows(tmp_path: Path, notes: list[str]) -> None:
    assert rows_in(a_file(tmp_path, b"".join(with_notes(notes)))) == len(notes)


def test_a_field_named_record_is_not_mistaken_for_the_record_id(tmp_path: Path) -> None:
    study = a_study(more='[[leave_out]]\nreason = "old"\nfield = "record"\ncodes = ["1"]\n')
    export = tmp_path / "export.csv"
    export.write_text("study_id,record,consent_date,consent_obtained,rider_a\n1,0,2023-09-12,1,1\n", encoding="utf-8")
    with pytest.raises(SourceDataError, match="a field named 'record' cannot be distinguished from the record id"):
        count_file(export, study, lambda column_map, rows: Counter(), Counter())
