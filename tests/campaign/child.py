"""A process that handles one message, and can be killed while it does.

It reads its task as one line of JSON and logs to standard error. Its clock moves only when it sleeps.
"""

import json
import logging
import sys
from datetime import datetime

from consent.config.settings import Settings
from consent.errors import ConsentReportError
from consent.runs.ledger.store import open_ledger
from tests.campaign.faults import VirtualClock
from tests.campaign.workers import Worker, handle_carefully


def main() -> int:
    """Return 0 when the message was handled, 1 when it must be retried."""
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)
    task = json.loads(sys.stdin.readline())
    clock, settings = VirtualClock(datetime.fromisoformat(task["now"])), Settings(task["settings"])
    ledger = open_ledger(settings, default="table")
    try:
        handle_carefully(task["message"], Worker("child", settings, ledger, clock.now, clock.seconds, clock.sleep))
    except ConsentReportError:
        logging.exception("The message must be retried")
        return 1
    finally:
        ledger.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
