"""Builders of the status page's input: a study, its report and its runs, each with defaults."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from consent.app.overview import StudyOverview
from consent.app.page import Visit, studies_page, study_page
from consent.app.sign_in import Person
from consent.counting.period import ReportPeriod, WeekChange
from consent.counting.summary import Changes, OpeningNumbers, Participants, RiderCount, Source
from consent.dates import WEEK
from consent.errors import Problem, StudyFileError
from consent.files import StoredFile
from consent.runs.ledger.record import RunCounts, RunRecord, WeekCounts
from consent.runs.status import ShownRun
from consent.studies.model import StudyConfig
from tests.support.builders import RIDER, a_study
from tests.support.run_builders import a_report, a_run

CUTOFF = date(2026, 11, 23)  # a Monday: the first day of its week
REQUESTED_AT = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)  # 07:05 in Toronto
NOW = REQUESTED_AT + timedelta(hours=1)
START = date(2023, 9, 11)
CONSENTED = (2, 0, 5, 3, 14, 1, 6) * 24  # 168 weeks, of which the last has just begun
ODD = "<script>alert(1)</script>"
GREEK, CHINESE = "Συγκατάθεση για βιοδείγματα", "血液样本研究知情同意"


def a_page_study(**changes: Any) -> StudyConfig:
    """The study of the page; ``changes`` replace its fields."""
    study = a_study(riders=RIDER.replace("[[riders]]", '[[riders]]\nlabel = "Storage of blood"'))
    usual = {"key": "adults", "title": "Adults", "time_zone": "America/Toronto", "contact": "the registry office"}
    return replace(study, **usual | changes)


def page_counts(*consented: int, complete: int | None = None, **opening: Any) -> WeekCounts:
    """Weekly counts and opening numbers, which ``opening`` replaces.

    One rider was agreed to by all but one each week, and all weeks but the last are complete, which has one day.
    """
    agreed = tuple(max(0, number - 1) for number in consented)
    whole = len(consented) - 1 if complete is None else complete
    cutoff = START + whole * WEEK - timedelta(days=complete is not None)
    people, rider = Participants(sum(consented), 0, 0, 1000 - sum(consented), {}), sum(agreed)
    usual: dict[str, Any] = {
        "period": ReportPeriod(START, cutoff, cutoff + timedelta(days=complete is not None)),
        "participants": people,
        "taking_part": max(0, people.consented - 12),
        "weeks": (),
        "riders": (RiderCount("rider a", "Storage of blood", rider, people.consented - rider, 0, 0),),
        "quality": {"no_date": 9},
        "source": Source("16.1.3", 7, 1003, 1003),
        "changes": Changes(CUTOFF - WEEK, False, 6, (WeekChange(date(2026, 11, 2), date(2026, 11, 8), 9, 3),), ()),
    }
    return WeekCounts(START, whole, consented, {"rider a": agreed}, {}, OpeningNumbers(**usual | opening))


def a_page_report(consented: tuple[int, ...] = CONSENTED, **changes: Any) -> RunRecord:
    """The run that delivered Monday's report."""
    usual = {
        "monday": CUTOFF,
        "requested_at": REQUESTED_AT,
        "finished_at": REQUESTED_AT + timedelta(minutes=2),
        "counts": RunCounts(1000, sum(consented), 1003, 1003, taking_part=sum(consented) - 12),
        "files": (StoredFile("/Adults.csv", "a" * 64, 4321, "rev"), StoredFile("/Adults.pdf", "b" * 64, 90_321, "rev")),
        "redcap_version": "16.1.3",
        "app_version": "0.1.0",
        "study_sha256": "c" * 64,
        "week_counts": page_counts(*consented),
    }
    return a_report(**usual | changes)


def a_page_run(state: str = "delivered", **changes: Any) -> ShownRun:
    """A run requested by Monday's timer, as the page lists it."""
    recorded = "running" if state == "lost" else state
    usual = {"monday": CUTOFF, "requested_at": REQUESTED_AT, "attempt": 1, "state": recorded}
    return ShownRun(a_run(**usual | changes), state)


def an_overview(**changes: Any) -> StudyOverview:
    """A study whose Monday report came an hour ago.

    ``changes`` replace its fields.
    """
    report = a_page_report()
    before = a_page_report(CONSENTED[:-1], cutoff=date(2026, 11, 16))
    overview = StudyOverview(
        study=a_page_study(),
        now=NOW,
        sandbox=False,
        awaited=date(2026, 11, 30),
        is_due=False,
        is_late=False,
        report=report,
        runs=(ShownRun(report, "delivered"), ShownRun(before, "delivered")),
        run_count=2,
    )
    return replace(overview, **changes)


def a_late_overview(**changes: Any) -> StudyOverview:
    """The same on the afternoon of a Monday whose run was refused."""
    fix = "Look in REDCap whether records were deleted or moved."
    refused = a_page_run("refused", reason="shrunk", what="Consented fell from 800 to 400.", fix=fix)
    usual = {"now": NOW + timedelta(hours=8), "awaited": CUTOFF, "is_due": True, "is_late": True, "runs": (refused,)}
    return an_overview(**usual | changes)


def an_odd_overview() -> StudyOverview:
    """A study whose texts hold markup, formulas and other scripts."""
    study = a_page_study(title=f"{GREEK} {ODD}", contact=f"=cmd|'/c calc'!A1 {ODD} {CHINESE}")
    riders = (RiderCount("rider a", f"{CHINESE} {ODD}", 1, 2, 3, 4),)
    run = a_page_run("failed", reason=ODD, what=f"{ODD} & {GREEK}")
    report = a_page_report(week_counts=page_counts(*CONSENTED, riders=riders))
    return a_late_overview(study=study, report=report, runs=(run,))


def an_empty_overview() -> StudyOverview:
    """A study that has never been reported on."""
    return an_overview(report=None, runs=(), run_count=0)


def html_of(overview: StudyOverview, visit: Visit | None = None) -> str:
    """The page of a study whose files are in the Dropbox of a person."""
    return study_page(overview, "https://www.dropbox.com/home", visit)


A_VISIT = Visit(Person("0001", "Ada Lovelace"), "t0ken")


def the_studies_page() -> str:
    """The page of a study on time, one that is late, one with odd texts, and one whose file cannot be used."""
    overviews = [
        an_overview(),
        a_late_overview(study=a_page_study(key="children", title="Children")),
        an_odd_overview(),
    ]
    broken = StudyFileError([Problem("title is a number.", f"Not {ODD}.")], "The study file of 'broken' is invalid:")
    return studies_page(overviews, {"broken": broken}, NOW)
