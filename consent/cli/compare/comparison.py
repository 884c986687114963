"""An old report beside today's, number by number: what the data's changes and the counting rules each did to it.

Pure. Every number of the old report, plus the change of the data, plus what each rule adds or takes, is today's.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from consent.cli.compare.old_pipeline import CONSENT, Cell, OldReport, parse_old_report
from consent.cli.compare.reasons import Compared, Reason, compare_rows
from consent.counting.consents import Counting
from consent.counting.period import ReportPeriod, Week, choose_period
from consent.counting.tally import ensure_raw_values
from consent.dates import day_in
from consent.errors import ConfigurationError, CutoffError
from consent.redcap.csv_export import count_file
from consent.studies.model import StudyConfig

if TYPE_CHECKING:
    import pandas as pd

    from consent.redcap.export_plan import ColumnMap


@dataclass(frozen=True)
class ComparedNumber:
    """One number of the old report, and how it becomes today's.

    Attributes:
        week: the number of its week; None for a total.
        reported: what the old report says. old: what the old rule gives on this export. now: what is counted now.
        reasons: how many more (below 0: fewer) are counted now, by rule; they add up to ``now - old``.
    """

    week: int | None
    column: str
    reported: int
    old: int
    now: int
    reasons: Mapping[Reason, int]

    @property
    def data_changed(self) -> int:
        """How many more the old rule counts on this export than in the old report: no rule's doing."""
        return self.old - self.reported

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to explain."""
        return bool(self.data_changed or self.reasons)


@dataclass(frozen=True)
class Effect:
    """What a rule did to several numbers: how many more in some, and how many fewer (at most 0) in others."""

    more: int = 0
    fewer: int = 0

    def __add__(self, other: "Effect") -> "Effect":
        return Effect(self.more + other.more, self.fewer + other.fewer)


@dataclass(frozen=True)
class Comparison:
    """Every number of the old report: the weeks', then the totals of the columns.

    weeks: of the report, by their numbers. unreadable: rows of the export with a date at which the old pipeline would
    have stopped.
    """

    study: StudyConfig
    period: ReportPeriod
    weeks: tuple[Week, ...]
    numbers: tuple[ComparedNumber, ...]
    totals: tuple[ComparedNumber, ...]
    unreadable: int

    @property
    def everything(self) -> tuple[ComparedNumber, ...]:
        """The weeks' numbers and the totals."""
        return (*self.numbers, *self.totals)


def effects(comparison: Comparison) -> dict[str, tuple[Effect, Effect]]:
    """What each rule did in all to the consents, and to the riders together; rules that did nothing are absent."""
    found: dict[str, tuple[Effect, Effect]] = {}
    for number in comparison.numbers:
        for reason, n in number.reasons.items():
            consents, riders = found.get(reason.code, (Effect(), Effect()))
            part = Effect(max(n, 0), min(n, 0))
            is_consent = number.column == CONSENT
            found[reason.code] = (consents + part, riders) if is_consent else (consents, riders + part)
    return found


def build_comparison(report: OldReport, compared: Compared, study: StudyConfig, period: ReportPeriod) -> Comparison:
    """Put the old report beside what both rules make of the export.

    Raises:
        AssertionError: the reasons do not add up, which no export may bring about.
    """
    reasons: dict[Cell, dict[Reason, int]] = {}
    for (cell, reason), n in compared.reasons.items():
        if n:
            reasons.setdefault(cell, {})[reason] = n
    numbers = tuple(
        ComparedNumber(
            week,
            column,
            reported=report.cells[week, column],
            old=compared.old[week, column],
            now=_now(compared, week, column),
            reasons=reasons.get((week, column), {}),
        )
        for week in range(report.weeks)
        for column in report.columns
    )
    totals = tuple(_total(column, numbers) for column in report.columns)
    if left := sum(number.old + sum(number.reasons.values()) != number.now for number in numbers):
        raise AssertionError(f"{left} differences are not explained")
    return Comparison(study, period, period.weeks, numbers, totals, compared.unreadable)


def _now(compared: Compared, week: int, column: str) -> int:
    return compared.tally.weeks[week] if column == CONSENT else compared.tally.rider_weeks[column, week]


def _total(column: str, numbers: tuple[ComparedNumber, ...]) -> ComparedNumber:
    own = [number for number in numbers if number.column == column]
    reasons: Counter[Reason] = Counter()
    for number in own:
        for reason, n in number.reasons.items():
            reasons[Reason(reason.code)] += n
    return ComparedNumber(
        None,
        column,
        reported=sum(number.reported for number in own),
        old=sum(number.old for number in own),
        now=sum(number.now for number in own),
        reasons={reason: n for reason, n in reasons.items() if n},
    )


def compare_files(
    old: Path, export: Path, study: StudyConfig, *, now: datetime, as_of: date | None = None
) -> Comparison:
    """Explain every number of the old report that an export gives otherwise today.

    Args:
        as_of: the last day counted, in the old report's last week; by default that week's last day, or today.

    Raises:
        CutoffError: that day is in another week, or still to come.
        SourceDataError: one of the files is not what it should be.
        ConfigurationError: one of them cannot be opened.
    """
    report = parse_old_report(_content(old), old.name, study)
    period = _period(report, study, now, as_of)

    def count(coding: "ColumnMap", rows: "pd.DataFrame") -> Compared:
        return compare_rows(rows, Counting(study, coding, period))

    compared = count_file(export, study, count, Compared()).counts
    ensure_raw_values(compared.tally, export)
    return build_comparison(report, compared, study, period)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The file {path} cannot be opened: {error.strerror}. Check its place.") from None


def _period(report: OldReport, study: StudyConfig, now: datetime, as_of: date | None) -> ReportPeriod:
    first, last = report.last_week(study.start_date)
    cutoff = as_of or min(last, day_in(study.time_zone, now))
    if not first <= cutoff <= last:
        raise CutoffError(
            f"The old report's last week is {first} to {last}, and {cutoff} is not in it. Give --as-of a day of that "
            "week, or take another old report."
        )
    return choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=cutoff)
