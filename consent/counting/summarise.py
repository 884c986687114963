"""Summarise the counts as the numbers of one report."""

from dataclasses import replace

from consent.counting.consents import CONSENTED, DECLINED, NOT_COUNTED_REASONS
from consent.counting.participants import COPY, LEFT_OUT, NOT_COUNTED, NOT_STARTED, OUTSIDE, PENDING, QUALITY_CODES
from consent.counting.period import ReportPeriod, Week
from consent.counting.projection import Projection, project
from consent.counting.recruitment import measure_accrual, renewal_table
from consent.counting.riders import ANSWERS
from consent.counting.summary import (
    Accrual,
    ConsentSummary,
    Participants,
    RiderCount,
    SiteCount,
    Source,
    VersionCount,
    WeekCount,
    Withdrawals,
)
from consent.counting.tally import SITE_COUNTS, Tally, WeeklyCounts
from consent.errors import SourceDataError
from consent.studies.model import AccrualGoals, ListedSite, Rider, SiteRules, StudyConfig, VersionRules, WithdrawalRules

NO_SITE = "(no site)"
MERGE_COPIES = (
    "Merge the copies in REDCap's Data Comparison Tool. If these are no copies but people, write "
    "'double_data_entry = false' under [redcap] in the study file."
)


def summarise(
    tally: Tally, study: StudyConfig, period: ReportPeriod, source: Source, notes: tuple[str, ...] = ()
) -> ConsentSummary:
    """Summarise the tally of the whole registry.

    ``quality`` and ``not_counted`` hold the codes that occur, in the order of the rules. ``left_out`` holds every
    reason of the study file.

    Raises SourceDataError if all records are working copies of double data entry.
    """
    copies = tally.classes[COPY, ""]
    if copies and not any(n for (kind, _), n in tally.classes.items() if kind not in (COPY, LEFT_OUT)):
        what = f"All {copies:,} records are working copies of double data entry (ids ending in --1 or --2)."
        raise SourceDataError(what, MERGE_COPIES)
    weeks = _weeks(tally, study, period)
    accrual, projection = _recruitment(tally, study.accrual, weeks, period)
    return ConsentSummary(
        study=study,
        period=period,
        participants=Participants(
            consented=tally.classes[CONSENTED, ""],
            declined=tally.classes[DECLINED, ""],
            pending_open=tally.classes[PENDING, "open"],
            pending_not_started=tally.classes[PENDING, NOT_STARTED],
            not_counted={reason: n for reason in NOT_COUNTED_REASONS if (n := tally.classes[NOT_COUNTED, reason])},
        ),
        left_out={rule.reason: tally.classes[LEFT_OUT, rule.reason] for rule in study.leave_out},
        outside=tally.classes[OUTSIDE, ""],
        working_copies=copies,
        taking_part=tally.taking_part,
        weeks=weeks,
        riders=tuple(_rider(rider, tally) for rider in study.riders),
        quality={code: n for code in QUALITY_CODES if (n := tally.quality[code])},
        source=source,
        notes=notes,
        sites=_sites(tally, study.sites, len(weeks)) if study.sites else None,
        versions=_versions(tally, study.version) if study.version else None,
        withdrawals=_withdrawals(tally, study.withdrawal) if study.withdrawal else None,
        accrual=accrual,
        projection=projection,
        renewal=renewal_table(tally, study) if study.accrual and study.accrual.approval_date else None,
    )


def _weeks(tally: Tally, study: StudyConfig, period: ReportPeriod) -> tuple[WeekCount, ...]:
    number, empty = len(period.weeks), WeeklyCounts()
    agreed = {rider.key: tally.rider_weeks.get(rider.key, empty).until(number) for rider in study.riders}

    def count(at: int, week: Week, consented: int) -> WeekCount:
        riders = {key: counts[at] for key, counts in agreed.items()}
        return WeekCount(week.first_day, week.last_day, week.complete, consented, riders)

    return tuple(map(count, range(number), period.weeks, tally.weeks.until(number)))


def _recruitment(
    tally: Tally, goals: AccrualGoals | None, weeks: tuple[WeekCount, ...], period: ReportPeriod
) -> tuple[Accrual | None, Projection | None]:
    if goals is None:
        return None, None
    complete = [week.consented for week in weeks if week.complete]
    accrual = measure_accrual(tally, goals, complete, period.cutoff)
    if goals.target is None:
        return accrual, None
    projection, because = project(complete, tally.classes[CONSENTED, ""], goals.target, period)
    return replace(accrual, no_projection_because=because), projection


def _rider(rider: Rider, tally: Tally) -> RiderCount:
    answers = {answer: tally.riders[rider.key, answer] for answer in ANSWERS}
    return RiderCount(rider.key, rider.label, **answers, can_decline=bool(rider.declined))


def _sites(tally: Tally, rules: SiteRules, weeks: int) -> tuple[SiteCount, ...]:
    def count(site: ListedSite) -> SiteCount:
        counts = {what: tally.sites[site.code, what] for what in SITE_COUNTS}
        by_week = tuple(tally.site_weeks[site.code, week] for week in range(weeks))
        return SiteCount(site.code, site.label, site.target, site.opened, **counts, weeks=by_week)

    others = sorted({code for code, _ in tally.sites} - {*(site.code for site in rules.listed), ""})
    unlisted = [ListedSite(code, code, None, None) for code in others]
    return tuple(map(count, (*rules.listed, *unlisted, ListedSite("", NO_SITE, None, None))))


def _versions(tally: Tally, rules: VersionRules) -> tuple[VersionCount, ...]:
    """Count by version: first the accepted ones, then the others, then the blank one."""
    names = (*rules.accepted, *sorted({*tally.versions} - {*rules.accepted, ""}), "")
    return tuple(VersionCount(name, name in rules.accepted, tally.versions[name]) for name in names)


def _withdrawals(tally: Tally, rules: WithdrawalRules) -> Withdrawals:
    """Count by extent: first those named in the study file, then the others, then the blank one."""
    extents = {extent for extent, _ in tally.withdrawals}
    named = dict.fromkeys((*rules.extent_labels, *rules.ends))
    order = [*named, *sorted(extents - {*named, ""}), *([""] if "" in extents else [])]
    return Withdrawals(
        total=tally.withdrawals.total(),
        by_extent={extent: tally.withdrawals[extent, True] + tally.withdrawals[extent, False] for extent in order},
        labels=rules.extent_labels,
        ends=rules.ends,
        undated=sum(n for (_, undated), n in tally.withdrawals.items() if undated),
    )
