"""A comparison as a person reads it in a terminal: the verdict, the totals, the rules, then the weeks that differ.

Compares nothing and shows no participant.
"""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from consent.day_words import short_day, span
from consent.headline import signed
from consent.setup.compare.comparison import Comparison, effects
from consent.setup.compare.words import RULES, effect_words, reasons_of, verdict


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
        name = "" if number.week == shown else span(week.first_day, week.last_day)
        shown = number.week
        why = "\n".join(reasons_of(number, comparison))
        table.add_row(name, number.column, f"{number.reported:,}", f"{number.now:,}", why)
    return table
