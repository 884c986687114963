"""Tests of what changed since an earlier report, and of the numbers that the run history keeps for that."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from consent.counting.period import WeekChange
from consent.counting.summary import Changes
from consent.redcap.arrivals import INSTANCE
from consent.reports.data_files import document
from consent.runs.changes import FIRST, NOT_COMPARED, compare, totals_of, weeks_of
from consent.runs.ledger.record import RunCounts, RunRecord, WeekCounts
from consent.studies.fingerprints import rule_fingerprints
from tests.support.builders import CONSENT, a_counting, a_period, a_row, a_study, summary_of
from tests.support.run_builders import a_report
from tests.support.sample_summaries import a_full_summary

START = date(2023, 9, 11)
RULES = rule_fingerprints(a_study())
REFUSED_LATER = a_row("2", **{INSTANCE: "2"}, consent_obtained="2", consent_date="2023-09-19")
ROWS = (a_row("1"), a_row("2", rider_a=""), REFUSED_LATER, a_row("3", consent_date=""))
CONSENTED_ON = ("2023-09-12", "2023-09-13", "2023-09-20", "2023-09-27")


def then(*consented: int, complete: int = 2, rules: dict[str, str] | None = None, **changes: Any) -> RunRecord:
    """The report as of Monday 25 September 2023, with these consents a week, the last of which had just begun."""
    weeks = WeekCounts(START, complete, consented, {}, RULES if rules is None else rules)
    counts = RunCounts(100, sum(consented), 100, 100, 0)
    return a_report(**{"cutoff": date(2023, 9, 25), "counts": counts, "week_counts": weeks} | changes)


def since(earlier: RunRecord | None, *days: str, **counting: Any) -> Changes:
    """What differs from it in a report of those who consented on these days, as of Sunday 1 October 2023."""
    rows = [a_row(str(number), consent_date=day) for number, day in enumerate(days or CONSENTED_ON)]
    return compare(summary_of(*rows, counting=a_counting(**counting) if counting else None), earlier)


@pytest.mark.parametrize(("before", "new"), [(2, 1), (5, -2)])
def test_new_consents_are_the_difference_of_the_totals(before: int, new: int) -> None:
    changes = since(then(before, 1, 0))

    assert (changes.new_consents, changes.since, changes.first) == (new, date(2023, 9, 25), False)


def test_weeks_that_were_complete_and_count_differently_now_are_changes_oldest_first() -> None:
    assert since(then(1, 3, 0)).weeks == (
        WeekChange(START, date(2023, 9, 17), before=1, now=2),
        WeekChange(date(2023, 9, 18), date(2023, 9, 24), before=3, now=1),
    )


def test_a_week_that_was_still_running_is_no_change() -> None:
    assert since(then(2, 1, 0), *CONSENTED_ON, "2023-09-25").weeks == ()


def test_the_first_report_is_known_to_be_the_first() -> None:
    assert since(None) == FIRST


@pytest.mark.parametrize("purged", ["week_counts", "counts", "cutoff"])
def test_a_report_whose_numbers_were_purged_is_not_compared(purged: str) -> None:
    assert since(then(2, 1, 0, **{purged: None})) == NOT_COMPARED


@pytest.mark.parametrize("changed", [{}, {"counting version": "0"}, {"only": "12345678"}], ids=str)
def test_a_changed_rule_is_named(changed: dict[str, str]) -> None:
    assert since(then(2, 1, 0, rules=RULES | changed)).rules_changed == tuple(changed)


def test_a_study_file_that_counts_differently_is_named_by_its_keys() -> None:
    study = a_study(consents=CONSENT.replace('["1"]', '["1", "3"]'))

    assert since(then(2, 1, 0), study=study).rules_changed == ("consent[1]",)


def test_weeks_that_start_on_other_days_now_are_not_compared() -> None:
    study = replace(a_study(), start_date=date(2023, 9, 9))

    changes = since(then(9, 9, 9), study=study, period=a_period(start="2023-09-09"))

    assert (changes.weeks, changes.rules_changed) == ((), ("start_date",))


def test_weeks_that_were_only_shifted_by_whole_weeks_still_are() -> None:
    study = replace(a_study(), start_date=date(2023, 9, 4))

    changes = since(then(1, 1, 0), study=study, period=a_period(start="2023-09-04"))

    assert [(week.first_day, week.before, week.now) for week in changes.weeks] == [(START, 1, 2)]


def test_the_json_document_has_the_changes() -> None:
    summary = replace(summary_of(a_row()), changes=since(then(1, 1, 0)))

    assert document(summary)["changes"] == {
        "since": "2023-09-25",
        "new_consents": 2,
        "weeks": [{"first_day": "2023-09-11", "last_day": "2023-09-17", "before": 1, "now": 2}],
        "rules_changed": [],
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [(FIRST, {"since": None, "new_consents": None, "weeks": [], "rules_changed": []}), (NOT_COMPARED, None)],
)
def test_the_json_document_of_a_report_without_an_earlier_one(changes: Changes, expected: Any) -> None:
    assert document(replace(summary_of(a_row()), changes=changes))["changes"] == expected


def test_the_totals_of_a_report_are_kept_and_who_takes_part() -> None:
    counts = totals_of(summary_of(*ROWS))

    assert counts == RunCounts(participants=3, consented=2, records_listed=4, records_received=4, taking_part=1)


def test_the_weeks_of_a_report_are_kept_with_its_rules() -> None:
    summary = summary_of(*ROWS, counting=a_counting(period=a_period("2023-09-20")))

    assert replace(weeks_of(summary), opening=None) == WeekCounts(
        date(2023, 9, 11), 1, (2, 0), {"rider a": (1, 0)}, rule_fingerprints(a_study())
    )


def test_the_weeks_that_are_kept_add_up_to_the_totals() -> None:
    summary = a_full_summary()

    assert sum(weeks_of(summary).consented) == totals_of(summary).consented
