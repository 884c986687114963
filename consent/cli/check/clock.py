"""Check this computer's clock against the servers' clocks, and the study's time zone and first day."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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


def check_clock(ahead: Mapping[str, timedelta], findings: FindingCollector) -> None:
    """Check that the clocks agree. If one server agrees with this computer, the other servers are wrong."""
    if not ahead:
        findings.unknown("The clock was not checked, because no server could be reached.")
        return
    wrong = {server: by for server, by in ahead.items() if abs(by) > CLOCK_DIFFERENCE}
    right = [server for server in ahead if server not in wrong]
    if not right:
        by = min(wrong.values(), key=abs)
        findings.problem(
            f"This computer's clock is {_difference(-by)} {' and '.join(wrong)}.",
            "Synchronise this computer's clock with a time server (Windows: w32tm /resync; Linux: timedatectl set-ntp "
            "true). With a wrong clock the wrong days are counted.",
        )
        return
    findings.ok(f"This computer's clock agrees with {' and '.join(right)}.")
    for server, by in wrong.items():
        findings.warning(
            f"The clock of {server} is {_difference(by)} this computer's.",
            f"Report this to the administrator of {server}: survey timestamps use that clock.",
        )


def _difference(ahead: timedelta) -> str:
    minutes = round(abs(ahead) / timedelta(minutes=1))
    return f"{minutes:,} minutes {'ahead of' if ahead > timedelta(0) else 'behind'}"


def check_first_day(study: StudyConfig, context: CheckContext, findings: FindingCollector) -> None:
    """Check that the study has started, so that there is something to report."""
    try:
        choose_period(start=study.start_date, time_zone=study.time_zone, now=context.now(), as_of=None)
    except CutoffError:
        findings.problem(
            f"The study starts on {study.start_date}, so there is nothing to report yet.",
            "Wait until then, or correct start_date in the study file.",
        )


def check_zone(study: StudyConfig, context: CheckContext, findings: FindingCollector) -> None:
    """Show the time in the study's zone, so that a wrong zone is seen."""
    now = context.now()
    there, here = now.astimezone(ZoneInfo(study.time_zone)), now.astimezone(context.here)
    findings.ok(f"In {study.time_zone} it is now {_time(there)} ({now.astimezone(UTC):%H:%M} UTC).")
    if here.utcoffset() not in (there.utcoffset(), timedelta(0)):
        findings.warning(
            f"This computer's clock shows {_time(here)}, another time zone than the study's.",
            "If the study is in this zone, correct time_zone in the study file.",
        )
    stamps = [form.date for form in study.consents if form.date.endswith("_timestamp")]
    if stamps:
        findings.unknown(
            f"{', '.join(stamps)}: read in the zone {study.redcap.time_zone}; REDCap does not name its zone.",
            "Ask your REDCap administrator for the server's time zone. Set time_zone under [redcap] if it differs.",
        )


def _time(instant: datetime) -> str:
    return f"{short_day(instant.date())}, {instant:%H:%M}"


def next_report(study: StudyConfig, now: datetime) -> NextReport:
    """Return the study's first Monday report that is not due yet."""
    monday = awaited_monday(study, (), now, now, sandbox=False)
    if due_at(study, monday) <= now:
        monday += WEEK
    return NextReport(study.key, monday, due_at(study, monday), study.time_zone)
