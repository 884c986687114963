"""The Monday job on one page: gather from REDCap, decide what to report, apply it to the folder.

``worker.py`` holds the study's lease around it and records the result. Read ``run_report`` first.
"""

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from consent.counting.consents import Counting
from consent.counting.participants import build_participants
from consent.counting.period import ReportPeriod, choose_period
from consent.counting.summarise import summarise
from consent.counting.summary import ConsentSummary, Source
from consent.counting.tally import (
    Tally,
    ensure_dates_meet_decisions,
    ensure_one_consent_a_form,
    ensure_raw_values,
    tally_participants,
)
from consent.delivery.plan import Delivery, DeliveryPlan, Folder, changed_error, deliver, plan_delivery
from consent.delivery.report_set import Destination, ReportSet
from consent.files import ReportFile, to_json
from consent.redcap.arrivals import Rows
from consent.redcap.csv_export import count_file
from consent.redcap.export import Exported, export_registry
from consent.redcap.export_plan import ColumnMap
from consent.redcap.project import InspectedProject, inspect_project
from consent.reports.render import render_reports
from consent.runs.changes import NOT_COMPARED, compare
from consent.runs.lease import KeepAlive
from consent.runs.ledger.record import RunRecord
from consent.runs.plausibility import check_drop, remarks_on, remarks_on_age
from consent.runs.progress import Progress
from consent.runs.request import RunRequest
from consent.runs.services import Services
from consent.studies.model import StudyConfig

Render = Callable[[ConsentSummary], tuple[ReportFile, ...]]
PastReports = Callable[[date | None], Sequence[RunRecord]]
"""Finds the runs of the delivered reports, newest first, or of those with an earlier cut-off than that day."""
State = Literal["delivered", "unchanged", "archived", "planned", "written"]

logger = logging.getLogger(__name__)

gc.freeze()  # imported modules stay: each search for unused objects during a run would look through them, too


@dataclass(frozen=True)
class RunResult:
    """What a run did.

    Attributes:
        state: delivered; unchanged (the folder already held this report); archived (an older cut-off, stored in the
            archive only); planned (a dry run); written (counted from a file, to a folder of the caller's choice).
        delivery: the files as stored; None after a dry run.
        place: the destination, for people.
        has_groups: REDCap sent the data access group of each record.
        remarks: notes for the person who asked for the run; the summary's own notes are printed in the report.
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
    request: RunRequest | None = None,
    *,
    past: PastReports | None = None,
    lease: KeepAlive | None = None,
    progress: Progress | None = None,
    render: Render = render_reports,
) -> RunResult:
    """Export, count and deliver one report.

    Args:
        past: finds the delivered reports that this one is compared with; None compares it with none, and says so.
        lease: renewed at every step and before every write; an error that it raises ends the run.
        render: turns the summary into the files to deliver.

    Raises ConsentReportError: nothing was delivered, or only part of the report.
    """
    request, lease, progress = request or RunRequest(), lease or KeepAlive(), progress or Progress()
    started, reports = time.monotonic(), past(None) if past else ()
    period = choose_period(start=study.start_date, time_zone=study.time_zone, now=services.now(), as_of=request.as_of)

    progress.stage("Inspecting the REDCap project")
    project = inspect_project(services.redcap, study)
    destination = _destination(study, period, sandbox=services.sandbox)
    manifest = services.folder.stat(destination.manifest_path)
    progress.stage("Exporting records")
    count = _counter(Counting(study, project.plan.column_map, period))
    zone = ZoneInfo(study.time_zone)
    exported = export_registry(
        services.redcap, project.plan, count, Tally(), progress.records, lambda: services.now().astimezone(zone)
    )

    ensure_dates_meet_decisions(exported.counts)
    ensure_one_consent_a_form(exported.counts, project.warnings)
    summary = _summarise_export(study, period, project, exported, sandbox=services.sandbox)
    earlier = past(period.cutoff) if past else ()
    summary = replace(summary, changes=compare(summary, next(iter(earlier), None)) if past else NOT_COMPARED)
    drop = check_drop(summary, exported.has_groups, reports, accept_drop=request.accept_drop)
    remarks = (*drop, *map(str, project.warnings), *remarks_on(summary, exported.counts))

    plan = _plan(render, summary, destination, services.folder, lease, progress)
    if plan.state == "delivered" and plan.existing.get(destination.manifest_path) != manifest:
        raise changed_error(destination.manifest_path)  # by a run whose export may be newer
    delivery = None if request.dry_run else _apply(plan, services.folder, lease, progress)

    state: State = delivery.state if delivery else "planned"
    _log_result(summary, remarks, state, time.monotonic() - started)
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
    """Make the same report from a CSV file that a person exported, and write it to a folder."""
    lease, progress = KeepAlive(), progress or Progress()
    period = choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=as_of)
    progress.stage("Counting the file")

    def count(coding: ColumnMap, rows: Rows) -> Tally:
        return _counter(Counting(study, coding, period))(rows)

    tally, records = count_file(path, study, count, Tally())
    ensure_dates_meet_decisions(tally)
    ensure_raw_values(tally, path)
    source = Source(None, None, None, records)
    summary = summarise(tally, study, period, source, ("From a file: completeness not checked.",))
    summary = replace(summary, changes=NOT_COMPARED)
    destination = replace(_destination(study, period, sandbox=False), archive=False, always=True)
    destination = replace(destination, folder="/", shared_folder="/")
    plan = _plan(render_reports, summary, destination, folder, lease, progress)
    delivery = _apply(plan, folder, lease, progress)
    changed = datetime.fromtimestamp(path.stat().st_mtime).astimezone().date()
    remarks = (*remarks_on(summary, tally), *(() if as_of else remarks_on_age(changed, period.cutoff)))
    return RunResult("written", summary, plan, delivery, place, sandbox=False, remarks=remarks)


def result_document(result: RunResult) -> dict[str, Any]:
    """Return a run's outcome as plain JSON values, for scripts."""
    summary, delivery = result.summary, result.delivery
    document = {
        "study": summary.study.key,
        "state": result.state,
        "cutoff": summary.period.cutoff,
        "exported_on": summary.period.exported_on,
        "participants": summary.participants.total,
        "consented": summary.participants.consented,
        "records_listed": summary.source.records_listed,
        "records_received": summary.source.records_received,
        "set_id": result.plan.set_id,
        "place": result.place,
        "sandbox": result.sandbox,
        "files": delivery.files if delivery else (),
        "planned": () if delivery else [{"path": step.path, "action": step.action} for step in result.plan.steps],
        "notes": summary.notes,
        "remarks": result.remarks,
    }
    return dict(to_json(document))


def _counter(counting: Counting) -> Callable[[Rows], Tally]:
    return lambda rows: tally_participants(build_participants(rows, counting), counting.period.start)


def _summarise_export(
    study: StudyConfig, period: ReportPeriod, project: InspectedProject, exported: Exported[Tally], *, sandbox: bool
) -> ConsentSummary:
    source = Source(project.redcap_version, project.project_id, exported.records_listed, exported.records_received)
    notes = []
    if sandbox:
        notes.append("This is a test report: it was delivered to a simulated Dropbox.")
    if not exported.has_groups:
        notes.append(
            "REDCap sent no data access groups. Either the project has none, or the token's user is in one and sees "
            "only that site. Compare the total with REDCap's own."
        )
    if study.redcap.allow_http:
        notes.append("The connection to REDCap may be unencrypted (allow_http in the study file).")
    return summarise(exported.counts, study, period, source, tuple(notes))


def _destination(study: StudyConfig, period: ReportPeriod, *, sandbox: bool) -> Destination:
    return Destination(
        study_key=study.key,
        title=study.title,
        folder=study.delivery.folder,
        archive=study.delivery.archive,
        cutoff=period.cutoff,
        exported_on=period.exported_on,
        sandbox=sandbox,
        shared_folder=study.shareable.folder if study.shareable else "/",
    )


def _plan(
    render: Render,
    summary: ConsentSummary,
    destination: Destination,
    folder: Folder,
    lease: KeepAlive,
    progress: Progress,
) -> DeliveryPlan:
    """Render the report, and compare it with the files in the folder."""
    if summary.everyone != summary.source.records_received:
        raise AssertionError(f"{summary.source.records_received} records arrived, {summary.everyone} were counted")
    progress.stage("Comparing with the folder")
    files = render(summary)
    lease.keep_alive()
    return plan_delivery(ReportSet(files, destination), folder)


def _apply(plan: DeliveryPlan, folder: Folder, lease: KeepAlive, progress: Progress) -> Delivery:
    progress.stage("Delivering")
    return deliver(plan, folder, progress.file, lease.renew)


def _log_result(summary: ConsentSummary, remarks: tuple[str, ...], state: State, seconds: float) -> None:
    for note in (*summary.notes, *remarks):
        logger.info("event=report_note study=%s note=%s", summary.study.key, note)
    logger.info(
        "event=report_made study=%s cutoff=%s state=%s records_received=%s records_listed=%s seconds=%.1f",
        summary.study.key,
        summary.period.cutoff,
        state,
        summary.source.records_received,
        summary.source.records_listed,
        seconds,
    )
