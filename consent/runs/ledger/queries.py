"""What is found in a listing of runs: the newest report, and the runs past their retention."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from consent.runs.ledger.record import RunRecord

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def newest_report(records: Iterable[RunRecord], *, sandbox: bool, before: date | None = None) -> RunRecord | None:
    """Return the record of the newest report: the latest cut-off, then the latest end.

    before: look only at reports with an earlier cut-off than this day.
    """
    reports = [record for record in records if record.is_report and record.sandbox == sandbox]
    if before is not None:
        reports = [record for record in reports if record.cutoff is not None and record.cutoff < before]
    return max(reports, key=lambda run: (run.cutoff or date.min, run.finished_at or _LONG_AGO), default=None)


def newest_first(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Return the records in the order of listings: the latest request first."""
    return sorted(records, key=lambda record: (record.requested_at, record.run_id), reverse=True)


def records_to_purge(records: Sequence[RunRecord], before: datetime) -> list[RunRecord]:
    """Return the ended runs requested earlier that still have numbers, except every study's current report."""
    by_study: dict[tuple[str, bool], list[RunRecord]] = {}
    for record in records:
        by_study.setdefault((record.study, record.sandbox), []).append(record)
    current = [newest_report(runs, sandbox=sandbox) for (_, sandbox), runs in by_study.items()]
    return [run for run in records if run.requested_at < before and run not in current and _has_numbers(run)]


def _has_numbers(record: RunRecord) -> bool:
    return not record.is_open and bool(record.counts or record.what or record.fix or record.remarks)
