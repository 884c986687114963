"""Tests of what changed since an earlier report, and of the numbers that the run history keeps for that."""

from dataclasses import replace
from datetime import date
from typing import Any

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


def test_new_consents_are_the_difference_of_the_totals() -> None:
    assert since(then(2, 1, 0)).new_consents == 1


def test_fewer_consents_are_negative() -> None:
    assert since(then(5, 1, 0)).new_consents == -2


def test_the_earlier_cut_off_is_named() -> None:
    assert (since(then(2, 1, 0)).since, since(then(2, 1, 0)).first) == (date(2023, 9, 25), False)


def test_a_week_that_was_complete_and_counts_differently_now_is_a_change() -> None:
    assert since(then(1, 1, 0)).weeks == (WeekChange(START, date(2023, 9, 17), before=1, now=2),)


def test_a_week_that_counts_fewer_now_is_a_change_too() -> None:
    assert [(week.before, week.now) for week in since(then(2, 3, 0)).weeks] == [(3, 1)]


def test_changed_weeks_are_listed_oldest_first() -> None:
    changed = since(then(0, 0, 0)).weeks

    assert [week.first_day for week in changed] == [START, date(2023, 9, 18)]


def test_a_week_that_was_still_running_is_no_change() -> None:
    assert since(then(2, 1, 0), *CONSENTED_ON, "2023-09-25").weeks == ()


def test_the_first_report_is_known_to_be_the_first() -> None:
    assert since(None) == FIRST


def test_a_report_whose_weeks_are_no_longer_kept_is_not_compared() -> None:
    assert since(then(2, 1, 0, week_counts=None)) == NOT_COMPARED


def test_a_report_whose_totals_are_no_longer_kept_is_not_compared() -> None:
    assert since(then(2, 1, 0, counts=None)) == NOT_COMPARED


def test_not_compared_is_not_the_first() -> None:
    assert (NOT_COMPARED.first, NOT_COMPARED.since) == (False, None)


def test_the_same_rules_are_no_change() -> None:
    assert since(then(2, 1, 0)).rules_changed == ()


def test_a_study_file_that_counts_differently_is_named_by_its_keys() -> None:
    study = a_study(consents=CONSENT.replace('["1"]', '["1", "3"]'))

    assert since(then(2, 1, 0), study=study).rules_changed == ("consent[1]",)


def test_a_program_that_counts_differently_is_named() -> None:
    assert since(then(2, 1, 0, rules={**RULES, "counting version": "0"})).rules_changed == ("counting version",)


def test_a_removed_rule_is_named() -> None:
    assert since(then(2, 1, 0, rules={**RULES, "only": "12345678"})).rules_changed == ("only",)


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


def test_in_the_json_document_the_first_report_is_one_since_nothing() -> None:
    changes = document(replace(summary_of(a_row()), changes=FIRST))["changes"]

    assert changes == {"since": None, "new_consents": None, "weeks": [], "rules_changed": []}


def test_in_the_json_document_a_report_that_was_not_compared_has_no_changes() -> None:
    assert document(replace(summary_of(a_row()), changes=NOT_COMPARED))["changes"] is None


def test_the_totals_of_a_report_are_kept_and_who_takes_part() -> None:
    counts = totals_of(summary_of(*ROWS))

    assert counts == RunCounts(participants=3, consented=2, records_listed=4, records_received=4, taking_part=1)


def test_the_weeks_of_a_report_are_kept_with_its_rules() -> None:
    summary = summary_of(*ROWS, counting=a_counting(period=a_period("2023-09-20")))

    assert weeks_of(summary) == WeekCounts(
        date(2023, 9, 11), 1, (2, 0), {"rider a": (1, 0)}, rule_fingerprints(a_study())
    )


def test_the_weeks_that_are_kept_add_up_to_the_totals() -> None:
    summary = a_full_summary()

    assert sum(weeks_of(summary).consented) == totals_of(summary).consented
