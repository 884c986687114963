"""Tests of people who were asked more than once: a longitudinal project with a repeating consent form, over HTTP."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from consent.config.settings import Settings
from consent.counting.summary import ConsentSummary
from consent.runs.pipeline import run_report
from consent.runs.services import open_services
from sandbox.people import TOKEN
from sandbox.redcap.app import Redcap, Switches
from sandbox.returning_people import returning_people, returning_registry
from sandbox.server import Server
from tests.support.builders import a_study

TODAY = date(2026, 11, 22)
NUMBER = 260

CONSENT = """
[[consent]]
date = "consent_date"
decision = "consent_decision"
agreed = ["1"]
declined = ["2"]
pending = ["0"]
form_complete = "consent_complete"
"""
RIDERS = "".join(
    f'[[riders]]\nkey = "rider {option}"\nfield = "consent_options({option})"\nagreed = ["1"]\ndeclined = ["0"]\n'
    for option in "ab"
)
EXCLUSIONS = """
[[leave_out]]
reason = "test record"
field = "is_test"
codes = ["1"]
[only]
field = "cohort"
codes = ["ibd"]
"""
SITES = """
[sites]
by = "data_access_group"
"""


@pytest.fixture(name="server", params=["record", "event"], ids=["adjacent rows", "rows by event"])
def _server(request: pytest.FixtureRequest) -> Iterator[Server]:
    project = returning_registry(NUMBER, today=TODAY)
    with Server(Redcap([project], switches=Switches(row_order=request.param))) as server:
        yield server


@pytest.fixture(name="summary")
def _summary(server: Server, tmp_path: Path) -> ConsentSummary:
    settings = Settings({"REDCAP_API_URL": f"{server.url}/api/", "REDCAP_ACCESS_TOKEN": TOKEN})
    study = a_study(consents=CONSENT, riders=RIDERS, more=EXCLUSIONS + SITES)
    now = datetime(2026, 11, 22, 18, tzinfo=UTC)
    with open_services(study, settings, to=tmp_path, now=lambda: now, sleep=lambda seconds: None) as services:
        return run_report(study, services).summary


def truth() -> Counter[str]:
    """The number of people by class, as they were generated."""
    return Counter(person.outcome for person in returning_people(NUMBER, today=TODAY))


def test_everybody_is_counted_as_generated(summary: ConsentSummary) -> None:
    people = summary.participants
    counted = {
        "consented": people.consented,
        "declined": people.declined,
        "pending/open": people.pending_open,
        "pending/not_started": people.pending_not_started,
        "left_out/test record": summary.left_out["test record"],
        "outside": summary.outside,
        **{f"not_counted/{reason}": n for reason, n in people.not_counted.items()},
    }
    assert counted == dict(truth())


def test_the_first_agreement_dates_the_enrolment(summary: ConsentSummary) -> None:
    days = [person.consented_on for person in returning_people(NUMBER, today=TODAY) if person.consented_on]
    weeks = Counter((day - date(2023, 9, 11)).days // 7 for day in days)
    assert {number: week.consented for number, week in enumerate(summary.weeks) if week.consented} == dict(weeks)


def test_the_latest_agreement_answers_the_riders(summary: ConsentSummary) -> None:
    riders = Counter(f"rider {r}" for person in returning_people(NUMBER, today=TODAY) for r in person.riders)
    assert {rider.key: rider.agreed for rider in summary.riders} == dict(riders)


def test_a_later_refusal_ends_only_participation(summary: ConsentSummary) -> None:
    assert summary.taking_part == sum(person.taking_part for person in returning_people(NUMBER, today=TODAY))


def test_everybody_is_in_the_site_of_their_group(summary: ConsentSummary) -> None:
    everybody = returning_people(NUMBER, today=TODAY)
    inside = Counter(who.site for who in everybody if not who.outcome.startswith(("left_out", "outside")))
    assert {site.code: site.participants for site in (summary.sites or ())} == {
        **inside,
        "": 0,
    }


def test_a_longitudinal_project_takes_at_most_eight_requests(server: Server, summary: ConsentSummary) -> None:
    assert len(server.requests) <= 8
