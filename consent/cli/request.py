"""``consent request``: request a run of a function app over HTTP, and follow it to its end.

The function key is sent only to the given address, in a header, and is never shown.
https://learn.microsoft.com/azure/azure-functions/function-keys-how-to#use-access-keys
"""

import getpass
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from consent.config.checks import has_extras, split_url
from consent.config.credentials import Secret, find_secrets
from consent.config.settings import LOOPBACK_HOSTS, Settings
from consent.errors import AppUnavailableError, ConfigurationError, Problem, RunTooLongError
from consent.runs.ledger.record import OPEN, is_run_id

if TYPE_CHECKING:
    import requests

FUNCTION_KEY = "CONSENT_FUNCTION_KEY"
LONGEST_SECONDS = 45 * 60  # a run stops after 25 minutes, and may first wait for another one
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 20.0  # seconds
_WAITS = (5, 10, 15)  # seconds before the next attempt: an app without traffic takes some time to start


def app_address(url: str) -> str:
    """Return the address of an app; raises ConfigurationError unless it is https, or on this computer."""
    parts = split_url(url)
    if parts is None or not parts.hostname or parts.scheme not in ("https", "http") or has_extras(parts):
        raise ConfigurationError("--url is not the address of an app.", "Give it as https://APP.azurewebsites.net.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ConfigurationError("--url does not start with https://.", "Use https: plain http exposes the key.")
    return f"{parts.scheme}://{parts.netloc}"


def function_key(address: str, settings: Settings) -> Secret | None:
    """Return the key of an app from the settings or a prompt; None for an app on this computer without a key."""
    found, problems = find_secrets(settings, [], optional=[FUNCTION_KEY])
    if FUNCTION_KEY in found or urlsplit(address).hostname in LOOPBACK_HOSTS:
        return found.get(FUNCTION_KEY)
    typed = getpass.getpass("Function key (not shown): ").strip() if sys.stdin.isatty() and not problems else ""
    if not typed or not typed.isascii() or not typed.isprintable():
        what = (*problems, Problem(f"{FUNCTION_KEY} is missing."))[0].what
        raise ConfigurationError(what, "Copy it from the Azure portal: App keys of the function app.")
    return Secret(FUNCTION_KEY, typed)


@dataclass
class AppClient:
    """A client of one function app; tests replace ``sleep`` and ``clock``."""

    address: str
    key: Secret | None
    session: "requests.Session"
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def request(self, body: dict[str, Any]) -> str:
        """Request a run and return its id."""
        run_id = str(self._call("POST", "/api/runs", body).get("run_id"))
        if not is_run_id(run_id):
            raise self._no_app("the response names no run")
        return run_id

    def follow(self, run_id: str, show: Callable[[str], None]) -> dict[str, Any]:
        """Return the document of a run once it has ended; ``show`` is called with each new state."""
        until, pause, state = self.clock() + LONGEST_SECONDS, FIRST_PAUSE, ""
        while True:
            run = self._call("GET", f"/api/runs/{run_id}")  # the run's status_url
            if run.get("state") != state:
                show(state := str(run.get("state")))
            if state not in OPEN:
                return run
            if self.clock() > until:
                what = f"The run {run_id} has not ended after {LONGEST_SECONDS // 60} minutes."
                raise RunTooLongError(what, f"Its outcome will be at {self.address}/api/runs/{run_id}.")
            self.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        for wait in (*_WAITS, None):
            response = self._send(method, path, body)
            if response is not None and response.status_code not in (429, 502, 503, 504):
                return self._document(response)
            self.sleep(wait or 0)  # a repeated request returns the run that is open
        raise AppUnavailableError(f"{self.address} does not respond.", "Check --url, then try again.")

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> "requests.Response | None":
        from requests import RequestException

        headers = {"x-functions-key": self.key.reveal()} if self.key else {}
        options: dict[str, Any] = {"headers": headers, "timeout": 60, "allow_redirects": False}
        try:
            return self.session.request(method, f"{self.address}{path}", json=body, **options)
        except RequestException:  # it holds the key
            return None

    def _document(self, response: "requests.Response") -> dict[str, Any]:
        if response.status_code in (401, 403):
            raise ConfigurationError(f"{self.address} refused the function key.", f"Correct {FUNCTION_KEY}.")
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise self._no_app(f"HTTP status {response.status_code}")
        if response.status_code >= 400:
            problems = document.get("problems") or [document]
            texts = (f"{one.get('what', '')} {one.get('fix', '')}".strip() for one in problems)
            raise ConfigurationError(f"The app refused the request. {' '.join(texts)}")
        return document

    def _no_app(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"There is no consent app at {self.address}: {why}.", "Correct --url.")


def outcome_lines(run: dict[str, Any]) -> list[str]:
    """Return how a run ended, for the terminal."""
    counts, reason = run.get("counts"), f" ({run['reason']})" if run.get("reason") else ""
    consented = counts and f"{counts['consented']:,} of {counts['participants']:,} participants consented."
    told = f"{run.get('what', '')} {run.get('fix', '')}".strip()
    remarks = (f"Note: {remark}" for remark in run.get("remarks") or ())
    return [f"{run.get('run_id')}: {run.get('state')}{reason}.", *filter(None, (consented, told, *remarks))]
