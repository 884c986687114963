"""The sections that only some studies have: riders, sites, form versions, withdrawals, recruitment, renewal."""

from collections.abc import Iterator, Sequence
from datetime import date

from consent.counting.period import DRAWN_WEEKS, RATE_WEEKS, RECENT_WEEKS, Week
from consent.counting.projection import Projection
from consent.counting.summary import (
    Accrual,
    ConsentSummary,
    RenewalRow,
    RiderCount,
    SiteCount,
    VersionCount,
    Withdrawals,
)
from consent.dates import date_range, short_day
from consent.reports.model import Cell, ChartKind, Column, Medium, Row, Section, Share, Table, columns_of
from consent.reports.wording import NO_NUMBER, REFUSALS_NOT_RECORDED
from consent.studies.model import SiteRules

RIDERS, SITES, SITE_WEEKS, PROJECTION = "Riders", "Sites", "Site weeks", "Projection"
TREND = f"Trend, {DRAWN_WEEKS} weeks"
"""The heading of the column where the workbook draws a small line."""


def optional_sections(summary: ConsentSummary) -> Iterator[Section]:
    """Yield what else the study file configures."""
    accrual = summary.accrual
    if summary.versions:
        yield _versions(summary.versions, summary.reconsent_due)
    if summary.withdrawals:
        yield _withdrawals(summary.withdrawals)
    if accrual:
        yield _recruitment(accrual, summary.projection, summary.participants.consented)
    if summary.projection:
        yield _projection(summary.projection)
    if summary.renewal and accrual and accrual.approval_date:
        yield _renewal(summary.renewal, accrual.approval_date)


def riders_section(riders: tuple[RiderCount, ...]) -> Section:
    """Return every answer to each optional consent."""
    rows: list[Row] = [
        (
            rider.label,
            rider.agreed,
            rider.declined if rider.can_decline else NO_NUMBER,
            rider.not_answered,
            rider.not_offered,
            rider.offered,
            NO_NUMBER if rider.uptake is None else Share(rider.uptake),
            "",
            None if rider.key == rider.label else rider.key,
        )
        for rider in riders
    ]
    answers = columns_of("Optional consent", "Agreed", "Declined", "Not answered", "Not offered")
    recorded, workbook = all(rider.can_decline for rider in riders), Medium.WORKBOOK
    trend = [Column(TREND, only=workbook)]
    return Section(
        "Optional consents (riders)",
        (
            "Answers of those who consented. Uptake: share who agreed among those offered it.",
            *(() if recorded else (REFUSALS_NOT_RECORDED,)),
        ),
        Table(
            (*answers, Column("Offered", only=workbook), Column("Uptake"), *trend, Column("Key", only=workbook)), rows
        ),
        ChartKind.RIDERS,
        sheet=RIDERS,
    )


def sites_section(counts: tuple[SiteCount, ...], weeks: Sequence[Week], rules: SiteRules | None) -> Section:
    """Return the people of each site, which add up to everybody."""
    workbook, by_group = Medium.WORKBOOK, rules is not None and rules.by is None
    complete = [week for week in weeks if week.complete][-RECENT_WEEKS:]
    days = date_range(complete[0].first_day, complete[-1].last_day) if complete else "none yet"
    recent = (
        f"Consents in the last {RECENT_WEEKS} complete weeks ({days})",
        f"In the last {RECENT_WEEKS}\ncomplete weeks",
    )
    columns = (
        *(Column("Site"), Column("Code", only=workbook), Column("Open from"), *columns_of("Participants", "Consented")),
        *(Column("Target"), Column("Share of target", only=workbook), Column("Still\ntaking part"), Column(*recent)),
        Column(TREND, only=workbook),
    )
    rows: list[Row] = []
    for site in counts:
        share = Share(site.consented / site.target) if site.target else None
        people = (site.participants, site.consented, site.target, share, site.taking_part, site.recent, "")
        rows.append((site.label, site.code, site.opened, *people))
    total = (
        *("All sites", None, None, sum(site.participants for site in counts), sum(site.consented for site in counts)),
        *(None, None, sum(site.taking_part for site in counts), sum(site.recent for site in counts), None),
    )
    note = ("A site is the data access group that a record is in now.",) if by_group else ()
    return Section(
        "Sites by present group" if by_group else "Sites",
        ("Each participant is at one site or at none. The sites add up to all participants.", *note),
        Table(columns, (*rows, total), totals=(-1,)),
        sheet=SITES,
    )


def site_weeks_section(counts: tuple[SiteCount, ...], weeks: Sequence[Week]) -> Section:
    """Return the consents of each site in each week, for the workbook."""
    rows: list[Row] = [(week.first_day, *(site.weeks[n] for site in counts)) for n, week in enumerate(weeks)]
    rows.append(("Total", *(site.consented for site in counts)))
    table = Table(columns_of("First day", *(site.label for site in counts)), rows, (-1,), newest_first=True)
    return Section("Consents per week", ("Consents of each site.",), table, sheet=SITE_WEEKS, only=Medium.WORKBOOK)


def _versions(counts: tuple[VersionCount, ...], reconsent_due: int) -> Section:
    """The form versions that those still taking part have signed last."""
    rows: list[Row] = [
        (n.version, n.taking_part, "accepted" if n.accepted else "re-consent due")
        if n.version
        else ("(blank)", n.taking_part, "not known")
        for n in counts
    ]
    rows.append(("Due to consent again", reconsent_due, None))
    columns = columns_of("Version signed last", "Still\ntaking part", "Status")
    return Section("Form versions", table=Table(columns, rows, totals=(-1,)), narrow=True)


def _withdrawals(withdrawals: Withdrawals) -> Section:
    rows: list[Row] = [
        (
            withdrawals.labels.get(extent, extent) or "(extent not stated)",
            number,
            "yes" if withdrawals.ends_taking_part(extent) else "no",
        )
        for extent, number in withdrawals.by_extent.items()
    ]
    rows += [("Total withdrawn", withdrawals.total, None), ("Without a date", withdrawals.undated, None)]
    table = Table(columns_of("Extent", "Participants", "Ends\ntaking part"), rows, totals=(-2,))
    return Section("Withdrawals", ("Those who withdrew still count as consented.",), table, narrow=True)


def _recruitment(accrual: Accrual, projection: Projection | None, consented: int) -> Section:
    """Recruitment beside its target and the approved number; a line without a value is absent."""
    recent, needed = accrual.recent_per_week, accrual.needed_per_week
    values: dict[str, Cell] = {
        "Consented": consented,
        "Target": accrual.target,
        "Share of target": Share(consented / accrual.target) if accrual.target else None,
        "Target date": accrual.target_date,
        f"Consents per week (last {RATE_WEEKS} complete weeks at most)": "too few weeks" if recent is None else recent,
        "Consents per week needed to reach the target by its date": accrual.no_rate_because
        if needed is None
        else needed,
        "Target reached, projected": projection.middle if projection else accrual.no_projection_because,
        "– earliest (10% probability)": projection.earliest if projection else None,
        "– latest (90% probability)": (projection.latest or "beyond ten years") if projection else None,
        "Agreed, dated or not": accrual.agreed,
        "Approved by the ethics board": accrual.approved,
        "Last approved on": accrual.approval_date,
    }
    known = [(name, value) for name, value in values.items() if value is not None]
    warning = (accrual.warning,) if accrual.warning else ()
    return Section("Recruitment", warning, Table(columns_of("Measure", "Number"), known), narrow=True)


def _projection(projection: Projection) -> Section:
    """The projected totals that the chart shows as an area, for the workbook."""
    rows: list[Row] = [(point.day, point.low, point.middle, point.high) for point in projection.fan]
    columns = columns_of("Day", "10% have fewer", "Middle", "10% have more")
    sentence = "Projected totals at the end of each week, up to the target."
    return Section(PROJECTION, (sentence,), Table(columns, rows), sheet=PROJECTION, only=Medium.WORKBOOK)


def _renewal(rows: tuple[RenewalRow, ...], approved_on: date) -> Section:
    """The table for an ethics board's renewal form."""
    shown = [
        (row.label, "not dated" if row.since_approval is None else row.since_approval, row.since_start) for row in rows
    ]
    columns = columns_of("Participants", f"Since\n{short_day(approved_on)}", "Since\nthe start")
    return Section("For renewal by the ethics board", table=Table(columns, shown, totals=(-1,)), narrow=True)
