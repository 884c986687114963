"""Whether a report shows counts so small that they could point at a person, and the words that then mark it.

Hides nothing: a report for the study team shows every count.
"""

from collections.abc import Iterator

from consent.summary import ConsentSummary

SMALLEST_SAFE = 5
"""Counts from 1 up to but without this are small; 0 is not."""

SMALL_COUNTS_MARK = "Contains small counts: for the study team only"


def holds_small_counts(summary: ConsentSummary) -> bool:
    """Whether any count of people in the report, other than 0, is below ``SMALLEST_SAFE``."""
    return any(0 < count < SMALLEST_SAFE for count in _counts(summary))


def _counts(summary: ConsentSummary) -> Iterator[int]:
    people = summary.participants
    yield from (people.consented, people.declined, people.pending_open, people.pending_not_started)
    yield from (people.total, summary.taking_part, summary.outside)
    for counts in (people.not_counted, summary.left_out, summary.quality):
        yield from counts.values()
    for week in summary.weeks:
        yield from (week.consented, *week.riders.values())
    for rider in summary.riders:
        yield from (rider.agreed, rider.declined, rider.not_answered, rider.not_offered)
    yield from _optional_counts(summary)


def _optional_counts(summary: ConsentSummary) -> Iterator[int]:
    for site in summary.sites.counts if summary.sites else ():
        yield from (site.participants, site.consented, site.taking_part, site.recent)
    for version in summary.versions.counts if summary.versions else ():
        yield version.taking_part
    if summary.withdrawals:
        yield from (summary.withdrawals.total, summary.withdrawals.undated, *summary.withdrawals.by_extent.values())
    if summary.accrual:
        yield summary.accrual.agreed
    for row in summary.renewal or ():
        yield from (row.since_approval or 0, row.since_start)
    if summary.changes:
        yield abs(summary.changes.new_consents)
        for week in summary.changes.weeks:
            yield from (week.before, week.now, abs(week.now - week.before))
