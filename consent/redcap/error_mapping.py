"""Turn a REDCap response that is not the requested data into an error.

REDCap reports many failures with status 200, so the text is examined as well as the status. No message repeats the
body: it may contain data or a database password.
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
    Problem,
    SourceDataError,
    SourceRefusedError,
    SourceUnavailableError,
)

BLANK = "\ufeff \t\r\n"  # a byte order mark is not data
RUN_AGAIN = "Run again. If it fails again, show this message to the REDCap administrator."
_LATER = "Try again later."
_INVALID_NAMES = re.compile(r'values in the parameter "(fields|forms|events)" are not valid: (.*)', re.DOTALL)
_RIGHT = re.compile(  # REDCap's names of rights; nothing else of its message is repeated
    "API Export|API Import/Update|Data Access Groups|User Rights|Project Design(?: and Setup|/Setup)?|Logging"
    "|File Repository|Data Exports?(?: Tool)?|Reports & Report Builder|Add/Edit Reports|Survey Distribution Tools"
    "|Manage Survey Participants|Data Import Tool|Data Comparison Tool|Data Quality|(?:Create|Rename|Delete) Records",
    re.IGNORECASE,
)
_PHP_TEXT = re.compile(
    r"(?:<b>|^|php )(?:(?:recoverable |catchable )?fatal error|parse error|warning|notice|deprecated)(?:</b>)?:\s",
    re.MULTILINE,
)


class TransientError(SourceUnavailableError):
    """The same request may succeed a moment later."""


class TooLargeError(SourceUnavailableError):
    """REDCap had too little memory or time for this request; a smaller one may succeed."""


class OverloadedError(TooLargeError, TransientError):
    """REDCap took too long or sent nothing; a smaller request may succeed, or the same one later."""


_Cause = tuple[type[ConsentReportError], str, str]  # the error, what failed (the status follows), the fix

_NO_API: _Cause = (
    ConfigurationError,
    "There is no REDCap API at this address",
    "Check the setting of REDCap's address: https, the right host, ending in /api/.",
)
_BLOCKED: _Cause = (
    SourceRefusedError,
    "REDCap's server refused this computer, without a message from REDCap itself",
    "Ask the REDCap administrator whether a firewall blocks it, or a ban after too many requests.",
)
_BAD_TOKEN: _Cause = (
    SourceRefusedError,
    "REDCap refused the API token",
    "Check that the token is of this project and was not regenerated. Its user needs the API Export right and must not "
    "have expired.",
)
_WEB_PAGE: _Cause = (
    SourceRefusedError,
    "REDCap's address sent a web page instead of data, perhaps a sign-in or maintenance page",
    "Open the address in a browser, and ask IT to let this program reach the API directly.",
)
_REFUSED: _Cause = (
    SourceRefusedError,
    "REDCap refused the request",
    "Ask the REDCap administrator for the reason; it is not shown here because it may hold data.",
)
_DELETED: _Cause = (SourceRefusedError, "The REDCap project was deleted", "Ask its REDCap administrator.")
_NO_RIGHT: _Cause = (
    SourceRefusedError,
    "The token's user may not read this",
    "Ask the REDCap administrator which right the user lacks in the project.",
)
_NO_MEMORY: _Cause = (
    TooLargeError,
    "REDCap had too little memory for the request",
    "If it happens again, ask the REDCap administrator for a higher memory limit.",
)
_SLOW: _Cause = (OverloadedError, "REDCap took too long to respond", _LATER)
_EMPTY: _Cause = (OverloadedError, "REDCap sent an empty response", RUN_AGAIN)
_DOWN: _Cause = (TransientError, "REDCap is not working at the moment", _LATER)
_BUSY: _Cause = (TransientError, "REDCap's server received too many requests", _LATER)
_NO_DATABASE: _Cause = (TransientError, "REDCap cannot reach its database", _LATER)
_ERROR_PAGE: _Cause = (TransientError, "REDCap sent an error page", _LATER)
_PHP_MESSAGE: _Cause = (
    SourceDataError,
    "REDCap's response contains a message of PHP, the language of REDCap's server, in place of data",
    "Ask the REDCap administrator to correct what the server's PHP log shows, and to turn off display_errors.",
)
_NOT_DATA: _Cause = (SourceDataError, "REDCap's response is not data", RUN_AGAIN)

_BY_STATUS = {404: _NO_API, 405: _NO_API, 501: _NO_API}
_TOO_LARGE = {  # the words of REDCap, then of PHP
    "ran out of server memory": _NO_MEMORY,
    "allowed memory size of": _NO_MEMORY,
    "out of memory (allocated": _NO_MEMORY,
    "maximum execution time of": _SLOW,
}
_SERVER_FAILURES = {408: _SLOW, 413: _NO_MEMORY, 425: _DOWN, 429: _BUSY, 504: _SLOW}  # 500 and more are failures too
_FAILURES_WITH_STATUS_200 = {
    "could not connect to the mysql server": _NO_DATABASE,
    "multiple browser tabs of the same redcap page": _ERROR_PAGE,
}


def error_from_response(status: int, headers: Mapping[str, str], text: str) -> ConsentReportError:
    """Return the error for a response that is not the requested data, from its status and the start of its text."""
    message = error_text(text)
    cause = _redirect(headers) if 300 <= status < 400 else _cause(status, text.lower(), message)
    if cause is _REFUSED and (invalid := _INVALID_NAMES.search(message or "")):
        names = ", ".join(re.findall(r"'([a-z][a-z0-9_]*)'", invalid[2])[:20])
        problem = Problem(f"REDCap no longer has these {invalid[1]}: {names}.", "Correct the study file.")
        return DictionaryError([problem], f"The study file does not match REDCap (HTTP {status}):")
    if cause is _NO_RIGHT and (rights := dict.fromkeys(_RIGHT.findall(message or ""))):
        cause = (*_NO_RIGHT[:2], f"Ask for the right {' and '.join(map(repr, rights))} in the project.")
    kind, what, fix = cause
    return kind(f"{what} (HTTP {status}).", fix)


def column_twice() -> SourceDataError:
    """Return the error for a response with two columns of one name."""
    what = "A row of REDCap's response has one column twice, so which of the values is right is not known."
    return SourceDataError(what, "Ask the REDCap administrator whether two options of a checkbox share a column.")


def not_rows() -> SourceDataError:
    """Return the error for a response that is not rows of the requested columns."""
    return SourceDataError("REDCap's response is not a list of rows (HTTP 200).", RUN_AGAIN)


def damaged(kind: str) -> SourceDataError:
    """Return the error for a character that is not text; ``kind`` says which."""
    return SourceDataError(
        f"REDCap's response contains a damaged character ({kind}).",
        "Ask the REDCap administrator to look for damaged characters in the fields of the study file.",
    )


def truncated() -> TransientError:
    """Return the error for a response that ends too early."""
    return TransientError("REDCap's response was truncated.", RUN_AGAIN)


def error_within(text: str) -> ConsentReportError | None:
    """Return the error for a message of PHP or about memory, which may stand anywhere in the data; None without one."""
    is_message = _cause(200, text.lower(), None) in (_NO_MEMORY, _SLOW, _PHP_MESSAGE)
    return error_from_response(200, {}, text) if is_message else None


def _cause(status: int, lowered: str, message: str | None) -> _Cause:
    if status in (401, 403) and (message is None or "privileges" not in lowered):
        return _BLOCKED if message is None else _BAD_TOKEN
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if found := [cause for words, cause in _TOO_LARGE.items() if words in lowered]:
        return found[0]
    if status in (200, 500) and not lowered.strip():  # also sent by a server that ran out of memory
        return _EMPTY
    if status in _SERVER_FAILURES or status >= 500:
        return _SERVER_FAILURES.get(status, _DOWN)
    if status == 200 and (found := [cause for words, cause in _FAILURES_WITH_STATUS_200.items() if words in lowered]):
        return found[0]
    if message is None and ("<html" in lowered or "<!doctype" in lowered):
        return _WEB_PAGE
    if message is None and not 400 <= status < 500:
        return _PHP_MESSAGE if _PHP_TEXT.search(lowered) else _NOT_DATA
    if "no longer exists because it was deleted" in lowered:
        return _DELETED
    return _NO_RIGHT if "privileges" in lowered else _REFUSED


def _redirect(headers: Mapping[str, str]) -> _Cause:
    host = None
    with contextlib.suppress(ValueError):  # the location is not an address
        host = urlsplit(headers.get("location", "")).hostname
    return (
        ConfigurationError,
        f"REDCap's address redirects to {host or 'another path of the same server'}; the token was not sent there",
        "Put the final https address, ending in /api/, into the setting of REDCap's address.",
    )


def error_text(text: str) -> str | None:
    """Return the error in a body of REDCap's JSON, XML or CSV shape; None for any other body."""
    start = text.lstrip(BLANK)
    if start.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            document = json.loads(start)
            error = document.get("error") if isinstance(document, dict) else None
            return error if isinstance(error, str) else None
        return None
    found = re.search(r"<hash>\s*+<error>([^<]*+)", start, re.IGNORECASE) or re.match(r"ERROR:(?s:(.*))", start, re.I)
    return found[1].strip() if found else None
