"""Compare an old report with the current count of an export, number by number.

For each number: old report + change of the data + effect of the rules = current count.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from consent.cli.compare.old_pipeline import CONSENT, NOWHERE, Cell, OldReport, parse_old_report
from consent.cli.compare.reasons import RULES, BothCounts, count_by_both_rules
from consent.config.checks import os_reason
from consent.counting.consents import Counting
from consent.counting.period import ReportPeriod, choose_period
from consent.counting.tally import WeeklyCounts, ensure_raw_values
from consent.dates import day_in
from consent.errors import ConfigurationError, CutoffError
from consent.redcap.arrivals import Rows
from consent.redcap.csv_export import count_file
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import StudyConfig


@dataclass(frozen=True)
class Difference:
    """The change that a rule makes to a number; other_week: first day of the week that people come from or go to."""

    rule: str
    n: int
    other_week: date | None = None


@dataclass(frozen=True)
class ComparedNumber:
    """One number: ``old_report + data_changed = old_rule``, and with the rules ``now``; week: None for a total."""

    week: date | None
    column: str
    old_report: int
    data_changed: int
    old_rule: int
    now: int
    rules: tuple[Difference, ...]


@dataclass
class Effect:
    """The sum of a rule's increases over several numbers, and of its decreases (0 or negative)."""

    more: int = 0
    fewer: int = 0


@dataclass(frozen=True)
class Comparison:
    """Every number of the old report, the totals of its columns, and how many dates the old pipeline could not read."""

    study: StudyConfig
    period: ReportPeriod
    numbers: tuple[ComparedNumber, ...]
    totals: tuple[ComparedNumber, ...]
    unreadable: int

    @property
    def everything(self) -> tuple[ComparedNumber, ...]:
        return (*self.numbers, *self.totals)

    def effects(self) -> dict[str, tuple[Effect, Effect]]:
        """Return the effect of each rule on the consents, and on all riders together."""
        found: dict[str, tuple[Effect, Effect]] = defaultdict(lambda: (Effect(), Effect()))
        for number in self.numbers:
            for difference in number.rules:
                effect = found[difference.rule][number.column != CONSENT]
                effect.more += max(difference.n, 0)
                effect.fewer += min(difference.n, 0)
        return {rule: found[rule] for rule in RULES if rule in found}


def compare_files(
    old: Path, export: Path, study: StudyConfig, *, now: datetime, as_of: date | None = None
) -> Comparison:
    """Compare an old report with the current count of an export.

    as_of: the last day counted; by default the last day of the old report's last week, or today. Raises CutoffError if
    that day is in another week or in the future, and SourceDataError or ConfigurationError for an unusable file.
    """
    _ensure_comparable(study)
    try:
        report = parse_old_report(old.read_bytes(), old.name, study)
    except OSError as error:
        what = f"The file {old} cannot be opened: {os_reason(error, old)}."
        raise ConfigurationError(what, "Check its path.") from None
    period = _period(report, study, now, as_of)

    def count(coding: ColumnMap, rows: Rows) -> BothCounts:
        return count_by_both_rules(rows, Counting(study, coding, period))

    counts, _ = count_file(export, study, count, BothCounts())
    ensure_raw_values(counts.tally, export)
    return build_comparison(report, counts, study, period)


def _ensure_comparable(study: StudyConfig) -> None:
    """Make sure that the old pipeline could count by this study file: one field a column, on any row."""
    several = [rider for rider in study.riders if len(rider.fields) > 1 or rider.where]
    if several or any(form.where or form.agreed_when for form in study.consents):
        what = (
            "The study file uses where, agreed_when or several fields of a rider. The old pipeline had none of these."
        )
        raise ConfigurationError(what, "Compare with a study file that names the fields of the old pipeline.")


def _period(report: OldReport, study: StudyConfig, now: datetime, as_of: date | None) -> ReportPeriod:
    first, last = report.last_week(study.start_date)
    cutoff = as_of or min(last, day_in(study.time_zone, now))
    if not first <= cutoff <= last:
        raise CutoffError(
            f"The cut-off {cutoff} is not in the old report's last week, {first} to {last}.",
            "Give --as-of a day of that week, or compare another old report.",
        )
    return choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=cutoff)


def build_comparison(report: OldReport, counts: BothCounts, study: StudyConfig, period: ReportPeriod) -> Comparison:
    """Combine the old report with the counts by both rules; AssertionError (a bug) if the reasons do not add up."""
    tally, days = counts.tally, [week.first_day for week in period.weeks]
    rules: dict[Cell, list[Difference]] = defaultdict(list)
    for (cell, reason), n in sorted(counts.reasons.items()):
        if n:
            other_week = None if reason.other_week == NOWHERE else days[reason.other_week]
            rules[cell].append(Difference(reason.code, n, other_week))
    numbers, by_week = [], {CONSENT: tally.weeks, **tally.rider_weeks}
    for week, column in ((week, column) for week in range(report.weeks) for column in report.columns):
        old_report, old_rule = report.cells[week, column], counts.old[week, column]
        now = by_week.get(column, WeeklyCounts()).until(report.weeks)[week]
        found = (old_report, old_rule - old_report, old_rule, now)
        numbers.append(ComparedNumber(days[week], column, *found, tuple(rules[week, column])))
    if wrong := sum(one.old_rule + sum(rule.n for rule in one.rules) != one.now for one in numbers):
        raise AssertionError(f"{wrong} differences are not explained")
    totals = tuple(_total(column, numbers) for column in report.columns)
    return Comparison(study, period, tuple(numbers), totals, counts.unreadable)


def _total(column: str, numbers: list[ComparedNumber]) -> ComparedNumber:
    own = [number for number in numbers if number.column == column]
    counts = ("old_report", "data_changed", "old_rule", "now")
    sums = {name: sum(getattr(number, name) for number in own) for name in counts}
    rules: Counter[str] = Counter()
    for difference in (rule for number in own for rule in number.rules):
        rules[difference.rule] += difference.n
    found = tuple(Difference(rule, n) for rule, n in sorted(rules.items()) if n)
    return ComparedNumber(week=None, column=column, rules=found, **sums)
