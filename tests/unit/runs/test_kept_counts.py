"""Claims about what the record of runs keeps of a report's numbers."""

from datetime import date

from consent.redcap.arrivals import INSTANCE
from consent.runs.changes import totals_of, weeks_of
from consent.runs.ledger.record import RunCounts, WeekCounts
from consent.studies.fingerprints import rule_fingerprints
from tests.support.builders import a_counting, a_period, a_row, a_study, summary_of
from tests.support.sample_summaries import a_full_summary

REFUSED_LATER = a_row("2", **{INSTANCE: "2"}, consent_obtained="2", consent_date="2023-09-19")
ROWS = (a_row("1"), a_row("2", rider_a=""), REFUSED_LATER, a_row("3", consent_date=""))


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
