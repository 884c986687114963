"""What people are shown of the studies, gathered from the record of runs: the latest report, the runs, what is due.

Draws nothing (``reports/page.py`` does), changes no run, and asks neither REDCap nor Dropbox.
"""

from datetime import datetime

from consent.app.page import RUNS_SHOWN, StudyOverview, UnusableStudy
from consent.runs.due import awaited_monday, is_late, shown_state
from consent.runs.ledger.queries import newest_report
from consent.runs.ledger.record import RunLedger, RunRecord
from consent.runs.status import ShownRun
from consent.studies.catalog import Studies
from consent.studies.model import StudyConfig
from consent.studies.schedule import latest_monday


def overview_of(ledger: RunLedger, study: StudyConfig, now: datetime, *, sandbox: bool) -> StudyOverview:
    """One study, with the numbers of its latest report; raises what the ledger raises."""
    records = ledger.runs(study.key)
    newest = newest_report(records, sandbox=sandbox)
    before = newest and newest_report(records, sandbox=sandbox, before=newest.cutoff)
    awaited = awaited_monday(study, records, now, sandbox=sandbox)
    return StudyOverview(
        study=study,
        now=now,
        sandbox=sandbox,
        awaited=awaited,
        is_due=awaited <= latest_monday(study, now),
        is_late=is_late(study, records, ledger.first_seen(study.key, now), now, sandbox=sandbox),
        report=newest and ledger.read(newest.run_id),
        before=before and ledger.read(before.run_id),
        runs=_shown(ledger, study, records[:RUNS_SHOWN], now),
        runs_in_all=len(records),
    )


def overviews_of(
    ledger: RunLedger, studies: Studies, now: datetime, *, sandbox: bool
) -> list[StudyOverview | UnusableStudy]:
    """Every study, sorted by key; of one whose file cannot be used only why; raises what the ledger raises."""
    usable = {study.key: overview_of(ledger, study, now, sandbox=sandbox) for study in studies.usable}
    unusable = {key: UnusableStudy(key, str(error)) for key, error in studies.failed.items()}
    found: dict[str, StudyOverview | UnusableStudy] = {**usable, **unusable}
    return [found[key] for key in sorted(found)]


def _shown(ledger: RunLedger, study: StudyConfig, records: list[RunRecord], now: datetime) -> tuple[ShownRun, ...]:
    lease = ledger.lease_of(study.key)
    return tuple(ShownRun(record, shown_state(record, lease, now)) for record in records)
