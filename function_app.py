"""Azure Functions entry points: timers, queues, HTTP routes.

The platform imports this module at every cold start, so ``consent.app.handlers`` is imported only by a call.
"""

import functools
import gc
import json
import logging
import typing
from collections.abc import Callable, Mapping

import azure.functions as func

from consent.app.http_api import JSON, PROBLEM, accepted, problem_for
from consent.config.settings import read_settings, timer_schedule
from consent.dates import utc_now
from consent.errors import ConsentReportError, log_text

QUEUE, STORAGE = "consent-runs", "AzureWebJobsStorage"
CATCH_UP_SCHEDULE = "0 30 5 * * *"

logger = logging.getLogger(__name__)
logging.getLogger("azure").setLevel(logging.WARNING)  # at INFO its libraries log two long records per call

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
Messages = func.Out[typing.List[str]]  # noqa: UP006 - the Functions runtime rejects list[str] here

_P = typing.ParamSpec("_P")


def redact_errors(function: Callable[_P, None]) -> Callable[_P, None]:
    """Re-raise only our own errors; others may quote participant data in the platform's log."""

    @functools.wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> None:
        public: ConsentReportError | None = None
        try:
            function(*args, **kwargs)
        except ConsentReportError as error:
            public = error
        except Exception as error:
            logger.error("event=invocation_failed %s", log_text(error))
            public = ConsentReportError("Internal error.", "See the log of this invocation.")
        if public is not None:  # raised outside of `except`, where it would carry the original error as its context
            raise public from None

    return wrapper


def answer_errors(function: Callable[_P, func.HttpResponse]) -> Callable[_P, func.HttpResponse]:
    """Return a problem document (RFC 9457) for every error; the function takes its ``context`` by keyword."""

    @functools.wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> func.HttpResponse:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            context = typing.cast("func.Context", kwargs["context"])
            status, problem = problem_for(error, context.invocation_id)
            if status >= 500:
                logger.error("event=request_failed %s", log_text(error))
            return _response(status, problem, PROBLEM)

    return wrapper


@app.timer_trigger(arg_name="timer", schedule=timer_schedule(), run_on_startup=False, use_monitor=True)
@app.queue_output(arg_name="messages", queue_name=QUEUE, connection=STORAGE)
@redact_errors
def monday(timer: func.TimerRequest, messages: Messages) -> None:
    """Queue every study whose Monday report is due in its own time zone."""
    from consent.app import handlers

    _log_delay(timer)
    messages.set(handlers.queue_reports(read_settings(), "monday", utc_now()))


@app.timer_trigger(arg_name="timer", schedule=CATCH_UP_SCHEDULE, run_on_startup=False, use_monitor=True)
@app.queue_output(arg_name="messages", queue_name=QUEUE, connection=STORAGE)
@redact_errors
def catch_up(timer: func.TimerRequest, messages: Messages) -> None:
    """Queue the reports that are still missing, then run the daily maintenance."""
    from consent.app import handlers

    _log_delay(timer)
    settings = read_settings()
    messages.set(handlers.queue_reports(settings, "catch_up", utc_now()))
    handlers.run_daily_maintenance(settings, utc_now())


@app.queue_trigger(arg_name="msg", queue_name=QUEUE, connection=STORAGE)
@redact_errors
def execute_run(msg: func.QueueMessage, context: func.Context) -> None:
    """Execute the run that a message names; after an error the platform delivers the message again."""
    from consent.app import handlers

    handlers.handle_run_message(_text_of(msg), read_settings(), holder=context.invocation_id)


@app.queue_trigger(arg_name="msg", queue_name=f"{QUEUE}-poison", connection=STORAGE)
@redact_errors
def run_failed(msg: func.QueueMessage) -> None:
    """Mark a run as failed after the last delivery of its message."""
    from consent.app import handlers

    handlers.handle_poison_message(_text_of(msg), read_settings())


@app.route(route="runs", methods=["POST"])
@app.queue_output(arg_name="message", queue_name=QUEUE, connection=STORAGE)
@answer_errors
def start_run(req: func.HttpRequest, message: func.Out[str], context: func.Context) -> func.HttpResponse:
    """Record and queue a run; return the address of its status."""
    from consent.app import handlers

    queued = handlers.start_run(req.get_body(), read_settings(), utc_now())
    if queued.message is not None:
        message.set(queued.message)
    headers, document = accepted(queued.record)
    return _response(202, document, headers=headers)


@app.route(route="runs", methods=["GET"])
@answer_errors
def list_runs(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Return the run history."""
    from consent.app import handlers

    return _response(200, handlers.list_runs(req.params, read_settings(), utc_now()))


@app.route(route="runs/{run_id}", methods=["GET"])
@answer_errors
def show_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Return one run."""
    from consent.app import handlers

    return _response(200, handlers.show_run(req.route_params["run_id"], read_settings(), utc_now()))


@app.route(route="report", methods=["GET"])
@answer_errors
def report(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Return the status page."""
    from consent.app import handlers

    headers, html = handlers.render_page(req.params, read_settings(), utc_now())
    return func.HttpResponse(html, mimetype="text/html", charset="utf-8", headers=headers)


@app.route(route="page", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answer_errors
def page(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Return the status page to whom the platform signed in; it needs no key."""
    from consent.app import handlers

    status, headers, html = handlers.render_signed_in_page(req.headers, req.params, read_settings(), utc_now())
    return func.HttpResponse(html, status_code=status, mimetype="text/html", charset="utf-8", headers=headers)


@app.route(route="page", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.queue_output(arg_name="message", queue_name=QUEUE, connection=STORAGE)
@answer_errors
def run_now(req: func.HttpRequest, message: func.Out[str], context: func.Context) -> func.HttpResponse:
    """Record and queue a run for whom the platform signed in; return to the page."""
    from consent.app import handlers

    queued, page_path = handlers.run_now(req.headers, req.get_body(), read_settings(), utc_now())
    if queued.message is not None:
        message.set(queued.message)
    return _response(303, {}, headers={"Location": page_path})


@app.route(route="health", methods=["GET", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Return 200 if every report is on time, else 503; without details, because no key is needed."""
    return _response(200, {"status": "ok"}) if _is_healthy() else _response(503, {"status": "late"})


def _is_healthy() -> bool:
    try:
        from consent.app import handlers

        return not handlers.log_late_reports(read_settings(), utc_now())
    except Exception as error:
        logger.error("event=health_check_failed %s", log_text(error))
        return False


def _log_delay(timer: func.TimerRequest) -> None:
    if timer.past_due:
        logger.warning("event=timer_delayed")


def _text_of(msg: func.QueueMessage) -> str:
    return msg.get_body().decode("utf-8", errors="replace")


def _response(
    status: int, document: dict[str, typing.Any], kind: str = JSON, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    all_headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return func.HttpResponse(json.dumps(document), status_code=status, mimetype=kind, headers=all_headers)


gc.freeze()  # what was imported stays, so no collection need visit it again
