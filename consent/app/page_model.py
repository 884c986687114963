"""The numbers of the page, from the record of one delivered report: weeks, bars of a chart, optional consents.

Pure, and light: the page must come fast, so it works on what the record keeps and loads nothing that counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import accumulate

from consent.counting.period import DRAWN_WEEKS, RECENT_WEEKS
from consent.dates import WEEK, date_range, day_in, partial_week_note
from consent.runs.ledger.record import RunRecord
from consent.studies.fingerprints import changed_rules, changed_rules_sentence
from consent.studies.model import StudyConfig

WEEKS_LISTED = 12
GAP = 0.12  # on either side of a column
BAR_SLOTS = 26  # a chart of fewer weeks is as wide as this, lest one week be a wall


@dataclass(frozen=True)
class PageWeek:
    """One week of the report; ``in_all`` counts from the first.

    progress: ``in progress, 1 of 7 days`` or the like; "" once it is over.
    """

    first_day: date
    complete: bool
    progress: str
    consented: int
    in_all: int

    @property
    def last_day(self) -> date:
        """The seventh of its days."""
        return self.first_day + WEEK - timedelta(days=1)

    @property
    def days(self) -> str:
        """``16–22 Nov 2026``."""
        return date_range(self.first_day, self.last_day)


@dataclass(frozen=True)
class Bar:
    """A week as a column of a chart that is 100 high; ``x`` is its left edge, in weeks."""

    x: float
    height: float
    complete: bool
    title: str


@dataclass(frozen=True)
class PageRider:
    """How many of those who consented agreed to an optional consent: in all, and in the last complete weeks."""

    label: str
    agreed: int
    recent: int


@dataclass(frozen=True)
class ChangedWeek:
    """A week that was complete in the report before, and counts differently now."""

    days: str
    before: int
    now: int


def weeks_of(report: RunRecord, time_zone: str) -> tuple[PageWeek, ...]:
    """Every week of the report, oldest first; empty if its weekly counts are no longer kept."""
    counts = report.week_counts
    if counts is None or report.cutoff is None:
        return ()
    firsts = [counts.first_day + number * WEEK for number in range(len(counts.consented))]
    running = partial(
        partial_week_note, cutoff=report.cutoff, exported_on=_exported_on(report, report.cutoff, time_zone)
    )
    return tuple(
        PageWeek(first, number < counts.complete, "" if number < counts.complete else running(first), consented, in_all)
        for number, (first, consented, in_all) in enumerate(
            zip(firsts, counts.consented, accumulate(counts.consented), strict=True)
        )
    )


def _exported_on(report: RunRecord, cutoff: date, time_zone: str) -> date:
    """The day of the export: the cut-off, unless another day was asked for as that."""
    return cutoff if report.as_of is None else day_in(time_zone, report.started_at or report.requested_at)


def changed_weeks(weeks: Sequence[PageWeek], before: RunRecord | None) -> tuple[ChangedWeek, ...] | None:
    """The weeks that were complete in the report before and count differently now; None if it kept no weekly counts."""
    if not weeks or before is None or before.week_counts is None:
        return None
    then = before.week_counts.over
    return tuple(
        ChangedWeek(week.days, then[week.first_day], week.consented)
        for week in weeks
        if then.get(week.first_day, week.consented) != week.consented
    )


def rules_sentence(report: RunRecord, before: RunRecord | None) -> str:
    """That the counting rules are not those of the report before; "" where they are, or are not known."""
    if not (report.week_counts and before and before.week_counts):
        return ""
    return changed_rules_sentence(changed_rules(report.week_counts.rules, before.week_counts.rules))


def latest_weeks(weeks: Sequence[PageWeek]) -> tuple[PageWeek, ...]:
    """The last complete week, and those still running."""
    complete = [week for week in weeks if week.complete]
    return (*complete[-1:], *(week for week in weeks if not week.complete))


def drawn_weeks(weeks: Sequence[PageWeek]) -> Sequence[PageWeek]:
    """The weeks that the chart shows: the last year's."""
    return weeks[-DRAWN_WEEKS:]


def highest_of(drawn: Sequence[PageWeek]) -> int:
    """What the top of the chart stands for; at least 1, lest a chart of zeros have no height."""
    return max([1, *(week.consented for week in drawn)])


def bars_of(drawn: Sequence[PageWeek]) -> tuple[Bar, ...]:
    """The weeks as columns; the highest is 100 high."""
    highest = highest_of(drawn)
    return tuple(
        Bar(round(x + GAP, 2), round(100 * week.consented / highest, 2), week.complete, _in_words(week))
        for x, week in enumerate(drawn)
    )


def chart_words(drawn: Sequence[PageWeek]) -> str:
    """What the columns show, for those who cannot see them."""
    most = max(drawn, key=lambda week: week.consented)
    days = date_range(drawn[0].first_day, drawn[-1].last_day)
    number = "1 week" if len(drawn) == 1 else f"{len(drawn)} weeks"
    running = [_in_words(week) for week in drawn if not week.complete]
    peak = f"The most were {most.consented:,}, in {most.days}." if most.consented else "There were none."
    outlined = f" Outlined: {', '.join(running)}." if running else ""
    return f"Columns of the consents in {number}, {days}. {peak}{outlined}"


def riders_of(report: RunRecord, study: StudyConfig) -> tuple[PageRider, ...]:
    """Each optional consent of the report, in the study file's order; one that the file no longer has comes last."""
    counts = report.week_counts
    if counts is None:
        return ()
    labels = {rider.key: rider.label for rider in study.riders}
    keys = [key for key in labels if key in counts.riders] + [key for key in counts.riders if key not in labels]
    return tuple(
        PageRider(
            label=labels.get(key, key),
            agreed=sum(counts.riders[key]),
            recent=sum(counts.riders[key][: counts.complete][-RECENT_WEEKS:]),
        )
        for key in keys
    )


def _in_words(week: PageWeek) -> str:
    return f"{week.days}: {week.consented:,}" + (f" ({week.progress})" if week.progress else "")
