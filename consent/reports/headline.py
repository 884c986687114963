"""The few sentences that a report opens and closes with: what is new, what it adds up to, when the next one comes.

Counts nothing itself and knows no clock: every number is one of the summary's.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from consent.counting.period import ReportPeriod
from consent.counting.summary import Changes, ConsentSummary, WeekChange, WeekCount
from consent.dates import WEEK, days_counted, long_day, short_day, span, weekday_of
from consent.studies.fingerprints import changed_rules_sentence
from consent.studies.schedule import GRACE, due_at

WEEKS_NAMED = 3
"""How many changed weeks a headline names; all of them stand in the report."""


def headline(summary: ConsentSummary) -> tuple[str, ...]:
    """What a reader wants to know first, a sentence each; weeks still running are said to be.

    A warning that the approved number is (nearly) passed comes last, and stands beside that number as well.
    """
    cutoff = summary.period.cutoff
    return (
        *_since_last(summary.changes, cutoff),
        *(_week(week, summary.period) for week in _latest_weeks(summary)),
        f"In all {summary.participants.consented:,}; taking part now {summary.taking_part:,}.",
        *_restated(summary.changes, cutoff),
        *((summary.accrual.warning,) if summary.accrual and summary.accrual.warning else ()),
    )


def next_report(summary: ConsentSummary) -> str:
    """When the next report is due and whom to tell if it does not come; "" for one made by hand from a file.

    It is due on the first Monday after the export, and late once an alarm would be raised (see ``due.py``).
    """
    if summary.source.records_listed is None:
        return ""
    study, exported_on = summary.study, summary.period.exported_on
    monday = exported_on + WEEK - timedelta(days=exported_on.weekday())
    late = (due_at(study, monday) + GRACE).astimezone(ZoneInfo(study.time_zone))
    return f"Next report: {long_day(monday)}. If it is not here by {_hour(late, monday)}, tell {study.contact}."


def signed(number: int) -> str:
    """``+7``, ``−2`` (a real minus sign), ``0``."""
    return f"{number:+,}".replace("-", "−") if number else "0"


def progress(week: WeekCount, period: ReportPeriod) -> str:
    """What marks a week that is not complete, as ``in progress, 1 of 7 days``; "" for any other."""
    if week.complete:
        return ""
    return days_counted(week.first_day, cutoff=period.cutoff, exported_on=period.exported_on)


def change_in(week: WeekChange, cutoff: date) -> str:
    """A week that was complete in the last report, and what it gained or lost since: ``2–8 Nov +2``."""
    return f"{span(week.first_day, week.last_day, seen_from=cutoff)} {signed(week.now - week.before)}"


def rules_sentence(changes: Changes) -> str:
    """That the counting rules are not those of the last report; "" where they are."""
    return changed_rules_sentence(changes.rules_changed)


def _since_last(changes: Changes | None, cutoff: date) -> tuple[str, ...]:
    if changes and changes.first:
        return ("This is the first report.",)
    if not changes or not changes.since:
        return ("The last report is not known here, so nothing is compared with it.",)
    since = short_day(changes.since, seen_from=cutoff)
    return (f"Since the last report ({since}): {signed(changes.new_consents)}.",)


def _latest_weeks(summary: ConsentSummary) -> list[WeekCount]:
    """The last complete week and the running one, where there are such."""
    complete = [week for week in summary.weeks if week.complete]
    return complete[-1:] + [week for week in summary.weeks if not week.complete]


def _week(week: WeekCount, period: ReportPeriod) -> str:
    marked = f", {progress(week, period)}" if progress(week, period) else ""
    return f"Week {span(week.first_day, week.last_day, seen_from=period.cutoff)}{marked}: {week.consented:,}."


def _restated(changes: Changes | None, cutoff: date) -> tuple[str, ...]:
    if not changes or not changes.since:
        return ()
    named = [change_in(week, cutoff) for week in changes.weeks[-WEEKS_NAMED:]]
    more = len(changes.weeks) - len(named)
    told = ", ".join(named) + (f" and {more} more" if more else "")
    weeks = (f"Earlier weeks counted anew: {told}.",) if named else ()
    return tuple(filter(None, (*weeks, rules_sentence(changes))))


def _hour(late: datetime, monday: date) -> str:
    hour = "noon" if (late.hour, late.minute) == (12, 0) else f"{late:%H:%M}"
    return hour if late.date() == monday else f"{hour} on {weekday_of(late.date())}"
