"""What happens behind each door of the function app: queue, accept, show, carry out, give up, keep house.

Knows neither the platform nor its bindings (``function_app.py`` does), and holds no rule of its own. The job itself,
and with it whatever is heavy to import, is loaded only by a run that is carried out.
"""

import logging
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from consent.app.heartbeat import ping
from consent.app.http_api import parse_history_request, parse_page_request, parse_run_id, parse_run_request, unknown_run
from consent.config.checks import dropbox_sandbox_url, months_kept
from consent.config.settings import Settings
from consent.counting.period import choose_period
from consent.dates import utc_now
from consent.errors import ConfigurationError, log_text
from consent.runs.due import all_reported, late
from consent.runs.ledger.record import RunLedger, RunRecord, Trigger
from consent.runs.ledger.store import open_ledger
from consent.runs.scheduler import QueuedRun, queue_due, request_run
from consent.runs.status import run_document, with_leases
from consent.runs.worker import execute_message, job, mark_failed
from consent.studies.catalog import choose_study, ensure_known_study, load_studies

LONGEST_MONTH = timedelta(days=31)

logger = logging.getLogger(__name__)


def queue_reports(settings: Settings, trigger: Trigger, now: datetime) -> list[str]:
    """Record what is due and give the messages to queue; a study that cannot be looked at costs only itself.

    Raises:
        ConfigurationError: no study file can be used.
        ConsentReportError: the ledger cannot be reached.
    """
    studies = load_studies(settings)
    for key, error in studies.failed.items():
        logger.error("Nothing was queued for %s: %s", key, log_text(error))
    if not studies.usable:
        raise ConfigurationError("No study file can be used, so nothing was queued. The log of this call says why.")
    with _opened(settings) as ledger:
        return queue_due(ledger, studies.usable, trigger=trigger, now=now, sandbox=_sandbox(settings))


def run_daily_maintenance(settings: Settings, now: datetime) -> None:
    """Once a day: forget old counts, say aloud what is late, tell the monitor that all is well if it is.

    Never fails, because then what was queued in the same call would be lost; what goes wrong is logged.
    """
    for chore in (_forget_counts, _say_what_is_late, _tell_monitor):
        try:
            with _opened(settings) as ledger:
                chore(settings, ledger, now)
        except Exception as error:
            logger.error("Left undone today: %s", log_text(error))


def accept_run(body: bytes, settings: Settings, now: datetime, nonce: str) -> QueuedRun:
    """Record the run that a caller asks for.

    nonce: tells it apart from others of the same second.

    Raises:
        BadRequestError, CutoffError, UnknownStudyError: it cannot be met as it is.
        ConsentReportError: it could not be recorded.
    """
    wanted = parse_run_request(body)
    study = choose_study(load_studies(settings), wanted.study)
    choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=wanted.as_of)
    with _opened(settings) as ledger:
        return request_run(ledger, study, wanted, now, sandbox=_sandbox(settings), nonce=nonce)


def list_runs(parameters: Mapping[str, str], settings: Settings, now: datetime) -> dict[str, Any]:
    """The history that a caller asks for, newest run first, as plain JSON values.

    Raises:
        BadRequestError, UnknownStudyError: it cannot be met as it is.
        ConsentReportError: the ledger cannot be read.
    """
    wanted = parse_history_request(parameters)
    with _opened(settings) as ledger:
        records = ledger.runs(wanted.study)[: wanted.limit]
        if not records and wanted.study is not None:
            ensure_known_study(load_studies(settings), wanted.study)
        return {"runs": _documents(ledger, records, now)}


def show_run(run_id: str, settings: Settings, now: datetime) -> dict[str, Any]:
    """One run as plain JSON values.

    Raises:
        UnknownRunError: there is none of that id.
        ConsentReportError: the ledger cannot be read.
    """
    with _opened(settings) as ledger:
        record = ledger.read(parse_run_id(run_id))
        if record is None:
            raise unknown_run()
        return _documents(ledger, [record], now)[0]


def show_page(parameters: Mapping[str, str], settings: Settings, now: datetime) -> tuple[dict[str, str], str]:
    """The page that a caller asks for, as headers and HTML: of one study, or where there are several the list of them.

    Raises:
        BadRequestError, UnknownStudyError: it cannot be met as it is.
        ConfigurationError: the file of that study cannot be used.
        ConsentReportError: the ledger cannot be read.
    """
    from consent.app.overview import overview_of, overviews_of
    from consent.app.page import headers_of_pages, studies_page, study_page

    key, studies, sandbox = parse_page_request(parameters), load_studies(settings), _sandbox(settings)
    with _opened(settings) as ledger:
        if key is None and len(studies.keys) > 1:
            html = studies_page(overviews_of(ledger, studies, now, sandbox=sandbox), now)
        else:
            html = study_page(overview_of(ledger, choose_study(studies, key), now, sandbox=sandbox))
    return headers_of_pages(), html


def late_studies(settings: Settings, now: datetime) -> tuple[str, ...]:
    """The studies whose report is late or whose file cannot be used.

    Raises:
        ConsentReportError: nobody can tell.
    """
    with _opened(settings) as ledger:
        return late(ledger, load_studies(settings), now, sandbox=_sandbox(settings))


def handle_run_message(message: str, settings: Settings, holder: str) -> None:
    """Carry out the run that a message of the queue asks for, then tell the monitor if now all is well.

    Raises:
        ConsentReportError: see ``execute_message``.
    """
    with _opened(settings) as ledger:
        record = execute_message(message, ledger, job(settings, ledger), now=utc_now, holder=holder)
        if record.is_report:
            _tell_monitor(settings, ledger, utc_now())


def handle_poison_message(message: str, settings: Settings) -> None:
    """Close the run whose message the queue has given up.

    Raises:
        ConsentReportError: the ledger cannot be reached.
    """
    with _opened(settings) as ledger:
        mark_failed(message, ledger, now=utc_now)


def _opened(settings: Settings) -> "closing[RunLedger]":
    return closing(open_ledger(settings, default="table"))


def _sandbox(settings: Settings) -> bool:
    return dropbox_sandbox_url(settings) is not None


def _documents(ledger: RunLedger, records: list[RunRecord], now: datetime) -> list[dict[str, Any]]:
    return [run_document(record, lease, now) for record, lease in with_leases(ledger, records, now)]


def _forget_counts(settings: Settings, ledger: RunLedger, now: datetime) -> None:
    forgotten = ledger.purge_counts(now - months_kept(settings) * LONGEST_MONTH)
    if forgotten:
        logger.info("Forgot the counts of %s old runs", forgotten)


def _say_what_is_late(settings: Settings, ledger: RunLedger, now: datetime) -> None:
    for key in late(ledger, load_studies(settings), now, sandbox=_sandbox(settings)):
        logger.error("The report of %s is late: see what became of its last runs.", key)


def _tell_monitor(settings: Settings, ledger: RunLedger, now: datetime) -> None:
    """A monitor that cannot be told must not undo what was done; it raises its own alarm."""
    try:
        if all_reported(ledger, load_studies(settings), now, sandbox=_sandbox(settings)):
            ping(settings)
    except Exception as error:
        logger.warning("The monitor was not told: %s", log_text(error))
