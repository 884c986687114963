"""The sections of the PDF that only some studies have: sites, versions, withdrawals, recruitment, renewal.

Counts nothing: every number is one of the summary's.
"""

from collections.abc import Iterator, Sequence

from consent.counting.recruitment import Accrual, RenewalRow
from consent.counting.summary import ConsentSummary, Sites, Versions, Withdrawals
from consent.dates import short_day
from consent.reports.pdf_section import Section, Table, number, shortened
from consent.reports.wording import extent_name, standing


def sites_section(sites: Sites) -> Section:
    """The people of each site, which add up to everybody."""
    targets = any(site.target is not None for site in sites.counts)
    opened = any(site.opened for site in sites.counts)
    columns = ["Site", *(["Open from"] if opened else []), "Participants", "Consented"]
    columns += [*(["Target"] if targets else []), "Taking\npart now", "In the last 4\ncomplete weeks"]
    rows = [
        (
            shortened(site.label),
            *([short_day(site.opened) if site.opened else ""] if opened else []),
            number(site.participants),
            number(site.consented),
            *(["" if site.target is None else number(site.target)] if targets else []),
            number(site.taking_part),
            number(site.recent),
        )
        for site in sites.counts
    ]
    rows.append(("All sites", *([""] if opened else []), *_added_up(sites, targets=targets)))
    by_group = "A site is the data access group that a record is in at present." if sites.by_present_group else ""
    return Section(
        "Sites by present group" if sites.by_present_group else "Sites",
        tuple(filter(None, [by_group])),
        Table(tuple(columns), tuple(rows), strong=(len(rows) - 1,)),
    )


def _added_up(sites: Sites, *, targets: bool) -> Iterator[str]:
    yield number(sum(site.participants for site in sites.counts))
    yield number(sum(site.consented for site in sites.counts))
    yield from [""] if targets else []
    yield number(sum(site.taking_part for site in sites.counts))
    yield number(sum(site.recent for site in sites.counts))


def versions_section(versions: Versions) -> Section:
    """Which form version those taking part now have signed last."""
    rows = [
        (shortened(count.version) or "(blank)", number(count.taking_part), standing(count)) for count in versions.counts
    ]
    return Section(
        "Form versions",
        (f"Due to consent again: {versions.reconsent_due:,} of those taking part now.",),
        Table(("Version signed last", "Taking\npart now", "Standing"), tuple(rows)),
        narrow=True,
    )


def withdrawals_section(withdrawals: Withdrawals) -> Section:
    """Who has withdrawn, by extent."""
    rows = [
        (
            extent_name(extent, withdrawals),
            number(n),
            "yes" if withdrawals.ends_taking_part(extent) else "no",
        )
        for extent, n in withdrawals.by_extent.items()
    ]
    told = f"Withdrawn: {withdrawals.total:,} of those who ever consented, among whom they stay."
    undated = f" Without a date: {withdrawals.undated:,}." if withdrawals.undated else ""
    return Section(
        "Withdrawals",
        (told + undated,),
        Table(
            ("Extent", "Withdrawn", "Ends\ntaking part"), (*rows, ("All", number(withdrawals.total), "")), (len(rows),)
        ),
        narrow=True,
    )


def accrual_section(accrual: Accrual, summary: ConsentSummary) -> Section:
    """Recruitment beside its target and the approved number; a warning stands first."""
    rows = [("Consented", number(summary.participants.consented))]
    if accrual.target is not None:
        until = f", by {short_day(accrual.target_date)}" if accrual.target_date else ""
        rows.append((f"Target{until}", number(accrual.target)))
    recent = accrual.recent_per_week
    rows.append(
        ("Per week, recently (up to 12 complete weeks)", "too few weeks" if recent is None else f"{recent:.1f}")
    )
    needed = accrual.no_rate_because if accrual.needed_per_week is None else f"{accrual.needed_per_week:.1f}"
    if needed:
        rows.append(("Per week, needed to reach the target by its date", needed))
    rows.append(("Agreed, dated or not", number(accrual.agreed)))
    if accrual.approved is not None:
        rows.append(("Approved by the ethics board", number(accrual.approved)))
    warning = tuple(filter(None, [accrual.warning]))
    return Section("Recruitment", warning, Table(("Measure", "Number"), tuple(rows)), narrow=True)


def renewal_section(rows: Sequence[RenewalRow], summary: ConsentSummary) -> Section:
    """The table that an ethics board asks for at renewal."""
    approval = summary.accrual.approval_date if summary.accrual else None
    since = f"Since\n{short_day(approval)}" if approval else "Since the\nlast approval"
    shown = [
        (row.label, "not dated" if row.since_approval is None else number(row.since_approval), number(row.since_start))
        for row in rows
    ]
    table = Table(("Participants", since, "Since\nthe start"), tuple(shown), strong=(len(shown) - 1,))
    return Section("For renewal by the ethics board", table=table, narrow=True)
