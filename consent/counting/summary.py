"""The numbers of one report. Every file of a report is made from one ``ConsentSummary``, so no two files disagree."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from consent.counting.period import ReportPeriod, Week, WeekChange
from consent.counting.projection import Projection
from consent.studies.model import AccrualGoals, ListedSite, StudyConfig


@dataclass(frozen=True)
class Source:
    """The origin of the records and how many were received; None where an export file does not contain it."""

    redcap_version: str | None
    project_id: int | None
    records_listed: int | None
    records_received: int

    @property
    def is_file(self) -> bool:
        """Whether a person exported a file: when that was, and whether it is complete, is not known."""
        return self.records_listed is None


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
        return self.pending_open + self.pending_not_started

    @property
    def total(self) -> int:
        """Everyone: no working copies, and no records left out or outside the study."""
        return self.consented + self.declined + self.pending + sum(self.not_counted.values())


@dataclass(frozen=True)
class WeekCount(Week):
    """The consents of one week, and how many of them agreed to each rider."""

    consented: int
    riders: Mapping[str, int]


@dataclass(frozen=True)
class RiderCount:
    """The answers of the consented participants to one rider; ``can_decline``: the study has a code for "no"."""

    key: str
    label: str
    agreed: int
    declined: int
    not_answered: int
    not_offered: int
    can_decline: bool = True

    @property
    def offered(self) -> int:
        """Participants whose consent form had the rider."""
        return self.agreed + self.declined + self.not_answered

    @property
    def uptake(self) -> float | None:
        """The share who agreed among those offered the rider, 0 to 1; None if nobody was."""
        return self.agreed / self.offered if self.offered else None


@dataclass(frozen=True)
class SiteCount(ListedSite):
    """The participants of one site; "" for no site.

    recent: consents in the last complete weeks. weeks: consents in each week of the report, oldest first.
    """

    participants: int
    consented: int
    taking_part: int
    recent: int
    weeks: tuple[int, ...]


@dataclass(frozen=True)
class VersionCount:
    """Participants still taking part whose latest agreed consent has this form version ("" if blank, never due)."""

    version: str
    accepted: bool
    taking_part: int


@dataclass(frozen=True)
class Withdrawals:
    """Consented participants who have withdrawn by the cut-off; never subtracted from "ever consented".

    ``by_extent``, ``labels`` and ``ends`` (those that end taking part) hold extent codes, "" for a blank extent.
    """

    total: int
    by_extent: Mapping[str, int]
    labels: Mapping[str, str]
    ends: tuple[str, ...]
    undated: int

    def ends_taking_part(self, extent: str) -> bool:
        """Whether an extent ends taking part: a blank one does, and all do if the study file names none."""
        return not extent or not self.ends or extent in self.ends


@dataclass(frozen=True)
class Accrual(AccrualGoals):
    """Recruitment against the target and against the number that the ethics board approved."""

    recent_per_week: float | None  # mean of the last 12 complete weeks at most; None before there are 4
    needed_per_week: float | None  # to reach the target by its date, in the complete weeks left
    agreed: int  # everyone who agreed by the cut-off, dated or not: the approved number limits these
    warning: str  # a sentence, "" for none
    no_rate_because: str | None = None  # why ``needed_per_week`` is None although there is a target date
    no_projection_because: str | None = None  # why there is no projection although there is a target


@dataclass(frozen=True)
class RenewalRow:
    """One line of the table for a renewal by the ethics board.

    since_approval: dated on or after the last approval; None where REDCap holds no date.
    """

    label: str
    since_approval: int | None
    since_start: int


@dataclass(frozen=True)
class Changes:
    """The changes since the newest delivered report with an earlier cut-off."""

    since: date | None  # that report's cut-off, None for none
    first: bool  # there is certainly no such report
    new_consents: int
    weeks: tuple[WeekChange, ...]
    rules_changed: tuple[str, ...]  # keys of the study file, or "counting version": a difference is no correction


@dataclass(frozen=True, kw_only=True)
class OpeningNumbers:
    """The numbers that open a report, which the run history stores for the status page.

    ``sites`` (the listed ones first, "(no site)" last) add up to the total.
    """

    period: ReportPeriod
    participants: Participants
    taking_part: int
    weeks: tuple[WeekCount, ...]
    riders: tuple[RiderCount, ...]
    quality: Mapping[str, int]
    source: Source
    sites: tuple[SiteCount, ...] | None = None
    accrual: Accrual | None = None
    projection: Projection | None = None
    changes: Changes | None = None


@dataclass(frozen=True, kw_only=True)
class ConsentSummary(OpeningNumbers):
    """All numbers of one report, and notes for its readers; None for what the study does not have.

    ``working_copies``: of double data entry.
    """

    study: StudyConfig
    left_out: Mapping[str, int]
    outside: int
    working_copies: int
    notes: tuple[str, ...]
    versions: tuple[VersionCount, ...] | None = None
    withdrawals: Withdrawals | None = None
    renewal: tuple[RenewalRow, ...] | None = None

    @property
    def everyone(self) -> int:
        """Every record, also those that are no participants."""
        return self.participants.total + sum(self.left_out.values()) + self.outside + self.working_copies

    @property
    def reconsent_due(self) -> int:
        """Still taking part on a form version that is no longer accepted."""
        return sum(count.taking_part for count in self.versions or () if count.version and not count.accepted)
