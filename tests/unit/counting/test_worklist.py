"""Tests of the records to review: as many as the report counts, each with its place in REDCap."""

from itertools import groupby
from operator import itemgetter

import pytest
from hypothesis import given

from consent.counting.consents import Counting
from consent.counting.worklist import Entry, Worklist, list_records_to_review
from consent.studies.model import StudyConfig
from tests.support.builders import a_counting, a_row, a_study, as_rows, summary_of
from tests.support.odd_registries import odd_countings, odd_rows

WITHDRAWAL = """
[withdrawal]
flag = "withdrawn"
codes = ["1"]
date = "withdrawn_on"
extent = "extent"
ends = ["all"]
"""
BY_GROUP = """
[sites]
by = "data_access_group"
[[sites.site]]
code = "north"
"""


def listed(*rows: dict[str, str], study: StudyConfig | None = None) -> tuple[Entry, ...]:
    """Return the places to review in these rows."""
    return list_records_to_review(as_rows(rows), a_counting(study)).entries


def left(**values: str) -> dict[str, str]:
    """A participant who agreed on 12 September 2023 and, by default, withdrew a week later."""
    return a_row(**{"withdrawn": "1", "withdrawn_on": "2023-09-20", "extent": "all", **values})


@given(rows=odd_rows(), counting=odd_countings())
def test_each_code_has_as_many_records_as_the_report_counts(rows: list[dict[str, str]], counting: Counting) -> None:
    assert list_records_to_review(as_rows(rows), counting).records == dict(summary_of(*rows, counting=counting).quality)


@given(rows=odd_rows(), counting=odd_countings())
def test_the_lists_of_single_records_add_up(rows: list[dict[str, str]], counting: Counting) -> None:
    singly = [list_records_to_review(as_rows(own), counting) for _, own in groupby(rows, key=itemgetter("record"))]
    together = sum(singly, Worklist())
    assert set(together.entries) == set(list_records_to_review(as_rows(rows), counting).entries)


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"consent_date": ""}, "no_date", "consent_date"),
        ({"consent_date": "spring"}, "unreadable_date", "consent_date"),
        ({"consent_date": "2023-09-10"}, "before_start", "consent_date"),
        ({"consent_date": "2203-09-12"}, "future_date", "consent_date"),
        ({"consent_date": "Consent not completed"}, "agreed_but_open", "consent_date"),
        ({"consent_obtained": "", "rider_a": ""}, "dated_but_pending", "consent_obtained"),
        ({"consent_obtained": "9", "rider_a": ""}, "unknown_code", "consent_obtained"),
        ({"rider_a": "9"}, "unknown_code", "rider_a"),
        ({"consent_obtained": "2"}, "rider_without_consent", "rider_a"),
    ],
)
def test_each_code_names_the_field_to_review(values: dict[str, str], code: str, field: str) -> None:
    assert listed(a_row("007", **values)) == (Entry("007", "", "", "", code, field),)


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"withdrawn_on": ""}, "withdrawal_undated", "withdrawn_on"),
        ({"withdrawn_on": "2023-09-11"}, "withdrawal_before_consent", "withdrawn_on"),
        ({"consent_obtained": "2", "rider_a": ""}, "withdrawal_without_consent", "withdrawn_on"),
        ({"extent": "some"}, "unknown_code", "extent"),
    ],
)
def test_each_withdrawal_code_names_its_field(values: dict[str, str], code: str, field: str) -> None:
    (entry,) = listed(left(**values), study=a_study(more=WITHDRAWAL))
    assert (entry.code, entry.field) == (code, field)


def test_a_code_on_two_rows_is_listed_twice_and_counted_once() -> None:
    visits = [
        a_row("1", consent_date="", redcap_event_name="year_2", redcap_repeat_instance=instance)
        for instance in ("1", "2")
    ]
    worklist = list_records_to_review(as_rows(visits), a_counting())
    assert [(entry.event, entry.instance) for entry in worklist.entries] == [("year_2", "1"), ("year_2", "2")]
    assert worklist.records == {"no_date": 1}


def test_an_unlisted_group_concerns_the_record_and_no_event() -> None:
    visits = [a_row(redcap_event_name=event, redcap_data_access_group="east") for event in ("first", "second")]
    assert listed(*visits, study=a_study(more=BY_GROUP)) == (
        Entry("1", "", "", "", "unknown_code", "redcap_data_access_group"),
    )


def test_a_record_that_is_left_out_is_not_listed() -> None:
    study = a_study(more='[[leave_out]]\nreason = "test"\nid_pattern = "T.*"\n')
    assert listed(a_row("T1", consent_date=""), study=study) == ()
