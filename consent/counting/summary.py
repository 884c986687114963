"""Counts -> the numbers of one report.

Pure. Every file of a report is made from this one value, so that no two of them can disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from consent.counting.consents import CONSENTED, DECLINED, NOT_COUNTED_REASONS
from consent.counting.participants import (
    LEFT_OUT,
    NOT_COUNTED,
    NOT_STARTED,
    OUTSIDE,
    PENDING,
    QUALITY_CODES,
    TAKING_PART,
)
from consent.counting.period import ReportPeriod
from consent.counting.recruitment import Accrual, RenewalRow, measure_accrual, renewal_table
from consent.counting.riders import AGREED, NOT_ANSWERED, NOT_OFFERED
from consent.counting.tally import PARTICIPANTS, RECENT, Tally
from consent.studies.model import ListedSite, SiteRules, StudyConfig, VersionRules, WithdrawalRules

NO_SITE = "(no site)"


@dataclass(frozen=True)
class SiteCount:
    """One site: how many people are in it, consented and still taking part; a code of "" is "(no site)".

    recent: consents in the last four complete weeks.
    """

    code: str
    label: str
    target: int | None
    opened: date | None
    participants: int
    consented: int
    taking_part: int
    recent: int


@dataclass(frozen=True)
class Sites:
    """Every site, in the study file's order, then those it does not name, then "(no site)"; they add up to the total.

    by_present_group: sites are data access groups, as they are now and not as they were at the time of consent.
    """

    by_present_group: bool
    counts: tuple[SiteCount, ...]


@dataclass(frozen=True)
class VersionCount:
    """Participants taking part now whose latest agreed consent has this form version ("" where it is blank)."""

    version: str
    accepted: bool
    taking_part: int


@dataclass(frozen=True)
class Versions:
    """Form versions among those taking part now; a blank version stands on its own line and is not due."""

    accepted: tuple[str, ...]
    counts: tuple[VersionCount, ...]

    @property
    def reconsent_due(self) -> int:
        """Taking part now on a version that is no longer accepted."""
        return sum(count.taking_part for count in self.counts if count.version and not count.accepted)


@dataclass(frozen=True)
class Withdrawals:
    """Consented participants who have withdrawn by the cut-off, by extent; never subtracted from "ever consented".

    by_extent: by code of the extent field ("" where it is blank or there is none), with what each means to readers in
    ``labels``; ``ends`` are the extents that end taking part.
    """

    total: int
    by_extent: Mapping[str, int]
    labels: Mapping[str, str]
    ends: tuple[str, ...]
    undated: int

    def ends_taking_part(self, extent: str) -> bool:
        """Whether an extent ends taking part: all do that are blank, and every one where the study file names none."""
        return not extent or not self.ends or extent in self.ends


def count_sites(tally: Tally, rules: SiteRules) -> Sites:
    """The participants of each site."""
    listed = {site.code: site for site in rules.listed}
    others = sorted({code for code, _ in tally.sites} - {*listed, ""})
    unlisted = [ListedSite(code, code, None, None) for code in others]
    rows = [*rules.listed, *unlisted, ListedSite("", NO_SITE, None, None)]
    return Sites(rules.by_group, tuple(_site(site, tally) for site in rows))


def _site(site: ListedSite, tally: Tally) -> SiteCount:
    return SiteCount(
        code=site.code,
        label=site.label,
        target=site.target,
        opened=site.opened,
        participants=tally.sites[site.code, PARTICIPANTS],
        consented=tally.sites[site.code, CONSENTED],
        taking_part=tally.sites[site.code, TAKING_PART],
        recent=tally.sites[site.code, RECENT],
    )


def count_versions(tally: Tally, rules: VersionRules) -> Versions:
    """Those taking part now by form version: the accepted ones, then the others, then those without a version."""
    others = sorted({*tally.versions} - {*rules.accepted, ""})
    rows = [(version, version in rules.accepted) for version in (*rules.accepted, *others, "")]
    return Versions(
        rules.accepted, tuple(VersionCount(version, accepted, tally.versions[version]) for version, accepted in rows)
    )


def count_withdrawals(tally: Tally, rules: WithdrawalRules) -> Withdrawals:
    """Those who withdrew by extent: those that the study file names, then the others, then those that are blank."""
    extents = {extent for extent, _ in tally.withdrawals}
    named = dict.fromkeys((*rules.extent_labels, *rules.ends))
    blank = [""] if "" in extents else []
    order = [*named, *sorted(extents - {*named, ""}), *blank]
    return Withdrawals(
        total=tally.withdrawals.total(),
        by_extent={extent: tally.withdrawals[extent, True] + tally.withdrawals[extent, False] for extent in order},
        labels=rules.extent_labels,
        ends=rules.ends,
        undated=sum(n for (_, undated), n in tally.withdrawals.items() if undated),
    )


__all__ = [
    "Accrual",
    "Changes",
    "ConsentSummary",
    "Participants",
    "RenewalRow",
    "RiderCount",
    "SiteCount",
    "Sites",
    "Source",
    "VersionCount",
    "Versions",
    "WeekChange",
    "WeekCount",
    "Withdrawals",
    "summarise",
]


@dataclass(frozen=True)
class Source:
    """Where the records came from, and the evidence that they all arrived (None where a file cannot tell)."""

    redcap_version: str | None
    project_id: int | None
    records_listed: int | None
    records_received: int


@dataclass(frozen=True)
class Participants:
    """Each participant in exactly one class; ``total`` is the sum of the classes."""

    consented: int
    declined: int
    pending_open: int
    pending_not_started: int
    not_counted: Mapping[str, int]

    @property
    def pending(self) -> int:
        """Not decided yet."""
        return self.pending_open + self.pending_not_started

    @property
    def total(self) -> int:
        """Everyone but the records left out and those outside the study."""
        return self.consented + self.declined + self.pending + sum(self.not_counted.values())


@dataclass(frozen=True)
class WeekCount:
    """One week: who consented in it, and how many of them agreed to each rider."""

    first_day: date
    last_day: date
    complete: bool
    consented: int
    riders: Mapping[str, int]


@dataclass(frozen=True)
class RiderCount:
    """What the consented participants answered to one rider; ``can_decline`` says whether a "no" has a code at all."""

    key: str
    label: str
    agreed: int
    declined: int
    not_answered: int
    not_offered: int
    can_decline: bool = True

    @property
    def offered(self) -> int:
        """Those whose consent form had the rider."""
        return self.agreed + self.declined + self.not_answered

    @property
    def uptake(self) -> float | None:
        """Agreed of those to whom it was offered, 0 to 1; None where nobody was offered it."""
        return self.agreed / self.offered if self.offered else None


@dataclass(frozen=True)
class WeekChange:
    """A week that was complete in the earlier report, and whose count differs now."""

    first_day: date
    last_day: date
    before: int
    now: int


@dataclass(frozen=True)
class Changes:
    """What is new since the newest delivered report with an earlier cut-off.

    since: that report's cut-off, None if there is none (``first`` then says whether that is known for certain).
    new_consents: consented now less consented then. weeks: complete then, and different now.
    rules_changed: keys of the study file (or "counting version") that differ, so that no difference is a correction.
    """

    since: date | None
    first: bool
    new_consents: int
    weeks: tuple[WeekChange, ...]
    rules_changed: tuple[str, ...]


@dataclass(frozen=True)
class ConsentSummary:
    """All numbers of one report; ``notes`` are what a reader should know beyond them.

    What the study file does not configure is None.
    """

    study: StudyConfig
    period: ReportPeriod
    participants: Participants
    left_out: Mapping[str, int]
    outside: int
    taking_part: int
    weeks: tuple[WeekCount, ...]
    riders: tuple[RiderCount, ...]
    quality: Mapping[str, int]
    source: Source
    notes: tuple[str, ...]
    sites: Sites | None = None
    versions: Versions | None = None
    withdrawals: Withdrawals | None = None
    accrual: Accrual | None = None
    renewal: tuple[RenewalRow, ...] | None = None
    changes: Changes | None = None

    @property
    def everyone(self) -> int:
        """Every record, whether counted, left out or outside the study."""
        return self.participants.total + sum(self.left_out.values()) + self.outside


def summarise(
    tally: Tally, study: StudyConfig, period: ReportPeriod, source: Source, notes: tuple[str, ...] = ()
) -> ConsentSummary:
    """The numbers of a report, from the counts of the whole registry.

    ``quality`` and ``not_counted`` hold the codes that occur, in the order in which the rules name them; ``left_out``
    holds every reason of the study file.
    """
    weeks = tuple(_week_counts(tally, study, period))
    complete = [week.consented for week in weeks if week.complete]
    approved_on = study.accrual.approval_date if study.accrual else None
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
        taking_part=tally.taking_part,
        weeks=weeks,
        riders=tuple(
            RiderCount(
                key=rider.key,
                label=rider.label,
                agreed=tally.riders[rider.key, AGREED],
                declined=tally.riders[rider.key, DECLINED],
                not_answered=tally.riders[rider.key, NOT_ANSWERED],
                not_offered=tally.riders[rider.key, NOT_OFFERED],
                can_decline=bool(rider.declined),
            )
            for rider in study.riders
        ),
        quality={code: n for code in QUALITY_CODES if (n := tally.quality[code])},
        source=source,
        notes=notes,
        sites=count_sites(tally, study.sites) if study.sites else None,
        versions=count_versions(tally, study.version) if study.version else None,
        withdrawals=count_withdrawals(tally, study.withdrawal) if study.withdrawal else None,
        accrual=measure_accrual(tally, study.accrual, complete, period.cutoff) if study.accrual else None,
        renewal=renewal_table(tally, study) if approved_on else None,
    )


def _week_counts(tally: Tally, study: StudyConfig, period: ReportPeriod) -> list[WeekCount]:
    return [
        WeekCount(
            first_day=week.first_day,
            last_day=week.last_day,
            complete=week.complete,
            consented=tally.weeks[number],
            riders={rider.key: tally.rider_weeks[rider.key, number] for rider in study.riders},
        )
        for number, week in enumerate(period.weeks)
    ]
