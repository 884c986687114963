"""Summary -> the sections of a report, in order. Every number is one of the summary's."""

from collections.abc import Iterator
from datetime import date
from itertools import accumulate

from consent.counting.summary import Changes, ConsentSummary, RiderCount, WeekCount
from consent.dates import date_range, short_day
from consent.reports.charts import goal_lines
from consent.reports.headline import progress
from consent.reports.model import Change, ChartKind, Column, Medium, Row, Section, Share, Table, columns_of
from consent.reports.optional_sections import (
    recruitment_section,
    renewal_section,
    sites_section,
    versions_section,
    withdrawals_section,
)
from consent.reports.wording import (
    NO_NUMBER,
    REASONS,
    RECORDS_TO_REVIEW,
    REFUSALS_NOT_RECORDED,
    SMALL_COUNTS_MARK,
    rider_name,
)
from consent.studies.fingerprints import changed_rules_sentence
from consent.version import __version__

WEEKS, RIDERS = "Weeks", "Riders"
FIRST_DAY, CONSENTS, RUNNING_TOTAL = "First day", "Consents", "Running total"
LAST_WEEKS = 12
"""The weeks that the PDF lists."""

SMALLEST_SAFE = 5
"""Counts from 1 up to this one, itself excluded, are small; 0 is not."""

_MOST_RIDERS = 8  # columns that the PDF has room for beside the weeks
_LONGEST_WORD = 10  # letters that such a column has room for


def marks(summary: ConsentSummary) -> tuple[str, ...]:
    """Return what a reader must know before any number: who may see the report, and what was not checked."""
    return (*((SMALL_COUNTS_MARK,) if holds_small_counts(summary) else ()), *summary.notes)


def holds_small_counts(summary: ConsentSummary) -> bool:
    """Return whether any number in a table, or any difference, lies from 1 to ``SMALLEST_SAFE`` - 1."""
    tables = [section.table for section in sections(summary) if section.table]
    cells = (cell for table in tables for row in table.rows for cell in row)
    return any(isinstance(cell, int) and 0 < abs(cell) < SMALLEST_SAFE for cell in cells)


def sections(summary: ConsentSummary) -> Iterator[Section]:
    """Yield every section of numbers, without those that the study file does not configure."""
    yield _glance(summary)
    yield Section("Consents per week", chart=ChartKind.WEEKLY)
    yield _weeks(summary)
    yield Section("Consents to date", chart=ChartKind.TO_DATE)
    if summary.changes and summary.changes.since:
        yield _changes(summary.changes, summary.changes.since, summary.period.cutoff)
    yield _classes(summary)
    yield _review(summary)
    if summary.riders:
        yield _riders(summary.riders)
    if summary.sites:
        yield sites_section(summary.sites, summary.weeks)
    if summary.versions:
        yield versions_section(summary.versions)
    if summary.withdrawals:
        yield withdrawals_section(summary.withdrawals)
    if summary.accrual:
        yield recruitment_section(summary.accrual, summary)
    if summary.renewal:
        yield renewal_section(summary.renewal, summary)


def _glance(summary: ConsentSummary) -> Section:
    shown = [week for week in summary.weeks if week.complete][-1:] + [w for w in summary.weeks if not w.complete]
    rows: list[Row] = [
        ("Consented", summary.participants.consented),
        ("Still taking part", summary.taking_part),
        *((f"Week of {_week(week, summary)}", week.consented) for week in shown),
    ]
    return Section("At a glance", table=Table(columns_of("", "Participants"), tuple(rows)), only=Medium.WORKBOOK)


def _week(week: WeekCount, summary: ConsentSummary) -> str:
    marked = progress(week, summary.period)
    days = date_range(week.first_day, week.last_day, relative_to=summary.period.cutoff)
    return days + (f" ({marked})" if marked else "")


# Weeks


def _weeks(summary: ConsentSummary) -> Section:
    """One table of all weeks: the workbook filters it by day and the charts take their values from it."""
    pdf, workbook = Medium.PDF, Medium.WORKBOOK
    goals, fit = goal_lines(summary), _riders_fit(summary.riders)
    totals = accumulate(week.consented for week in summary.weeks)
    rows: list[Row] = [
        (
            _week(week, summary),
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
    sums = ("Since the start", "Total", None, None, summary.participants.consented, *agreed, None)
    columns = (
        Column("Week", only=pdf),
        *(Column(heading, only=workbook) for heading in (FIRST_DAY, "Last day", "Complete?")),
        Column(CONSENTS),
        *(Column(rider_name(rider), rider.key, only=None if fit else workbook) for rider in summary.riders),
        Column(RUNNING_TOTAL, only=workbook),
        *(Column(label, only=workbook) for label, _ in goals),
    )
    running = next((n for n, week in enumerate(summary.weeks) if not week.complete), None)
    rows.append((*sums, *(None for _ in goals)))
    return Section(
        f"The last {LAST_WEEKS} weeks" if len(summary.weeks) > LAST_WEEKS else "The weeks so far",
        ("Consents, and how many of them agreed to each optional consent (rider).",) if summary.riders else (),
        Table(columns, tuple(rows), (len(rows) - 1,), running, pdf_rows=LAST_WEEKS),
        note="" if fit else "The weeks of each optional consent are in the workbook.",
        sheet=WEEKS,
    )


def _riders_fit(riders: tuple[RiderCount, ...]) -> bool:
    """Return whether the PDF has room for a column per rider beside the weeks."""
    short = all(len(word) <= _LONGEST_WORD for rider in riders for word in rider.key.split())
    return short and len(riders) <= _MOST_RIDERS


def _changes(changes: Changes, since: date, cutoff: date) -> Section:
    days = [date_range(week.first_day, week.last_day, relative_to=cutoff) for week in changes.weeks]
    counts = [(week.before, week.now, Change(week.now - week.before)) for week in changes.weeks]
    rows: list[Row] = [(day, *numbers) for day, numbers in zip(days, counts, strict=True)]
    rows.append(("All consents", None, None, Change(changes.new_consents)))
    sentences = (
        f"The last report was as of {short_day(since)}.",
        f"Weeks that were complete then and count differently now: {len(changes.weeks):,}.",
        changed_rules_sentence(changes.rules_changed),
    )
    return Section(
        "Changed since the last report",
        (" ".join(filter(None, sentences)),),
        Table(columns_of("Week", "Then", "Now", "Change"), tuple(rows), (len(rows) - 1,), pdf_rows=LAST_WEEKS),
        note=f"Only the last {LAST_WEEKS} of them are shown." if len(changes.weeks) > LAST_WEEKS else "",
    )


# Participants


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
    records: list[Row] = [
        ("All records", summary.everyone),
        ("Records received", source.records_received),
        ("Records listed by REDCap", "not checked" if source.records_listed is None else source.records_listed),
    ]
    return Section(
        "Every record accounted for",
        (
            "Everyone is in exactly one class, and the classes add up.",
            f"Still taking part: {summary.taking_part:,} of those who consented.",
        ),
        Table(
            columns_of("Class", "Number"),
            (*classes, *apart, *records),
            totals=(len(classes) - 1, len(classes) + len(apart)),
        ),
        narrow=True,
    )


def _review(summary: ConsentSummary) -> Section:
    sentence = "A data manager should review these participants. One participant may be on several lines."
    columns = (*columns_of("Reason", "Participants"), Column("Code", only=Medium.WORKBOOK))
    rows = tuple((REASONS[code], n, code) for code, n in summary.quality.items())
    return Section(
        RECORDS_TO_REVIEW,
        (sentence if rows else "There are no records to review.",),
        Table(columns, rows),
        sheet=RECORDS_TO_REVIEW,
        narrow=True,
    )


def _riders(riders: tuple[RiderCount, ...]) -> Section:
    rows: list[Row] = [
        (
            rider_name(rider),
            rider.agreed,
            rider.declined if rider.can_decline else NO_NUMBER,
            rider.not_answered,
            rider.not_offered,
            rider.offered,
            NO_NUMBER if rider.uptake is None else Share(rider.uptake),
        )
        for rider in riders
    ]
    answers = columns_of("Agreed", "Declined", "Not answered", "Not offered")
    recorded = all(rider.can_decline for rider in riders)
    return Section(
        "Optional consents (riders)",
        (
            "Answers of those who consented. Uptake: share who agreed among those offered it.",
            *(() if recorded else (REFUSALS_NOT_RECORDED,)),
        ),
        Table(
            (Column("Optional consent"), *answers, Column("Offered", only=Medium.WORKBOOK), Column("Uptake")),
            tuple(rows),
        ),
        ChartKind.RIDERS,
        sheet=RIDERS,
    )


def provenance(summary: ConsentSummary) -> Section:
    """Return where the numbers come from, and by what they can be traced: a name and a value per row."""
    period, source, study = summary.period, summary.source, summary.study
    rows: list[Row] = [
        ("Last day counted (cut-off)", period.cutoff),
        ("Exported on", period.exported_on),
        ("First day counted", period.start),
        ("Time zone", study.time_zone),
        ("REDCap version", source.redcap_version or "not known: exported to a file by hand"),
        ("REDCap project", None if source.project_id is None else str(source.project_id)),
        ("Made by", f"consent {__version__}"),
        ("Study file", study.key),
        ("SHA-256 of the study file", study.sha256[:32]),
        (None, study.sha256[32:]),
    ]
    known = tuple(row for row in rows if row[1] is not None)
    return Section("Where these numbers come from", table=Table(columns_of("", ""), known))
