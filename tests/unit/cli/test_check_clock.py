"""Tests of checking clocks and time zones, and of when the next report is due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests

from consent.cli.check.clock import check_clock, check_zone, next_report
from consent.cli.check.context import CheckContext
from consent.cli.check.findings import Finding, FindingCollector
from consent.studies.model import StudyConfig
from tests.support.builders import CONSENT, a_study

NOW = datetime(2026, 11, 16, 13, 0, tzinfo=UTC)  # Monday 08:00 in Toronto, an hour after its report was due


def clock_of(**minutes_ahead: float) -> Finding:
    """The last finding when the clocks of these servers are so much ahead."""
    findings = FindingCollector("Clock")
    check_clock({server: timedelta(minutes=by) for server, by in minutes_ahead.items()}, findings)
    return findings.findings[-1]


def zone_of(study: StudyConfig, here: str = "America/Toronto") -> list[Finding]:
    findings = FindingCollector("Time zone")
    check_zone(study, CheckContext(now=lambda: NOW, here=ZoneInfo(here)), findings)
    return list(findings.findings)


def ahead_after(*dates: str) -> dict[str, timedelta]:
    """How far a server with these response dates is ahead, by a clock that shows NOW."""
    context = CheckContext(now=lambda: NOW)
    with requests.Session() as session:
        context.watch_clock(session, "REDCap")
        for date in dates:
            response = requests.Response()
            response.headers["Date"] = date
            session.hooks["response"][0](response)
    return context.clocks_ahead


@pytest.mark.parametrize(
    ("minutes", "state", "what"),
    [
        ({"REDCap": 4, "Dropbox": -1}, "ok", "agrees with REDCap and Dropbox."),
        (
            {"REDCap": -61, "Dropbox": -60},
            "problem",
            "This computer's clock is 60 minutes ahead of REDCap and Dropbox.",
        ),
        ({"REDCap": 45, "Dropbox": 0}, "warning", "The clock of REDCap is 45 minutes ahead of this computer's."),
        ({}, "unknown", "no server could be reached."),
    ],
)
def test_the_clock_that_disagrees_with_the_others_is_wrong(minutes: dict[str, float], state: str, what: str) -> None:
    finding = clock_of(**minutes)
    assert (finding.state, finding.what.endswith(what)) == (state, True)


@pytest.mark.parametrize(
    ("dates", "ahead"),
    [
        (["Mon, 16 Nov 2026 13:01:30 GMT"], {"REDCap": timedelta(seconds=90)}),
        (["Mon, 16 Nov 2026 12:00:00 GMT", "Mon, 16 Nov 2026 13:00:01 GMT"], {"REDCap": timedelta(seconds=1)}),
        (["", "soon", "Mon, 99 Nov 2026 13:01:30 GMT"], {}),
    ],
    ids=["one response", "a slow response does not count", "no date"],
)
def test_a_servers_clock_is_read_from_its_responses(dates: list[str], ahead: dict[str, timedelta]) -> None:
    assert ahead_after(*dates) == ahead


def test_the_time_in_the_studys_zone_is_shown() -> None:
    assert zone_of(a_study())[0].what == "In America/Toronto it is now 16 Nov 2026, 08:00 (13:00 UTC)."


def test_a_computer_in_another_zone_than_the_study_is_a_warning() -> None:
    finding = zone_of(a_study(), here="Europe/Berlin")[1]
    assert (finding.state, "shows 16 Nov 2026, 14:00" in finding.what) == ("warning", True)


@pytest.mark.parametrize("here", ["America/New_York", "UTC"])
def test_a_computer_on_the_studys_time_or_on_utc_is_no_warning(here: str) -> None:
    assert len(zone_of(a_study(), here=here)) == 1


def test_the_zone_of_survey_timestamps_must_be_asked_for() -> None:
    finding = zone_of(a_study(consents=CONSENT.replace('"consent_date"', '"consent_timestamp"')))[-1]
    assert (finding.state, "consent_timestamp: read in the zone America/Toronto" in finding.what) == ("unknown", True)


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        (NOW, "2026-11-23"),
        (NOW - timedelta(hours=2), "2026-11-16"),
        (datetime(2023, 8, 1, tzinfo=UTC), "2023-09-11"),
    ],
    ids=["just after it was due", "just before it is due", "before the study starts"],
)
def test_the_next_report_is_the_first_that_is_not_due_yet(now: datetime, monday: str) -> None:
    report = next_report(a_study(), now)
    assert (report.monday.isoformat(), report.due_at > now) == (monday, True)
