"""What is new since the report before this one: consents, corrected weeks, and counting rules that differ.

Pure. Which report that is, the record of runs says; it is handed in.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from consent.counting.summary import Changes, ConsentSummary, WeekChange, WeekCount
from consent.runs.ledger.record import RunCounts, RunRecord, WeekCounts
from consent.studies.fingerprints import changed_rules, rule_fingerprints

if TYPE_CHECKING:
    from consent.counting.summary import ConsentSummary


FIRST = Changes(since=None, first=True, new_consents=0, weeks=(), rules_changed=())
NOT_COMPARED = Changes(since=None, first=False, new_consents=0, weeks=(), rules_changed=())


def compare(summary: ConsentSummary, earlier: RunRecord | None) -> Changes:
    """What differs from an earlier report: how many consents more, and which weeks that were over then.

    A week whose days are other ones since the study's first day was moved is not compared.

    Args:
        earlier: the run whose report is the newest with an earlier cut-off; None if there is none.

    Returns:
        ``FIRST`` without an earlier report; ``NOT_COMPARED`` if its counts are no longer kept.
    """
    if earlier is None:
        return FIRST
    if earlier.cutoff is None or earlier.counts is None or earlier.week_counts is None:
        return NOT_COMPARED
    return Changes(
        since=earlier.cutoff,
        first=False,
        new_consents=summary.participants.consented - earlier.counts.consented,
        weeks=_changed_weeks(summary.weeks, earlier.week_counts),
        rules_changed=changed_rules(rule_fingerprints(summary.study), earlier.week_counts.rules),
    )


def _changed_weeks(weeks: Sequence[WeekCount], then: WeekCounts) -> tuple[WeekChange, ...]:
    before = then.over
    return tuple(
        WeekChange(week.first_day, week.last_day, before[week.first_day], week.consented)
        for week in weeks
        if before.get(week.first_day, week.consented) != week.consented
    )


def totals_of(summary: "ConsentSummary") -> RunCounts:
    """The totals of a report; where no listing told how many records there are, 0 are listed."""
    return RunCounts(
        participants=summary.participants.total,
        consented=summary.participants.consented,
        records_listed=summary.source.records_listed or 0,
        records_received=summary.source.records_received,
        taking_part=summary.taking_part,
    )


def weeks_of(summary: "ConsentSummary") -> WeekCounts:
    """The weeks of a report, and by which rules they were counted."""
    weeks = summary.weeks
    return WeekCounts(
        first_day=summary.period.start,
        complete=sum(week.complete for week in weeks),
        consented=tuple(week.consented for week in weeks),
        riders={rider.key: tuple(week.riders[rider.key] for week in weeks) for rider in summary.riders},
        rules=rule_fingerprints(summary.study),
    )
