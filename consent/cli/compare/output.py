"""A comparison as a person reads it in a terminal: the verdict, the totals, the rules, then the weeks that differ.

Compares nothing and shows no participant.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from consent.cli.compare.comparison import ComparedNumber, Comparison, Effect, effects
from consent.cli.compare.old_pipeline import NOWHERE
from consent.cli.compare.reasons import (
    ANOTHER_ROW,
    LATER_ANSWER,
    NO_CONSENT,
    NOT_OFFERED,
    OTHER_CODE,
    OTHER_DATE,
    OTHER_FORM,
    OTHER_WEEK,
    UNDATED_ROW,
    Reason,
)
from consent.dates import date_range, short_day
from consent.reports.headline import signed
from consent.reports.wording import REASONS

DATA_CHANGED = "data_changed"

RULES = {
    ANOTHER_ROW: "another row of somebody who is counted: participants are counted, not rows",
    OTHER_WEEK: "counted in the week of the participant's first consent, by the study's clocks, not in that of the "
    "row's own date",
    "declined": "declined; riders count only for those who consented",
    "open": "not agreed (no decision, pending, or never certified); riders count only for those who consented",
    NO_CONSENT: "a row that holds no consent, as it is of another event",
    **{code: REASONS[code] for code in ("unknown_code", "no_date")},
    "unreadable_date": "agreed, with a date that is not written as REDCap writes one (2026-11-16)",
    "before_start": "first agreed before the study's first day",
    **{code: REASONS[code] for code in ("future_date", "after_cutoff")},
    "left_out": "left out by the study file (leave_out)",
    "outside": "outside the study, as the study file limits it (only)",
    LATER_ANSWER: "a later consent answers the rider otherwise, or leaves it open",
    NOT_OFFERED: "a form, or form version, that does not have the rider",
    UNDATED_ROW: "the rider's answer stands on a row without a consent date, where the old pipeline did not look",
    OTHER_FORM: "agreed on a consent form that the old pipeline did not read",
    OTHER_CODE: "the study file's codes: the old pipeline knew no code but 1",
    OTHER_DATE: "a date that the old pipeline read otherwise, or not at all",
}
"""What each rule says of those it counts or does not count, in the order in which they are shown."""


def verdict(comparison: Comparison) -> Iterator[str]:
    """What came of it, a sentence each: how many numbers differ, and whether the export is the old report's."""
    everything = comparison.everything
    differing = sum(number.reported != number.now for number in everything)
    changed = sum(number.data_changed != 0 for number in everything)
    if not differing:
        yield f"All {len(everything):,} numbers in the old report are the same today."
    else:
        yield f"{differing:,} of the {len(everything):,} numbers in the old report {_differ(differing)} today."
    if not changed:
        yield "Counted by the old rule, this export gives the old report to the last number."
        if differing:
            yield "The rules below explain every difference."
    else:
        yield (
            f"Counted by the old rule, this export gives {changed:,} other number{'s' if changed > 1 else ''} than the "
            "old report: the data changed since it was made, or the export is another one. By how much stands under "
            f"'Data' ({DATA_CHANGED}); no rule is behind it. The rules below explain all the rest."
        )
    if comparison.unreadable:
        yield _stopped(comparison)


def _differ(numbers: int) -> str:
    return "differs" if numbers == 1 else "differ"


def _stopped(comparison: Comparison) -> str:
    n, field = comparison.unreadable, comparison.study.consents[0].date
    dates = "a date" if n == 1 else f"{n:,} dates"
    return (
        f"The old pipeline would have stopped at this export: it could not read {dates} in field {field} (filter that "
        f"column for what is no date). The comparison goes on as if {'it were' if n == 1 else 'they were'} blank."
    )


def effect_words(effect: Effect) -> str:
    """``+2``, ``−3``, or both where a rule moves people from one week to another; "" for nothing."""
    return " ".join(signed(n) for n in (effect.more, effect.fewer) if n)


def reasons_of(number: ComparedNumber, comparison: Comparison) -> list[str]:
    """What stands behind one number, each as ``−2 another_row`` or ``+1 other_week (from 11–17 Sep 2023)``.

    The weeks that people come from, or go to, are named where it is one.
    """
    lines = [f"{signed(number.data_changed)} {DATA_CHANGED}"] if number.data_changed else []
    for code in RULES:
        own = [(reason, n) for reason, n in number.reasons.items() if reason.code == code]
        for part in ([item for item in own if item[1] > 0], [item for item in own if item[1] < 0]):
            if part:
                lines.append(f"{signed(sum(n for _, n in part))} {code}{_other_week(part, comparison)}")
    return lines


def _other_week(part: Sequence[tuple[Reason, int]], comparison: Comparison) -> str:
    (reason, n), *more = part
    if more or reason.other_week == NOWHERE:
        return ""
    week = comparison.weeks[reason.other_week]
    return f" ({'from' if n > 0 else 'to'} {date_range(week.first_day, week.last_day)})"


def show_comparison(comparison: Comparison, out: Console) -> None:
    """Print it; what did not change is left out below the totals."""
    cutoff = short_day(comparison.period.cutoff)
    out.print(Text(f"{comparison.study.title}: the old report and today's count, to {cutoff}", style="bold"))
    for sentence in verdict(comparison):
        out.print(Text(sentence))
    _section("Totals", _totals(comparison), out)
    if any(number.reasons for number in comparison.numbers):
        _section("Why the numbers differ", _rules(comparison), out)
    if any(number.has_changes for number in comparison.numbers):
        _section("Week by week", _weeks(comparison), out)


def _section(heading: str, table: Table, out: Console) -> None:
    out.print()
    out.print(Text(heading, style="bold"))
    out.print(table)


def _table(*headings: str, left: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", overflow="fold")
    return table


def _totals(comparison: Comparison) -> Table:
    table = _table("", "Old report", "Data", "Rules", "Today", left=("",))
    for total in comparison.totals:
        changes = (signed(total.data_changed), signed(total.now - total.old))
        table.add_row(total.column, f"{total.reported:,}", *changes, f"{total.now:,}")
    return table


def _rules(comparison: Comparison) -> Table:
    rules = effects(comparison)
    table = _table("Rule", "Consents", "Riders", "What it says", left=("Rule", "What it says"))
    for code in RULES:
        if both := rules.get(code):
            table.add_row(code, *(effect_words(effect) for effect in both), RULES[code])
    consents, *riders = (total.now - total.old for total in comparison.totals)
    table.add_row("In all", signed(consents), signed(sum(riders)), style="bold")
    return table


def _weeks(comparison: Comparison) -> Table:
    table = _table("Week", "", "Old", "Today", "Why", left=("Week", "", "Why"))
    shown = None
    for number in comparison.numbers:
        if number.week is None or not number.has_changes:
            continue
        week = comparison.weeks[number.week]
        name = "" if number.week == shown else date_range(week.first_day, week.last_day)
        shown = number.week
        why = "\n".join(reasons_of(number, comparison))
        table.add_row(name, number.column, f"{number.reported:,}", f"{number.now:,}", why)
    return table


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """All of it: for each number ``old_report + data_changed + the rules' n = now``."""
    rules = effects(comparison)
    return {
        "study": comparison.study.key,
        "cutoff": comparison.period.cutoff.isoformat(),
        "counted_on": comparison.period.exported_on.isoformat(),
        "same": all(number.reported == number.now for number in comparison.everything),
        "same_data": not any(number.data_changed for number in comparison.everything),
        "unreadable_dates": comparison.unreadable,
        "totals": [_number(number, comparison) for number in comparison.totals],
        "rules": {code: _rule(code, *rules[code]) for code in RULES if code in rules},
        "weeks": [_number(number, comparison) for number in comparison.numbers],
    }


def _rule(code: str, consents: Effect, riders: Effect) -> dict[str, Any]:
    return {
        "meaning": RULES[code],
        "consents": {"more": consents.more, "fewer": consents.fewer},
        "riders": {"more": riders.more, "fewer": riders.fewer},
    }


def _number(number: ComparedNumber, comparison: Comparison) -> dict[str, Any]:
    return {
        "week": None if number.week is None else _first_day(number.week, comparison),
        "column": number.column,
        "old_report": number.reported,
        "data_changed": number.data_changed,
        "old_rule": number.old,
        "rules": [_reason(reason, n, comparison) for reason, n in sorted(number.reasons.items())],
        "now": number.now,
    }


def _reason(reason: Reason, n: int, comparison: Comparison) -> dict[str, Any]:
    other = {} if reason.other_week == NOWHERE else {"other_week": _first_day(reason.other_week, comparison)}
    return {"rule": reason.code, "n": n, **other}


def _first_day(week: int, comparison: Comparison) -> str:
    return comparison.weeks[week].first_day.isoformat()
