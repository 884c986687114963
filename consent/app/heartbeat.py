"""The heartbeat: a request to an external monitor, which raises an alarm when the requests stop."""

import logging

from consent.config.checks import heartbeat_url
from consent.config.http_session import new_session
from consent.config.settings import Settings

TIMEOUT_SECONDS = 10  # to connect, and again to receive the response

logger = logging.getLogger(__name__)


def send_heartbeat(settings: Settings) -> None:
    """Request HEARTBEAT_URL once, if it is set; log a failure without the address, which is a secret.

    Raises SettingsError: the address or the network is malformed.
    """
    url = heartbeat_url(settings)
    if url is None:
        return
    with new_session(settings.network, url) as session:
        try:
            with session.get(url, timeout=TIMEOUT_SECONDS, stream=True, allow_redirects=False) as response:
                status = response.status_code
        except Exception as error:  # its message would quote the address
            logger.warning("event=heartbeat_failed exception=%s", type(error).__name__)
            return
    if 200 <= status < 300:
        logger.info("event=heartbeat_sent status=%s", status)
    else:
        logger.warning("event=heartbeat_failed status=%s", status)
