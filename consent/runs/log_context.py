"""Puts the run's name into every log line that is made while the run is at work, whoever logs it.

Chooses no level, no handler and no place for the log. Lines from threads that a run starts by itself are not named.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from consent.runs.ledger.record import study_of

_name: ContextVar[str] = ContextVar("name of the run at work", default="")


@contextlib.contextmanager
def naming_run(run_id: str, attempt: int) -> Iterator[None]:
    """Begin each log line of the block with the run, its study and which attempt this is."""
    _install()
    token = _name.set(f"[run {run_id}, study {study_of(run_id)}, attempt {attempt}] ")
    try:
        yield
    finally:
        _name.reset(token)


def _install() -> None:
    """Have the records of all loggers named; a handler's filter would miss those of handlers added later.

    https://docs.python.org/3/library/logging.html#logging.setLogRecordFactory
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Naming):
        logging.setLogRecordFactory(_Naming(make))


class _Naming:
    """Makes log records as another factory does, and names the run in their message."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        name = _name.get()
        if name and not hasattr(record, "run_named"):
            record.msg = (name.replace("%", "%%") if record.args else name) + str(record.msg)
            record.run_named = True
        return record
