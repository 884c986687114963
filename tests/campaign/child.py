"""A process that carries out one message, so that it can be killed at it.

Is told everything in one line of JSON, and logs to its standard error. Its clock moves on by its own sleeping alone.
"""

import json
import logging
import sys
from datetime import datetime

from consent.config.settings import Settings
from consent.errors import ConsentReportError
from consent.runs.ledger.store import open_ledger
from tests.campaign.weather import VirtualClock
from tests.campaign.workers import Worker, carefully


def main() -> int:
    """0 when the message was carried out, 1 when it must come again."""
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)
    task = json.loads(sys.stdin.readline())
    clock, settings = VirtualClock(datetime.fromisoformat(task["now"])), Settings(task["settings"])
    ledger = open_ledger(settings, default="table")
    try:
        carefully(task["message"], Worker("child", settings, ledger, clock.now, clock.seconds, clock.sleep))
    except ConsentReportError:
        logging.exception("The message must come again")
        return 1
    finally:
        ledger.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
