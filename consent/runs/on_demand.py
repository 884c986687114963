"""A run that a person starts on the command line and waits for.

Its result is recorded and its notice sent, except for a dry run and a run to a local folder: these only compare with
the run history. Nothing is queued: the person retries.
"""

import uuid
from contextlib import closing
from functools import partial

from consent.config.checks import dropbox_sandbox_url
from consent.config.settings import Settings
from consent.counting.period import choose_period
from consent.dates import utc_now
from consent.runs.ledger.record import asked_id
from consent.runs.ledger.store import open_ledger
from consent.runs.notices import notify_end
from consent.runs.pipeline import RunResult, run_report
from consent.runs.progress import Progress
from consent.runs.request import RunRequest
from consent.runs.scheduler import new_record
from consent.runs.services import open_services
from consent.runs.worker import job, run_at_once
from consent.studies.model import StudyConfig


def run_now(study: StudyConfig, settings: Settings, request: RunRequest, progress: Progress) -> RunResult:
    """Run a study's report now.

    Raises:
        CutoffError: that day cannot be reported; nothing was recorded.
        RunInProgressError: another run of the study is in progress; nothing was recorded.
        ConsentReportError: the run failed; its record has the same error.
    """
    now = utc_now()
    choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=request.as_of)
    with closing(open_ledger(settings, default="sqlite")) as ledger:
        if request.dry_run or request.to is not None:
            past = partial(ledger.last_reports, study.key, sandbox=settings.has("DROPBOX_SANDBOX_URL"))
            has_past = past(None) != []
            with open_services(study, settings, to=request.to) as services:
                return run_report(study, services, request, past=past if has_past else None, progress=progress)
        sandbox = dropbox_sandbox_url(settings) is not None
        nonce = uuid.uuid4().hex
        run_id = asked_id(study.key, now, nonce[:6])
        record = new_record(run_id, study, request, "command line", now, sandbox=sandbox)
        perform = job(settings, ledger, progress=progress)
        try:
            return run_at_once(record, ledger, perform, now=utc_now, holder=f"command line {nonce}")
        finally:
            notify_end(record.run_id, settings, ledger)
