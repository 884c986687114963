"""What the status page shows of one report, as the first page of its PDF does.

Works on the run record alone: the page must load fast, so nothing here imports numpy.
"""

from dataclasses import dataclass
from itertools import accumulate
from urllib.parse import quote

from consent.counting.summary import OpeningNumbers
from consent.files import StoredFile
from consent.reports.charts import Plot, cumulative_alt, total_plot, weekly_alt, weekly_plot
from consent.reports.headline import days_of, progress
from consent.reports.model import Medium, Section
from consent.reports.optional_sections import sites_section
from consent.reports.sections import changes_section, review_section, shares_section
from consent.studies.model import StudyConfig

LISTED_WEEKS = 12


@dataclass(frozen=True)
class PageWeek:
    """One week; ``total`` counts from the first week. progress: "" for a complete week."""

    days: str
    progress: str
    consented: int
    total: int


@dataclass(frozen=True)
class PageChart:
    """A chart and its text alternative."""

    heading: str
    plot: Plot
    description: str


def latest_weeks(opening: OpeningNumbers) -> tuple[PageWeek, ...]:
    """Return the last weeks of a report, oldest first."""
    totals = accumulate(week.consented for week in opening.weeks)
    weeks = [
        PageWeek(days_of(week, opening.period.cutoff), progress(week, opening.period), week.consented, total)
        for week, total in zip(opening.weeks, totals, strict=True)
    ]
    return tuple(weeks[-LISTED_WEEKS:])


def charts_of(opening: OpeningNumbers) -> tuple[PageChart, ...]:
    """Return both charts of the PDF's first page."""
    return (
        PageChart("Consents per week", weekly_plot(opening), weekly_alt(opening)),
        PageChart("Consents to date", total_plot(opening), cumulative_alt(opening)),
    )


def sections_of(opening: OpeningNumbers, study: StudyConfig) -> tuple[Section, ...]:
    """Return the PDF's tables of riders, sites, records to review and changes, with the columns that the PDF shows."""
    changes = opening.changes
    found = [
        *([shares_section(opening.riders)] if opening.riders else []),
        *([sites_section(opening.sites, opening.weeks, study.sites)] if opening.sites else []),
        review_section(opening.quality),
        *([changes_section(changes, changes.since, opening.period.cutoff)] if changes and changes.since else []),
    ]
    return tuple(section.shown_in(Medium.PDF) for section in found)


def web_address(file: StoredFile, folder_url: str) -> str:
    """Return where people see a delivered file in Dropbox; folder_url: of the folder where paths start."""
    folder, _, name = file.path.rpartition("/")
    return f"{folder_url}{quote(folder)}?preview={quote(name, safe='')}"
