"""Show a comparison in a terminal (summary, totals, rules, weeks) or as JSON; neither names a participant."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from consent.cli.compare.comparison import ComparedNumber, Comparison, Difference
from consent.cli.compare.reasons import RULES
from consent.cli.console import printable
from consent.dates import WEEK, date_range, short_day
from consent.files import to_json
from consent.reports.headline import signed

DATA_CHANGED = "data_changed"


def show_comparison(comparison: Comparison, out: Console) -> None:
    """Print a comparison; below the totals, only what changed."""
    cutoff = short_day(comparison.period.cutoff)
    out.print(
        Text(f"{printable(comparison.study.title)}: the old report and the current count, to {cutoff}", style="bold")
    )
    for sentence in summary_sentences(comparison):
        out.print(Text(printable(sentence)))
    _print_section("Totals", _totals(comparison), out)
    if comparison.effects():
        _print_section("Why the numbers differ", _rules(comparison), out)
    if (weeks := _weeks(comparison)).row_count:
        _print_section("Week by week", weeks, out)


def summary_sentences(comparison: Comparison) -> Iterator[str]:
    """Yield how many numbers differ, and whether the data differ from those of the old report."""
    everything = comparison.everything
    differing = sum(number.old_report != number.now for number in everything)
    changed = sum(number.data_changed != 0 for number in everything)
    yield f"Numbers that differ from the old report: {differing:,} of {len(everything):,}."
    if changed:
        yield f"Numbers that differ because the data changed: {changed:,} (column 'Data', {DATA_CHANGED})."
        yield "The data changed after the old report, or this is another export. The rules below explain the rest."
    else:
        yield "Counted by the old rule, the export gives exactly the old report."
        if differing:
            yield "The rules below explain every difference."
    if n := comparison.unreadable:
        dates = f"{n:,} date{'' if n == 1 else 's'} in field {comparison.study.consents[0].date}"
        yield f"The old pipeline would have stopped at this export: it could not read {dates}."
        yield "Filter that column for values that are not dates. They are compared as blanks."


def _print_section(heading: str, table: Table, out: Console) -> None:
    out.print()
    out.print(Text(heading, style="bold"))
    out.print(table)


def _totals(comparison: Comparison) -> Table:
    table = _table("", "Old report", "Data", "Rules", "Now", left=("",))
    for total in comparison.totals:
        changes = (signed(total.data_changed), signed(total.now - total.old_rule))
        table.add_row(printable(total.column), f"{total.old_report:,}", *changes, f"{total.now:,}")
    return table


def _rules(comparison: Comparison) -> Table:
    table = _table("Rule", "Consents", "Riders", "Meaning", left=("Rule", "Meaning"))
    for code, effects in comparison.effects().items():  # with both signs where a rule moves people to another week
        changes = (" ".join(signed(n) for n in (effect.more, effect.fewer) if n) for effect in effects)
        table.add_row(code, *changes, RULES[code])
    consents, *riders = (total.now - total.old_rule for total in comparison.totals)
    table.add_row("Total", signed(consents), signed(sum(riders)), style="bold")
    return table


def _weeks(comparison: Comparison) -> Table:
    table = _table("Week", "", "Old", "Now", "Why", left=("Week", "", "Why"))
    last_week = None
    for number in comparison.numbers:
        if number.week and (reasons := reason_texts(number)):
            name = "" if number.week == last_week else _span(number.week)
            table.add_row(
                name, printable(number.column), f"{number.old_report:,}", f"{number.now:,}", "\n".join(reasons)
            )
            last_week = number.week
    return table


def _table(*headings: str, left: tuple[str, ...]) -> Table:
    columns = (Column(name, justify="left" if name in left else "right", overflow="fold") for name in headings)
    return Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))


def reason_texts(number: ComparedNumber) -> list[str]:
    """Return the reasons of one number, each as ``−2 another_row`` or ``+1 other_week (from 11–17 Sep 2023)``."""
    lines = [f"{signed(number.data_changed)} {DATA_CHANGED}"] if number.data_changed else []
    for code in RULES:
        for sign in (1, -1):
            if own := [one for one in number.rules if one.rule == code and one.n * sign > 0]:
                lines.append(f"{signed(sum(one.n for one in own))} {code}{_other_week(own)}")
    return lines


def _other_week(differences: list[Difference]) -> str:
    """Name the other week where there is only one."""
    first, *more = differences
    if more or first.other_week is None:
        return ""
    return f" ({'from' if first.n > 0 else 'to'} {_span(first.other_week)})"


def _span(first_day: date) -> str:
    return date_range(first_day, first_day + WEEK - timedelta(days=1))


def comparison_document(comparison: Comparison) -> Any:
    """Return a comparison as plain JSON values; in each number ``old_report + data_changed + the rules' n = now``."""
    rules = {
        code: {"meaning": RULES[code], "consents": consents, "riders": riders}
        for code, (consents, riders) in comparison.effects().items()
    }
    document = {
        "study": comparison.study.key,
        "cutoff": comparison.period.cutoff,
        "counted_on": comparison.period.exported_on,
        "same": all(number.old_report == number.now for number in comparison.everything),
        "same_data": not any(number.data_changed for number in comparison.everything),
        "unreadable_dates": comparison.unreadable,
        "totals": comparison.totals,
        "rules": rules,
        "weeks": comparison.numbers,
    }
    return to_json(document)
