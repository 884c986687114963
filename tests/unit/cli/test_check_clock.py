"""Claims about clocks, time zones and Mondays: whose clock is wrong, and when the next report is due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests

from consent.cli.check.clock import ServerClocks, examine_clock, examine_zone, next_report
from consent.cli.check.context import CheckContext
from consent.cli.check.findings import Finding, FindingCollector
from consent.studies.model import StudyConfig
from tests.support.builders import CONSENT, a_study

NOW = datetime(2026, 11, 16, 13, 0, tzinfo=UTC)  # Monday 08:00 in Toronto, an hour after its report was due


def clock_of(**minutes_ahead: float) -> Finding:
    """The first finding when these servers are so much ahead of this computer."""
    notes = FindingCollector("Clock")
    examine_clock({server: timedelta(minutes=by) for server, by in minutes_ahead.items()}, notes)
    return notes.findings[-1]


def zone_of(study: StudyConfig, here: str = "America/Toronto") -> list[Finding]:
    notes = FindingCollector("Time zone")
    examine_zone(study, CheckContext(now=lambda: NOW, here=ZoneInfo(here)), notes)
    return list(notes.findings)


def answers(*dates: str) -> dict[str, timedelta]:
    """How far a server of these answers is ahead, by a clock that stands at NOW."""
    clocks = ServerClocks(lambda: NOW)
    with requests.Session() as session:
        clocks.listen(session, "REDCap")
        for date in dates:
            response = requests.Response()
            response.headers["Date"] = date
            session.hooks["response"][0](response)
    return dict(clocks.ahead)


def test_clocks_that_agree_to_a_few_minutes_are_fine() -> None:
    assert clock_of(REDCap=4, Dropbox=-1).state == "ok"


def test_a_clock_that_no_server_agrees_with_is_wrong() -> None:
    finding = clock_of(REDCap=-61, Dropbox=-60)
    assert (finding.state, finding.what) == (
        "problem",
        "This computer's clock is 60 minutes ahead of REDCap and Dropbox",
    )


def test_a_server_that_alone_disagrees_is_wrong_itself() -> None:
    finding = clock_of(REDCap=45, Dropbox=0)
    assert (finding.state, finding.what) == ("warning", "The clock of REDCap is 45 minutes ahead of this computer's")


def test_a_clock_that_was_compared_with_none_is_unknown() -> None:
    assert clock_of().state == "unknown"


def test_a_servers_clock_is_read_from_its_answers() -> None:
    assert answers("Mon, 16 Nov 2026 13:01:30 GMT") == {"REDCap": timedelta(seconds=90)}


def test_an_answer_that_was_long_on_its_way_does_not_count_against_a_server() -> None:
    assert answers("Mon, 16 Nov 2026 12:00:00 GMT", "Mon, 16 Nov 2026 13:00:01 GMT") == {"REDCap": timedelta(seconds=1)}


@pytest.mark.parametrize("date", ["", "soon", "Mon, 99 Nov 2026 13:01:30 GMT"])
def test_a_date_that_is_none_is_passed_over(date: str) -> None:
    assert answers(date) == {}


def test_the_time_where_the_study_is_is_told() -> None:
    assert zone_of(a_study())[0].what == "In America/Toronto it is now 16 Nov 2026, 08:00 (13:00 UTC)"


def test_a_computer_in_another_zone_than_the_study_is_a_warning() -> None:
    finding = zone_of(a_study(), here="Europe/Berlin")[1]
    assert (finding.state, "shows 16 Nov 2026, 14:00" in finding.what) == ("warning", True)


@pytest.mark.parametrize("here", ["America/New_York", "UTC"])
def test_a_computer_on_the_studys_time_or_on_utc_is_none(here: str) -> None:
    assert len(zone_of(a_study(), here=here)) == 1


def test_the_zone_of_survey_timestamps_is_to_be_asked_for() -> None:
    finding = zone_of(a_study(consents=CONSENT.replace('"consent_date"', '"consent_timestamp"')))[-1]
    assert (finding.state, "consent_timestamp: read as times in America/Toronto" in finding.what) == ("unknown", True)


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        (NOW, "2026-11-23"),
        (NOW - timedelta(hours=2), "2026-11-16"),
        (NOW + timedelta(days=5), "2026-11-23"),
        (datetime(2023, 8, 1, tzinfo=UTC), "2023-09-11"),
    ],
)
def test_the_next_report_is_the_first_that_is_not_due_yet(now: datetime, monday: str) -> None:
    report = next_report(a_study(), now)
    assert (report.monday.isoformat(), report.due_at > now) == (monday, True)
