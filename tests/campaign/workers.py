"""Those who carry out a message in a fault campaign: by the careful job that is the product's, in this process.

A naive one is in ``naive_job.py``, and ``campaign_child.py`` is a process of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from consent.config.settings import Settings
from consent.runs.ledger.store import RunLedger
from consent.runs.worker import execute_message, job
from tests.campaign.light_report import render_light_report


@dataclass(frozen=True)
class Worker:
    """One process of the platform, with its own clock and connections."""

    name: str
    settings: Settings
    ledger: RunLedger
    now: Callable[[], datetime]
    clock: Callable[[], float]
    sleep: Callable[[float], None]


Execute = Callable[[str, Worker], None]


def carefully(message: str, worker: Worker) -> None:
    """What the function app does with a message."""
    perform = job(
        worker.settings,
        worker.ledger,
        now=worker.now,
        sleep=worker.sleep,
        clock=worker.clock,
        render=render_light_report,
    )
    execute_message(message, worker.ledger, perform, now=worker.now, holder=worker.name)
