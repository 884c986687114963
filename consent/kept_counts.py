"""What the record of runs keeps of a report's numbers: its totals, and its weeks.

Pure. No number by site, form version or extent is kept, and no rider's refusals: those are in the delivered files.
"""

from typing import TYPE_CHECKING

from consent.counting_rules import rule_fingerprints
from consent.ledger import RunCounts, WeekCounts

if TYPE_CHECKING:
    from consent.summary import ConsentSummary


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
