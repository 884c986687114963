"""What the PDF prints, as plain texts in the order in which they are read: sections of paragraphs, tables and charts.

Lays nothing out (``templates/report.typ`` does), and counts nothing: every number is one of the summary's.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from consent.counting.summary import Changes, ConsentSummary, RiderCount, WeekCount
from consent.dates import date_range, short_day
from consent.reports.charts import cumulative_chart, weekly_chart
from consent.reports.definitions import Definition
from consent.reports.headline import progress, rules_sentence, signed
from consent.reports.pdf_optional import (
    accrual_section,
    renewal_section,
    sites_section,
    versions_section,
    withdrawals_section,
)
from consent.reports.pdf_section import Section, Table, number
from consent.reports.wording import (
    EVERY_RECORD,
    NO_CODE_FOR_A_NO,
    NO_NUMBER,
    REASONS,
    every_record,
    rider_name,
    share_words,
)
from consent.version import __version__

LAST_WEEKS = 12
_MOST_RIDERS = 8  # columns that a page has room for beside the weeks
_LONGEST_WORD = 10  # letters that such a column has room for


def sections(summary: ConsentSummary) -> tuple[Section, ...]:
    """Every section of numbers, in order."""
    return tuple(_all(summary))


def _all(summary: ConsentSummary) -> Iterator[Section]:
    yield Section("Consents a week", chart=weekly_chart(summary))
    yield _last_weeks(summary)
    if summary.changes and summary.changes.since:
        yield _changes(summary.changes, summary.changes.since, summary.period.cutoff)
    yield Section("Consents to date", chart=cumulative_chart(summary))
    yield _classes(summary)
    if summary.quality:
        yield _quality(summary)
    if summary.riders:
        yield _riders(summary.riders)
    if summary.sites:
        yield sites_section(summary.sites)
    if summary.versions:
        yield versions_section(summary.versions)
    if summary.withdrawals:
        yield withdrawals_section(summary.withdrawals)
    if summary.accrual:
        yield accrual_section(summary.accrual, summary)
    if summary.renewal:
        yield renewal_section(summary.renewal, summary)


def _last_weeks(summary: ConsentSummary) -> Section:
    shown, riders = summary.weeks[-LAST_WEEKS:], _riders_beside_weeks(summary.riders)
    rows = [
        (_week(week, summary), number(week.consented), *(number(week.riders[r.key]) for r in riders)) for week in shown
    ]
    total = ("Since the start", number(summary.participants.consented), *(number(rider.agreed) for rider in riders))
    after = ["Each optional consent by week is in the workbook."] if summary.riders and not riders else []
    return Section(
        "The last twelve weeks" if len(summary.weeks) > LAST_WEEKS else "The weeks so far",
        ("Consents, and how many of them agreed to each optional consent (rider).",) if riders else (),
        Table(("Week", "Consents", *(rider.key for rider in riders)), (*rows, total), strong=(len(rows),)),
        after=tuple(after),
    )


def _riders_beside_weeks(riders: Sequence[RiderCount]) -> Sequence[RiderCount]:
    """The riders, where each can have a column of the weeks' table, else none."""
    fit = all(len(word) <= _LONGEST_WORD for rider in riders for word in rider.key.split())
    return riders if fit and len(riders) <= _MOST_RIDERS else ()


def _week(week: WeekCount, summary: ConsentSummary) -> str:
    marked = progress(week, summary.period)
    days = date_range(week.first_day, week.last_day, relative_to=summary.period.cutoff)
    return days + (f" ({marked})" if marked else "")


def _changes(changes: Changes, since: date, cutoff: date) -> Section:
    shown = changes.weeks[-LAST_WEEKS:]
    told = (
        f"Since the last report, as of {short_day(since)}: {signed(changes.new_consents)} consented. "
        f"Weeks that were complete then and count differently now: {len(changes.weeks):,}."
    )
    rows = [
        (
            date_range(week.first_day, week.last_day, relative_to=cutoff),
            number(week.before),
            number(week.now),
            signed(week.now - week.before),
        )
        for week in shown
    ]
    after = [f"Only the last {LAST_WEEKS} of them are shown."] if len(shown) < len(changes.weeks) else []
    return Section(
        "Changed since the last report",
        (told,),
        Table(("Week", "Then", "Now", "Change"), tuple(rows)) if rows else None,
        after=tuple(filter(None, [*after, rules_sentence(changes)])),
    )


def _classes(summary: ConsentSummary) -> Section:
    rows, sums = every_record(summary)
    shown = tuple((name, n if isinstance(n, str) else number(n)) for name, n in rows)
    return Section(
        EVERY_RECORD,
        ("Everyone is in exactly one class, and the classes add up.",),
        Table(("Class", "Number"), shown, strong=sums),
        after=(f"Taking part now: {summary.taking_part:,} of those who consented.",),
        narrow=True,
    )


def _riders(riders: Sequence[RiderCount]) -> Section:
    rows = [
        (
            rider_name(rider),
            number(rider.agreed),
            number(rider.declined) if rider.can_decline else NO_NUMBER,
            number(rider.not_answered),
            number(rider.not_offered),
            NO_NUMBER if rider.uptake is None else share_words(rider.uptake),
        )
        for rider in riders
    ]
    return Section(
        "Optional consents (riders)",
        ("What those who consented answered. Uptake is agreed of those to whom it was offered.",),
        Table(("Optional consent", "Agreed", "Declined", "Not answered", "Not offered", "Uptake"), tuple(rows)),
        after=() if all(rider.can_decline for rider in riders) else (NO_CODE_FOR_A_NO,),
    )


def _quality(summary: ConsentSummary) -> Section:
    return Section(
        "To look at",
        ("Participants whose data a data manager should look at; one participant may be on several lines.",),
        Table(("What was found", "Number"), tuple((REASONS[code], number(n)) for code, n in summary.quality.items())),
        narrow=True,
    )


def provenance(summary: ConsentSummary) -> Definition:
    """Where the numbers come from, and by what they can be traced, a line each."""
    period, source, study = summary.period, summary.source, summary.study
    project = "" if source.project_id is None else f", project {source.project_id}"
    origin = f"REDCap version {source.redcap_version}{project}" if source.redcap_version else "a file exported by hand"
    lines = (
        f"Days counted: {short_day(period.start)} to {short_day(period.cutoff)} (cut-off), {study.time_zone}.",
        f"Exported on {short_day(period.exported_on)} from {origin}.",
        f"Made by consent {__version__} with the study file {study.key}.",
        f"SHA-256 of the study file: {study.sha256}",
    )
    return Definition("Where these numbers come from", "\n".join(lines))
