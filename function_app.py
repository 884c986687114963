"""The doors of the function app: what makes it act (the clock, a call, a message), and how the outcome is told.

Decides nothing and holds no rule: behind each door stands a function of ``consent/doors.py``. Every door opens in a
process that should start fast, so what is behind a door is imported when somebody comes through.
"""

import functools
import json
import logging
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import azure.functions as func

from consent.app.http_api import JSON, PROBLEM, accepted, problem_for
from consent.config.settings import read_settings, timer_schedule
from consent.errors import ConsentReportError, log_text

QUEUE, STORAGE = "consent-runs", "AzureWebJobsStorage"
CATCH_UP_SCHEDULE = "0 30 5 * * *"

logger = logging.getLogger(__name__)
logging.getLogger("azure").setLevel(logging.WARNING)  # at INFO its libraries log two long records per call

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
Messages = func.Out[typing.List[str]]  # noqa: UP006 - the platform's runtime refuses list[str] here

_Given = typing.ParamSpec("_Given")


def redact_errors(door: Callable[_Given, None]) -> Callable[_Given, None]:
    """Let only errors of ours reach the platform, which logs them whole; their words hold no data, their causes may."""

    @functools.wraps(door)
    def opened(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        if failure := _failure_of(lambda: door(*args, **kwargs)):
            raise failure from None

    return opened


@app.timer_trigger(arg_name="timer", schedule=timer_schedule(), run_on_startup=False, use_monitor=True)
@app.queue_output(arg_name="messages", queue_name=QUEUE, connection=STORAGE)
@redact_errors
def monday(timer: func.TimerRequest, messages: Messages) -> None:
    """Queue every study whose Monday report is due by its own clock."""
    from consent.app import handlers as doors

    _note_delay(timer)
    messages.set(doors.queue_reports(read_settings(), "monday", _now()))


@app.timer_trigger(arg_name="timer", schedule=CATCH_UP_SCHEDULE, run_on_startup=False, use_monitor=True)
@app.queue_output(arg_name="messages", queue_name=QUEUE, connection=STORAGE)
@redact_errors
def catch_up(timer: func.TimerRequest, messages: Messages) -> None:
    """Queue what Monday left undone, then do what is to be done once a day."""
    from consent.app import handlers as doors

    _note_delay(timer)
    settings = read_settings()
    messages.set(doors.queue_reports(settings, "catch_up", _now()))
    doors.run_daily_maintenance(settings, _now())


@app.queue_trigger(arg_name="msg", queue_name=QUEUE, connection=STORAGE)
@redact_errors
def execute_run(msg: func.QueueMessage, context: func.Context) -> None:
    """Carry out the run that a message asks for; raising has the platform deliver the message again."""
    from consent.app import handlers as doors

    doors.handle_run_message(_text_of(msg), read_settings(), holder=context.invocation_id)


@app.queue_trigger(arg_name="msg", queue_name=f"{QUEUE}-poison", connection=STORAGE)
@redact_errors
def run_failed(msg: func.QueueMessage) -> None:
    """Close the run whose message was tried as often as it may be."""
    from consent.app import handlers as doors

    doors.handle_poison_message(_text_of(msg), read_settings())


@app.route(route="runs", methods=["POST"])
@app.queue_output(arg_name="message", queue_name=QUEUE, connection=STORAGE)
def start_run(req: func.HttpRequest, message: func.Out[str], context: func.Context) -> func.HttpResponse:
    """Record and queue a run, and answer with where to watch it."""
    return _answered(context, lambda: _start_run(req, message, context))


@app.route(route="runs", methods=["GET"])
def list_runs(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer with the history of runs."""
    return _answered(context, lambda: _list_runs(req))


@app.route(route="runs/{run_id}", methods=["GET"])
def show_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer with what became of one run."""
    return _answered(context, lambda: _show_run(req))


@app.route(route="report", methods=["GET"])
def report(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer with the page that people look at."""
    return _answered(context, lambda: _report(req))


@app.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Answer whether every report is on time, and nothing else: anybody may ask."""
    on_time = _is_healthy()
    return _answer(200 if on_time else 503, JSON, {"status": "ok" if on_time else "late"})


def _failure_of(work: Callable[[], None]) -> ConsentReportError | None:
    """What the platform is told; handed back rather than raised, so that it does not carry the error it stands for."""
    try:
        work()
    except ConsentReportError as error:
        return error
    except Exception as error:
        logger.error("%s", log_text(error))
        return ConsentReportError("A fault in the program; its place is in the log of this call.")
    return None


def _note_delay(timer: func.TimerRequest) -> None:
    if timer.past_due:
        logger.warning("This call is late: the platform missed its hour.")


def _text_of(msg: func.QueueMessage) -> str:
    return msg.get_body().decode("utf-8", errors="replace")


def _now() -> datetime:
    return datetime.now(UTC)


def _start_run(req: func.HttpRequest, message: func.Out[str], context: func.Context) -> func.HttpResponse:
    from consent.app import handlers as doors

    asked = doors.accept_run(req.get_body(), read_settings(), _now(), nonce=context.invocation_id[:6])
    if asked.message is not None:
        message.set(asked.message)
    headers, document = accepted(asked.record)
    return _answer(202, JSON, document, headers)


def _list_runs(req: func.HttpRequest) -> func.HttpResponse:
    from consent.app import handlers as doors

    return _answer(200, JSON, doors.list_runs(req.params, read_settings(), _now()))


def _show_run(req: func.HttpRequest) -> func.HttpResponse:
    from consent.app import handlers as doors

    return _answer(200, JSON, doors.show_run(req.route_params["run_id"], read_settings(), _now()))


def _report(req: func.HttpRequest) -> func.HttpResponse:
    from consent.app import handlers as doors

    headers, html = doors.show_page(req.params, read_settings(), _now())
    return func.HttpResponse(html, mimetype="text/html", charset="utf-8", headers=headers)


def _is_healthy() -> bool:
    try:
        from consent.app import handlers as doors

        late = doors.late_studies(read_settings(), _now())
    except Exception as error:  # not to know is no better than to be late
        logger.error("Nobody can tell whether the reports are on time: %s", log_text(error))
        return False
    if late:
        logger.warning("Late, or with an unusable study file: %s", ", ".join(late))
    return not late


def _answered(context: func.Context, work: Callable[[], func.HttpResponse]) -> func.HttpResponse:
    """The outermost edge: a caller gets an answer whatever happens."""
    try:
        return work()
    except Exception as error:
        status, problem = problem_for(error, context.invocation_id)
        if status >= 500:
            logger.error("The request failed: %s", log_text(error))
        return _answer(status, PROBLEM, problem)


def _answer(
    status: int, kind: str, document: dict[str, typing.Any], headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    always = {"Cache-Control": "no-store"}
    return func.HttpResponse(
        json.dumps(document), status_code=status, mimetype=kind, headers={**always, **(headers or {})}
    )
