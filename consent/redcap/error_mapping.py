"""What an answer of REDCap's that is not what was asked for stands for: an error with a way out.

Pure. REDCap answers many failures with status 200, so the text is judged as well as the status. A body is never
repeated in a message; it may hold data or a database password.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from consent.errors import (
    ConfigurationError,
    ConsentReportError,
    DictionaryError,
    SourceDataError,
    SourceRefusedError,
    SourceUnavailableError,
)

BLANK = "\ufeff \t\r\n"  # a byte order mark is no data
_FAULTY_FIELDS = re.compile(r'values in the parameter "(fields|forms|events)" are not valid: (.*)', re.DOTALL)


class TransientError(SourceUnavailableError):
    """A failure that the same request may survive a moment later."""


class TooLargeError(SourceUnavailableError):
    """REDCap had not enough memory or time for this request; a smaller one may do."""


class OverloadedError(TooLargeError, TransientError):
    """REDCap took too long or gave nothing; a smaller request may do, or the same one later."""


def error_from_response(status: int, headers: Mapping[str, str], text: str) -> ConsentReportError:
    """The error that an answer stands for, given its status and (the beginning of) its text.

    Called for every answer that is not what was asked for, whatever its status.
    """
    if 300 <= status < 400:
        return _redirected(status, headers)
    message, lowered = error_text(text), text.lower()
    if status in (401, 403):
        return _refused_token(status, message)
    if status in (404, 405, 501):
        return ConfigurationError(
            _say(
                "There is no REDCap API at the address in use",
                status,
                "Check the setting for REDCap's address: https, the right host, ending in /api/.",
            )
        )
    if trouble := _trouble(status, lowered):
        return trouble
    if message is not None:
        return _refused_request(status, message)
    if "<html" in lowered or "<!doctype" in lowered:
        return SourceRefusedError(
            _say(
                "REDCap's address answered with a web page instead of data: a sign-in or maintenance page",
                status,
                "Open the address in a browser to see which, and ask IT to let this program reach the API directly.",
            )
        )
    if 400 <= status < 500:
        return _refused_request(status, "")
    return SourceDataError(_say("REDCap sent something that is not data", status, "Nothing was delivered."))


def _trouble(status: int, lowered: str) -> ConsentReportError | None:
    """The server's own trouble, which may pass or spare a smaller request."""
    if "ran out of server memory" in lowered or status == 413:
        return TooLargeError(
            _say(
                "REDCap had too little memory for the request",
                status,
                "If it happens again, ask the REDCap administrator for a higher memory limit.",
            )
        )
    if status in (408, 504):
        return OverloadedError(_say("REDCap took too long to answer", status, "Try again later."))
    if status in (200, 500) and not lowered.strip():  # so a server also answers when it ran out of memory
        return OverloadedError(_say("REDCap sent an empty answer", status, "Nothing was delivered."))
    if status in (500, 502, 503):
        return TransientError(_say("REDCap is not working at the moment", status, "The next run will try again."))
    if status != 200:
        return None
    if "could not connect to the mysql server" in lowered:
        return TransientError(_say("REDCap cannot reach its database", status, "The next run will try again."))
    if "multiple browser tabs of the same redcap page" in lowered:
        return TransientError(_say("REDCap answered with an error page", status, "The next run will try again."))
    return None


def _redirected(status: int, headers: Mapping[str, str]) -> ConsentReportError:
    host = None
    with contextlib.suppress(ValueError):  # an address that is none
        host = urlsplit(headers.get("location", "")).hostname
    place = host or "another path of the same server"
    return ConfigurationError(
        _say(
            f"REDCap's address redirects to {place}; the token was not sent there",
            status,
            "Put the final https address, ending in /api/, into the setting for REDCap's address.",
        )
    )


def _refused_token(status: int, message: str | None) -> ConsentReportError:
    if message is None:
        return SourceRefusedError(
            _say(
                "REDCap's server refused this computer (no word from REDCap itself)",
                status,
                "A firewall, or a ban after too many requests: ask the REDCap administrator.",
            )
        )
    return SourceRefusedError(
        _say(
            "REDCap refused the API token",
            status,
            "Check that the token is of this project, has not been regenerated, and that its user has not expired and "
            "has the API Export right.",
        )
    )


def _refused_request(status: int, message: str) -> ConsentReportError:
    if "no longer exists because it was deleted" in message:
        return SourceRefusedError(_say("The REDCap project was deleted", status, "Ask its REDCap administrator."))
    if "Insufficient user privileges" in message:
        return SourceRefusedError(
            _say("The token's user may not read this", status, "Ask for the API Export right in the project.")
        )
    if faulty := _FAULTY_FIELDS.search(message):
        names = ", ".join(re.findall(r"'([a-z][a-z0-9_]*)'", faulty[2])[:20])
        return DictionaryError(
            [f"{faulty[1]} {names}: renamed or deleted in REDCap; correct the study file"],
            f"REDCap does not know all that the study file names (HTTP {status}):",
        )
    return SourceRefusedError(
        _say(
            "REDCap refused the request",
            status,
            "Its reason is not repeated here; ask the REDCap administrator what it allows.",
        )
    )


def _say(what: str, status: int, advice: str) -> str:
    return f"{what} (HTTP {status}). {advice}"


def error_text(text: str) -> str | None:
    """The error that a body reports in REDCap's JSON, XML or CSV shape, if it is one of those."""
    start = text.lstrip(BLANK)
    if start.startswith("{"):
        try:
            document = json.loads(start)
        except ValueError:
            return None
        error = document.get("error") if isinstance(document, dict) else None
        return error if isinstance(error, str) else None
    if match := re.search(r"<hash>\s*<error>(.*?)</error>", start, re.DOTALL):
        return match[1]
    if match := re.match(r"ERROR:\s*(.*)", start, re.DOTALL | re.IGNORECASE):
        return match[1]
    return None
