"""What every store finds by going through its records: the newest report, the one before, counts to be forgotten.

Pure but for ``forget_counts_in``, which writes through the ledger it is handed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from consent.errors import RecordChangedError
from consent.runs.ledger.record import RunLedger, RunRecord

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def newest_report(records: Iterable[RunRecord], *, sandbox: bool, before: date | None = None) -> RunRecord | None:
    """The record whose report is the newest under the stable names: of the latest cut-off, then of the latest end.

    before: only reports with an earlier cut-off than this day.
    """
    reports = [record for record in records if record.is_report and record.sandbox == sandbox]
    if before is not None:
        reports = [record for record in reports if record.cutoff is not None and record.cutoff < before]
    return max(reports, key=lambda run: (run.cutoff or date.min, run.finished_at or _LONG_AGO), default=None)


def newest_first(records: Iterable[RunRecord]) -> list[RunRecord]:
    """The records in the order of listings: by when they were asked for, latest first."""
    return sorted(records, key=lambda record: (record.requested_at, record.run_id), reverse=True)


def last_report_in(ledger: RunLedger, study: str, *, sandbox: bool) -> RunRecord | None:
    """What ``RunLedger.last_report`` gives, found in any ledger by its listing."""
    newest = newest_report(ledger.runs(study), sandbox=sandbox)
    return newest and ledger.read(newest.run_id)


def report_before_in(ledger: RunLedger, study: str, cutoff: date, *, sandbox: bool) -> RunRecord | None:
    """What ``RunLedger.report_before`` gives, found in any ledger by its listing."""
    newest = newest_report(ledger.runs(study), sandbox=sandbox, before=cutoff)
    return newest and ledger.read(newest.run_id)


def forget_counts_in(ledger: RunLedger, before: datetime) -> int:
    """What ``RunLedger.forget_counts`` does, in any ledger; a record that changes meanwhile is left for the next time.

    Totals and weeks are dropped together, and with them the sentences that may name totals.
    """
    records = ledger.runs()
    needed = {run.run_id for run in _last_reports(records)}
    old = [run for run in records if run.requested_at < before and run.run_id not in needed and _tells_numbers(run)]
    return sum(_forgot(ledger, record) for record in old)


def _tells_numbers(record: RunRecord) -> bool:
    return not record.is_open and bool(record.counts or record.what or record.remarks)


def _last_reports(records: Sequence[RunRecord]) -> list[RunRecord]:
    of_study: dict[str, list[RunRecord]] = {}
    for record in records:
        of_study.setdefault(record.study, []).append(record)
    found = (newest_report(runs, sandbox=sandbox) for runs in of_study.values() for sandbox in (True, False))
    return [report for report in found if report is not None]


def _forgot(ledger: RunLedger, record: RunRecord) -> bool:
    try:
        ledger.write(replace(record, counts=None, week_counts=None, what="", fix="", remarks=()))
    except RecordChangedError:
        return False
    return True
