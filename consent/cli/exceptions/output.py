"""Output the records to review, or REDCap's rules: to the screen, to standard output, or into a new file.

Record ids appear on the screen only in a terminal, so the log of a scheduled job has none.
"""

from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.table import Column, Table
from rich.text import Text

from consent.cli.console import print_json, printable
from consent.cli.exceptions.export import Review, review_csv, review_document
from consent.cli.exceptions.quality_rules import QualityRules, rules_csv
from consent.cli.private_file import write_new_file, write_private_file
from consent.dates import short_day
from consent.reports.wording import REASONS

STDOUT = Path("-")
_COLUMNS = {
    "Record": "record",
    "Event": "event",
    "Form": "instrument",
    "Instance": "instance",
    "Field": "field",
    "Value": "value",
}


def output_review(review: Review, output: Path | None, out: Console, *, as_json: bool) -> None:
    """Write the list into ``output`` as CSV (``-``: standard output), or print it as JSON or as text."""
    if output == STDOUT:
        _write_csv(review_csv(review), out)
        return
    if output is not None:
        write_private_file(output, review_csv(review))
    if as_json:
        print_json(review_document(review, with_records=output is None))
        return
    in_terminal = out.file.isatty()
    _print_review(review, out, with_records=in_terminal and output is None)
    if output is not None:
        out.print(f"\nThe records are in {printable(str(output))}. Delete it after the review.", soft_wrap=True)
    elif review.worklist.entries and not in_terminal:
        out.print("\nRecord ids are shown in a terminal, with --json, and with --output FILE.csv (-: here).")


def output_rules(rules: QualityRules, output: Path | None, out: Console, messages: Console, *, as_json: bool) -> None:
    """Write REDCap's rules into ``output`` as CSV, or to standard output; how to use them is a message."""
    file = None if output in (None, STDOUT) else output
    if file:
        write_new_file(file, rules_csv(rules.rules))
    if as_json:
        print_json(rules)
        return
    if not file:
        _write_csv(rules_csv(rules.rules), out)
    for line in _instructions(rules, str(file or "these lines as a file")):
        (out if file else messages).print(printable(line))


def _write_csv(text: str, out: Console) -> None:
    """Write CSV to standard output as it is for a program, and as printable text for a person."""
    out.file.write(printable(text, "\n") if out.file.isatty() else text)


def _print_review(review: Review, out: Console, *, with_records: bool) -> None:
    heading = f"{printable(review.study.title)}, as of {short_day(review.cutoff)}: records to review"
    out.print(Text(heading, style="bold"), soft_wrap=True)
    if not review.worklist.records:
        out.print(f"None of {review.records_received:,} records.")
    for code, number in review.worklist.records.items():
        line = f"{number:,} record{'' if number == 1 else 's'}: {REASONS[code]} ({code})"
        if not with_records:
            out.print(Text(line))
            continue
        out.print()
        out.print(Text(line, style="bold"))
        out.print(_table(review, code))
    if with_records and review.worklist.entries:
        out.print(f"\nEach record id is a link to {printable(review.address)}ID", soft_wrap=True)


def _table(review: Review, code: str) -> Table:
    entries = review.worklist.of(code)
    columns = {title: name for title, name in _COLUMNS.items() if any(getattr(entry, name) for entry in entries)}
    headings = (Column(title, overflow="fold") for title in columns)
    table = Table(*headings, box=None, padding=(0, 2, 0, 2), header_style="")
    for entry in entries:
        cells = {name: Text(printable(getattr(entry, name))) for name in columns.values()}
        cells["record"].stylize(Style(link=review.link(entry)))
        table.add_row(*cells.values())
    return table


def _instructions(rules: QualityRules, file: str) -> list[str]:
    omitted = (f"Not included{f' in {one.code}' if one.code else ''}: {one.why}." for one in rules.omitted)
    return [
        f"{len(rules.rules)} rules: {', '.join(rule.code for rule in rules.rules)}.",
        *omitted,
        f"In REDCap open Data Quality and upload {file} to its custom rules. Delete earlier versions of these rules "
        "first: each upload adds them again. Users see the records that their own rights allow. The rules use REDCap's "
        "current day, not --as-of.",
    ]
