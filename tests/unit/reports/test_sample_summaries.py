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


def since_start(summary: ConsentSummary) -> dict[str, int]:
    """The rows of the table for renewal, by their labels; none where there is no such table."""
    return {row.label: row.since_start for row in summary.renewal or ()}


def the_sites_add_up(summary: ConsentSummary) -> bool:
    last_four = sum([week.consented for week in summary.weeks if week.complete][-4:])
    totals = (summary.participants.total, summary.participants.consented, summary.taking_part, last_four)
    counts = [(s.participants, s.consented, s.taking_part, s.recent) for s in summary.sites or ()]
    return not summary.sites or tuple(map(sum, zip(*counts, strict=True))) == totals


def the_extents_add_up(summary: ConsentSummary) -> bool:
    found = summary.withdrawals
    return not found or sum(found.by_extent.values()) == found.total >= found.undated


def everyone_consented_takes_part_or_stopped(summary: ConsentSummary) -> bool:
    rows = since_start(summary)
    ended = [rows.get(label, 0) for label in ("Withdrawn (by day of withdrawal)", "Refused later (by day of refusal)")]
    return not rows or summary.taking_part + sum(ended) == summary.participants.consented


def only_some_withdrawals_end_taking_part(summary: ConsentSummary) -> bool:
    found, rows = summary.withdrawals, since_start(summary)
    if not found or not rows:
        return True
    ending = sum(n for extent, n in found.by_extent.items() if not found.ends or extent in (*found.ends, ""))
    return rows.get("Withdrawn (by day of withdrawal)") == ending


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


def a_changed_week_was_complete_and_differs(summary: ConsentSummary) -> bool:
    weeks = summary.changes.weeks if summary.changes else ()
    now = {week.first_day: week.consented for week in summary.weeks if week.complete}
    return all(week.before != week.now == now[week.first_day] for week in weeks)


LAWS: dict[str, Law] = {
    "the weeks add up": lambda s: sum(week.consented for week in s.weeks) == s.participants.consented,
    "the weeks are those of the period": lambda s: (
        [(week.first_day, week.last_day, week.complete) for week in s.weeks]
        == [(week.first_day, week.last_day, week.complete) for week in s.period.weeks]
    ),
    "the weeks of each rider add up": lambda s: all(
        sum(week.riders[rider.key] for week in s.weeks) == rider.agreed for rider in s.riders
    ),
    "nobody agrees to a rider alone": lambda s: all(
        agreed <= week.consented for week in s.weeks for agreed in week.riders.values()
    ),
    "each rider has an answer of everybody": lambda s: all(
        rider.offered + rider.not_offered == s.participants.consented for rider in s.riders
    ),
    "a rider without a code for no is never declined": lambda s: all(
        rider.can_decline or rider.declined == 0 for rider in s.riders
    ),
    "nobody takes part without consent": lambda s: 0 <= s.taking_part <= s.participants.consented,
    "participants not counted are to be reviewed": lambda s: all(
        s.quality.get(reason, 0) >= n for reason, n in s.participants.not_counted.items() if reason != "after_cutoff"
    ),
    "only a study with an outside has somebody there": lambda s: s.study.only is not None or s.outside == 0,
    "what is left out has a rule": lambda s: list(s.left_out) == [rule.reason for rule in s.study.leave_out],
    "the sites add up": the_sites_add_up,
    "each site has no more consented than people": lambda s: all(
        max(site.taking_part, site.recent) <= site.consented <= site.participants for site in s.sites or ()
    ),
    "the versions add up": lambda s: not s.versions or sum(count.taking_part for count in s.versions) == s.taking_part,
    "the extents add up": the_extents_add_up,
    "everyone consented takes part or stopped": everyone_consented_takes_part_or_stopped,
    "only some withdrawals end taking part": only_some_withdrawals_end_taking_part,
    "the renewal is that of the classes": the_renewal_is_that_of_the_classes,
    "nothing is more since the approval": lambda s: all(
        (row.since_approval or 0) <= row.since_start for row in s.renewal or ()
    ),
    "everyone consented has agreed": lambda s: (
        not s.accrual or s.participants.consented <= s.accrual.agreed <= s.participants.total
    ),
    "a changed week was complete and differs": a_changed_week_was_complete_and_differs,
}


def broken(summary: ConsentSummary) -> list[str]:
    """The laws that a summary does not obey."""
    return [name for name, law in LAWS.items() if not law(summary)]


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
