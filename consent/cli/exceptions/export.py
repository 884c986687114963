"""The records that a data manager should look at, exported as carefully as for a report, and shown to one person.

Takes no claim, delivers and records nothing. Record ids go to the screen, to standard output or into a private file, as
that person asked: into no log and no message.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from consent.cli.exceptions.quality_rules import QualityRules, quality_rules
from consent.config.settings import Settings
from consent.counting.consents import Counting
from consent.counting.period import choose_period
from consent.counting.worklist import Entry, Worklist, list_records_to_review
from consent.dates import utc_now
from consent.redcap.export import export_registry
from consent.redcap.project import describe_project, inspect_project
from consent.reports.wording import REASONS
from consent.runs.progress import Progress
from consent.runs.services import open_redcap
from consent.studies.model import StudyConfig

HEADER = ("record", "event", "instrument", "instance", "code", "reason", "field")
_RUNS_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Exceptions:
    """What is to be looked at in a study as of a day, of how many records."""

    study: StudyConfig
    cutoff: date
    records_received: int
    worklist: Worklist


def find_exceptions(
    study: StudyConfig,
    settings: Settings,
    progress: Progress,
    *,
    as_of: date | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Exceptions:
    """Export every record of a study, and list what the report of that day would count as to be looked at.

    Raises:
        CutoffError: that day cannot be reported.
        ConsentReportError: REDCap could not or would not answer, or not completely.
    """
    period = choose_period(start=study.start_date, time_zone=study.time_zone, now=now(), as_of=as_of)
    with open_redcap(study, settings) as redcap:
        progress.stage("Asking REDCap about the project")
        plan = inspect_project(redcap, study).plan
        progress.stage("Exporting records")
        counting = Counting(study, plan.column_map, period)
        exported = export_registry(
            redcap, plan, lambda rows: list_records_to_review(rows, counting), Worklist(), progress.records
        )
    return Exceptions(study, period.cutoff, exported.records_received, exported.counts)


def find_rules(study: StudyConfig, settings: Settings, progress: Progress) -> QualityRules:
    """REDCap's own rules for a study, made for the project as it is now; no record is asked for.

    Raises:
        ConsentReportError: REDCap could not or would not answer, or does not fit the study file.
    """
    with open_redcap(study, settings) as redcap:
        progress.stage("Asking REDCap about the project")
        return quality_rules(
            study, describe_project(redcap, redcap.project()), inspect_project(redcap, study).plan.column_map
        )


def exceptions_csv(exceptions: Exceptions) -> str:
    """A line for each place to look at, in the order of the report's codes; no cell can become a formula."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEADER)
    table.writerows([_inert(cell) for cell in _line(entry).values()] for entry in _ordered(exceptions.worklist))
    return text.getvalue()


def exceptions_document(exceptions: Exceptions, *, with_records: bool) -> dict[str, Any]:
    """The same as plain JSON values, for scripts; without the records, only how many each code concerns."""
    about = {
        "study": exceptions.study.key,
        "cutoff": exceptions.cutoff.isoformat(),
        "records_received": exceptions.records_received,
        "records": exceptions.worklist.records,
    }
    return about | ({"exceptions": [_line(e) for e in _ordered(exceptions.worklist)]} if with_records else {})


def rules_document(rules: QualityRules) -> dict[str, Any]:
    """REDCap's rules as plain JSON values, and what they leave unsaid."""
    return {
        "rules": [{"code": rule.code, "name": rule.name, "logic": rule.logic} for rule in rules.rules],
        "unsaid": [{"code": one.code or None, "why": one.why} for one in rules.unsaid],
    }


def _ordered(worklist: Worklist) -> list[Entry]:
    return [entry for code in worklist.records for entry in worklist.of(code)]


def _line(entry: Entry) -> dict[str, str]:
    place = (entry.record, entry.event, entry.instrument, entry.instance)
    return dict(zip(HEADER, (*place, entry.code, REASONS[entry.code], entry.field), strict=True))


def _inert(cell: str) -> str:
    """Spreadsheets run what begins like a formula, and take a leading apostrophe as the sign of a text."""
    return f"'{cell}" if cell.startswith(_RUNS_AS_FORMULA) else cell
