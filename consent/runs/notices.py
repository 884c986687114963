"""Notices by e-mail or chat: a report was delivered, a run failed, a report is late. None of them can fail a run.

The run history records each event before its notice is sent, so that it is sent once. A notice holds no counts.
"""

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from consent.config.checks import split_url
from consent.config.credentials import NOTIFY, Secret, find_secrets
from consent.config.settings import LOOPBACK_HOSTS, Settings
from consent.dates import long_day, utc_now
from consent.errors import KINDS, ImplausibleDropError, SettingsError, log_text
from consent.runs.due import late_report
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import RunRecord, study_of
from consent.studies.catalog import Studies, load_studies
from consent.studies.model import StudyConfig
from consent.studies.schedule import due_at

SECONDS = 20.0  # for everything that one call does
SENDING_SECONDS = 15.0  # for the process that sends

_TITLES = {kind.code: kind.title for kind in KINDS.values()} | {
    **dict.fromkeys(("shrunk", "groups-vanished"), KINDS[ImplausibleDropError].title),
    "lost": "Every attempt was cut off",
}
_NO_FAILURES = ("stopped", "lease-lost")  # by a person, or by another run, which has its own notice
_COUNT = re.compile(r"(?<![\w.,:/'\"\[-])(?<!status )(?!\d{4}-\d\d-\d\d)\d[\d.,]*(?![\w:'\"\]])")
_BETWEEN_ADDRESSES = re.compile(r"[\s,;]+(?=[a-z0-9]+://)", re.IGNORECASE)

logger = logging.getLogger(__name__)


class Notice(NamedTuple):
    """A notice; ``event`` is its key in the run history, ``kind`` Apprise's: success, failure, warning or info."""

    event: str
    title: str
    body: str
    kind: str


def notice_of_run(study: StudyConfig, record: RunRecord) -> Notice | None:
    """Return the notice of a run that has ended, if the study wants one.

    A report is announced once per cut-off, a failure once per day reported and reason.
    """
    if record.is_report and "delivered" in study.notify:
        where = f"Dropbox folder {study.delivery.folder}{' (sandbox)' if record.sandbox else ''}"
        body = f"The report up to {record.cutoff and long_day(record.cutoff)} is in {where}: {study.title}.pdf"
        return Notice(f"delivered-{record.cutoff}", f"{study.title}: delivered", body, "success")
    is_failure = record.state in ("refused", "failed") and record.reason not in _NO_FAILURES
    if not is_failure or record.dry_run or "failed" not in study.notify:
        return None
    day, title = record.as_of or record.monday, f"{_TITLES.get(record.reason, 'Internal error')}."
    lines = (
        f"The report of {long_day(day)} was not delivered.",
        *(title, without_counts(record.what), without_counts(record.fix)),
        f"The run history has the details of run {record.run_id}.",
    )
    body = "\n".join(filter(None, dict.fromkeys(lines)))
    return Notice(f"failed-{day}-{record.reason}", f"{study.title}: not delivered", body, "failure")


def late_notice(study: StudyConfig, monday: date) -> Notice:
    """Return the notice of a late report."""
    due = due_at(study, monday).astimezone(ZoneInfo(study.time_zone))
    body = (
        f"The report of {long_day(monday)} is late. It was due at {due:%H:%M} ({study.time_zone}).\n"
        "The run history has the reason. If no run is recorded there, check that the timer runs."
    )
    return Notice(f"late-{monday}", f"{study.title}: late", body, "warning")


def without_counts(text: str) -> str:
    """Return a text without the sentences that hold a number; a status, a date and a part of a name are none."""
    return "".join(part for part in re.split(r"(?<=[.!?])(?=\s)", text) if not _COUNT.search(part)).strip()


def addresses_in(secret: Secret, *, sandbox: bool) -> list[str]:
    """Return the addresses in CONSENT_NOTIFY; with a simulated Dropbox only those on this machine."""
    listed = _BETWEEN_ADDRESSES.split(secret.reveal().strip(" ,;"))
    return [each for each in listed if not sandbox or getattr(split_url(each), "hostname", None) in LOOPBACK_HOSTS]


def deliver(addresses: Sequence[str], notice: Notice | None, settings: Settings) -> list[str]:
    """Send a notice to every address at once, and return what became of it at each.

    Returns ``accepted``, ``refused``, ``unanswered``, ``unknown`` (no address of Apprise), or, without a notice,
    ``recognised``.
    """
    no_proxy = ",".join([settings.network.no_proxy or "", *LOOPBACK_HOSTS])
    packages = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    how = {"body_format": "text", "timeout": SENDING_SECONDS}
    message = notice and {"title": notice.title, "body": notice.body, "notify_type": notice.kind, **how}
    request = {"addresses": addresses, "message": message}
    try:
        output = subprocess.run(
            [sys.executable, "-P", "-m", "consent.runs.apprise_process"],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**settings.as_environment(), "NO_PROXY": no_proxy, "no_proxy": no_proxy, "PYTHONPATH": packages},
            timeout=SENDING_SECONDS,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
    states = dict(line.split() for line in output.decode().splitlines())
    return [states.get(str(number), "unanswered") for number in range(len(addresses))]


def notify_end(run_id: str, settings: Settings, ledger: RunLedger) -> None:
    """Send the notice of a run, if it has ended and its study wants one. Raises nothing."""

    def send() -> None:
        for study in load_studies(settings).usable:
            record = ledger.read(run_id) if study.notify and study.key == study_of(run_id) else None
            if record and (notice := notice_of_run(study, record)):
                _send_once(study, notice, settings, ledger, sandbox=record.sandbox or _is_sandbox(settings))

    _in_time(send)


def notify_late(studies: Studies, settings: Settings, ledger: RunLedger, now: datetime) -> None:
    """Send the notice of every late report whose study wants one. Raises nothing."""

    def send() -> None:
        sandbox = _is_sandbox(settings)
        for study in (study for study in studies.usable if "late" in study.notify):
            if monday := late_report(ledger, study, now, sandbox=sandbox):
                _send_once(study, late_notice(study, monday), settings, ledger, sandbox=sandbox)

    _in_time(send)


def _is_sandbox(settings: Settings) -> bool:
    return settings.has("DROPBOX_SANDBOX_URL")


def _send_once(study: StudyConfig, notice: Notice, settings: Settings, ledger: RunLedger, *, sandbox: bool) -> None:
    secrets, problems = find_secrets(settings, [], optional=[NOTIFY])
    if problems:
        raise SettingsError(problems)
    addresses = addresses_in(secrets[NOTIFY], sandbox=sandbox) if secrets else []
    event = f"{'sandbox-' if sandbox else ''}{notice.event}"
    if addresses and ledger.add_notice(study.key, event, utc_now()):
        states = deliver(addresses, notice, settings)
        outcome, level = ("sent", logging.INFO) if {*states} == {"accepted"} else ("failed", logging.WARNING)
        accepted = f"{states.count('accepted')}/{len(states)}"
        logger.log(level, "event=notice_%s study=%s notice=%s accepted=%s", outcome, study.key, event, accepted)


def _in_time(send: Callable[[], None]) -> None:
    """Wait for ``send`` no longer than ``SECONDS``, and log its error."""

    def attempt() -> None:
        try:
            send()
        except Exception as error:
            logger.warning("event=notice_failed %s", log_text(error))

    thread = threading.Thread(target=attempt, name="notice", daemon=True)
    thread.start()
    thread.join(SECONDS)
    if thread.is_alive():
        logger.warning("event=notice_failed seconds=%s", SECONDS)
