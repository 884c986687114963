"""What the status page shows of a study, read from the run history: latest report, runs, next report."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from consent.dates import WEEK
from consent.runs.due import awaited_monday, late_monday, shown_state
from consent.runs.ledger.history import RunLedger, newest_report
from consent.runs.ledger.record import OPEN, RunRecord
from consent.runs.status import ShownRun
from consent.studies.model import StudyConfig
from consent.studies.schedule import GRACE, due_at, latest_monday

RUNS_SHOWN = 20
UNSUCCESSFUL = ("refused", "failed", "lost")
QUEUE_TRIES, QUEUE_WAIT = 10, timedelta(minutes=5)
"""How often, and after which wait, the queue delivers a message: ``maxDequeueCount`` and ``visibilityTimeout``."""


@dataclass(frozen=True)
class StudyOverview:
    """The state of a study at an instant (``now``).

    Attributes:
        sandbox: the app delivers to a simulated Dropbox.
        awaited: the Monday of the next report. is_due: whether that report is due now.
        is_late: a report was not delivered within its grace period.
        report: the run that delivered the latest report.
        runs: the latest ``RUNS_SHOWN`` runs, newest first, of ``run_count``.
    """

    study: StudyConfig
    now: datetime
    sandbox: bool
    awaited: date
    is_due: bool
    is_late: bool
    report: RunRecord | None
    runs: tuple[ShownRun, ...]
    run_count: int

    @property
    def late_monday(self) -> date:
        """The Monday whose report is missing, if the study is late."""
        overdue = self.now > due_at(self.study, self.awaited) + GRACE
        return self.awaited if overdue else self.awaited - WEEK

    @property
    def timeliness(self) -> str:
        """``late``, ``due`` or ``on time``."""
        if self.is_late:
            return "late"
        return "due" if self.is_due else "on time"

    @property
    def is_refreshed(self) -> bool:
        """Whether a run is waiting or in progress."""
        return any(run.state in OPEN for run in self.runs)

    @property
    def next_try(self) -> datetime | None:
        """About when the queue delivers the message of the latest run again, after a failed try."""
        record = next((run.record for run in self.runs[:1]), None)
        if record is None or record.state != "requested" or not 0 < record.tries < QUEUE_TRIES:
            return None
        return record.queued_at + QUEUE_WAIT

    @property
    def unsuccessful_run(self) -> ShownRun | None:
        """The latest run, if it was unsuccessful or will be retried."""
        latest = next(iter(self.runs), None)
        return latest if latest and (latest.state in UNSUCCESSFUL or latest.record.what) else None


def overview_of(ledger: RunLedger, study: StudyConfig, now: datetime, *, sandbox: bool) -> StudyOverview:
    """Return the overview of one study; raise what the ledger raises."""
    records = ledger.runs(study.key)
    newest = newest_report(records, sandbox=sandbox)
    first_seen = ledger.first_seen(study.key, now)
    awaited = awaited_monday(study, records, first_seen, now, sandbox=sandbox)
    lease = ledger.lease_of(study.key)
    return StudyOverview(
        study=study,
        now=now,
        sandbox=sandbox,
        awaited=awaited,
        is_due=awaited <= latest_monday(study, now),
        is_late=late_monday(study, records, first_seen, now, sandbox=sandbox) is not None,
        report=newest and ledger.read(newest.run_id),
        runs=tuple(ShownRun(record, shown_state(record, lease, now)) for record in records[:RUNS_SHOWN]),
        run_count=len(records),
    )
