"""Examines this computer's clock against those of the servers it talked to, time zones, first days, and what is due.

Changes no clock. A server's clock is its answer's ``Date`` (https://www.rfc-editor.org/rfc/rfc9110#name-date).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from consent.cli.check.context import CheckContext
from consent.cli.check.findings import FindingCollector, NextReport
from consent.counting.period import choose_period
from consent.dates import WEEK, short_day
from consent.errors import CutoffError
from consent.runs.due import awaited_monday
from consent.runs.ledger.record import CLOCK_DIFFERENCE
from consent.studies.model import StudyConfig
from consent.studies.schedule import due_at

if TYPE_CHECKING:
    import requests

_SET_THE_CLOCK = (
    "Set this computer's clock by a time server (Windows: w32tm /resync; Linux: timedatectl set-ntp true); a wrong "
    "one counts the wrong days, and its runs are not believed."
)


class ServerClocks:
    """How far the clock of each server is ahead of this computer's, as seen in its answers."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._ahead: dict[str, timedelta] = {}

    @property
    def ahead(self) -> Mapping[str, timedelta]:
        """By server: how far it is ahead (negative: behind), by the answer that says the least."""
        return dict(self._ahead)

    def listen(self, session: "requests.Session", server: str) -> None:
        """Look at the date of every answer that comes through this session."""

        def note(response: "requests.Response", *args: object, **kwargs: object) -> None:
            told = _date_in(response.headers.get("Date", ""))
            if told is not None:
                ahead = told - self._now()
                self._ahead[server] = min(self._ahead.get(server, ahead), ahead, key=abs)

        session.hooks["response"].append(note)


def _date_in(text: str) -> datetime | None:
    try:
        told = parsedate_to_datetime(text)
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def examine_clock(ahead: Mapping[str, timedelta], notes: FindingCollector) -> None:
    """Note whether the clocks agree. Where one server agrees with this computer, it is the others that are wrong."""
    if not ahead:
        notes.unknown("The clock was compared with no server, because none could be asked")
        return
    wrong = {server: by for server, by in ahead.items() if abs(by) > CLOCK_DIFFERENCE}
    right = [server for server in ahead if server not in wrong]
    if right:
        notes.ok(f"This computer's clock agrees with that of {' and '.join(right)}")
        for server, by in wrong.items():
            notes.warning(
                f"The clock of {server} is {_words(by)} this computer's",
                f"Tell whoever runs {server}; survey timestamps are by it.",
            )
    else:
        by = min(wrong.values(), key=abs)
        notes.problem(f"This computer's clock is {_words(-by)} {' and '.join(wrong)}", _SET_THE_CLOCK)


def _words(ahead: timedelta) -> str:
    minutes = round(abs(ahead) / timedelta(minutes=1))
    return f"{minutes:,} minutes {'ahead of' if ahead > timedelta(0) else 'behind'}"


def examine_first_day(study: StudyConfig, tools: CheckContext, notes: FindingCollector) -> None:
    """Note if there is nothing to report yet, because the study's first day has not come."""
    try:
        choose_period(start=study.start_date, time_zone=study.time_zone, now=tools.now(), as_of=None)
    except CutoffError:
        notes.problem(
            f"The study begins on {study.start_date}, so there is nothing to report yet",
            "If that is right, wait until then; otherwise correct start_date in the study file.",
        )


def examine_zone(study: StudyConfig, tools: CheckContext, notes: FindingCollector) -> None:
    """Note what time it is where the study is, so that a wrong zone shows, and whose clock survey timestamps go by."""
    now = tools.now()
    there, here = now.astimezone(ZoneInfo(study.time_zone)), now.astimezone(tools.here)
    notes.ok(f"In {study.time_zone} it is now {_clock(there)} ({now.astimezone(UTC):%H:%M} UTC)")
    if here.utcoffset() not in (there.utcoffset(), timedelta(0)):
        notes.warning(
            f"This computer's clock shows {_clock(here)}: another time zone than the study's",
            "If that is where the study is, correct time_zone in the study file; otherwise leave it.",
        )
    stamps = [form.date for form in study.consents if form.date.endswith("_timestamp")]
    if stamps:
        notes.unknown(
            f"{', '.join(stamps)}: read as times in {study.redcap.time_zone}; REDCap does not say which zone it is",
            "Ask your REDCap administrator for the server's time zone; time_zone under [redcap] names another.",
        )


def _clock(instant: datetime) -> str:
    return f"{short_day(instant.date())}, {instant:%H:%M}"


def next_report(study: StudyConfig, now: datetime) -> NextReport:
    """The study's first Monday report that is not due yet."""
    monday = awaited_monday(study, (), now, sandbox=False)
    if due_at(study, monday) <= now:
        monday += WEEK
    return NextReport(study.key, monday, due_at(study, monday), study.time_zone)
