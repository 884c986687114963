"""Counts -> the numbers of one report.

Pure. Every file of a report is made from this one value, so that no two of them can disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from consent.consents import CONSENTED, DECLINED, NOT_COUNTED_REASONS
from consent.participants import (
    AGREED,
    LEFT_OUT,
    NOT_ANSWERED,
    NOT_COUNTED,
    NOT_OFFERED,
    NOT_STARTED,
    OUTSIDE,
    PENDING,
    QUALITY_CODES,
)
from consent.period import ReportPeriod
from consent.study import StudyConfig
from consent.tally import Tally


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
    """What the consented participants answered to one rider."""

    key: str
    label: str
    agreed: int
    declined: int
    not_answered: int
    not_offered: int

    @property
    def offered(self) -> int:
        """Those whose consent form had the rider."""
        return self.agreed + self.declined + self.not_answered


@dataclass(frozen=True)
class ConsentSummary:
    """All numbers of one report; ``notes`` are what a reader should know beyond them."""

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
        weeks=tuple(_week_counts(tally, study, period)),
        riders=tuple(
            RiderCount(
                key=rider.key,
                label=rider.label,
                agreed=tally.riders[rider.key, AGREED],
                declined=tally.riders[rider.key, DECLINED],
                not_answered=tally.riders[rider.key, NOT_ANSWERED],
                not_offered=tally.riders[rider.key, NOT_OFFERED],
            )
            for rider in study.riders
        ),
        quality={code: n for code in QUALITY_CODES if (n := tally.quality[code])},
        source=source,
        notes=notes,
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
