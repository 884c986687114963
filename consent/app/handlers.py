"""Handle each entry point of ``function_app.py``, without Azure Functions types.

Each raises ConsentReportError if a setting, a study file or the run history cannot be used. The page's modules are
imported only when a page is requested, because they load the template engine.
"""

import logging
import secrets
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from consent.app.heartbeat import send_heartbeat
from consent.app.http_api import RUNS_PATH, parse_history_request, parse_page_request, parse_run_request
from consent.app.sign_in import PAGE_PATH, Person, ensure_token, form_token, parse_form, signed_in_person
from consent.config.checks import dropbox_folder_url, dropbox_sandbox_url, months_kept
from consent.config.settings import Settings
from consent.counting.period import choose_period
from consent.dates import utc_now
from consent.errors import ConfigurationError, NotSignedInError, UnknownRunError, log_text
from consent.runs.due import all_reported, late
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import RunRecord, Trigger
from consent.runs.ledger.store import open_ledger
from consent.runs.notices import notify_end, notify_late
from consent.runs.request import RunRequest
from consent.runs.scheduler import QueuedRun, queue_due, request_run, run_id_in
from consent.runs.status import run_document, shown_runs
from consent.runs.worker import execute_message, job, mark_failed
from consent.studies.catalog import choose_study, ensure_known_study, load_studies

LONGEST_MONTH = timedelta(days=31)

logger = logging.getLogger(__name__)


def queue_reports(settings: Settings, trigger: Trigger, now: datetime) -> list[str]:
    """Record the runs that are due and return their queue messages; skip a study whose file cannot be used.

    Also sends the notices of late reports.
    """
    studies = load_studies(settings)
    for key, error in studies.failed.items():
        logger.error("event=timer_failed study=%s %s", key, log_text(error))
    if not studies.usable:
        raise ConfigurationError("No study file can be used.", "See the log of this invocation for the problems.")
    with _open_ledger(settings) as ledger:
        try:
            return queue_due(ledger, studies.usable, trigger=trigger, now=now, sandbox=_is_sandbox(settings))
        finally:
            notify_late(studies, settings, ledger, now)


def run_daily_maintenance(settings: Settings, now: datetime) -> None:
    """Purge old counts, log late reports, and send the heartbeat if every report is delivered.

    Log every error: an error that is raised here would lose the messages queued by the same invocation.
    """
    for task in (_purge_old_counts, log_late_reports, _send_heartbeat_if_reported):
        try:
            task(settings, now)
        except Exception as error:
            logger.error("event=maintenance_failed task=%s %s", task.__name__.lstrip("_"), log_text(error))


def log_late_reports(settings: Settings, now: datetime) -> tuple[str, ...]:
    """Log and return the keys of the studies whose report is late or whose study file cannot be used."""
    studies = load_studies(settings)
    with _open_ledger(settings) as ledger:
        keys = late(ledger, studies, now, sandbox=_is_sandbox(settings))
    for key in keys:
        logger.error("event=%s study=%s", "study_unusable" if key in studies.failed else "report_late", key)
    return keys


def start_run(body: bytes, settings: Settings, now: datetime) -> QueuedRun:
    """Record a run that was requested over HTTP; raises BadRequestError, CutoffError or UnknownStudyError."""
    wanted = parse_run_request(body)
    study = choose_study(load_studies(settings), wanted.study)
    choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=wanted.as_of)
    with _open_ledger(settings) as ledger:
        return request_run(ledger, study, wanted, now, sandbox=_is_sandbox(settings))


def list_runs(parameters: Mapping[str, str], settings: Settings, now: datetime) -> dict[str, Any]:
    """Return the requested part of the run history as plain JSON values, newest run first.

    Raises BadRequestError or UnknownStudyError.
    """
    study, limit = parse_history_request(parameters)
    with _open_ledger(settings) as ledger:
        records = ledger.runs(study)[:limit]
        if not records and study is not None:
            ensure_known_study(load_studies(settings), study)
        return {"runs": _documents(ledger, records, now)}


def show_run(run_id: str, settings: Settings, now: datetime) -> dict[str, Any]:
    """Return one run as plain JSON values; raises UnknownRunError, which does not repeat the id."""
    with _open_ledger(settings) as ledger:
        record = ledger.read(run_id)
        if record is None:
            raise UnknownRunError("There is no run with this id.", f"Use an id that GET {RUNS_PATH} lists.")
        return _documents(ledger, [record], now)[0]


def render_page(
    parameters: Mapping[str, str], settings: Settings, now: datetime, person: Person | None = None
) -> tuple[dict[str, str], str]:
    """Return headers and HTML of one study's page, or of the list of studies if none of several is named.

    person: who signed in, and so may start a run. Raises BadRequestError or UnknownStudyError.
    """
    from consent.app.overview import overview_of
    from consent.app.page import Visit, page_headers, studies_page, study_page

    key, studies, sandbox = parse_page_request(parameters), load_studies(settings), _is_sandbox(settings)
    with _open_ledger(settings) as ledger:
        overview = partial(overview_of, ledger, now=now, sandbox=sandbox)
        visit = None if person is None else Visit(person)
        if key is None and len(studies.keys) > 1:
            shown = [overview(study) for study in studies.usable]
            refreshed = any(study.is_refreshed for study in shown)
            html = studies_page(shown, studies.failed, now, visit)
        else:
            study = choose_study(studies, key)
            if person is not None:
                visit = Visit(person, form_token(_form_key(ledger, study.key), person, study.key, now))
            one = overview(study)
            refreshed, html = one.is_refreshed, study_page(one, dropbox_folder_url(settings), visit)
    return page_headers(refreshed=refreshed, signed_in=person is not None), html


def render_signed_in_page(
    headers: Mapping[str, str], parameters: Mapping[str, str], settings: Settings, now: datetime
) -> tuple[int, dict[str, str], str]:
    """Return status, headers and HTML for whom the platform signed in, or the offer to sign in.

    Raises NoSignInError, BadRequestError or UnknownStudyError.
    """
    from consent.app.page import page_headers, sign_in_page

    try:
        person = signed_in_person(headers, settings)
    except NotSignedInError:
        return 401, page_headers(), sign_in_page(parse_page_request(parameters))
    return (200, *render_page(parameters, settings, now, person))


def run_now(headers: Mapping[str, str], body: bytes, settings: Settings, now: datetime) -> tuple[QueuedRun, str]:
    """Record a run that was requested on the page; return it and the address of the page.

    Raises NoSignInError, NotSignedInError, ForeignRequestError or UnknownStudyError.
    """
    person = signed_in_person(headers, settings)
    form = parse_form(headers, body)
    study = choose_study(load_studies(settings), form["study"])
    with _open_ledger(settings) as ledger:
        ensure_token(form["token"], _form_key(ledger, study.key), person, study.key, now)
        sandbox = _is_sandbox(settings)
        queued = request_run(ledger, study, RunRequest(study.key), now, sandbox=sandbox, trigger="page")
    return queued, f"{PAGE_PATH}?study={study.key}"


def handle_run_message(message: str, settings: Settings, holder: str) -> None:
    """Execute the run that a queue message names, then send its notice, and the heartbeat if nothing is missing."""
    with _open_ledger(settings) as ledger:
        run_id = run_id_in(message)
        try:
            record = execute_message(message, ledger, job(settings, ledger), now=utc_now, holder=holder)
        finally:
            notify_end(run_id, settings, ledger)
    if record.is_report:
        _send_heartbeat_if_reported(settings, utc_now())


def handle_poison_message(message: str, settings: Settings) -> None:
    """Mark the run of a message as failed after the message's last delivery."""
    with _open_ledger(settings) as ledger:
        if record := mark_failed(message, ledger, now=utc_now):
            notify_end(record.run_id, settings, ledger)


def _open_ledger(settings: Settings) -> "closing[RunLedger]":
    return closing(open_ledger(settings, default="table"))


def _form_key(ledger: RunLedger, study: str) -> str:
    return ledger.form_key(study, secrets.token_hex(32))


def _is_sandbox(settings: Settings) -> bool:
    return dropbox_sandbox_url(settings) is not None


def _documents(ledger: RunLedger, records: list[RunRecord], now: datetime) -> list[dict[str, Any]]:
    return [run_document(run) for run in shown_runs(ledger, records, now)]


def _purge_old_counts(settings: Settings, now: datetime) -> None:
    with _open_ledger(settings) as ledger:
        purged = ledger.purge_counts(now - months_kept(settings) * LONGEST_MONTH)
    logger.info("event=counts_purged runs=%s", purged)


def _send_heartbeat_if_reported(settings: Settings, now: datetime) -> None:
    """Log every error and continue: without a heartbeat the monitor raises its own alarm."""
    try:
        with _open_ledger(settings) as ledger:
            reported = all_reported(ledger, load_studies(settings), now, sandbox=_is_sandbox(settings))
        if reported:
            send_heartbeat(settings)
    except Exception as error:
        logger.warning("event=heartbeat_failed %s", log_text(error))
