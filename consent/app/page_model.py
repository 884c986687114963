"""The numbers of the status page, from the run record of one report: weeks, chart, optional consents.

Works on the record alone: the page must load fast, so nothing here imports pandas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import accumulate

from consent.counting.period import DRAWN_WEEKS, RECENT_WEEKS, WeekChange
from consent.dates import WEEK, date_range, day_in, partial_week_note
from consent.runs.ledger.record import RunRecord
from consent.studies.fingerprints import changed_rules, changed_rules_sentence
from consent.studies.model import StudyConfig

LISTED_WEEKS = 12
BAR_WIDTH = 0.76  # of a week's slot
MIN_SLOTS = 26  # a chart of fewer weeks keeps this width, so that its bars stay narrow


@dataclass(frozen=True)
class PageWeek:
    """One week of the report; ``total`` counts from the first week.

    progress: "" for a complete week, otherwise ``in progress, 1 of 7 days`` or similar.
    """

    first_day: date
    complete: bool
    progress: str
    consented: int
    total: int

    @property
    def last_day(self) -> date:
        """The seventh day of the week."""
        return self.first_day + WEEK - timedelta(days=1)

    @property
    def days(self) -> str:
        """``16–22 Nov 2026``."""
        return date_range(self.first_day, self.last_day)

    @property
    def text(self) -> str:
        """``23–29 Nov 2026: 6 (in progress, 1 of 7 days)``."""
        return f"{self.days}: {self.consented:,}" + (f" ({self.progress})" if self.progress else "")


@dataclass(frozen=True)
class Bar:
    """A week in the chart; ``x`` is its left edge in weeks, ``height`` a percentage of the chart."""

    x: float
    height: float
    complete: bool
    title: str


@dataclass(frozen=True)
class Chart:
    """Consents per week as bars; ``slots`` is the width in weeks, ``top`` the count at the upper edge."""

    weeks: Sequence[PageWeek]
    bars: tuple[Bar, ...]
    slots: int
    top: int
    description: str


@dataclass(frozen=True)
class PageRider:
    """How many people who consented agreed to an optional consent: in total, and in the recent complete weeks."""

    label: str
    agreed: int
    recent: int


def weeks_of(report: RunRecord, time_zone: str) -> tuple[PageWeek, ...]:
    """Return every week of the report, oldest first; none if its weekly counts were purged."""
    counts = report.week_counts
    if counts is None or report.cutoff is None:
        return ()
    exported_on = report.cutoff
    if report.as_of is not None:  # the cut-off was requested, so the export may be newer
        exported_on = day_in(time_zone, report.started_at or report.requested_at)
    progress = partial(partial_week_note, cutoff=report.cutoff, exported_on=exported_on)
    numbers = zip(counts.consented, accumulate(counts.consented), strict=True)
    weeks = []
    for number, (consented, total) in enumerate(numbers):
        first_day, complete = counts.first_day + number * WEEK, number < counts.complete
        weeks.append(PageWeek(first_day, complete, "" if complete else progress(first_day), consented, total))
    return tuple(weeks)


def latest_weeks(weeks: Sequence[PageWeek]) -> tuple[PageWeek, ...]:
    """Return the last complete week and every week in progress."""
    complete = [week for week in weeks if week.complete]
    return (*complete[-1:], *(week for week in weeks if not week.complete))


def changes_of(report: RunRecord, before: RunRecord | None) -> tuple[tuple[WeekChange, ...], str] | None:
    """Return the changes since the previous report: weeks that were complete then, and changed counting rules in words.

    None if one of the two has no weekly counts.
    """
    now, earlier = report.week_counts, before and before.week_counts
    if not (now and now.consented and earlier):
        return None
    return now.changes_since(earlier), changed_rules_sentence(changed_rules(now.rules, earlier.rules))


def chart_of(weeks: Sequence[PageWeek]) -> Chart | None:
    """Return the chart of the last ``DRAWN_WEEKS`` weeks; None without weeks."""
    drawn = weeks[-DRAWN_WEEKS:]
    if not drawn:
        return None
    top = max(1, *(week.consented for week in drawn))
    bars = tuple(
        Bar(round(x + (1 - BAR_WIDTH) / 2, 2), round(100 * week.consented / top, 2), week.complete, week.text)
        for x, week in enumerate(drawn)
    )
    return Chart(drawn, bars, max(MIN_SLOTS, len(drawn)), top, _description(drawn))


def riders_of(report: RunRecord, study: StudyConfig) -> tuple[PageRider, ...]:
    """Return the optional consents in the order of the study file; removed ones come last."""
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


def _description(drawn: Sequence[PageWeek]) -> str:
    """Describe the chart for readers who cannot see it."""
    peak = max(drawn, key=lambda week: week.consented)
    days = date_range(drawn[0].first_day, drawn[-1].last_day)
    number = "1 week" if len(drawn) == 1 else f"{len(drawn)} weeks"
    highest = f"Highest: {peak.consented:,}, in {peak.days}." if peak.consented else "There were none."
    incomplete = ", ".join(week.text for week in drawn if not week.complete)
    outlined = f" Outlined: {incomplete}." if incomplete else ""
    return f"Consents per week for {number}, {days}. {highest}{outlined}"
