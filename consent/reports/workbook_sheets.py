"""The sheets of the workbook, and what stands on those after the first.

Writes no cell (``workbook_cells.py`` does), and counts nothing: every number is one of the summary's.
"""

from collections.abc import Sequence
from itertools import accumulate

from consent.counting.summary import ConsentSummary, SiteCount, Sites, WeekCount
from consent.dates import date_range
from consent.reports.charts import goal_lines
from consent.reports.definitions import definitions
from consent.reports.headline import progress
from consent.reports.wording import NO_CODE_FOR_A_NO, NO_NUMBER, REASONS, rider_name
from consent.reports.workbook_model import Cell, Share, Sheet, Table
from consent.reports.workbook_summary import summary_sheet

WEEKS, RIDERS, SITES, QUALITY, DEFINITIONS = "Weeks", "Riders", "Sites", "Quality", "Definitions"
FIRST_DAY, CONSENTS, RUNNING_TOTAL = "First day", "Consents", "Running total"


def sheets(summary: ConsentSummary) -> tuple[Sheet, ...]:
    """The sheets of a study, in order; there is none of sites where the study file has none."""
    return (
        summary_sheet(summary),
        weeks_sheet(summary),
        riders_sheet(summary),
        *((sites_sheet(summary, summary.sites),) if summary.sites else ()),
        quality_sheet(summary),
        definitions_sheet(summary),
    )


# Weeks


def weeks_sheet(summary: ConsentSummary) -> Sheet:
    """A row per week, the one in progress marked, and their sums."""
    goals = goal_lines(summary)
    totals = accumulate(week.consented for week in summary.weeks)
    rows: list[tuple[Cell, ...]] = [
        (
            week.first_day,
            week.last_day,
            progress(week, summary.period) or "yes",
            week.consented,
            *(week.riders[rider.key] for rider in summary.riders),
            total,
            *(number for _, number in goals),
        )
        for week, total in zip(summary.weeks, totals, strict=True)
    ]
    agreed = (rider.agreed for rider in summary.riders)
    rows.append(("Total", None, None, summary.participants.consented, *agreed, None, *(None for _ in goals)))
    running = [n for n, week in enumerate(summary.weeks) if not week.complete]
    riders = (rider_name(rider) for rider in summary.riders)
    columns = (FIRST_DAY, "Last day", "Complete?", CONSENTS, *riders, RUNNING_TOTAL, *(name for name, _ in goals))
    table = Table("", columns, tuple(rows), (len(rows) - 1,), next(iter(running), None))
    lines = ("Consents a week, and how many of them agreed to each optional consent (rider).",)
    return Sheet(WEEKS, lines, (table,), fixed=2, landscape=True, filtered=True)


# Riders


def riders_sheet(summary: ConsentSummary) -> Sheet:
    """What the consented answered to each optional consent."""
    rows: list[tuple[Cell, ...]] = [
        (
            rider_name(rider),
            rider.agreed,
            rider.declined if rider.can_decline else NO_NUMBER,
            rider.not_answered,
            rider.offered,
            NO_NUMBER if rider.uptake is None else Share(rider.uptake),
            rider.not_offered,
        )
        for rider in summary.riders
    ]
    columns = ("Optional consent (rider)", "Agreed", "Declined", "Not answered", "Offered", "Uptake", "Not offered")
    lines = [
        "What those who consented answered. Offered = agreed + declined + not answered; uptake = agreed / offered.",
        "Whoever signed a form without it was not offered it, and is in no share of it.",
    ]
    if not all(rider.can_decline for rider in summary.riders):
        lines.append(NO_CODE_FOR_A_NO)
    return Sheet(RIDERS, tuple(lines), (Table("", columns, tuple(rows)),), one_page=True)


# Sites


def sites_sheet(summary: ConsentSummary, sites: Sites) -> Sheet:
    """Every site, and their sums."""
    counts = sites.counts
    sums = [
        sum(numbers)
        for numbers in zip(*((s.participants, s.consented, s.taking_part, s.recent) for s in counts), strict=True)
    ]
    participants, consented, taking_part, recent = sums
    total: tuple[Cell, ...] = ("All sites", None, None, participants, consented, None, None, taking_part, recent)
    rows = (*map(_site, counts), total)
    columns = (
        *("Site", "Code", "Open from", "Participants", "Consented", "Target", "Share of target"),
        *("Taking part now", _recently(summary.weeks)),
    )
    line = "Each participant is at one site, or at none; the sites add up to all participants."
    by_group = "A site is the data access group that a record is in at present." if sites.by_present_group else ""
    table = Table("", columns, rows, (len(rows) - 1,))
    return Sheet(SITES, tuple(filter(None, (line, by_group))), (table,), landscape=True)


def _site(site: SiteCount) -> tuple[Cell, ...]:
    share = Share(site.consented / site.target) if site.target else None
    opened, target = site.opened, site.target
    numbers = (site.participants, site.consented, target, share, site.taking_part, site.recent)
    return (site.label, site.code, opened, *numbers)


def _recently(weeks: Sequence[WeekCount]) -> str:
    complete = [week for week in weeks if week.complete][-4:]
    days = date_range(complete[0].first_day, complete[-1].last_day) if complete else "none yet"
    return f"Consents in the last 4 complete weeks ({days})"


# Quality and definitions


def quality_sheet(summary: ConsentSummary) -> Sheet:
    """What a data manager should look at, in counts."""
    rows = tuple((REASONS[code], n, code) for code, n in summary.quality.items())
    lines = (
        "Participants whose data a data manager should look at; one participant may be on several lines."
        if rows
        else "Nothing was found that a data manager should look at.",
        "A report holds counts alone, and never the ids of records.",
    )
    return Sheet(QUALITY, lines, (Table("", ("What was found", "Participants", "Code"), rows),))


def definitions_sheet(summary: ConsentSummary) -> Sheet:
    """The counting rules of this study, as they were applied."""
    rows = tuple(
        (rule.heading if n == 0 else None, line)
        for rule in definitions(summary.study)
        for n, line in enumerate(rule.text.split("\n"))
    )
    lines = ("The rules that these numbers were counted by, made from the study file.",)
    return Sheet(DEFINITIONS, lines, (Table("", ("Rule", "In words"), rows),))
