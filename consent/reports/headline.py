"""The sentences that open and close a report: what is new, the totals, and when the next report is due."""

from collections.abc import Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from consent.counting.period import RATE_WEEKS, ReportPeriod, WeekChange, average_per_week
from consent.counting.summary import Changes, ConsentSummary, OpeningNumbers, Source, WeekCount
from consent.dates import WEEK, date_range, long_day, partial_week_note, short_day, weekday_of
from consent.studies.fingerprints import changed_rules_sentence
from consent.studies.schedule import GRACE, due_at

WEEKS_NAMED = 3
"""The most changed weeks that a headline names; the report lists all of them."""


def headline(summary: ConsentSummary) -> tuple[str, ...]:
    """Return the sentences that open a report; a warning about the approved number comes last."""
    cutoff = summary.period.cutoff
    complete = [week for week in summary.weeks if week.complete]
    return (
        _since_last(summary.changes, cutoff),
        *(week_sentence(days_of(week, cutoff), [c.consented for c in complete]) for week in complete[-1:]),
        *_running(summary),
        totals_sentence(summary.participants.consented, summary.taking_part),
        *_restated(summary.changes, cutoff),
        *filter(None, [warning(summary)]),
    )


def news(summary: OpeningNumbers) -> tuple[str, ...]:
    """Return the sentences of the headline that no figure of ``figures.py`` shows, without the warning."""
    cutoff = summary.period.cutoff
    return _since_last(summary.changes, cutoff), *_running(summary), *_restated(summary.changes, cutoff)


def warning(summary: OpeningNumbers) -> str:
    """Return the warning about the approved number, "" for none."""
    return summary.accrual.warning if summary.accrual else ""


def week_sentence(days: str, complete_weeks: Sequence[int]) -> str:
    """Return ``4 new consents in the week of 16–22 Nov (3 the week before; 12-week average 6.0).``

    complete_weeks: the consents of each complete week, oldest first; the last one is the week of ``days``.
    """
    new, compared = complete_weeks[-1], compared_with(complete_weeks)
    return f"{new:,} new {_consents(new)} in the week of {days}{f' ({compared})' if compared else ''}."


def compared_with(complete_weeks: Sequence[int]) -> str:
    """Return ``3 the week before; 12-week average 6.0``, or what there is of it."""
    compared = [f"{count:,} the week before" for count in complete_weeks[-2:-1]]
    average = average_per_week(complete_weeks)
    if average is not None:
        compared.append(f"{min(len(complete_weeks), RATE_WEEKS)}-week average {average:,.1f}")
    return "; ".join(compared)


def totals_sentence(consented: int, taking_part: int) -> str:
    """Return ``812 people have consented; 812 are still taking part.``"""
    people = "person has" if consented == 1 else "people have"
    return f"{consented:,} {people} consented; {taking_part:,} {'is' if taking_part == 1 else 'are'} still taking part."


def export_words(source: Source) -> str:
    """``exported on``, or ``read from a file on``, which are followed by the day."""
    return "read from a file on" if source.is_file else "exported on"


def next_report(summary: ConsentSummary) -> str:
    """Return when the next report is due and whom to contact if it is missing; "" for a report made from a file.

    It is due on the first Monday after the export, and late when the alarm would be raised.
    """
    if summary.source.is_file:
        return ""
    study, exported_on = summary.study, summary.period.exported_on
    monday = exported_on + WEEK - timedelta(days=exported_on.weekday())
    late = (due_at(study, monday) + GRACE).astimezone(ZoneInfo(study.time_zone))
    hour = "noon" if (late.hour, late.minute) == (12, 0) else f"{late:%H:%M}"
    day = "" if late.date() == monday else f" on {weekday_of(late.date())}"
    return f"Next report: {long_day(monday)}. If it is not here by {hour}{day}, tell {study.contact}."


def signed(number: int) -> str:
    """``+7``, ``−2`` (a real minus sign), ``0``."""
    return f"{number:+,}".replace("-", "−") if number else "0"


def progress(week: WeekCount, period: ReportPeriod) -> str:
    """Return the mark of an incomplete week, as ``in progress, 1 of 7 days``; "" for a complete one."""
    if week.complete:
        return ""
    return partial_week_note(week.first_day, cutoff=period.cutoff, exported_on=period.exported_on)


def days_of(week: WeekCount | WeekChange, cutoff: date) -> str:
    """Return ``16–22 Nov``, with the year where it is not the year of the cut-off."""
    return date_range(week.first_day, week.last_day, relative_to=cutoff)


def _running(summary: OpeningNumbers) -> tuple[str, ...]:
    """The week in progress, if there is one."""
    return tuple(
        f"{week.consented:,} so far in the week of {days_of(week, summary.period.cutoff)} "
        f"({progress(week, summary.period)})."
        for week in summary.weeks
        if not week.complete
    )


def _since_last(changes: Changes | None, cutoff: date) -> str:
    if changes and changes.first:
        return "This is the first report."
    if not changes or not changes.since:
        return "The last report is not available here, so changes are not shown."
    number, then = changes.new_consents, f"the last report (as of {short_day(changes.since, relative_to=cutoff)})"
    if not number:
        return f"As many consents as in {then}."
    return f"{abs(number):,} {'more' if number > 0 else 'fewer'} {_consents(number)} than in {then}."


def _consents(number: int) -> str:
    return "consent" if abs(number) == 1 else "consents"


def _restated(changes: Changes | None, cutoff: date) -> tuple[str, ...]:
    """The earlier weeks whose counts have changed, and the rules that have changed."""
    if not changes or not changes.since:
        return ()
    named = [f"{days_of(week, cutoff)} {signed(week.now - week.before)}" for week in changes.weeks[-WEEKS_NAMED:]]
    more = f" and {len(changes.weeks) - len(named):,} more" if len(changes.weeks) > len(named) else ""
    weeks = f"Earlier weeks with a new count: {', '.join(named)}{more}." if named else ""
    return tuple(filter(None, (weeks, changed_rules_sentence(changes.rules_changed))))
