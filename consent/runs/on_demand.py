"""A run that a person starts on the command line and waits for.

Its result is recorded and its notice sent, except for a dry run and a run to a local folder. Nothing is queued: the
person retries.
"""

import uuid
from contextlib import closing
from functools import partial

from consent.config.checks import dropbox_sandbox_url
from consent.config.settings import Settings
from consent.counting.period import choose_period
from consent.dates import utc_now
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
    if request.to is not None:
        with open_services(study, settings, to=request.to) as services:
            return run_report(study, services, request, progress=progress)
    now, sandbox = utc_now(), dropbox_sandbox_url(settings) is not None
    choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=request.as_of)
    with closing(open_ledger(settings, default="sqlite")) as ledger:
        if request.dry_run:
            past = partial(ledger.last_report, study.key, sandbox=sandbox)
            with open_services(study, settings) as services:
                return run_report(study, services, request, past=past, progress=progress)
        nonce = uuid.uuid4().hex
        record = new_record(study, request, "command line", now, sandbox=sandbox, nonce=nonce[:6])
        perform = job(settings, ledger, progress=progress)
        try:
            return run_at_once(record, ledger, perform, now=utc_now, holder=f"command line {nonce}")
        finally:
            notify_end(record.run_id, settings, ledger)
