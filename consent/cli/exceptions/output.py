"""Where a worklist goes, as the person asked: to the screen, to standard output, or into a private file.

On the screen it is shown in groups by what is to be done. Where nobody looks at the screen, as in the log of a
scheduled job, no record is named unless that was asked for.
"""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from consent.cli.exceptions.export import Exceptions, exceptions_csv, exceptions_document, rules_document
from consent.cli.exceptions.quality_rules import QualityRules, rules_csv
from consent.cli.private_file import write_new_file, write_private_file
from consent.counting.worklist import Entry
from consent.dates import short_day
from consent.reports.wording import REASONS

STDOUT = Path("-")
_COLUMNS = {"Record": "record", "Event": "event", "Form": "instrument", "Instance": "instance", "Field": "field"}


def give_exceptions(exceptions: Exceptions, output: Path | None, out: Console, *, as_json: bool) -> None:
    """Hand over the worklist: into ``output`` (``-``: standard output) as CSV, else as JSON or for the eye.

    Raises:
        ConfigurationError: ``output`` cannot be written, or others would see it.
    """
    if output == STDOUT:
        out.file.write(exceptions_csv(exceptions))
        return
    if output is not None:
        write_private_file(output, exceptions_csv(exceptions))
    if as_json:
        _print_json(exceptions_document(exceptions, with_records=output is None), out)
        return
    seen = out.file.isatty()
    _show_exceptions(exceptions, out, with_records=seen and output is None)
    if output is not None:
        out.print(f"\nThe records are in {output}. Delete it when they have been looked at.", soft_wrap=True)
    elif exceptions.worklist.entries and not seen:
        out.print("\nThe records are named in a terminal, with --json, and with --output FILE.csv (-: here).")


def give_rules(rules: QualityRules, output: Path | None, out: Console, messages: Console, *, as_json: bool) -> None:
    """Hand over REDCap's rules: into ``output`` as CSV, else to standard output; how to use them is a message.

    Raises:
        ConfigurationError: ``output`` cannot be written.
    """
    to_file = output not in (None, STDOUT)
    if output is not None and to_file:
        write_new_file(output, rules_csv(rules.rules))
    if as_json:
        _print_json(rules_document(rules), out)
        return
    if not to_file:
        out.file.write(rules_csv(rules.rules))
    for line in _about_rules(rules, str(output) if to_file else "these lines as a file"):
        (out if to_file else messages).print(line)


def _print_json(document: object, out: Console) -> None:
    out.file.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _show_exceptions(exceptions: Exceptions, out: Console, *, with_records: bool) -> None:
    heading = f"{exceptions.study.title}, as of {short_day(exceptions.cutoff)}: to look at in REDCap"
    out.print(Text(heading, style="bold"), soft_wrap=True)
    records = exceptions.worklist.records
    if not records:
        out.print(f"Nothing, in {exceptions.records_received:,} records.")
    for code, number in records.items():
        if with_records:
            out.print()
        said = f"{number:,} record{'' if number == 1 else 's'}: {REASONS[code]} ({code})"
        out.print(Text(said, style="bold" if with_records else ""))
        if with_records:
            out.print(_table(exceptions.worklist.of(code)))


def _table(entries: list[Entry]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="")
    shown = {title: name for title, name in _COLUMNS.items() if any(getattr(entry, name) for entry in entries)}
    for title in shown:
        table.add_column(title, overflow="fold")
    for entry in entries:
        table.add_row(*(Text(getattr(entry, name)) for name in shown.values()))
    return table


def _about_rules(rules: QualityRules, file: str) -> list[str]:
    left_out = [f"Not said{f' of {one.code}' if one.code else ''}: {one.why}." for one in rules.unsaid]
    return [
        f"{len(rules.rules)} rules: {', '.join(rule.code for rule in rules.rules)}.",
        *left_out,
        f"In REDCap open Data Quality and upload {file} to its custom rules. Uploading once more would add each rule a "
        "second time: delete the earlier ones first. Whoever executes them sees the records that their own rights let "
        "them see. A rule knows no --as-of: its last day is today, by REDCap's clock.",
    ]
