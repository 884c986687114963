"""The sections that only some studies have: sites, form versions, withdrawals, recruitment, renewal."""

from consent.counting.period import RATE_WEEKS, RECENT_WEEKS
from consent.counting.recruitment import Accrual, RenewalRow
from consent.counting.summary import (
    ConsentSummary,
    SiteCount,
    Sites,
    Versions,
    WeekCount,
    Withdrawals,
)
from consent.dates import date_range, short_day
from consent.reports.model import Column, Medium, Row, Section, Share, Table, columns_of
from consent.reports.wording import extent_name, version_status

SITES = "Sites"


def sites_section(sites: Sites, weeks: tuple[WeekCount, ...]) -> Section:
    """Return the people of each site, which add up to everybody."""
    counts, workbook = sites.counts, Medium.WORKBOOK
    columns = (
        *(Column("Site"), Column("Code", only=workbook), Column("Open from"), *columns_of("Participants", "Consented")),
        *(Column("Target"), Column("Share of target", only=workbook)),
        *(Column("Still\ntaking part"), Column(_recent_weeks(weeks), f"In the last {RECENT_WEEKS}\ncomplete weeks")),
    )
    total = (
        *("All sites", None, None, sum(site.participants for site in counts), sum(site.consented for site in counts)),
        *(None, None, sum(site.taking_part for site in counts), sum(site.recent for site in counts)),
    )
    by_group = ("A site is the data access group that a record is in now.",) if sites.by_present_group else ()
    return Section(
        "Sites by present group" if sites.by_present_group else "Sites",
        ("Each participant is at one site or at none. The sites add up to all participants.", *by_group),
        Table(columns, (*map(_site, counts), total), (len(counts),)),
        sheet=SITES,
    )


def _site(site: SiteCount) -> Row:
    share = Share(site.consented / site.target) if site.target else None
    people = (site.participants, site.consented, site.target, share, site.taking_part, site.recent)
    return (site.label, site.code, site.opened, *people)


def _recent_weeks(weeks: tuple[WeekCount, ...]) -> str:
    recent = [week for week in weeks if week.complete][-RECENT_WEEKS:]
    days = date_range(recent[0].first_day, recent[-1].last_day) if recent else "none yet"
    return f"Consents in the last {RECENT_WEEKS} complete weeks ({days})"


def versions_section(versions: Versions) -> Section:
    """Return the form versions that those still taking part have signed last."""
    rows: list[Row] = [(n.version or "(blank)", n.taking_part, version_status(n)) for n in versions.counts]
    rows.append(("Due to consent again", versions.reconsent_due, None))
    return Section(
        "Form versions",
        table=Table(columns_of("Version signed last", "Still\ntaking part", "Status"), tuple(rows), (len(rows) - 1,)),
        narrow=True,
    )


def withdrawals_section(withdrawals: Withdrawals) -> Section:
    """Return who has withdrawn, by extent."""
    rows: list[Row] = [
        (extent_name(extent, withdrawals), n, "yes" if withdrawals.ends_taking_part(extent) else "no")
        for extent, n in withdrawals.by_extent.items()
    ]
    rows += [("Total withdrawn", withdrawals.total, None), ("Without a date", withdrawals.undated, None)]
    return Section(
        "Withdrawals",
        ("Those who withdrew still count as consented.",),
        Table(columns_of("Extent", "Participants", "Ends\ntaking part"), tuple(rows), (len(rows) - 2,)),
        narrow=True,
    )


def recruitment_section(accrual: Accrual, summary: ConsentSummary) -> Section:
    """Return recruitment beside its target and the approved number; a line without a value is absent."""
    recent = "too few weeks" if accrual.recent_per_week is None else float(accrual.recent_per_week)
    needed = accrual.no_rate_because if accrual.needed_per_week is None else float(accrual.needed_per_week)
    rows: list[Row] = [
        ("Consented", summary.participants.consented),
        ("Target", accrual.target),
        ("Target date", accrual.target_date),
        (f"Consents per week (last {RATE_WEEKS} complete weeks at most)", recent),
        ("Consents per week needed to reach the target by its date", needed),
        ("Agreed, dated or not", accrual.agreed),
        ("Approved by the ethics board", accrual.approved),
        ("Last approved on", accrual.approval_date),
    ]
    known = tuple(row for row in rows if row[1] is not None)
    warning = (accrual.warning,) if accrual.warning else ()
    return Section("Recruitment", warning, Table(columns_of("Measure", "Number"), known), narrow=True)


def renewal_section(rows: tuple[RenewalRow, ...], summary: ConsentSummary) -> Section:
    """Return the table for an ethics board's renewal form."""
    approval = summary.accrual.approval_date if summary.accrual else None
    since = f"Since\n{short_day(approval)}" if approval else "Since the\nlast approval"
    shown = [
        (row.label, "not dated" if row.since_approval is None else row.since_approval, row.since_start) for row in rows
    ]
    table = Table(columns_of("Participants", since, "Since\nthe start"), tuple(shown), (len(shown) - 1,))
    return Section("For renewal by the ethics board", table=table, narrow=True)
