"""Tests of reading one consent: its decision, its date and its state."""

from datetime import date

import pandas as pd
import pytest

from consent.counting.consents import STATES, Batch, Counting
from tests.support.builders import CONSENT, a_column_map, a_counting, a_period, a_row, a_study, as_frame, as_rows

CHECKBOX = CONSENT.replace('"consent_obtained"', '"choices(7)"').replace('["2"]', "[]")
CERTIFIED = a_study(consents=CONSENT + 'form_complete = "consent_complete"\n')
SURVEY = CONSENT.replace('"consent_date"', '"consent_timestamp"')
FROM_AUCKLAND = a_study(consents='time_zone = "Pacific/Auckland"\n' + SURVEY)


def the_consents(*rows: dict[str, str], counting: Counting | None = None) -> pd.DataFrame:
    return as_frame(Batch(as_rows(rows), counting or a_counting()).consents)


def state_of(row: dict[str, str], counting: Counting | None = None) -> str:
    """Return the state of the only consent in this row."""
    (state,) = the_consents(row, counting=counting)["state"]
    return STATES[state]


def day_of(row: dict[str, str], counting: Counting | None = None) -> date | None:
    (day,) = the_consents(row, counting=counting)["day"]
    return None if pd.isna(day) else day.date()


# The first rule that matches


@pytest.mark.parametrize(
    ("decision", "day", "state"),
    [
        ("1", "2023-09-11", "consented"),
        ("1", "2023-10-01", "consented"),
        ("2", "2023-09-12", "declined"),
        ("2", "", "declined"),
        ("0", "2023-09-12", "open"),
        ("", "2023-09-12", "open"),
        ("1", "", "no_date"),
        ("1", "Consent not completed", "open"),
        ("1", "soon", "unreadable_date"),
        ("1", "2023-09-10", "before_start"),
        ("1", "2023-10-05", "after_cutoff"),
        ("1", "2023-10-06", "future_date"),
        ("9", "2023-09-12", "unknown_code"),
        ("9", "", "unknown_code"),
    ],
)
def test_the_first_matching_rule_decides(decision: str, day: str, state: str) -> None:
    counting = a_counting(period=a_period("2023-10-01", exported_on="2023-10-05"))
    assert state_of(a_row(consent_obtained=decision, consent_date=day), counting) == state


def test_a_row_without_decision_and_date_is_no_consent() -> None:
    assert the_consents(a_row(consent_obtained="", consent_date="")).empty


def test_spaces_around_pending_text_in_the_study_file_do_not_matter() -> None:
    counting = a_counting(a_study(consents=CONSENT.replace('completed"]', 'completed "]')))
    assert state_of(a_row(consent_date="Consent not completed"), counting) == "open"


def test_pending_text_must_match_the_whole_text() -> None:
    assert state_of(a_row(consent_date="Consent not completed yet")) == "unreadable_date"


# Missing-data codes


def with_missing_codes(*missing_codes: str, consents: str = CONSENT) -> Counting:
    """Count in a project with these missing-data codes."""
    study = a_study(consents=consents)
    return a_counting(study, column_map=a_column_map(study, missing_codes=frozenset(missing_codes)))


def test_a_missing_data_code_is_no_decision() -> None:
    assert state_of(a_row(consent_obtained="-99"), with_missing_codes("-99", "UNK")) == "open"


def test_a_missing_data_code_listed_as_agreed_is_still_no_decision() -> None:
    counting = with_missing_codes("-99", consents=CONSENT.replace('["1"]', '["-99"]'))
    assert state_of(a_row(consent_obtained="-99"), counting) == "open"


def test_a_missing_data_code_in_the_date_is_no_date() -> None:
    assert state_of(a_row(consent_date="UNK"), with_missing_codes("-99", "UNK")) == "no_date"


# Strict dates


@pytest.mark.parametrize("text", ["2023-09-12", "2023-09-12 09:30", "2023-09-12 23:59:59"])
def test_dates_and_date_times_are_read(text: str) -> None:
    assert day_of(a_row(consent_date=text)) == date(2023, 9, 12)


@pytest.mark.parametrize(
    "text",
    [
        "12/09/2023",
        "09-12-2023",
        "2023-9-12",
        "2023-W37-2",
        "2023-02-30",
        "0000-09-12",
        "2023-09-12 99:99",
        "2023-09-12 09:30:00.5",
        "2023-09-12T09:30:00Z",
        "2023-09-12?",
        "٢٠٢٣-٠٩-١٢",
        "[document]",
    ],
)
def test_a_date_in_any_other_format_is_unreadable(text: str) -> None:
    assert state_of(a_row(consent_date=text)) == "unreadable_date"


# Forms that must be certified, and checkboxes


@pytest.mark.parametrize(
    ("decision", "complete", "state"),
    [
        ("1", "2", "consented"),
        ("1", "0", "open"),
        ("1", "", "open"),
        ("2", "0", "declined"),
    ],
)
def test_an_agreement_counts_only_on_a_certified_form(decision: str, complete: str, state: str) -> None:
    assert state_of(a_row(consent_obtained=decision, consent_complete=complete), a_counting(CERTIFIED)) == state


def test_pending_text_on_a_form_that_is_not_certified_is_not_reviewed() -> None:
    row = a_row(consent_date="Consent not completed", consent_complete="0")
    assert not the_consents(row, counting=a_counting(CERTIFIED))["agreed_but_open"].any()


@pytest.mark.parametrize(
    ("box", "day", "state"),
    [
        ("1", "2023-09-12", "consented"),
        ("1", "", "no_date"),
        ("0", "2023-09-12", "open"),
        ("", "2023-09-12", "open"),
    ],
)
def test_an_unticked_box_is_no_decision(box: str, day: str, state: str) -> None:
    assert state_of(a_row(choices___7=box, consent_date=day), a_counting(a_study(consents=CHECKBOX))) == state


# Survey timestamps


@pytest.mark.parametrize(
    ("timestamp", "day"),
    [
        ("2023-09-12 15:59:59", date(2023, 9, 11)),  # Auckland is 16 hours ahead of Toronto
        ("2023-09-12 16:00:00", date(2023, 9, 12)),
        ("2023-09-26 16:59:59", date(2023, 9, 25)),  # 17 hours in summer, from the 24th
        ("2023-09-26 17:00:00", date(2023, 9, 26)),
    ],
)
def test_a_survey_timestamp_is_converted_from_the_servers_time_zone(timestamp: str, day: date) -> None:
    assert day_of(a_row(consent_timestamp=timestamp), a_counting(FROM_AUCKLAND)) == day


def test_a_survey_that_was_not_submitted_is_open() -> None:
    assert state_of(a_row(consent_timestamp="[not completed]"), a_counting(FROM_AUCKLAND)) == "open"


def test_a_form_entered_by_staff_has_no_timestamp() -> None:
    assert state_of(a_row(consent_timestamp=""), a_counting(FROM_AUCKLAND)) == "no_date"
