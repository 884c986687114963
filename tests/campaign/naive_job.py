"""A naive version of the job: no lease, blind writes to the run history, new bytes each time, no file replaced.

A fault campaign that does not find it out is too weak. Without faults it does everything right.
"""

import contextlib
import json
from dataclasses import replace
from typing import Any

import dropbox
from dropbox.files import WriteMode

from consent.delivery.dropbox_session import dropbox_session
from consent.delivery.plan import Delivery
from consent.delivery.report_set import ReportSet, TargetFile
from consent.errors import ConsentReportError, DeliveryUnavailableError, RecordChangedError
from consent.files import ReportFile, StoredFile
from consent.runs.lease import KeepAlive
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import LeaseRecord, RunRecord
from consent.runs.pipeline import RunResult, run_report
from consent.runs.request import RunRequest
from consent.runs.services import open_services
from consent.runs.worker import execute_message
from consent.studies.catalog import choose_study, load_studies
from tests.campaign.light_report import render_light_report
from tests.campaign.workers import Worker


def handle_naively(message: str, worker: Worker) -> None:
    """Handle a message without any precaution."""

    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        study = choose_study(load_studies(worker.settings), record.study)
        with open_services(study, worker.settings, now=worker.now, sleep=worker.sleep, clock=worker.clock) as services:
            unseen = replace(services, folder=_Unseen())
            planned = run_report(
                study, unseen, RunRequest(as_of=record.as_of, dry_run=True), render=render_light_report
            )
        report = replace(planned.plan.report, files=_stamped(planned.plan.report.files, worker))
        stored = _upload_all(report, worker)
        plan = replace(planned.plan, report=report)
        return replace(planned, state="delivered", plan=plan, delivery=Delivery("delivered", report.set_id, stored))

    execute_message(message, _Careless(worker.ledger), perform, now=worker.now, holder=worker.name)


class _Careless:
    """A ledger without leases, in which the last write wins."""

    def __init__(self, ledger: RunLedger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def lease_of(self, study: str) -> LeaseRecord | None:
        return None

    def put_lease(self, lease: LeaseRecord) -> LeaseRecord | None:
        return lease

    def drop_lease(self, lease: LeaseRecord) -> None:
        pass

    def write(self, record: RunRecord) -> RunRecord:
        while True:
            there = self._ledger.read(record.run_id)
            with contextlib.suppress(RecordChangedError):
                return self._ledger.write(replace(record, version=there.version if there else ""))


class _Unseen:
    """A folder that always seems empty."""

    def stat(self, path: str) -> None:
        return None

    def list_folder(self, path: str) -> tuple[str, ...]:
        return ()


def _stamped(files: tuple[ReportFile, ...], worker: Worker) -> tuple[ReportFile, ...]:
    """Add the time and the worker's name to each file for machines."""

    def stamped(file: ReportFile) -> ReportFile:
        if not file.data:
            return file
        document = {**json.loads(file.content), "made_at": worker.now().isoformat(), "made_by": worker.name}
        return replace(file, content=json.dumps(document).encode())

    return tuple(stamped(file) for file in files)


def _upload_all(report: ReportSet, worker: Worker) -> tuple[StoredFile, ...]:
    """Upload the archive, then the stable names; return the files under the stable names."""
    shown = report.stable_targets({})
    with dropbox_session(worker.settings.network, worker.settings.get("DROPBOX_SANDBOX_URL")) as session:
        client = dropbox.Dropbox(
            app_key=worker.settings.get("DROPBOX_KEY"),
            oauth2_refresh_token=worker.settings.get("DROPBOX_OAUTH2_REFRESH_TOKEN"),
            session=session,
            max_retries_on_error=0,
            max_retries_on_rate_limit=0,
        )
        stored = {place.path: _upload(client, place) for place in (*report.archive_targets({}), *shown)}
    return tuple(stored[place.path] for place in shown)


def _upload(client: dropbox.Dropbox, place: TargetFile) -> StoredFile:
    try:
        found = client.files_upload(place.content, place.path, mode=WriteMode.add, autorename=True)
    except Exception:
        failure: ConsentReportError | None = DeliveryUnavailableError("The naive job failed to upload a file.")
    else:
        return StoredFile(found.path_display, found.content_hash, found.size, found.rev)
    raise failure
