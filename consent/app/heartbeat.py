"""Tells a monitor outside that every report is delivered, so that silence can raise an alarm there.

Decides nothing about when; never fails whoever calls it, and never shows the address, which is a secret of its own.
"""

import logging

from consent.config.checks import heartbeat_url
from consent.config.settings import Settings
from consent.errors import ConsentReportError

LONGEST_SECONDS = 10  # to connect, and again to answer

logger = logging.getLogger(__name__)


def ping(settings: Settings) -> None:
    """Ask for HEARTBEAT_URL once, if it is set; what goes wrong is logged and nothing more."""
    try:
        url = heartbeat_url(settings)
        if url is not None:
            _tell(url, settings)
    except ConsentReportError as error:
        logger.warning("The monitor was not told that every report is delivered. %s", error)
    except Exception as error:  # its words would quote the address
        logger.warning(
            "The monitor was not told that every report is delivered: HEARTBEAT_URL cannot be reached (%s).",
            type(error).__name__,
        )


def _tell(url: str, settings: Settings) -> None:
    from consent.config.http_session import new_session

    with (
        new_session(settings.network, url) as session,
        session.get(url, timeout=LONGEST_SECONDS, stream=True, allow_redirects=False) as response,
    ):
        status = response.status_code
    if 200 <= status < 300:
        logger.info("The monitor was told that every report is delivered.")
    else:
        logger.warning("The monitor was not told that every report is delivered: it answered %s.", status)
