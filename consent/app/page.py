"""The status page as HTML: latest report, next report, runs, and how to start one. It uses no script and no key."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from consent.app.overview import UNSUCCESSFUL, StudyOverview
from consent.app.page_model import BAR_WIDTH, LISTED_WEEKS, changes_of, chart_of, latest_weeks, riders_of, weeks_of
from consent.counting.period import RECENT_WEEKS
from consent.dates import date_range, long_day, short_day, weekday_of
from consent.errors import ConfigurationError
from consent.runs.status import TRIGGERS, outcome
from consent.studies.schedule import GRACE, due_at
from consent.version import __version__

STATES = {
    "requested": "waiting",
    "running": "in progress",
    "delivered": "delivered",
    "unchanged": "no change",
    "refused": "refused",
    "failed": "failed",
    "lost": "interrupted",
}
"""The states of a run as the page names them; a dry run ends as ``unchanged``, like an unchanged report."""


def study_page(overview: StudyOverview) -> str:
    """Return the page of one study as HTML."""
    report, study, zone = overview.report, overview.study, ZoneInfo(overview.study.time_zone)
    weeks = weeks_of(report, study.time_zone) if report else ()
    return _render(
        "page_study.html",
        overview=overview,
        study=study,
        report=report,
        listed=weeks[-LISTED_WEEKS:],
        latest=latest_weeks(weeks),
        chart=chart_of(weeks),
        bar_width=BAR_WIDTH,
        riders=riders_of(report, study) if report else (),
        recent_weeks=RECENT_WEEKS,
        before=overview.before,
        changes=changes_of(report, overview.before) if report else None,
        date_range=date_range,
        difference=_difference(overview),
        local=lambda instant: _local(instant, zone),
        due=lambda monday: f"{due_at(study, monday).astimezone(zone):%H:%M}",
        late=lambda monday: f"{(due_at(study, monday) + GRACE).astimezone(zone):%H:%M}",
        triggers=TRIGGERS,
        states=STATES,
        unsuccessful=UNSUCCESSFUL,
        outcome=outcome,
    )


def studies_page(overviews: Sequence[StudyOverview], unusable: Mapping[str, ConfigurationError], now: datetime) -> str:
    """Return the page that lists several studies as HTML.

    unusable: why a study file cannot be used, by the study's key.
    """
    late = [overview.study.title for overview in overviews if overview.is_late]
    return _render("page_studies.html", overviews=overviews, unusable=unusable, late=late, now=now)


def page_headers() -> dict[str, str]:
    """Return headers that forbid scripts, other resources, caching and referrers."""
    style = _environment().get_template("page.css").render()  # exactly as every page contains it
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _difference(overview: StudyOverview) -> tuple[int, str] | None:
    """Return the change in consents since the previous report, as a number and its label."""
    report, before = overview.report, overview.before
    if not (report and report.counts and before and before.counts and before.cutoff):
        return None
    change = report.counts.consented - before.counts.consented
    word = "fewer" if change < 0 else "more"
    return abs(change), f"{word} than in the report as of {short_day(before.cutoff)}"


def _local(instant: datetime, zone: ZoneInfo) -> str:
    """Return ``Mon 16 Nov 2026, 08:03`` in that time zone."""
    local = instant.astimezone(zone)
    return f"{weekday_of(local)[:3]} {short_day(local)}, {local:%H:%M}"


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
