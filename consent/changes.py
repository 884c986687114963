"""What is new since the report before this one: consents, corrected weeks, and counting rules that differ.

Pure. Which report that is, the record of runs says; it is handed in.
"""

from collections.abc import Sequence

from consent.counting_rules import changed_rules, rule_fingerprints
from consent.ledger import RunRecord, WeekCounts
from consent.summary import Changes, ConsentSummary, WeekChange, WeekCount

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
