"""Adds the run, its study and the attempt to every log line of a run, whichever logger writes it.

Lines from threads that a run starts are not marked.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from consent.runs.ledger.record import study_of

_context: ContextVar[str] = ContextVar("run in progress", default="")


@contextlib.contextmanager
def log_context(run_id: str, attempt: int) -> Iterator[None]:
    """Start each log line of the block with ``run=... study=... attempt=...``."""
    _install()
    token = _context.set(f"run={run_id} study={study_of(run_id)} attempt={attempt} ")
    try:
        yield
    finally:
        _context.reset(token)


def _install() -> None:
    """Wrap the record factory once: a handler's filter would miss handlers that are added later.

    https://docs.python.org/3/library/logging.html#logging.setLogRecordFactory
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Factory):
        logging.setLogRecordFactory(_Factory(make))


@dataclass(frozen=True)
class _Factory:
    make: Callable[..., logging.LogRecord]

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self.make(*args, **kwargs)
        context = _context.get()
        if context and not hasattr(record, "has_run"):
            record.msg = (context.replace("%", "%%") if record.args else context) + str(record.msg)
            record.has_run = True
        return record
