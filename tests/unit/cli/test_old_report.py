"""Claims about the CSV that the old pipeline delivered: what is read from it, and why a file is refused."""

import codecs

import pytest

from consent.cli.compare.old_pipeline import OldReport, parse_old_report
from consent.errors import SourceDataError
from tests.support.builders import RIDER, a_study

HEADER = "period,consent,rider a\n"
ONE = "2023-09-11 - 2023-09-17,2,1\n"
TWO = "2023-09-18 - 2023-09-24,3,0\n"
TOTAL = "Total,5,1\n"
USUAL = HEADER + ONE + TWO + TOTAL


def parsed(content: str | bytes = USUAL, riders: str = RIDER) -> OldReport:
    """What is read from a file with this content."""
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


def test_a_rider_that_came_after_the_old_report_is_not_missed() -> None:
    assert parsed(riders=RIDER + RIDER.replace("rider a", "rider b")).columns == ("consent", "rider a")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "its first row does not begin with period,consent"),
        ("record_id,consent_date\n1,2023-09-12\n", "its first row does not begin with period,consent"),
        (USUAL.replace(",", ";"), "its first row does not begin with period,consent"),
        (b"PK\x03\x04\xff\xfe", "it is not CSV in UTF-8"),
        (HEADER + '"2023-09-11', "it is not CSV in UTF-8"),
        (USUAL.replace("rider a", "rider x"), "the study file has no rider with the key rider x"),
        (USUAL.replace("rider a", "consent"), "one of its columns stands in it twice"),
        (HEADER, "its last row is not 'Total'"),
        (HEADER + ONE + TWO, "its last row is not 'Total'"),
        (HEADER + "Total,0,0\n", "it has no week"),
        (USUAL.replace("3,0", "3"), "row 3 does not have a whole number in every column"),
        (USUAL.replace("3,0", "3,0,0"), "row 3 does not have a whole number in every column"),
        (USUAL.replace("3,0", "3,none"), "row 3 does not have a whole number in every column"),
        (USUAL.replace("3,0", "-3,0"), "row 3 does not have a whole number in every column"),
        (USUAL.replace("Total,5", "Total,6"), "the weeks of its column 'consent' do not add up to its total"),
        (HEADER + TWO + "Total,3,0\n", "row 2 is not of the week 2023-09-11 - 2023-09-17"),
        (USUAL.replace("2023-09-24", "24/09/2023"), "row 3 is not of the week 2023-09-18 - 2023-09-24"),
        (HEADER + ONE + ONE + "Total,4,2\n", "row 3 is not of the week 2023-09-18 - 2023-09-24"),
    ],
)
def test_a_file_that_is_no_report_of_this_study_is_refused(content: str | bytes, why: str) -> None:
    with pytest.raises(SourceDataError, match=rf"old\.csv cannot be compared: {why}"):
        parsed(content)


def test_no_message_repeats_a_row() -> None:
    with pytest.raises(SourceDataError, match="row 2") as caught:
        parsed(HEADER + "QX-0073,soon,1\n" + TOTAL)

    assert "QX-0073" not in str(caught.value)
