"""Export the registry, with the same checks as for a report, and list the records to review.

Nothing is delivered or recorded. Record ids never appear in a log line or a message.
"""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

from consent.cli.exceptions.quality_rules import QualityRules, make_quality_rules
from consent.config.settings import Settings
from consent.counting.consents import Counting
from consent.counting.period import choose_period
from consent.counting.worklist import Entry, Worklist, list_records_to_review
from consent.dates import utc_now
from consent.files import to_json
from consent.redcap.export import export_registry
from consent.redcap.project import describe_project, inspect_project
from consent.reports.wording import REASONS
from consent.runs.progress import Progress
from consent.runs.services import open_redcap
from consent.studies.model import StudyConfig

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet executes such a cell, unless an apostrophe precedes


@dataclass(frozen=True)
class Review:
    """The records to review in a study, as of a day.

    address: of a record in REDCap, without its id. with_values: the entries hold what is in their fields.
    """

    study: StudyConfig
    cutoff: date
    records_received: int
    worklist: Worklist
    address: str
    with_values: bool = False

    def link(self, entry: Entry) -> str:
        """Return the address of a record's home page in REDCap, in the arm of its event."""
        arm = re.search(r"_arm_(\d+)$", entry.event)
        return f"{self.address}{quote(entry.record, safe='')}{f'&arm={arm[1]}' if arm else ''}"


def find_records_to_review(
    study: StudyConfig,
    settings: Settings,
    progress: Progress,
    *,
    as_of: date | None = None,
    now: Callable[[], datetime] = utc_now,
    with_values: bool = False,
) -> Review:
    """List the records to review as the report of a day counts them; raises CutoffError, or the error of the export."""
    period = choose_period(start=study.start_date, time_zone=study.time_zone, now=now(), as_of=as_of)
    with open_redcap(study.redcap, settings) as redcap:
        progress.stage("Requesting the project from REDCap")
        inspected = inspect_project(redcap, study)
        plan = inspected.plan
        progress.stage("Exporting records")
        counting = Counting(study, plan.column_map, period)
        exported = export_registry(
            redcap,
            plan,
            lambda rows: list_records_to_review(rows, counting, with_values=with_values),
            Worklist(),
            progress.records,
        )
    version = f"redcap_v{quote(inspected.redcap_version, safe='')}"  # REDCap's pages have no address without it
    page = f"{redcap.url.removesuffix('api/')}{version}/DataEntry/record_home.php?pid={inspected.project_id}&id="
    return Review(study, period.cutoff, exported.records_received, exported.counts, page, with_values)


def find_quality_rules(study: StudyConfig, settings: Settings, progress: Progress) -> QualityRules:
    """Make REDCap's rules for a study from the current data dictionary; no record is requested."""
    with open_redcap(study.redcap, settings) as redcap:
        progress.stage("Requesting the project from REDCap")
        project = describe_project(redcap, redcap.project())
        return make_quality_rules(study, project, inspect_project(redcap, study).plan.column_map)


def review_csv(review: Review) -> str:
    """Return a line for each place to review, in the report's order of codes; no cell is a spreadsheet formula."""
    text = io.StringIO()
    values = ("value",) if review.with_values else ()
    header = ("record", "event", "instrument", "instance", "code", "reason", "field", *values, "link")
    table = csv.DictWriter(text, header, lineterminator="\n")
    table.writeheader()
    for line in _lines(review):
        table.writerow({k: f"'{v}" if v.startswith(_FORMULA_STARTS) else v for k, v in line.items()})
    return text.getvalue()


def review_document(review: Review, *, with_records: bool) -> dict[str, Any]:
    """Return the records to review as plain JSON values, or only how many each code concerns."""
    document = {
        "study": review.study.key,
        "cutoff": review.cutoff.isoformat(),
        "records_received": review.records_received,
        "records": review.worklist.records,
    }
    return document | ({"records_to_review": _lines(review)} if with_records else {})


def _lines(review: Review) -> list[dict[str, str]]:
    lines = []
    for code in review.worklist.records:
        for each in review.worklist.of(code):
            line = to_json(each) | {"reason": REASONS[code], "link": review.link(each)}
            lines.append({name: text for name, text in line.items() if name != "value" or review.with_values})
    return lines
