"""The doors of the function app: what starts a report (Monday, or a call) and how the outcome is told.

Decides nothing and holds no rule. Every door opens in a process that should start fast, so whatever is heavy is
imported by the job itself.
"""

import json
import logging
from typing import Any

import azure.functions as func

from consent.errors import ConsentReportError, log_text
from consent.http_api import JSON, PROBLEM, RunRequest, parse_run_request, problem_for
from consent.settings import read_settings, timer_schedule

logger = logging.getLogger(__name__)
logging.getLogger("azure").setLevel(logging.WARNING)  # at INFO its libraries log two long records per call

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.timer_trigger(arg_name="timer", schedule=timer_schedule(), run_on_startup=False, use_monitor=True)
def monday(timer: func.TimerRequest) -> None:
    """Deliver the report of every study; the run counts as failed if any of them has none."""
    if timer.past_due:
        logger.warning("This run is late: the platform missed its hour.")
    failed = _report_on_each()
    if failed:
        raise ConsentReportError(f"No report for {', '.join(failed)}. The log of this run says why, and what to do.")


@app.route(route="runs", methods=["POST"])
def start_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Deliver the report of one study now, and answer with the outcome."""
    try:
        return _answer(200, JSON, _report_now(parse_run_request(req.get_body())))
    except Exception as error:  # the outermost edge: a caller gets an answer whatever happens
        status, problem = problem_for(error, context.invocation_id)
        if status >= 500:
            logger.error("No report: %s", log_text(error))
        return _answer(status, PROBLEM, problem)


def _report_on_each() -> list[str]:
    """Report on every study, each on its own; the keys of those that failed, if only for their study file."""
    from consent.run import run_report
    from consent.services import choose_study, load_studies, open_services

    settings, failed = read_settings(), []
    studies = load_studies(settings)
    for key in studies.keys:
        try:
            study = choose_study(studies, key)
            with open_services(study, settings) as services:
                run_report(study, services)
        except Exception as error:  # even a fault in the program must not cost the other studies their report
            logger.error("No report for %s: %s", key, log_text(error))
            failed.append(key)
    return failed


def _report_now(asked: RunRequest) -> dict[str, Any]:
    from consent.run import result_document, run_report
    from consent.services import choose_study, load_studies, open_services

    settings = read_settings()
    study = choose_study(load_studies(settings), asked.study)
    with open_services(study, settings) as services:
        return result_document(run_report(study, services, as_of=asked.as_of, dry_run=asked.dry_run))


def _answer(status: int, kind: str, document: dict[str, Any]) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(document), status_code=status, mimetype=kind)
