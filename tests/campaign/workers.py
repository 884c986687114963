"""Handle a message in the fault campaign with the product's own job."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from consent.config.settings import Settings
from consent.runs.ledger.history import RunLedger
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


def handle_carefully(message: str, worker: Worker) -> None:
    """Handle a message as the function app does."""
    perform = job(
        worker.settings,
        worker.ledger,
        now=worker.now,
        sleep=worker.sleep,
        clock=worker.clock,
        render=render_light_report,
    )
    execute_message(message, worker.ledger, perform, now=worker.now, holder=worker.name)
