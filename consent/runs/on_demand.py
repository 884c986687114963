"""A run that a person starts and waits for: compared with the last report, recorded, and carried out at once.

A dry run reads the record of runs and leaves it as it is; a run to a local folder has nothing to do with it. Queues
nothing: what fails here is tried again by the person.
"""

import uuid
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path

from consent.config.checks import dropbox_sandbox_url
from consent.config.settings import Settings
from consent.counting.period import choose_period
from consent.dates import utc_now
from consent.runs.ledger.record import RunRecord, asked_id
from consent.runs.ledger.store import open_ledger
from consent.runs.pipeline import ReportBefore, RunResult, run_report
from consent.runs.progress import Progress
from consent.runs.services import open_services
from consent.runs.worker import job, run_at_once
from consent.studies.model import StudyConfig
from consent.studies.schedule import latest_monday


@dataclass(frozen=True)
class Wish:
    """How the report is wanted: as of which day (None: today), to which folder (None: Dropbox), written or not."""

    as_of: date | None = None
    to: Path | None = None
    dry_run: bool = False
    accept_drop: bool = False


def run_now(study: StudyConfig, settings: Settings, wish: Wish, progress: Progress) -> RunResult:
    """Report on a study as a person wishes, and come back when it is done.

    Raises:
        CutoffError: that day cannot be reported; nothing was recorded.
        BusyError: another run of the study is at work; nothing was recorded.
        ConsentReportError: the run did not succeed; its record says so too.
    """
    if wish.to is not None:
        result = _unrecorded(study, settings, wish, progress, last=None)
        return replace(result, remarks=())  # which would call it the study's first report
    now, sandbox = utc_now(), dropbox_sandbox_url(settings) is not None
    choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=wish.as_of)
    with closing(open_ledger(settings, default="sqlite")) as ledger:
        if wish.dry_run:
            last = ledger.last_report(study.key, sandbox=sandbox)
            report_before = partial(ledger.report_before, study.key, sandbox=sandbox)
            return _unrecorded(study, settings, wish, progress, last=last, report_before=report_before)
        name = uuid.uuid4().hex
        record = _record_of(study, wish, now, name[:6], sandbox=sandbox)
        perform = job(settings, ledger, progress=progress)
        return run_at_once(record, ledger, perform, now=utc_now, holder=f"command line {name}")


def _record_of(study: StudyConfig, wish: Wish, now: datetime, nonce: str, *, sandbox: bool) -> RunRecord:
    return RunRecord(
        run_id=asked_id(study.key, now, nonce),
        study=study.key,
        trigger="command line",
        monday=latest_monday(study, now),
        requested_at=now,
        queued_at=now,
        sandbox=sandbox,
        as_of=wish.as_of,
        accept_drop=wish.accept_drop,
    )


def _unrecorded(
    study: StudyConfig,
    settings: Settings,
    wish: Wish,
    progress: Progress,
    *,
    last: RunRecord | None,
    report_before: ReportBefore | None = None,
) -> RunResult:
    with open_services(study, settings, to=wish.to) as services:
        return run_report(
            study,
            services,
            as_of=wish.as_of,
            dry_run=wish.dry_run,
            accept_drop=wish.accept_drop,
            last=last,
            report_before=report_before,
            progress=progress,
        )
