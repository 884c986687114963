"""Summary -> the sections of a report, in order. Every number is one of the summary's."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import accumulate

from consent.counting.period import RATE_WEEKS, average_per_week
from consent.counting.summary import Changes, ConsentSummary, RiderCount, WeekCount
from consent.dates import short_day
from consent.reports.charts import AVERAGE, goal_lines, planned_total, weekly_averages
from consent.reports.headline import days_of, export_words, progress
from consent.reports.model import Change, ChartKind, Column, Medium, Row, Section, Shape, Share, Table, columns_of
from consent.reports.optional_sections import optional_sections, riders_section, site_weeks_section, sites_section
from consent.reports.wording import NO_NUMBER, REASONS, RECORDS_TO_REVIEW
from consent.studies.fingerprints import changed_rules_sentence
from consent.version import __version__

WEEKS = "Weeks"
FIRST_DAY, CONSENTS, RUNNING_TOTAL, PLANNED = "First day", "Consents", "Running total", "Planned total"
AVERAGE_COLUMN = AVERAGE.capitalize()
LAST_WEEKS = 12
"""The weeks that the PDF lists."""

TURNED_NOTE = "The earlier weeks of each optional consent are in the workbook."
"""Printed where the PDF shows the weeks as columns, and has no room for all of them."""


def sections(summary: ConsentSummary) -> Iterator[Section]:
    """Yield every section of numbers, without those that the study file does not configure."""
    yield _glance(summary)
    yield Section("Consents per week", chart=ChartKind.WEEKLY, narrow=True)
    yield Section("Consents to date", chart=ChartKind.TO_DATE, narrow=True)
    yield _weeks(summary)
    if summary.riders:
        yield shares_section(summary.riders)
    if summary.sites:
        yield sites_section(summary.sites, summary.weeks, summary.study.sites)
        yield site_weeks_section(summary.sites, summary.weeks)
    yield review_section(summary.quality)
    yield _classes(summary)
    if summary.riders:
        yield riders_section(summary.riders)
    if summary.changes and summary.changes.since:
        yield changes_section(summary.changes, summary.changes.since, summary.period.cutoff)
    yield from optional_sections(summary)


def _glance(summary: ConsentSummary) -> Section:
    complete = [week for week in summary.weeks if week.complete]
    running = [week for week in summary.weeks if not week.complete]
    average = average_per_week([week.consented for week in complete])
    rows: list[Row] = [
        ("Consented", summary.participants.consented),
        ("Still taking part", summary.taking_part),
        *((f"Week of {_week(week, summary)}", week.consented) for week in (*complete[-2:], *running)),
        *([] if average is None else [(f"Average of {min(RATE_WEEKS, len(complete))} complete weeks", average)]),
    ]
    return Section("At a glance", table=Table(columns_of("", "Participants"), rows), only=Medium.WORKBOOK)


def _week(week: WeekCount, summary: ConsentSummary) -> str:
    marked = progress(week, summary.period)
    return days_of(week, summary.period.cutoff) + (f" ({marked})" if marked else "")


def _weeks(summary: ConsentSummary) -> Section:
    """One table of all weeks: the workbook filters it by day and the charts take their values from it."""
    pdf, workbook = Medium.PDF, Medium.WORKBOOK
    weeks, riders, goals = summary.weeks, summary.riders, goal_lines(summary)
    columns = (
        Column("Week", only=pdf),
        *(Column(heading, only=workbook) for heading in (FIRST_DAY, "Last day", "Complete?")),
        Column(CONSENTS),
        *(Column(rider.label) for rider in riders),
        *(Column(heading, only=workbook) for heading in (AVERAGE_COLUMN, RUNNING_TOTAL, PLANNED)),
        *(Column(label, only=workbook) for label, _ in goals),
    )
    cells = (
        *([_marked(week, summary) for week in weeks], [week.first_day for week in weeks]),
        *([week.last_day for week in weeks], [progress(week, summary.period) or "yes" for week in weeks]),
        [week.consented for week in weeks],
        *([week.riders[rider.key] for week in weeks] for rider in riders),
        weekly_averages(summary),
        list(accumulate(week.consented for week in weeks)),
        [planned_total(summary, week.last_day) for week in weeks],
        *([number] * len(weeks) for _, number in goals),
    )
    agreed = [rider.agreed for rider in riders]
    total = ("Since the start", "Total", None, None, summary.participants.consented, *agreed)
    rows = [*zip(*cells, strict=True), (*total, *[None] * (len(columns) - len(total)))]
    running = next((n for n, week in enumerate(weeks) if not week.complete), None)
    return Section(
        "Recent weeks" if len(weeks) > LAST_WEEKS else "The weeks so far",
        ("Consents, and how many of them agreed to each optional consent (rider).",) if riders else (),
        Table(columns, rows, (-1,), running, LAST_WEEKS, newest_first=True),
        note="" if running is None else f"* {progress(weeks[running], summary.period)}",
        sheet=WEEKS,
        narrow=not riders,
        shape=Shape.WEEKS,
    )


def _marked(week: WeekCount, summary: ConsentSummary) -> str:
    return days_of(week, summary.period.cutoff) + ("" if week.complete else "*")


def shares_section(riders: tuple[RiderCount, ...]) -> Section:
    """The riders at a glance; the section of their answers has every number."""
    rows: list[Row] = [
        (r.label, NO_NUMBER if r.uptake is None else Share(r.uptake), f"{r.agreed:,} of {r.offered:,}") for r in riders
    ]
    table = Table(columns_of("Optional consent", "Uptake", "Agreed of those offered it"), rows)
    return Section("Agreement to each optional consent", table=table, only=Medium.PDF, shape=Shape.SHARES)


def changes_section(changes: Changes, since: date, cutoff: date) -> Section:
    """Return the complete weeks with a new count since the last report."""
    rows: list[Row] = [
        (days_of(week, cutoff), week.before, week.now, Change(week.now - week.before)) for week in changes.weeks
    ]
    rows.append(("All consents", None, None, Change(changes.new_consents)))
    sentences = (
        f"The last report was as of {short_day(since)}.",
        f"Weeks that were complete then and count differently now: {len(changes.weeks):,}.",
        changed_rules_sentence(changes.rules_changed),
    )
    return Section(
        "Changed since the last report",
        (" ".join(filter(None, sentences)),),
        Table(columns_of("Week", "Then", "Now", "Change"), rows, totals=(-1,), pdf_rows=LAST_WEEKS),
        note=f"Only the last {LAST_WEEKS} of them are shown." if len(changes.weeks) > LAST_WEEKS else "",
        narrow=True,
    )


def _classes(summary: ConsentSummary) -> Section:
    """Each class, what is counted apart, and what REDCap listed and sent."""
    people, source = summary.participants, summary.source
    classes: list[Row] = [
        ("Consented", people.consented),
        ("Declined", people.declined),
        ("Pending: open", people.pending_open),
        ("Pending: not started", people.pending_not_started),
        *((f"Not counted: {REASONS[reason]}", n) for reason, n in people.not_counted.items()),
        ("Total participants", people.total),
    ]
    apart: list[Row] = [(f"Left out: {reason}", n) for reason, n in summary.left_out.items()]
    if summary.study.only or summary.outside:
        apart.append(("Outside the study", summary.outside))
    if summary.working_copies:
        apart.append(("Working copies of double data entry", summary.working_copies))
    records: list[Row] = [
        ("All records", summary.everyone),
        ("Records received", source.records_received),
        ("Records listed by REDCap", "not checked" if source.is_file else source.records_listed),
    ]
    return Section(
        "Every record accounted for",
        (
            "Everyone is in exactly one class, and the classes add up.",
            f"Still taking part: {summary.taking_part:,} of those who consented.",
        ),
        Table(columns_of("Class", "Number"), (*classes, *apart, *records), totals=(len(classes) - 1, -len(records))),
        narrow=True,
    )


def review_section(quality: Mapping[str, int]) -> Section:
    """Return how many participants a data manager should review, and why."""
    sentence = "A data manager should review these participants. One participant may be on several lines."
    columns = (*columns_of("Reason", "Participants"), Column("Code", only=Medium.WORKBOOK))
    rows = [(REASONS[code], n, code) for code, n in quality.items()]
    return Section(
        RECORDS_TO_REVIEW,
        (sentence if rows else "There are no records to review.",),
        Table(columns, rows),
        sheet=RECORDS_TO_REVIEW,
        narrow=True,
    )


def provenance(summary: ConsentSummary) -> Section:
    """Return where the numbers come from, and by what they can be traced: a name and a value per row."""
    period, source, study = summary.period, summary.source, summary.study
    rows: list[Row] = [
        ("Last day counted (cut-off)", period.cutoff),
        (export_words(source).capitalize(), period.exported_on),
        ("First day counted", period.start),
        ("Time zone", study.time_zone),
        ("REDCap version", source.redcap_version or "not known: exported to a file by hand"),
        *([] if source.project_id is None else [("REDCap project", str(source.project_id))]),
        ("Made by", f"consent {__version__}"),
        ("Study file", study.key),
        ("SHA-256 of the study file", study.sha256[:32]),
        (None, study.sha256[32:]),
    ]
    return Section("Where these numbers come from", table=Table(columns_of("", ""), rows))
