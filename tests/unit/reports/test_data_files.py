"""Tests of the data files: the earlier pipeline's CSV to the byte, and the keys of the JSON document."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import consent.studies
from consent.counting.consents import Counting
from consent.counting.summarise import summarise
from consent.counting.summary import ConsentSummary, Source
from consent.reports.data_files import document, render_csv, render_json
from consent.reports.render import render_reports
from consent.studies.parser import parse_study
from tests.support.builders import RIDER, RIDERS, a_counting, a_period, a_row, a_study, summary_of, tally_of
from tests.support.odd_registries import odd_countings, odd_rows

Rows = list[dict[str, str]]

OBRI = Path(next(iter(consent.studies.__path__))) / "obri-ibd.toml"


def an_obri_row(record: str, day: str, riders: str, obtained: str = "1") -> dict[str, str]:
    """A participant of the first study, with the riders that were agreed to."""
    answers = {f"summary_event_{letter}": "1" if letter in riders else "" for letter in RIDERS}
    return {"record": record, "summary_consent_date": day, "consent_obtained": obtained, **answers}


def the_old_example(cutoff: str = "2023-09-24") -> ConsentSummary:
    """The four participants by whom the earlier pipeline was explained."""
    study = parse_study(OBRI.read_text(encoding="utf-8"), "obri-ibd")
    return summary_of(
        an_obri_row("1", "2023-09-11", RIDERS),
        an_obri_row("2", "2023-09-12", "", obtained="0"),
        an_obri_row("3", "2023-09-17", "a"),
        an_obri_row("4", "2023-09-18", RIDERS),
        counting=a_counting(study, a_period(cutoff, exported_on="2023-09-25")),
    )


def the_table(summary: ConsentSummary) -> list[list[str]]:
    return list(csv.reader(io.StringIO(render_csv(summary).content.decode(), newline="")))


# The weekly table


def test_the_csv_of_the_old_example_is_the_same_to_the_byte() -> None:
    assert render_csv(the_old_example()).content == (
        b"period,consent,rider a,rider b,rider c,rider d,rider e,rider f,rider g,rider h\n"
        b"2023-09-11 - 2023-09-17,2,2,1,1,1,1,1,1,1\n"
        b"2023-09-18 - 2023-09-24,1,1,1,1,1,1,1,1,1\n"
        b"Total,3,3,2,2,2,2,2,2,2\n"
    )


def test_a_table_without_riders_has_two_columns() -> None:
    counting = a_counting(a_study(riders=""), a_period("2023-09-17"))

    assert render_csv(summary_of(a_row(), counting=counting)).content == (
        b"period,consent\n2023-09-11 - 2023-09-17,1\nTotal,1\n"
    )


@pytest.mark.parametrize("key", ["a, b", 'the "big" rider', "Proben (Ä, ß)"])
def test_a_riders_name_comes_back_from_the_csv_as_it_was(key: str) -> None:
    study = a_study(riders=RIDER.replace('"rider a"', f"'{key}'"))

    assert the_table(summary_of(a_row(), counting=a_counting(study)))[0] == ["period", "consent", key]


@settings(deadline=None, max_examples=30)
@given(rows=odd_rows(), counting=odd_countings())
def test_the_last_row_is_the_sum_of_the_weeks(rows: Rows, counting: Counting) -> None:
    _, *weeks, total = the_table(summary_of(*rows, counting=counting))

    assert [sum(map(int, column)) for column in list(zip(*weeks, strict=True))[1:]] == [int(n) for n in total[1:]]


# The JSON document

KEYS = {
    "": "schema study cutoff exported_on participants left_out outside working_copies taking_part_now weeks totals "
    "riders changes quality source notes app",
    "study": "key title start_date time_zone",
    "participants": "total consented declined pending not_counted",
    "totals": "consented riders",
    "source": "redcap_version project_id records_listed records_received",
    "app": "version study_sha256",
}


def test_the_document_has_the_keys_that_machines_were_promised() -> None:
    found = document(summary_of(a_row()))

    assert {part: " ".join(found[part] if part else found) for part in KEYS} == KEYS


def test_the_document_counts_the_old_example() -> None:
    found = document(the_old_example())

    pending = {"open": 1, "not_started": 0}
    assert found["participants"] == {"total": 4, "consented": 3, "declined": 0, "pending": pending, "not_counted": {}}


def test_a_week_of_the_document_says_whether_it_is_complete() -> None:
    (week,) = document(summary_of(a_row(), counting=a_counting(period=a_period("2023-09-12"))))["weeks"]

    days = {"first_day": "2023-09-11", "last_day": "2023-09-17"}
    assert week == {**days, "complete": False, "consented": 1, "riders": {"rider a": 1}}


def test_a_rider_of_the_document_has_four_answers() -> None:
    rows = [a_row("1"), a_row("2", rider_a="0"), a_row("3", rider_a="")]

    (rider,) = document(summary_of(*rows))["riders"]

    assert [rider[answer] for answer in ("agreed", "declined", "not_answered", "not_offered")] == [1, 1, 1, 0]


@pytest.mark.parametrize(("declined", "can_decline"), [('declined = ["0"]', True), ("", False)])
def test_the_document_tells_nobody_declined_from_nobody_could(declined: str, can_decline: bool) -> None:
    study = a_study(riders=RIDER.replace('declined = ["0"]', declined))
    (rider,) = document(summary_of(a_row(), counting=a_counting(study)))["riders"]

    assert (rider["declined"], rider["can_decline"]) == (0, can_decline)


EVERY_PART = """
[sites]
by = "site"
[[sites.site]]
code = "n"
label = "North"
opened = 2023-09-11
[version]
field = "version"
accepted = ["2.0"]
[withdrawal]
flag = "left"
codes = ["1"]
extent = "how_far"
extent_labels = { 1 = "No use" }
[accrual]
approved = 2
approval_date = 2023-09-18
"""


def with_every_part() -> dict[str, Any]:
    """The document on two people: one in the north on an old version, one at no site who withdrew."""
    rows = [
        a_row("1", site="n", version="1.0", left="", how_far=""),
        a_row("2", site="", version="2.0", left="1", how_far="1"),
    ]
    return document(summary_of(*rows, counting=a_counting(a_study(more=EVERY_PART))))


def test_sites_by_data_access_group_are_marked() -> None:
    counting = a_counting(a_study(more='[sites]\nby = "data_access_group"\n'))
    assert (
        document(summary_of(a_row(redcap_data_access_group="n"), counting=counting))["sites_by"] == "data_access_group"
    )


def test_what_a_study_file_does_not_ask_for_is_no_key_of_the_document() -> None:
    optional = {"sites_by", "sites", "versions", "reconsent_due", "withdrawals", "accrual", "renewal"}

    assert set(with_every_part()) - set(document(summary_of(a_row()))) == optional


def test_each_optional_part_of_the_document_has_its_values() -> None:
    found = json.loads(json.dumps(with_every_part()))

    assert (found["sites_by"], found["reconsent_due"]) == ("field", 1)
    assert found["versions"] == [
        {"version": "2.0", "accepted": True, "taking_part": 0},
        {"version": "1.0", "accepted": False, "taking_part": 1},
        {"version": "", "accepted": False, "taking_part": 0},
    ]
    withdrawals = {"total": 1, "by_extent": {"1": 1}, "labels": {"1": "No use"}, "ends": [], "undated": 1}
    assert found["withdrawals"] == withdrawals
    warning = "All 2 approved participants have agreed. Ask the ethics board before anyone else agrees."
    assert found["accrual"] == {"approved": 2, "approval_date": "2023-09-18", "agreed": 2, "warning": warning}


@pytest.mark.parametrize(("people", "missing"), [(20, "no_projection_because"), (19, "projection")])
def test_the_document_projects_from_the_complete_weeks_or_says_why_not(people: int, missing: str) -> None:
    counting = a_counting(a_study(more="[accrual]\ntarget = 30\n"), a_period("2023-11-06", exported_on="2023-11-06"))
    rows = [a_row(str(n), consent_date="2023-11-05" if n < people else "2023-11-06") for n in range(people + 5)]

    accrual = document(summary_of(*rows, counting=counting))["accrual"]

    assert {"projection", "no_projection_because"} - set(accrual) == {missing}


def test_a_site_of_the_document_has_its_numbers() -> None:
    numbers = {"participants": 1, "consented": 1, "taking_part": 1, "recent": 1, "weeks": [1, 0, 0]}

    assert with_every_part()["sites"] == [
        {"code": "n", "label": "North", "opened": "2023-09-11", **numbers},
        {"code": "", "label": "(no site)", **numbers, "taking_part": 0},
    ]


def test_a_line_of_the_renewal_table_without_a_date_has_one_number() -> None:
    assert with_every_part()["renewal"][-1] == {"label": "Total", "since_start": 2}


def test_both_dates_are_in_the_document() -> None:
    found = document(summary_of(a_row(), counting=a_counting(period=a_period("2023-09-17", exported_on="2023-10-05"))))

    assert (found["cutoff"], found["exported_on"]) == ("2023-09-17", "2023-10-05")


def test_the_document_says_when_completeness_could_not_be_checked() -> None:
    counting = a_counting()
    source = Source(None, None, None, 1)

    found = document(summarise(tally_of(a_row()), counting.study, counting.period, source))

    assert found["source"]["records_listed"] is None


def test_the_document_is_stored_as_it_is() -> None:
    summary = summary_of(a_row())

    assert json.loads(render_json(summary).content) == document(summary)


def test_the_document_keeps_letters_beyond_ascii_readable() -> None:
    study = a_study(riders=RIDER.replace('"rider a"', '"Québec"'))

    assert "Québec".encode() in render_json(summary_of(a_row(), counting=a_counting(study))).content


# Every file


def test_files_are_named_by_the_title_and_say_whether_they_are_for_machines() -> None:
    files = {file.name: file.data for file in render_reports(summary_of(a_row()))}

    assert files == {f"OBRI Consent Summary.{ending}": ending == "json" for ending in ("csv", "xlsx", "pdf", "json")}


def test_no_record_id_is_in_any_file() -> None:
    files = render_reports(summary_of(a_row("QX-00731"), a_row("QX-00732", consent_date="", rider_a="7")))

    assert not [file.name for file in files if b"QX-0073" in file.content]


@settings(deadline=None, max_examples=20)
@given(rows=odd_rows(), counting=odd_countings())
def test_the_same_rows_give_the_same_bytes_in_any_order(rows: Rows, counting: Counting) -> None:
    forwards, backwards = (summary_of(*some, counting=counting) for some in (rows, rows[::-1]))

    assert [render_csv(forwards), render_json(forwards)] == [render_csv(backwards), render_json(backwards)]
