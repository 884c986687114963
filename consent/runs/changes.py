"""What differs from an earlier report: new consents, changed weeks, changed counting rules."""

from dataclasses import fields, replace

from consent.counting.summary import Changes, ConsentSummary, OpeningNumbers
from consent.runs.ledger.record import RunCounts, RunRecord, WeekCounts
from consent.studies.fingerprints import changed_rules, rule_fingerprints

FIRST = Changes(since=None, first=True, new_consents=0, weeks=(), rules_changed=())
NOT_COMPARED = Changes(since=None, first=False, new_consents=0, weeks=(), rules_changed=())


def compare(summary: ConsentSummary, earlier: RunRecord | None) -> Changes:
    """Compare a report with the run of an earlier one.

    Only weeks that were complete in the earlier report and start on the same day are compared. Gives ``FIRST`` without
    an earlier report, and ``NOT_COMPARED`` if its counts were purged.
    """
    if earlier is None:
        return FIRST
    if earlier.cutoff is None or earlier.counts is None or earlier.week_counts is None:
        return NOT_COMPARED
    now = weeks_of(summary)
    return Changes(
        since=earlier.cutoff,
        first=False,
        new_consents=summary.participants.consented - earlier.counts.consented,
        weeks=now.changes_since(earlier.week_counts),
        rules_changed=changed_rules(now.rules, earlier.week_counts.rules),
    )


def totals_of(summary: ConsentSummary) -> RunCounts:
    """Return a report's totals for the run history; a report from a file has 0 records listed."""
    return RunCounts(
        participants=summary.participants.total,
        consented=summary.participants.consented,
        records_listed=summary.source.records_listed or 0,
        records_received=summary.source.records_received,
        taking_part=summary.taking_part,
    )


def weeks_of(summary: ConsentSummary) -> WeekCounts:
    """Return a report's weekly counts, its opening numbers, and the fingerprints of the rules that made them."""
    weeks = summary.weeks
    return WeekCounts(
        first_day=summary.period.start,
        complete=sum(week.complete for week in weeks),
        consented=tuple(week.consented for week in weeks),
        riders={rider.key: tuple(week.riders[rider.key] for week in weeks) for rider in summary.riders},
        rules=rule_fingerprints(summary.study),
        opening=_opening_of(summary),
    )


def _opening_of(summary: ConsentSummary) -> OpeningNumbers:
    """Return the numbers that open the report, without the weekly ones."""
    sites = summary.sites and tuple(replace(site, weeks=()) for site in summary.sites)
    opening = {field.name: getattr(summary, field.name) for field in fields(OpeningNumbers)}
    return OpeningNumbers(**opening | {"weeks": (), "sites": sites})
