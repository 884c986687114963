"""A study -> REDCap's own data quality rules for it, so that the list of what to look at opens inside REDCap.

Pure. One rule for each quality code that REDCap's logic can express for this study's fields, and for the others the
reason why not. A rule goes by REDCap's day (``today``), knows no cut-off, and by the shape of a date that is kept in a
plain text field: a day that no calendar has, such as 30 February, passes for one.
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from consent.cli.exceptions.conditions import ON_A_CONSENT, ConsentRow, RecordConditions
from consent.cli.exceptions.redcap_logic import CannotSayError, RuleCells, both, either, without_outer_brackets
from consent.counting.participants import QUALITY_CODES
from consent.redcap.dictionary import Project
from consent.redcap.export_plan import ColumnMap
from consent.reports.wording import REASONS
from consent.studies.model import ConsentForm, StudyConfig

HEADER = ("rule_name", "rule_logic", "real_time_execution")
"""The columns of the file that REDCap's Data Quality page takes; the last is ``y`` or ``n``."""

_Say = Callable[[], str]


@dataclass(frozen=True)
class QualityRule:
    """One rule of REDCap's Data Quality page: its name there, and the logic that is true of what it lists."""

    code: str
    name: str
    logic: str


@dataclass(frozen=True)
class Unsaid:
    """What the rules leave out: of one quality code, or (code "") of all, and why."""

    code: str
    why: str


@dataclass(frozen=True)
class QualityRules:
    """The rules for a study, and what they cannot say."""

    rules: tuple[QualityRule, ...]
    unsaid: tuple[Unsaid, ...]


def quality_rules(study: StudyConfig, project: Project, coding: ColumnMap) -> QualityRules:
    """The rules for a study in a project that fits it.

    Args:
        coding: as the export's plan has it; says which forms offer a rider, and the missing-data codes.
    """
    cells = RuleCells(project, ("", *sorted(coding.missing_codes)))
    records = RecordConditions(study, cells, coding)
    unsaid: dict[Unsaid, None] = {}
    counted = both(*_said("", _apart(study, records), unsaid))
    rules = []
    for code in QUALITY_CODES:
        if found := [*_said(code, (*_of_consents(code, study, cells), *_of_records(code, study, records)), unsaid)]:
            logic = without_outer_brackets(both(either(*found), counted))
            rules.append(QualityRule(code, f"Consent report: {code} ({REASONS[code]})", logic))
    return QualityRules(tuple(rules), tuple(unsaid))


def rules_csv(rules: tuple[QualityRule, ...]) -> str:
    """The file to upload to REDCap; no rule runs while somebody enters data."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEADER)
    table.writerows((rule.name, rule.logic, "n") for rule in rules)
    return text.getvalue()


def _said(code: str, conditions: tuple[_Say, ...], unsaid: dict[Unsaid, None]) -> Iterator[str]:
    """The conditions that can be said; why others cannot is noted."""
    for condition in conditions:
        try:
            if said := condition():
                yield said
        except CannotSayError as why:
            unsaid[Unsaid(code, str(why))] = None


def _apart(study: StudyConfig, records: RecordConditions) -> tuple[_Say, ...]:
    only = (partial(records.counted, study.only),) if study.only else ()
    return (*only, *(partial(records.not_left_out, rule) for rule in study.leave_out))


def _of_consents(code: str, study: StudyConfig, cells: RuleCells) -> tuple[_Say, ...]:
    conditions = ON_A_CONSENT.get(code, ())
    return tuple(partial(_in_its_events, one, form, study, cells) for form in study.consents for one in conditions)


def _in_its_events(
    condition: Callable[[ConsentRow], str], form: ConsentForm, study: StudyConfig, cells: RuleCells
) -> str:
    events = cells.events_of(form.decision.field, form.events) if form.events else ("",)
    return either(*(condition(ConsentRow(form, cells, study, event)) for event in events))


def _of_records(code: str, study: StudyConfig, records: RecordConditions) -> tuple[_Say, ...]:
    found: list[_Say] = []
    if code == "rider_without_consent":
        found += (partial(records.rider_without_consent, rider) for rider in study.riders)
    if code == "unknown_code":
        found += (partial(records.unknown_answer, rider) for rider in study.riders)
        found += [partial(records.unlisted_site, study.sites)] if study.sites else []
    of_withdrawal = {
        "withdrawal_without_consent": records.withdrawal_without_consent,
        "withdrawal_before_consent": records.withdrawal_before_consent,
        "withdrawal_undated": records.withdrawal_undated,
        "unknown_code": records.unknown_extent,
    }
    if study.withdrawal and code in of_withdrawal:
        found.append(partial(of_withdrawal[code], study.withdrawal))
    return tuple(found)
