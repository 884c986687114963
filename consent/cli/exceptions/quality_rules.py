"""Make data quality rules for REDCap, so that the records to review open inside REDCap.

There is one rule for each quality code that REDCap's logic can express for the study's fields. A rule uses REDCap's
current day and no cut-off. In a plain text field it checks the shape of a date only, so 30 February is accepted.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from consent.cli.exceptions.conditions import Condition, StudyConditions
from consent.cli.exceptions.redcap_logic import NotExpressibleError, RuleCells, both, either, without_outer_brackets
from consent.counting.participants import QUALITY_CODES
from consent.redcap.dictionary import Project
from consent.redcap.export_plan import ColumnMap
from consent.reports.wording import REASONS
from consent.studies.model import StudyConfig


@dataclass(frozen=True)
class QualityRule:
    """One rule of REDCap's Data Quality page; it lists the records for which its logic is true."""

    code: str
    name: str
    logic: str


@dataclass(frozen=True)
class Omission:
    """What the rules cannot express of one quality code (None: of all codes), and why."""

    code: str | None
    why: str


@dataclass(frozen=True)
class QualityRules:
    """The rules for a study, and what they do not express."""

    rules: tuple[QualityRule, ...]
    omitted: tuple[Omission, ...]


def make_quality_rules(study: StudyConfig, project: Project, column_map: ColumnMap) -> QualityRules:
    """Make the rules for a study in a project that matches it; the column map is from its export plan."""
    cells = RuleCells(project, ("", *sorted(column_map.missing_codes)))
    of_study = StudyConditions(study, cells, column_map)
    conditions = [*of_study.quality()]
    omitted: dict[Omission, None] = {}
    counted = both(*_expressed(None, of_study.counted(), omitted))
    rules = []
    for code in QUALITY_CODES:
        own = (condition for quality_code, condition in conditions if quality_code == code)
        if found := [*_expressed(code, own, omitted)]:
            logic = without_outer_brackets(both(either(*found), counted))
            rules.append(QualityRule(code, f"Consent report: {code} ({REASONS[code]})", logic))
    return QualityRules(tuple(rules), tuple(omitted))


def _expressed(code: str | None, conditions: Iterable[Condition], omitted: dict[Omission, None]) -> Iterator[str]:
    """Yield the conditions that REDCap can express; add the reason for each other one to ``omitted``."""
    for condition in conditions:
        try:
            if text := condition():
                yield text
        except NotExpressibleError as error:
            omitted[Omission(code, str(error))] = None


def rules_csv(rules: Iterable[QualityRule]) -> str:
    """Return the file that REDCap's Data Quality page imports; no rule is executed during data entry."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("rule_name", "rule_logic", "real_time_execution"))
    table.writerows((rule.name, rule.logic, "n") for rule in rules)
    return text.getvalue()
