"""The heartbeat: a request to an external monitor, which raises an alarm when the requests stop."""

import logging

from consent.config.checks import heartbeat_url
from consent.config.http_session import new_session
from consent.config.settings import Settings
from consent.errors import ConsentReportError, log_text

TIMEOUT_SECONDS = 10  # to connect, and again to receive the response

logger = logging.getLogger(__name__)


def send_heartbeat(settings: Settings) -> None:
    """Request HEARTBEAT_URL once, if it is set; log a failure without the address, which is a secret."""
    try:
        url = heartbeat_url(settings)
        status = None if url is None else _status_of(url, settings)
    except ConsentReportError as error:
        logger.warning("event=heartbeat_failed %s", log_text(error))
    except Exception as error:  # its message would quote the address
        logger.warning("event=heartbeat_failed exception=%s", type(error).__name__)
    else:
        if status is not None and 200 <= status < 300:
            logger.info("event=heartbeat_sent status=%s", status)
        elif status is not None:
            logger.warning("event=heartbeat_failed status=%s", status)


def _status_of(url: str, settings: Settings) -> int:
    with (
        new_session(settings.network, url) as session,
        session.get(url, timeout=TIMEOUT_SECONDS, stream=True, allow_redirects=False) as response,
    ):
        return response.status_code
