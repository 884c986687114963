"""Tests of the sample summaries: they obey every law that the summary of any registry obeys."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings

from consent.counting.consents import NOT_COUNTED_REASONS, Counting
from consent.counting.participants import QUALITY_CODES
from consent.counting.summary import ConsentSummary
from tests.support.builders import summary_of
from tests.support.odd_registries import odd_countings, odd_rows
from tests.support.sample_summaries import SAMPLES, an_odd_summary

Law = Callable[[ConsentSummary], bool]
Rows = list[dict[str, str]]


def the_weeks_add_up(summary: ConsentSummary) -> bool:
    return sum(week.consented for week in summary.weeks) == summary.participants.consented


def the_weeks_are_those_of_the_period(summary: ConsentSummary) -> bool:
    shown = [(week.first_day, week.last_day, week.complete) for week in summary.weeks]
    return shown == [(week.first_day, week.last_day, week.complete) for week in summary.period.weeks]


def the_weeks_of_each_rider_add_up(summary: ConsentSummary) -> bool:
    return all(sum(week.riders[rider.key] for week in summary.weeks) == rider.agreed for rider in summary.riders)


def nobody_agrees_to_a_rider_alone(summary: ConsentSummary) -> bool:
    return all(agreed <= week.consented for week in summary.weeks for agreed in week.riders.values())


def each_rider_has_an_answer_of_everybody(summary: ConsentSummary) -> bool:
    return all(rider.offered + rider.not_offered == summary.participants.consented for rider in summary.riders)


def a_rider_without_a_code_for_no_is_never_declined(summary: ConsentSummary) -> bool:
    return all(rider.can_decline or rider.declined == 0 for rider in summary.riders)


def nobody_takes_part_without_consent(summary: ConsentSummary) -> bool:
    return 0 <= summary.taking_part <= summary.participants.consented


def participants_not_counted_are_to_be_reviewed(summary: ConsentSummary) -> bool:
    reasons = {**summary.participants.not_counted, "after_cutoff": 0}
    return all(summary.quality.get(reason, 0) >= number for reason, number in reasons.items())


def only_a_study_with_an_outside_has_somebody_there(summary: ConsentSummary) -> bool:
    return summary.study.only is not None or summary.outside == 0


def what_is_left_out_has_a_rule(summary: ConsentSummary) -> bool:
    return list(summary.left_out) == [rule.reason for rule in summary.study.leave_out]


def the_sites_add_up(summary: ConsentSummary) -> bool:
    last_four = sum([week.consented for week in summary.weeks if week.complete][-4:])
    totals = (summary.participants.total, summary.participants.consented, summary.taking_part, last_four)
    counts = [(s.participants, s.consented, s.taking_part, s.recent) for s in summary.sites or ()]
    return not summary.sites or tuple(map(sum, zip(*counts, strict=True))) == totals


def each_site_has_no_more_consented_than_people(summary: ConsentSummary) -> bool:
    counts = summary.sites or ()
    return all(max(site.taking_part, site.recent) <= site.consented <= site.participants for site in counts)


def the_versions_add_up(summary: ConsentSummary) -> bool:
    versions = summary.versions
    return not versions or sum(count.taking_part for count in versions) == summary.taking_part


def the_extents_add_up(summary: ConsentSummary) -> bool:
    withdrawals = summary.withdrawals
    return not withdrawals or sum(withdrawals.by_extent.values()) == withdrawals.total >= withdrawals.undated


def everyone_consented_takes_part_or_stopped(summary: ConsentSummary) -> bool:
    rows = since_start(summary)
    ended = [rows.get(label, 0) for label in ("– withdrawn from taking part", "– refused later")]
    return not rows or summary.taking_part + sum(ended) == summary.participants.consented


def only_some_withdrawals_end_taking_part(summary: ConsentSummary) -> bool:
    found, rows = summary.withdrawals, since_start(summary)
    if not found or not rows:
        return True
    ending = sum(n for extent, n in found.by_extent.items() if not found.ends or extent in (*found.ends, ""))
    return rows.get("– withdrawn from taking part") == ending


def the_renewal_is_that_of_the_classes(summary: ConsentSummary) -> bool:
    rows, people = since_start(summary), summary.participants
    expected = {
        "Consented": people.consented,
        "– still taking part": summary.taking_part,
        "Declined": people.declined,
        "Not counted": sum(people.not_counted.values()),
        "Not yet decided": people.pending,
        "Total": people.total,
    }
    return not rows or {label: n for label, n in rows.items() if label in expected} == expected


def nothing_is_more_since_the_approval(summary: ConsentSummary) -> bool:
    return all((row.since_approval or 0) <= row.since_start for row in summary.renewal or ())


def everyone_consented_has_agreed(summary: ConsentSummary) -> bool:
    return not summary.accrual or summary.participants.consented <= summary.accrual.agreed <= summary.participants.total


def a_changed_week_was_complete_and_differs(summary: ConsentSummary) -> bool:
    weeks = summary.changes.weeks if summary.changes else ()
    now = {week.first_day: week.consented for week in summary.weeks if week.complete}
    return all(week.before != week.now == now[week.first_day] for week in weeks)


LAWS = (
    the_weeks_add_up,
    the_weeks_are_those_of_the_period,
    the_weeks_of_each_rider_add_up,
    nobody_agrees_to_a_rider_alone,
    each_rider_has_an_answer_of_everybody,
    a_rider_without_a_code_for_no_is_never_declined,
    nobody_takes_part_without_consent,
    participants_not_counted_are_to_be_reviewed,
    only_a_study_with_an_outside_has_somebody_there,
    what_is_left_out_has_a_rule,
    the_sites_add_up,
    each_site_has_no_more_consented_than_people,
    the_versions_add_up,
    the_extents_add_up,
    everyone_consented_takes_part_or_stopped,
    only_some_withdrawals_end_taking_part,
    the_renewal_is_that_of_the_classes,
    nothing_is_more_since_the_approval,
    everyone_consented_has_agreed,
    a_changed_week_was_complete_and_differs,
)


def since_start(summary: ConsentSummary) -> dict[str, int]:
    """The rows of the table for renewal, by their labels; none where there is no such table."""
    return {row.label: row.since_start for row in summary.renewal or ()}


def broken(summary: ConsentSummary) -> list[str]:
    """The laws that a summary does not obey."""
    return [law.__name__ for law in LAWS if not law(summary)]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_obeys_the_laws_of_any_summary(name: str) -> None:
    assert broken(SAMPLES[name]()) == []


@settings(deadline=None, max_examples=40)
@given(rows=odd_rows(), counting=odd_countings())
def test_the_summary_of_any_registry_obeys_them(rows: Rows, counting: Counting) -> None:
    assert broken(summary_of(*rows, counting=counting)) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_as_many_records_were_received_as_are_counted(name: str) -> None:
    summary = SAMPLES[name]()

    assert (summary.source.records_received, summary.source.records_listed) == (summary.everyone, summary.everyone)


def test_the_odd_sample_has_every_reason_and_every_code() -> None:
    summary = an_odd_summary()

    assert (list(summary.participants.not_counted), list(summary.quality)) == (
        list(NOT_COUNTED_REASONS),
        list(QUALITY_CODES),
    )
