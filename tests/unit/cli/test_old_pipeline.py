"""Tests of the old pipeline: its rule counts rows, each in the week of its own date; its report is read as CSV."""

import codecs
import re
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given

from consent.cli.compare.old_pipeline import Cell, OldReading, OldReport, parse_old_report, read_by_old_rule
from consent.counting.consents import Batch, Counting
from consent.errors import SourceDataError
from consent.studies.model import StudyConfig
from consent.studies.parser import parse_study
from tests.support.builders import RIDER, RIDERS, a_counting, a_period, a_row, a_study, as_rows
from tests.support.odd_registries import PLAIN_STUDY, odd_countings, odd_rows
from tests.unit.reports.test_data_files import OBRI, an_obri_row

Rows = list[dict[str, str]]

THREE_WEEKS = a_counting(period=a_period("2023-09-27", exported_on="2023-09-27"))
HEADER = "period,consent,rider a\n"
ONE = "2023-09-11 - 2023-09-17,2,1\n"
TWO = "2023-09-18 - 2023-09-24,3,0\n"
TOTAL = "Total,5,1\n"
USUAL = HEADER + ONE + TWO + TOTAL


def old_reading(*rows: dict[str, str], counting: Counting = THREE_WEEKS) -> OldReading:
    """Read these rows by the old rule, over the three weeks to 1 October 2023."""
    return read_by_old_rule(Batch(as_rows(rows), counting))


def old_counts(*rows: dict[str, str], counting: Counting = THREE_WEEKS) -> Counter[Cell]:
    old = old_reading(*rows, counting=counting)
    return Counter((int(week), column) for column in old.has_one for week in old.weeks[old.counted(column)])


def plainly_counted(rows: Rows, study: StudyConfig, weeks: int) -> Counter[Cell]:
    """Count by the same rule once more, week by week and row by row, for a study with one rider."""
    found: Counter[Cell] = Counter()
    for week in range(weeks):
        first = study.start_date + timedelta(7 * week)
        days = [str(first + timedelta(day)) for day in range(7)]
        dated = [row for row in rows if plain_day(row["consent_date"]) in days]
        found[week, "consent"] = sum(row["consent_obtained"] == "1" for row in dated)
        found[week, "rider a"] = sum(row["rider_a"] == "1" for row in dated)
    return found


def plain_day(text: str) -> str:
    """Return the day in ISO format; "" for any other text."""
    found = re.fullmatch(r"(\d+-\d+-\d+)( [0-5]\d:\d\d(:\d\d)?)?", text)
    try:
        return str(date(*map(int, found[1].split("-")))) if found else ""
    except ValueError:
        return ""


def test_the_documented_example_of_the_old_pipeline() -> None:
    study = parse_study(OBRI.read_text(encoding="utf-8"), "obri-ibd")
    rows = [
        an_obri_row("1", "2023-09-11", RIDERS),
        an_obri_row("2", "2023-09-12", "", obtained="0"),
        an_obri_row("3", "2023-09-17", "a"),
        an_obri_row("4", "2023-09-18", RIDERS),
    ]
    counts = old_counts(*rows, counting=a_counting(study, a_period("2023-09-24")))
    table = [[counts[week, column] for column in ("consent", "rider a", "rider b")] for week in (0, 1)]
    assert table == [[2, 2, 1], [1, 1, 1]]


@given(rows=odd_rows(), counting=odd_countings([PLAIN_STUDY]))
def test_the_rule_counts_as_an_independent_version_of_it(rows: Rows, counting: Counting) -> None:
    plain = plainly_counted(rows, counting.study, len(counting.period.weeks))
    assert old_counts(*rows, counting=counting) == +plain


def test_every_row_of_a_participant_counted() -> None:
    assert old_counts(a_row("1"), a_row("1", consent_date="2023-09-20"))[1, "consent"] == 1


def test_a_rider_counted_whatever_the_decision_was() -> None:
    assert old_counts(a_row(consent_obtained="2")) == {(0, "rider a"): 1}


def test_a_future_day_counted_in_the_week_in_progress() -> None:
    assert old_counts(a_row(consent_date="2023-10-01"))[2, "consent"] == 1


@pytest.mark.parametrize("day", ["2023-09-10", "2023-10-02"])
def test_a_day_outside_the_weeks_counted_nowhere(day: str) -> None:
    assert old_counts(a_row(consent_date=day)) == {}


@pytest.mark.parametrize("text", ["", "Consent not completed", "NA", "soon"])
def test_a_row_without_a_date_counted_nowhere(text: str) -> None:
    assert old_counts(a_row(consent_date=text)) == {}


@pytest.mark.parametrize("text", ["", "Consent not completed", "NA", "2023-09-12", "2023-9-12", "2023-09-12 09:30"])
def test_a_readable_or_blank_date_did_not_stop_it(text: str) -> None:
    assert not old_reading(a_row(consent_date=text)).unreadable.any()


@pytest.mark.parametrize(
    "text", ["soon", "12/09/2023", "2023-02-30", "0203-09-12", "3023-09-12", " 2023-09-12", "2023-09-12 99:99"]
)
def test_it_stopped_at_a_date_that_it_could_not_read(text: str) -> None:
    assert old_reading(a_row(), a_row(consent_date=text)).unreadable.tolist() == [False, True]


@pytest.mark.parametrize(("code", "counted"), [("1", 1), ("01", 1), ("1.0", 1), ("2", 0), ("Yes", 0), ("", 0)])
def test_only_the_number_one_counted(code: str, counted: int) -> None:
    study = a_study(riders="")
    assert old_counts(a_row(consent_obtained=code), counting=a_counting(study)).total() == counted


def parsed(content: str | bytes = USUAL, riders: str = RIDER) -> OldReport:
    return parse_old_report(
        content.encode() if isinstance(content, str) else content, "old.csv", a_study(riders=riders)
    )


def test_every_number_of_a_week_is_read() -> None:
    assert parsed().cells == {(0, "consent"): 2, (0, "rider a"): 1, (1, "consent"): 3, (1, "rider a"): 0}


def test_the_last_week_has_seven_days() -> None:
    first, last = parsed().last_week(a_study().start_date)
    assert f"{first} {last}" == "2023-09-18 2023-09-24"


@pytest.mark.parametrize(
    "content",
    [USUAL.replace("\n", "\r\n"), codecs.BOM_UTF8 + USUAL.encode(), USUAL + "\n", USUAL.removesuffix("\n")],
    ids=["Windows line ends", "a byte order mark", "a blank line at the end", "no line end at the end"],
)
def test_a_file_that_excel_saved_again_is_read(content: str | bytes) -> None:
    assert parsed(content) == parsed()


def test_a_rider_that_is_newer_than_the_report_may_be_absent() -> None:
    assert parsed(riders=RIDER + RIDER.replace("rider a", "rider b")).columns == ("consent", "rider a")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "period,consent"),
        (USUAL.replace(",", ";"), "period,consent"),
        (b"PK\x03\x04\xff\xfe", "not CSV"),
        (HEADER + '"2023-09-11', "not CSV"),
        (USUAL.replace("rider a", "rider x"), "the key rider x"),
        (USUAL.replace("rider a", "consent"), "the same name"),
        (HEADER, "'Total'"),
        (HEADER + ONE + TWO, "'Total'"),
        (HEADER + "Total,0,0\n", "no week"),
        (USUAL.replace("3,0", "3"), "row 3"),
        (USUAL.replace("3,0", "-3,0"), "row 3"),
        (USUAL.replace("Total,5", "Total,6"), "column 'consent'"),
        (HEADER + TWO + "Total,3,0\n", "row 2 is not the study's week 2023-09-11 - 2023-09-17"),
        (USUAL.replace("2023-09-24", "24/09/2023"), "row 3 is not the study's week 2023-09-18 - 2023-09-24"),
        (HEADER + ONE + ONE + "Total,4,2\n", "row 3 is not the study's week 2023-09-18 - 2023-09-24"),
    ],
)
def test_a_file_that_is_not_a_report_of_this_study_is_an_error(content: str | bytes, why: str) -> None:
    with pytest.raises(SourceDataError, match=rf"old\.csv cannot be compared: .*{why}"):
        parsed(content)


def test_no_message_repeats_a_row() -> None:
    with pytest.raises(SourceDataError, match="row 2") as caught:
        parsed(HEADER + "QX-0073,soon,1\n" + TOTAL)
    assert "QX-0073" not in str(caught.value)
