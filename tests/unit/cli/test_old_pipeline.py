"""Claims about the rule by which the old pipeline counted: rows, each in the week of its own date."""

import re
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given, settings

from consent.cli.compare.old_pipeline import Cell, OldReading, read_by_old_rule
from consent.counting.consents import Counting
from consent.studies.model import StudyConfig
from consent.studies.parser import parse_study
from tests.support.builders import RIDERS, a_counting, a_period, a_row, a_study, rows_frame
from tests.support.odd_registries import PLAIN_STUDY, odd_countings, odd_rows
from tests.unit.reports.test_data_files import OBRI, an_obri_row

Rows = list[dict[str, str]]

THREE_WEEKS = a_counting(period=a_period("2023-09-27", exported_on="2023-09-27"))


def old_reading(*rows: dict[str, str], counting: Counting = THREE_WEEKS) -> OldReading:
    """What the old pipeline made of these rows, in the three weeks to 1 October 2023."""
    return read_by_old_rule(rows_frame(rows), counting)


def old_counts(*rows: dict[str, str], counting: Counting = THREE_WEEKS) -> Counter[Cell]:
    """What it counted in every week and column."""
    old = old_reading(*rows, counting=counting)
    return Counter((int(week), column) for column in old.says_one for week in old.weeks[old.counted(column)])


def plainly_counted(rows: Rows, study: StudyConfig, weeks: int) -> Counter[Cell]:
    """The same rule once more, week by week and row by row, for a study with one rider."""
    found: Counter[Cell] = Counter()
    for week in range(weeks):
        first = study.start_date + timedelta(7 * week)
        days = [str(first + timedelta(day)) for day in range(7)]
        dated = [row for row in rows if plain_day(row["consent_date"]) in days]
        found[week, "consent"] = sum(row["consent_obtained"] == "1" for row in dated)
        found[week, "rider a"] = sum(row["rider_a"] == "1" for row in dated)
    return found


def plain_day(text: str) -> str:
    """The day as ISO writes it; "" for a text that is none."""
    found = re.fullmatch(r"(\d+-\d+-\d+)( [0-5]\d:\d\d(:\d\d)?)?", text)
    try:
        return str(date(*map(int, found[1].split("-")))) if found else ""
    except ValueError:
        return ""


def test_the_example_by_which_the_old_pipeline_was_explained_holds() -> None:
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


@settings(deadline=None, max_examples=50)
@given(rows=odd_rows(), counting=odd_countings([PLAIN_STUDY]))
def test_it_counted_as_the_plain_rule_says(rows: Rows, counting: Counting) -> None:
    plain = plainly_counted(rows, counting.study, len(counting.period.weeks))

    assert old_counts(*rows, counting=counting) == +plain


def test_every_row_of_a_participant_counted() -> None:
    assert old_counts(a_row("1"), a_row("1", consent_date="2023-09-20"))[1, "consent"] == 1


def test_a_rider_counted_whatever_the_decision_was() -> None:
    assert old_counts(a_row(consent_obtained="2")) == {(0, "rider a"): 1}


def test_a_day_still_to_come_counted_in_the_running_week() -> None:
    assert old_counts(a_row(consent_date="2023-10-01"))[2, "consent"] == 1


@pytest.mark.parametrize("day", ["2023-09-10", "2023-10-02"])
def test_a_day_outside_the_weeks_counted_nowhere(day: str) -> None:
    assert old_counts(a_row(consent_date=day)) == {}


@pytest.mark.parametrize("text", ["", "Consent not completed", "NA"])
def test_a_row_without_a_date_counted_nowhere(text: str) -> None:
    assert old_counts(a_row(consent_date=text)) == {}


@pytest.mark.parametrize("text", ["", "Consent not completed", "NA", "2023-09-12", "2023-9-12", "2023-09-12 09:30"])
def test_it_went_on_where_it_could_read_every_date(text: str) -> None:
    assert not old_reading(a_row(consent_date=text)).unreadable.any()


@pytest.mark.parametrize(
    "text", ["soon", "12/09/2023", "2023-02-30", "0203-09-12", "3023-09-12", " 2023-09-12", "2023-09-12 99:99"]
)
def test_it_stopped_at_a_date_that_it_could_not_read(text: str) -> None:
    assert old_reading(a_row(), a_row(consent_date=text)).unreadable.tolist() == [False, True]


def test_a_row_at_which_it_stopped_is_taken_for_undated() -> None:
    assert old_counts(a_row(consent_date="soon")) == {}


@pytest.mark.parametrize(("code", "counted"), [("1", 1), ("01", 1), ("1.0", 1), ("2", 0), ("Yes", 0), ("", 0)])
def test_it_knew_no_code_but_the_number_one(code: str, counted: int) -> None:
    study = a_study(riders="")

    assert old_counts(a_row(consent_obtained=code), counting=a_counting(study)).total() == counted
