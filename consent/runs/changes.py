"""What differs from an earlier report: new consents, changed weeks, changed counting rules."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial

from consent.counting.summary import Changes, ConsentSummary, WeekChange
from consent.runs.ledger.record import RunCounts, RunRecord, WeekCounts
from consent.runs.ledger.store import RunLedger
from consent.studies.fingerprints import changed_rules, rule_fingerprints

FIRST = Changes(since=None, first=True, new_consents=0, weeks=(), rules_changed=())
NOT_COMPARED = Changes(since=None, first=False, new_consents=0, weeks=(), rules_changed=())


@dataclass(frozen=True)
class PastReports:
    """The delivered reports that a new one is compared with.

    Attributes:
        last: the run whose report is in the folder now; a much lower report is refused.
        before: finds the newest report with an earlier cut-off; None means that the new report shows no changes.
    """

    last: RunRecord | None = None
    before: Callable[[date], RunRecord | None] | None = None

    @classmethod
    def of(cls, ledger: RunLedger, study: str, *, sandbox: bool) -> "PastReports":
        """Read a study's past reports from the run history."""
        before = partial(ledger.report_before, study, sandbox=sandbox)
        return cls(ledger.last_report(study, sandbox=sandbox), before)


def compare(summary: ConsentSummary, earlier: RunRecord | None) -> Changes:
    """Compare a report with the run of an earlier one.

    Only weeks that were complete in the earlier report and start on the same day are compared. Gives ``FIRST`` without
    an earlier report, and ``NOT_COMPARED`` if its counts were purged.
    """
    if earlier is None:
        return FIRST
    if earlier.cutoff is None or earlier.counts is None or earlier.week_counts is None:
        return NOT_COMPARED
    before = earlier.week_counts.over
    return Changes(
        since=earlier.cutoff,
        first=False,
        new_consents=summary.participants.consented - earlier.counts.consented,
        weeks=tuple(
            WeekChange(week.first_day, week.last_day, before[week.first_day], week.consented)
            for week in summary.weeks
            if before.get(week.first_day, week.consented) != week.consented
        ),
        rules_changed=changed_rules(rule_fingerprints(summary.study), earlier.week_counts.rules),
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
    """Return a report's weekly counts, and the fingerprints of the rules that made them."""
    weeks = summary.weeks
    return WeekCounts(
        first_day=summary.period.start,
        complete=sum(week.complete for week in weeks),
        consented=tuple(week.consented for week in weeks),
        riders={rider.key: tuple(week.riders[rider.key] for week in weeks) for rider in summary.riders},
        rules=rule_fingerprints(summary.study),
    )
