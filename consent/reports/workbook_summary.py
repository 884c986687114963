"""The first sheet of the workbook: the numbers that most readers want, and where each record went.

Writes no cell, and counts nothing: every number is one of the summary's.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from consent.counting.recruitment import Accrual, RenewalRow
from consent.counting.summary import Changes, ConsentSummary, Versions, WeekCount, Withdrawals
from consent.dates import date_range, short_day
from consent.reports.headline import headline, progress, rules_sentence
from consent.reports.wording import EVERY_RECORD, every_record, extent_name, standing
from consent.reports.workbook_model import Cell, Change, Sheet, Table
from consent.version import __version__

SUMMARY = "Summary"


def summary_sheet(summary: ConsentSummary) -> Sheet:
    """The numbers that most readers want, and where each record went."""
    return Sheet(SUMMARY, headline(summary), tuple(_summary_tables(summary)), charts=2)


def _summary_tables(summary: ConsentSummary) -> Iterator[Table]:
    yield _glance(summary)
    yield _classes(summary)
    if summary.changes and summary.changes.since:
        yield from _changes(summary.changes, summary.changes.since)
    if summary.accrual:
        yield _accrual(summary.accrual, summary)
    if summary.withdrawals:
        yield _withdrawals(summary.withdrawals)
    if summary.versions:
        yield _versions(summary.versions)
    if summary.renewal:
        yield _renewal(summary.renewal, summary)
    yield _provenance(summary)


def _glance(summary: ConsentSummary) -> Table:
    complete = [week for week in summary.weeks if week.complete][-1:]
    running = [week for week in summary.weeks if not week.complete]
    rows: list[tuple[Cell, ...]] = [
        ("Consented, in all", summary.participants.consented),
        ("Taking part now", summary.taking_part),
        *((f"Last complete week, {date_range(week.first_day, week.last_day)}", week.consented) for week in complete),
        *((f"Week {_marked(week, summary)}", week.consented) for week in running),
    ]
    return Table("At a glance", ("", "Participants"), tuple(rows))


def _marked(week: WeekCount, summary: ConsentSummary) -> str:
    return f"{date_range(week.first_day, week.last_day)}, {progress(week, summary.period)}"


def _classes(summary: ConsentSummary) -> Table:
    rows, sums = every_record(summary)
    return Table(EVERY_RECORD, ("Class", "Participants"), rows, sums)


def _changes(changes: Changes, since: date) -> Iterator[Table]:
    rows: list[tuple[Cell, ...]] = [("Consented", Change(changes.new_consents))]
    if changes.rules_changed:
        rows.append((rules_sentence(changes), None))
    yield Table("Changed since the last report", (f"Since {short_day(since)}", "Change"), tuple(rows))
    weeks = tuple(
        (date_range(week.first_day, week.last_day), Change(week.now - week.before), week.before, week.now)
        for week in changes.weeks
    )
    if weeks:
        yield Table("Weeks complete then, and counted anew since", ("Week", "Change", "Then", "Now"), weeks)


def _accrual(accrual: Accrual, summary: ConsentSummary) -> Table:
    recent = "too few weeks" if accrual.recent_per_week is None else float(accrual.recent_per_week)
    rows: list[tuple[Cell, ...]] = [
        ("Target", accrual.target),
        ("Target date", accrual.target_date),
        ("Consented", summary.participants.consented),
        ("A week, over the last 12 complete weeks at most", recent),
        ("A week, needed to reach the target by its date", _needed(accrual)),
        ("Agreed, dated or not", accrual.agreed),
        ("Approved by the ethics board", accrual.approved),
        ("Last approved on", accrual.approval_date),
    ]
    known = [row for row in rows if row[1] is not None]
    warning: list[tuple[Cell, ...]] = [(accrual.warning, None)] if accrual.warning else []
    return Table("Recruitment", ("", "Number"), (*known, *warning))


def _needed(accrual: Accrual) -> Cell:
    """The rate needed, or why there is none; None where the study has no target with a date."""
    return accrual.no_rate_because if accrual.needed_per_week is None else float(accrual.needed_per_week)


def _withdrawals(withdrawals: Withdrawals) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (extent_name(extent, withdrawals), n, "yes" if withdrawals.ends_taking_part(extent) else "no")
        for extent, n in withdrawals.by_extent.items()
    ]
    rows += [("All, who stay among the consented", withdrawals.total, None)]
    rows += [("Without a date", withdrawals.undated, None)]
    return Table("Withdrawals", ("Extent", "Participants", "Ends taking part"), tuple(rows), (len(rows) - 2,))


def _versions(versions: Versions) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (count.version or "(blank)", count.taking_part, standing(count)) for count in versions.counts
    ]
    rows.append(("Due to consent again", versions.reconsent_due, None))
    return Table("Form versions", ("Version signed last", "Taking part now", ""), tuple(rows), (len(rows) - 1,))


def _renewal(rows: Sequence[RenewalRow], summary: ConsentSummary) -> Table:
    approval = summary.accrual.approval_date if summary.accrual else None
    since = f"Since {short_day(approval)}" if approval else "Since the last approval"
    shown = [
        (row.label, "not dated" if row.since_approval is None else row.since_approval, row.since_start) for row in rows
    ]
    return Table(
        "For renewal by the ethics board", ("Participants", since, "Since the start"), tuple(shown), (len(shown) - 1,)
    )


def _provenance(summary: ConsentSummary) -> Table:
    period, source, study = summary.period, summary.source, summary.study
    rows: list[tuple[Cell, ...]] = [
        ("Last day counted (cut-off)", period.cutoff),
        ("Exported on", period.exported_on),
        ("First day counted", period.start),
        ("Time zone", study.time_zone),
        ("REDCap version", source.redcap_version or "a file exported by hand"),
        ("REDCap project", None if source.project_id is None else str(source.project_id)),
        ("Made by", f"consent {__version__}"),
        ("Study file", study.key),
        ("SHA-256 of the study file", study.sha256[:32]),
        (None, study.sha256[32:]),
    ]
    return Table("Where these numbers come from", ("", ""), tuple(row for row in rows if row[1] is not None))
