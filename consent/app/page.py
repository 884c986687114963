"""The page that people look at: the latest report, what is due next, what became of the runs, how to start one.

Pure: draws what it is handed. Changes nothing, needs no script, asks no other server for anything, and knows no key.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from consent.app.page_model import (
    BAR_SLOTS,
    GAP,
    WEEKS_LISTED,
    bars_of,
    changed_weeks,
    chart_words,
    drawn_weeks,
    highest_of,
    latest_weeks,
    riders_of,
    rules_sentence,
    weeks_of,
)
from consent.counting.period import RECENT_WEEKS
from consent.dates import WEEK, long_day, short_day, weekday_of
from consent.runs.ledger.record import RunRecord
from consent.runs.status import TRIGGERS, ShownRun, outcome
from consent.studies.model import StudyConfig
from consent.studies.schedule import GRACE, due_at
from consent.version import __version__

RUNS_SHOWN = 20

STATES = {
    "requested": "waiting",
    "running": "at work",
    "delivered": "delivered",
    "unchanged": "no change",
    "refused": "refused",
    "failed": "failed",
    "lost": "cut off",
}
"""The state of a run in a reader's words; a dry run ends as ``unchanged``, as does one that found its report there."""

_UNWELL = ("refused", "failed", "lost")


@dataclass(frozen=True)
class StudyOverview:
    """What is known of a study at an instant (``now``).

    Attributes:
        sandbox: the app delivers to a stand-in, so this is a trial.
        awaited: the Monday whose report is the next to come; ``is_due`` says that its hour has come.
        is_late: a report that was due has not come within its grace.
        report: the run whose report stands now, whole; ``before`` the one with the newest earlier cut-off, whole too.
        runs: the newest ``RUNS_SHOWN``, newest first, of ``runs_in_all``.
    """

    study: StudyConfig
    now: datetime
    sandbox: bool
    awaited: date
    is_due: bool
    is_late: bool
    report: RunRecord | None
    before: RunRecord | None
    runs: tuple[ShownRun, ...]
    runs_in_all: int

    @property
    def late_monday(self) -> date:
        """The Monday whose report is missing, of one that is late."""
        over = self.now > due_at(self.study, self.awaited) + GRACE
        return self.awaited if over else self.awaited - WEEK

    @property
    def standing(self) -> str:
        """How the study is doing, in a word or two."""
        if self.is_late:
            return "late"
        return "due" if self.is_due else "on time"

    @property
    def trouble(self) -> ShownRun | None:
        """The latest run, if it did not end well or has to be tried again."""
        latest = next(iter(self.runs), None)
        return latest if latest and (latest.state in _UNWELL or latest.record.what) else None


@dataclass(frozen=True)
class UnusableStudy:
    """A study whose file cannot be used, and why."""

    key: str
    problem: str


def study_page(overview: StudyOverview) -> str:
    """The page of one study, as HTML."""
    report, study = overview.report, overview.study
    weeks = weeks_of(report, study.time_zone) if report else ()
    drawn = drawn_weeks(weeks)
    zone = ZoneInfo(study.time_zone)
    return _render(
        "page_study.html",
        overview=overview,
        study=study,
        report=report,
        weeks=weeks,
        listed=weeks[-WEEKS_LISTED:],
        latest=latest_weeks(weeks),
        drawn=drawn,
        bars=bars_of(drawn),
        gap=GAP,
        slots=max(BAR_SLOTS, len(drawn)),
        highest=highest_of(drawn),
        chart_words=chart_words(drawn) if drawn else "",
        riders=riders_of(report, study) if report else (),
        recent=RECENT_WEEKS,
        before=overview.before,
        changed=changed_weeks(weeks, overview.before),
        rules_sentence=rules_sentence(report, overview.before) if report else "",
        more=_more(overview),
        local=lambda instant: _moment(instant, zone),
        hour=lambda instant: f"{instant.astimezone(zone):%H:%M}",
        due_at=lambda monday: due_at(study, monday),
        late_at=lambda monday: due_at(study, monday) + GRACE,
        triggers=TRIGGERS,
        states=STATES,
        unwell=_UNWELL,
        outcome=outcome,
    )


def studies_page(studies: Sequence[StudyOverview | UnusableStudy], now: datetime) -> str:
    """The page of several studies, as HTML: how each is doing, and where to read on."""
    usable = [study for study in studies if isinstance(study, StudyOverview)]
    unusable = [study for study in studies if isinstance(study, UnusableStudy)]
    late = [overview.study.title for overview in usable if overview.is_late]
    return _render("page_studies.html", usable=usable, unusable=unusable, late=late, now=now)


def headers_of_pages() -> dict[str, str]:
    """What a browser is told: run nothing, load nothing, keep nothing, and tell no other site of the address."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _more(overview: StudyOverview) -> tuple[int, str] | None:
    """How many consents the report has more (or fewer) than the one before, in numbers and words."""
    report, before = overview.report, overview.before
    if not (report and report.counts and before and before.counts and before.cutoff):
        return None
    difference = report.counts.consented - before.counts.consented
    word = "fewer" if difference < 0 else "more"
    return abs(difference), f"{word} than in the report as of {short_day(before.cutoff)}"


def _moment(instant: datetime, zone: ZoneInfo) -> str:
    """``Mon 16 Nov 2026, 08:03``, by the clocks of that zone."""
    there = instant.astimezone(zone)
    return f"{weekday_of(there)[:3]} {short_day(there)}, {there:%H:%M}"


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(version=__version__, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("consent.app"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": "{:,}".format, "day": short_day, "long_day": long_day}
    return environment


def _style() -> str:
    """The style sheet as it stands in every page, to the byte."""
    return _environment().get_template("page.css").render()
