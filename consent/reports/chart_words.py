"""What the charts of a report show, in words: for readers who cannot see them, in the PDF and in the workbook alike.

Draws nothing; see ``charts.py`` and ``workbook_charts.py``.
"""

from collections.abc import Sequence

from consent.day_words import short_day, span
from consent.headline import progress
from consent.reports.words import share_words
from consent.summary import ConsentSummary, RiderCount, WeekCount

WEEKS_DRAWN = 52
"""How many weeks the chart of weekly consents goes back, at most."""


def drawn_weeks(summary: ConsentSummary) -> tuple[WeekCount, ...]:
    """The weeks that the chart of weekly consents shows."""
    return summary.weeks[-WEEKS_DRAWN:]


def weekly_alt(summary: ConsentSummary) -> str:
    """The chart of weekly consents in one or two sentences."""
    weeks = drawn_weeks(summary)
    complete = [week for week in weeks if week.complete]
    sentences = [_over_complete_weeks(complete), *(_running(week, summary) for week in weeks if not week.complete)]
    return " ".join(sentences)


def cumulative_alt(summary: ConsentSummary) -> str:
    """The chart of consents to date in one or two sentences."""
    first, cutoff = summary.weeks[0].first_day, summary.period.cutoff
    number = summary.participants.consented
    line = f"Line of all consents from 0 on {short_day(first)} to {number:,} on {short_day(cutoff)}."
    goals = [label for label, _ in goal_lines(summary)]
    return f"{line} Level lines: {', '.join(goals)}." if goals else line


def riders_alt(summary: ConsentSummary) -> str:
    """The chart of the riders' answers in one or two sentences."""
    asked = [rider for rider in summary.riders if rider.uptake is not None]
    number, answers = _optional_consents(len(summary.riders)), ", ".join(answers_shown(summary))
    begin = f"Stacked bars of the answers to {number}: {answers}."
    if not asked:
        return f"{begin} Nobody was offered any."
    most, least = max(asked, key=_uptake), min(asked, key=_uptake)
    if most.uptake == least.uptake:
        return f"{begin} {share_words(_uptake(most))} agreed to each."
    return f"{begin} Agreement ranges from {_share(least)} to {_share(most)}."


def answers_shown(summary: ConsentSummary) -> tuple[str, ...]:
    """What the chart of the riders tells apart; no "declined" where no rider has a code for it."""
    declined = ("declined",) if any(rider.can_decline for rider in summary.riders) else ()
    return ("agreed", *declined, "not answered")


def goal_lines(summary: ConsentSummary) -> list[tuple[str, int]]:
    """The level lines of the chart of consents to date: the target and the approved number, where configured.

    The line of consents does not show who the approved number is compared with, so its label tells how many they are.
    """
    accrual = summary.accrual
    if accrual is None:
        return []
    target = [] if accrual.target is None else [(f"Target {accrual.target:,}", accrual.target)]
    if accrual.approved is None:
        return target
    return [*target, (f"Approved {accrual.approved:,} ({accrual.agreed:,} agreed, dated or not)", accrual.approved)]


def _over_complete_weeks(weeks: Sequence[WeekCount]) -> str:
    if not weeks:
        return "Bars of consents a week: no week is complete yet."
    counts = [week.consented for week in weeks]
    number = "1 complete week" if len(weeks) == 1 else f"{len(weeks)} complete weeks"
    days = span(weeks[0].first_day, weeks[-1].last_day)
    spread = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
    return f"Bars of consents a week over {number}, {days}: {spread} a week, {counts[-1]:,} in the last."


def _running(week: WeekCount, summary: ConsentSummary) -> str:
    return f"The hatched bar is the week {progress(week, summary.period)}: {week.consented:,}."


def _optional_consents(number: int) -> str:
    return "1 optional consent" if number == 1 else f"{number} optional consents"


def _uptake(rider: RiderCount) -> float:
    return rider.uptake or 0.0


def _share(rider: RiderCount) -> str:
    return f"{share_words(_uptake(rider))} ({rider.label})"
