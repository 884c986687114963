"""The status page as HTML: latest report, next report, runs, and how to start one. It uses no script and no key."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from consent.app.overview import QUEUE_TRIES, UNSUCCESSFUL, StudyOverview
from consent.app.page_model import charts_of, latest_weeks, sections_of, web_address
from consent.app.sign_in import LOGIN_PATH, LOGOUT_PATH, PAGE_PATH, Person
from consent.dates import long_day, short_day, weekday_of
from consent.errors import ConfigurationError
from consent.reports.charts import HEIGHT, MARK, WIDTH
from consent.reports.figures import figures
from consent.reports.headline import news, totals_sentence, warning
from consent.reports.wording import cell_text
from consent.runs.status import TRIGGERS, outcome
from consent.studies.schedule import GRACE, due_at
from consent.version import __version__

REFRESH_SECONDS = 30
_LOGOUT = f"{LOGOUT_PATH}?post_logout_redirect_uri={PAGE_PATH}"

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


@dataclass(frozen=True)
class Visit:
    """A visit of someone who signed in; ``token`` is that of the form."""

    person: Person
    token: str = ""


def study_page(overview: StudyOverview, folder_url: str, visit: Visit | None = None) -> str:
    """Return the page of one study as HTML; folder_url: where people see the folder of the delivered files."""
    report, study, zone = overview.report, overview.study, ZoneInfo(overview.study.time_zone)
    opening = report and report.opening
    return _render(
        "page_study.html",
        overview=overview,
        visit=visit,
        study=study,
        report=report,
        opening=opening,
        figures=figures(opening) if opening else (),
        news=news(opening) if opening else (),
        warning=warning(opening) if opening else "",
        charts=charts_of(opening) if opening else (),
        weeks=latest_weeks(opening) if opening else (),
        sections=sections_of(opening, study) if opening else (),
        totals_sentence=totals_sentence,
        address=lambda file: None if overview.sandbox else web_address(file, folder_url),
        queue_tries=QUEUE_TRIES,
        chart_width=WIDTH,
        chart_height=HEIGHT,
        chart_mark=MARK,
        local=lambda instant: _local(instant, zone),
        clock=lambda instant: f"{instant.astimezone(zone):%H:%M}",
        due=lambda monday: f"{due_at(study, monday).astimezone(zone):%H:%M}",
        late=lambda monday: f"{(due_at(study, monday) + GRACE).astimezone(zone):%H:%M}",
        triggers=TRIGGERS,
        states=STATES,
        unsuccessful=UNSUCCESSFUL,
        outcome=outcome,
    )


def studies_page(
    overviews: Sequence[StudyOverview],
    unusable: Mapping[str, ConfigurationError],
    now: datetime,
    visit: Visit | None = None,
) -> str:
    """Return the page that lists several studies as HTML.

    unusable: why a study file cannot be used, by the study's key.
    """
    late = [overview.study.title for overview in overviews if overview.is_late]
    return _render("page_studies.html", overviews=overviews, unusable=unusable, late=late, now=now, visit=visit)


def sign_in_page(key: str | None) -> str:
    """Return the page that offers to sign in, and then to open the page of that study."""
    page = PAGE_PATH if key is None else f"{PAGE_PATH}?study={quote(key, safe='')}"
    return _render("page_sign_in.html", address=f"{LOGIN_PATH}?post_login_redirect_uri={quote(page, safe='')}")


def page_headers(*, refreshed: bool = False, signed_in: bool = False) -> dict[str, str]:
    """Return headers that forbid scripts, other resources and caching.

    refreshed: the browser loads the page again. signed_in: the page has a form and no key in its address, so a form may
    name its origin.
    """
    style = _environment().get_template("page.css").render()  # exactly as every page contains it
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
            f"form-action '{'self' if signed_in else 'none'}'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin" if signed_in else "no-referrer",
        "Cache-Control": "no-store",
        **({"Refresh": str(REFRESH_SECONDS)} if refreshed else {}),
    }


def _local(instant: datetime, zone: ZoneInfo) -> str:
    """Return ``Mon 16 Nov 2026, 08:03`` in that time zone."""
    local = instant.astimezone(zone)
    return f"{weekday_of(local)[:3]} {short_day(local)}, {local:%H:%M}"


def _render(template: str, **values: Any) -> str:
    return (
        _environment()
        .get_template(template)
        .render(version=__version__, **{"logout": _LOGOUT, "visit": None, **values})
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("consent.app"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": "{:,}".format, "day": short_day, "long_day": long_day, "cell": cell_text}
    return environment
