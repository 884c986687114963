"""One report, from REDCap to the folder: gather, decide, apply.

The only place where deciding and doing meet. The command line and the function app both call it; they differ in where
the arguments come from and where the outcome is shown.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from consent.counting.consents import Counting
from consent.counting.participants import build_participants
from consent.counting.period import ReportPeriod, choose_period
from consent.counting.summary import ConsentSummary, Source, summarise
from consent.counting.tally import Tally, ensure_raw_values, tally_participants
from consent.delivery.plan import Delivery, DeliveryPlan, Folder, deliver, gather, plan_delivery
from consent.delivery.report_set import Destination
from consent.redcap.csv_export import count_file
from consent.redcap.export import export_registry
from consent.redcap.export_plan import ColumnMap
from consent.redcap.project import inspect_project
from consent.reports.render import render_reports
from consent.runs.changes import NOT_COMPARED, compare
from consent.runs.lease import KeepAlive, NoLease
from consent.runs.ledger.record import RunRecord
from consent.runs.plausibility import check_drop
from consent.runs.progress import NoProgress, Progress
from consent.runs.services import Services
from consent.studies.model import StudyConfig

logger = logging.getLogger(__name__)

State = Literal["delivered", "unchanged", "archived", "planned", "written"]

ReportBefore = Callable[[date], RunRecord | None]
"""Finds the newest delivered report with an earlier cut-off than this one."""


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    Attributes:
        state: delivered; unchanged (the folder already held this very report); archived (an older cut-off, kept in the
            archive alone); planned (a dry run); written (from a file, to a folder of your choice).
        plan: what was to be done; ``delivery`` what was done (None after a dry run).
        place: the destination, in words.
        has_groups: whether REDCap sent the data access group of each record.
        remarks: what the one who asked for the run should know; unlike the summary's notes, they are in no report.
    """

    state: State
    summary: ConsentSummary
    plan: DeliveryPlan
    delivery: Delivery | None
    place: str
    sandbox: bool
    has_groups: bool = False
    remarks: tuple[str, ...] = ()


def run_report(
    study: StudyConfig,
    services: Services,
    *,
    as_of: date | None = None,
    dry_run: bool = False,
    accept_drop: bool = False,
    last: RunRecord | None = None,
    report_before: ReportBefore | None = None,
    lease: KeepAlive | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Export, count and deliver one report.

    Args:
        last: the run whose report stands there now; one that is much lower is refused, unless ``accept_drop``.
        report_before: finds the report that this one is compared with; without it, it says that it was not.
        pulse: is felt at every step, and before every write; what it raises ends the run there.

    Raises:
        ConsentReportError: nothing was delivered, or not all of it; the message says what to do.
    """
    progress, lease, started = progress or NoProgress(), lease or NoLease(), time.monotonic()
    period = choose_period(start=study.start_date, time_zone=study.time_zone, now=services.now(), as_of=as_of)
    progress.stage("Asking REDCap about the project")
    found = inspect_project(services.redcap, study)
    progress.stage("Exporting records")
    counting = Counting(study, found.plan.coding, period)
    exported = export_registry(services.redcap, found.plan, _counter(counting), Tally(), progress.records)
    source = Source(found.redcap_version, found.project_id, exported.records_listed, exported.records_received)
    summary = summarise(
        exported.counts, study, period, source, _notes(study, exported.has_groups, sandbox=services.sandbox)
    )
    changes = compare(summary, report_before(period.cutoff)) if report_before else NOT_COMPARED
    summary = replace(summary, changes=changes)
    remarks = check_drop(summary, exported.has_groups, last, accept_drop=accept_drop)
    address = _address(study, period, sandbox=services.sandbox)
    plan, delivery = _deliver(summary, address, services.folder, dry_run=dry_run, progress=progress, lease=lease)
    state: State = delivery.state if delivery else "planned"
    for note in (*summary.notes, *remarks):
        logger.info("%s: %s", study.key, note)
    logger.info(
        "%s as of %s: %s in %.1f s; %d of %d listed records received",
        study.key,
        period.cutoff,
        state,
        time.monotonic() - started,
        exported.records_received,
        exported.records_listed,
    )
    return RunResult(state, summary, plan, delivery, services.place, services.sandbox, exported.has_groups, remarks)


def summarise_file(
    path: Path,
    study: StudyConfig,
    folder: Folder,
    *,
    place: str,
    now: datetime,
    as_of: date | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """The same report from a CSV exported by hand, written to a folder.

    Raises:
        ConsentReportError: the file cannot be counted, or the folder cannot take the report.
    """
    progress = progress or NoProgress()
    period = choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=as_of)
    progress.stage("Counting the file")

    def count(coding: ColumnMap, rows: pd.DataFrame) -> Tally:
        return _counter(Counting(study, coding, period))(rows)

    counted = count_file(path, study, count, Tally())
    ensure_raw_values(counted.counts, path)
    source = Source(None, None, None, counted.records)
    summary = summarise(counted.counts, study, period, source, ("From a file: completeness not checked.",))
    summary = replace(summary, changes=NOT_COMPARED)
    address = replace(_address(study, period, sandbox=False), folder="/", archive=False, always=True)
    plan, delivery = _deliver(summary, address, folder, dry_run=False, progress=progress, lease=NoLease())
    return RunResult("written", summary, plan, delivery, place, sandbox=False)


def _counter(counting: Counting) -> Callable[[pd.DataFrame], Tally]:
    return lambda rows: tally_participants(build_participants(rows, counting), counting.period.start)


def _address(study: StudyConfig, period: ReportPeriod, *, sandbox: bool) -> Destination:
    return Destination(
        study_key=study.key,
        title=study.title,
        folder=study.delivery.folder,
        archive=study.delivery.archive,
        cutoff=period.cutoff,
        exported_on=period.exported_on,
        sandbox=sandbox,
    )


def _deliver(
    summary: ConsentSummary,
    address: Destination,
    folder: Folder,
    *,
    dry_run: bool,
    progress: Progress,
    lease: KeepAlive,
) -> tuple[DeliveryPlan, Delivery | None]:
    if summary.everyone != summary.source.records_received:
        raise AssertionError(f"{summary.source.records_received} records arrived, {summary.everyone} were counted")
    progress.stage("Looking at the folder")
    files = render_reports(summary)
    lease.keep_alive()
    plan = plan_delivery(files, address, gather(files, address, folder))
    if dry_run:
        return plan, None
    progress.stage("Delivering")
    return plan, deliver(plan, folder, progress.file, lease.renew)


def _notes(study: StudyConfig, has_groups: bool, *, sandbox: bool) -> tuple[str, ...]:
    notes = []
    if sandbox:
        notes.append("Made for a sandbox that stands in for Dropbox; this is no delivered report.")
    if not has_groups:
        notes.append(
            "REDCap sent no data access group. Either the project has none, or the token's user is in one and sees "
            "that site alone: compare the total with REDCap's own."
        )
    if study.redcap.allow_http:
        notes.append("REDCap may be reached without encryption (allow_http in the study file).")
    return tuple(notes)


def result_document(result: RunResult) -> dict[str, Any]:
    """A run's outcome as plain JSON values, for scripts and the HTTP answer."""
    summary = result.summary
    return {
        "study": summary.study.key,
        "state": result.state,
        "cutoff": summary.period.cutoff.isoformat(),
        "exported_on": summary.period.exported_on.isoformat(),
        "participants": summary.participants.total,
        "consented": summary.participants.consented,
        "records_listed": summary.source.records_listed,
        "records_received": summary.source.records_received,
        "set_id": result.plan.set_id,
        "place": result.place,
        "sandbox": result.sandbox,
        "files": [
            {"path": stored.path, "size": stored.size, "content_hash": stored.content_hash, "rev": stored.rev}
            for stored in (result.delivery.files if result.delivery else ())
        ],
        "planned": [{"path": step.path, "action": step.action} for step in result.plan.steps]
        if not result.delivery
        else [],
        "notes": list(summary.notes),
        "remarks": list(result.remarks),
    }
