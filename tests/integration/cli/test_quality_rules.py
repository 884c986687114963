"""Tests of REDCap's data quality rules: each lists the same records as the worklist."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

import pytest

from consent.cli.exceptions.quality_rules import QualityRules, make_quality_rules, rules_csv
from consent.config.settings import Settings
from consent.counting.consents import Counting
from consent.counting.period import ReportPeriod
from consent.counting.worklist import Worklist, list_records_to_review
from consent.redcap.arrivals import RECORD, Rows
from consent.redcap.export import export_registry
from consent.redcap.project import describe_project, inspect_project
from consent.reports.wording import REASONS
from consent.studies.catalog import choose_study, load_studies
from consent.studies.model import StudyConfig
from sandbox.people import TOKEN as PEOPLES_TOKEN
from sandbox.people import registry
from sandbox.redcap.app import Field, Project, Row
from sandbox.returning_people import returning_registry
from tests.support.builders import (
    CONSENT,
    REDCAP_FIELDS,
    RIDER,
    Asking,
    Open,
    a_redcap_project,
    a_redcap_row,
    a_study,
    as_dicts,
)
from tests.support.redcap_logic_reader import is_true

TODAY = date(2023, 10, 1)
OBRI = choose_study(load_studies(Settings({})), "obri-ibd")
WITHDRAWAL = """
[withdrawal]
flag = "withdrawn"
codes = ["1"]
date = "withdrawn_on"
extent = "extent"
ends = ["2"]
extent_labels = { 1 = "No contact" }
"""
BY_GROUP = """
[sites]
by = "data_access_group"
[[sites.site]]
code = "north"
"""
APART = """
[[leave_out]]
reason = "moved"
field = "moved"
codes = ["1"]
[only]
field = "cohort"
codes = ["ibd"]
"""
VERSIONS = """
[version]
field = "version"
accepted = ["2"]
[[riders]]
key = "rider b"
field = "rider_b(x)"
agreed = ["1"]
offered_in = ["2"]
"""
SECOND_FORM = """
[[consent]]
date = "consent_date"
decision = "agreed_by_parent(y)"
agreed = ["1"]
pending = ["0"]
form_complete = "parents_complete"
"""
MORE_FIELDS = (
    Field("withdrawn", "ending", "yesno"),
    Field("withdrawn_on", "ending", validation="date_mdy"),
    Field("extent", "ending", "radio", choices="1, No contact | 2, No use"),
    Field("moved", "enrolment", "yesno"),
    Field("cohort", "enrolment", "dropdown", choices="ibd, IBD | other, Other"),
    Field("version", "consent", "radio", choices="1, Old | 2, New"),
    Field("rider_b", "consent", "checkbox", choices="x, Biobank"),
    Field("agreed_by_parent", "parents", "checkbox", choices="y, Yes"),
)
FIELDS = (*REDCAP_FIELDS, *MORE_FIELDS)
VISITS = {"first_arm_1": ["enrolment", "consent"], "second_arm_1": ["consent", "ending"]}


@dataclass(frozen=True)
class _Whole:
    worklist: Worklist = field(default_factory=Worklist)
    rows: tuple[dict[str, Any], ...] = ()

    def __add__(self, other: "_Whole") -> "_Whole":
        return _Whole(self.worklist + other.worklist, self.rows + other.rows)


def compared(asking: Asking, study: StudyConfig, today: date = TODAY) -> tuple[dict[str, set[str]], QualityRules]:
    """Check the records that each rule lists against the worklist; return them by code, and the rules."""
    found, project = inspect_project(asking.client, study), describe_project(asking.client, asking.client.project())
    counting = Counting(study, found.plan.column_map, ReportPeriod(study.start_date, today, today))

    def count(rows: Rows) -> _Whole:
        return _Whole(
            list_records_to_review(rows, counting),
            tuple(as_dicts(rows)),
        )

    whole = export_registry(asking.client, found.plan, count, _Whole()).counts
    rules = make_quality_rules(study, project, found.plan.column_map)
    by_rule = {rule.code: listed(rule.logic, whole.rows, today) for rule in rules.rules}
    assert by_rule == {code: {entry.record for entry in whole.worklist.of(code)} for code in by_rule}
    return {code: records for code, records in by_rule.items() if records}, rules


def listed(logic: str, rows: Sequence[dict[str, Any]], today: date) -> set[str]:
    """Return the records with a row for which a rule's logic is true."""
    by_record = {record: list(own) for record, own in groupby(rows, key=itemgetter(RECORD))}
    return {
        record for record, own in by_record.items() if any(is_true(logic, row, rows=own, today=today) for row in own)
    }


def logic_of(rules: QualityRules, code: str) -> str:
    (rule,) = (rule for rule in rules.rules if rule.code == code)
    return rule.logic


def omitted(rules: QualityRules) -> set[str | None]:
    return {one.code for one in rules.omitted}


def a_project(*rows: Row, **changes: Any) -> Project:
    return a_redcap_project(*rows, **{"fields": FIELDS, **changes})


def test_the_rules_of_the_packaged_study_list_the_records_of_the_worklist(open_redcap: Open) -> None:
    today = date(2026, 11, 22)
    found, rules = compared(open_redcap(registry(400, today=today), token=PEOPLES_TOKEN), OBRI, today)
    assert set(found) == {rule.code for rule in rules.rules}
    assert omitted(rules) == {"unreadable_date"}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"consent_date": ""}, "no_date"),
        ({"consent_date": "-99"}, "no_date"),
        ({"consent_date": "2023-09-10"}, "before_start"),
        ({"consent_date": "2023-10-02"}, "future_date"),
        ({"consent_obtained": "", "rider_a": ""}, "dated_but_pending"),
        ({"consent_obtained": "0", "rider_a": ""}, "dated_but_pending"),
        ({"consent_obtained": "9", "rider_a": ""}, "unknown_code"),
        ({"rider_a": "7"}, "unknown_code"),
        ({"consent_obtained": "2"}, "rider_without_consent"),
        ({"version": "1", "rider_b___x": "1"}, "rider_without_consent"),
        ({"withdrawn": "1"}, "withdrawal_undated"),
        ({"withdrawn_on": "2023-10-02"}, "withdrawal_undated"),
        ({"withdrawn_on": "2023-09-11"}, "withdrawal_before_consent"),
        ({"consent_obtained": "2", "rider_a": "", "withdrawn_on": "2023-09-20"}, "withdrawal_without_consent"),
        ({"extent": "3"}, "unknown_code"),
    ],
)
def test_a_rule_lists_the_records_of_the_worklist(open_redcap: Open, values: dict[str, Any], code: str) -> None:
    project = a_project(a_redcap_row("1"), a_redcap_row("2", **values), missing_data_codes="-99, Unknown")
    found, _ = compared(open_redcap(project), a_study(more=WITHDRAWAL + VERSIONS))
    assert found == {code: {"2"}}


@pytest.mark.parametrize(
    "values",
    [
        {"consent_date": "2023-10-01"},
        {"consent_date": "2023-09-11"},
        {"consent_obtained": "2", "rider_a": ""},
        {"version": "2", "rider_b___x": "1"},
        {"withdrawn": "1", "withdrawn_on": "2023-09-12", "extent": "2"},
    ],
)
def test_no_rule_lists_a_correct_record(open_redcap: Open, values: dict[str, Any]) -> None:
    found, _ = compared(open_redcap(a_project(a_redcap_row("1", **values))), a_study(more=WITHDRAWAL + VERSIONS))
    assert found == {}


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({"consent_obtained": "", "agreed_by_parent___y": "1", "parents_complete": "2"}, set()),
        ({"consent_obtained": "", "agreed_by_parent___y": "1", "parents_complete": "0"}, {"dated_but_pending"}),
        ({"consent_obtained": "", "agreed_by_parent___y": "0"}, {"dated_but_pending"}),
        ({"consent_obtained": "1", "agreed_by_parent___y": "0"}, set()),
    ],
)
def test_two_forms_that_share_a_date_are_separate(open_redcap: Open, values: dict[str, Any], codes: set[str]) -> None:
    project = a_project(a_redcap_row("1", rider_a="", **values))
    found, _ = compared(open_redcap(project), a_study(consents=CONSENT + SECOND_FORM))
    assert set(found) == codes


SELECTED = CONSENT + 'where = { version = ["2"] }\n'
DATED = '[[consent]]\ndate = "consent_date"\nagreed_when = "dated"\npending_text = ["Consent not completed"]\n'
COMPLETE = '[[consent]]\ndate = "consent_date"\nagreed_when = "complete"\nform_complete = "consent_complete"\n'
WHERE_BOX = RIDER + 'where = { "rider_b(x)" = ["1"] }\n'


@pytest.mark.parametrize(
    ("study", "values", "codes"),
    [
        ({"consents": SELECTED}, {"version": "2", "consent_date": ""}, {"no_date"}),
        ({"consents": SELECTED}, {"version": "1", "consent_date": "", "rider_a": ""}, set()),
        ({"consents": SELECTED}, {"version": "1"}, {"rider_without_consent"}),
        ({"consents": DATED}, {"consent_date": "2023-10-02"}, {"future_date"}),
        ({"consents": DATED}, {"consent_date": ""}, {"rider_without_consent"}),
        ({"consents": COMPLETE}, {"consent_date": ""}, {"no_date"}),
        ({"consents": COMPLETE}, {"consent_complete": "0", "rider_a": ""}, {"dated_but_pending"}),
        ({"riders": WHERE_BOX}, {"rider_a": "7", "rider_b___x": "1"}, {"unknown_code"}),
        ({"riders": WHERE_BOX}, {"rider_a": "7", "rider_b___x": "0"}, set()),
        ({"riders": RIDER.replace('"rider_a"', '["rider_a", "moved"]')}, {"moved": "7"}, {"unknown_code"}),
    ],
)
def test_the_rules_follow_selected_rows_and_forms_without_a_decision(
    open_redcap: Open, study: dict[str, str], values: dict[str, Any], codes: set[str]
) -> None:
    found, _ = compared(open_redcap(a_project(a_redcap_row("1", **values))), a_study(**study))
    assert set(found) == codes


def test_a_record_that_the_study_does_not_count_is_in_no_list(open_redcap: Open) -> None:
    rows = [
        a_redcap_row("1", consent_date="", cohort="ibd"),
        a_redcap_row("2", consent_date="", cohort="other"),
        a_redcap_row("3", consent_date="", cohort="ibd", moved="1"),
    ]
    found, _ = compared(open_redcap(a_project(*rows)), a_study(more=APART))
    assert found == {"no_date": {"1"}}


def test_the_rules_do_not_leave_out_records_by_their_id(open_redcap: Open) -> None:
    study = a_study(more='[[leave_out]]\nreason = "test record"\nid_pattern = "T.*"\n')
    _, rules = compared(open_redcap(a_project()), study)
    assert [one.why for one in rules.omitted if one.code is None] == [
        "records left out by id_pattern (test record) are listed too"
    ]


def test_a_group_that_the_study_file_does_not_list_is_found_by_its_name(open_redcap: Open) -> None:
    rows = [
        Row("1", a_redcap_row().values, group="north"),
        Row("2", a_redcap_row().values, group="east"),
        a_redcap_row("3"),
    ]
    found, _ = compared(open_redcap(a_project(*rows, groups=["north", "east"])), a_study(more=BY_GROUP))
    assert found == {"unknown_code": {"2"}}


def test_in_a_longitudinal_project_a_condition_on_the_record_names_its_events(open_redcap: Open) -> None:
    rows = [
        a_redcap_row("1", event="first_arm_1", consent_obtained="2"),
        a_redcap_row("1", event="second_arm_1", rider_a=""),
        a_redcap_row("2", event="first_arm_1", consent_obtained="2"),
        a_redcap_row("2", event="second_arm_1", consent_obtained="0", consent_date=""),
    ]
    found, rules = compared(open_redcap(a_project(*rows, events=VISITS)), a_study())
    assert found == {"rider_without_consent": {"2"}}
    assert "[second_arm_1][consent_obtained] <> '1'" in logic_of(rules, "rider_without_consent")


def test_a_consent_of_one_event_is_evaluated_in_that_event(open_redcap: Open) -> None:
    rows = [a_redcap_row("1", event=event, consent_date="") for event in VISITS]
    rows += [
        a_redcap_row("2", event="first_arm_1"),
        a_redcap_row("2", event="second_arm_1", consent_date=""),
    ]
    study = a_study(consents=CONSENT + 'events = ["first_arm_1"]\n')
    found, rules = compared(open_redcap(a_project(*rows, events=VISITS)), study)
    assert found == {"no_date": {"1"}}
    assert logic_of(rules, "no_date") == "[first_arm_1][consent_obtained] = '1' and [first_arm_1][consent_date] = ''"


def test_a_condition_on_several_repeats_of_a_form_is_omitted(open_redcap: Open) -> None:
    rows = [a_redcap_row("1", instrument="consent", instance=n, consent_date="") for n in (1, 2)]
    project = a_project(*rows, repeating_forms={(None, "consent")})
    found, rules = compared(open_redcap(project), a_study())
    assert (found, omitted(rules)) == ({"no_date": {"1"}}, {"unreadable_date", "rider_without_consent"})


def test_returning_participants_are_listed(open_redcap: Open) -> None:
    consent = (
        '[[consent]]\ndate = "consent_date"\ndecision = "consent_decision"\nagreed = ["1"]\ndeclined = ["2"]\n'
        'pending = ["0"]\nform_complete = "consent_complete"\n'
    )
    today = date(2026, 11, 22)
    project = returning_registry(60, today=today)
    found, _ = compared(open_redcap(project, token=PEOPLES_TOKEN), a_study(consents=consent, riders=""), today)
    assert set(found) == {"no_date", "before_start", "dated_but_pending"}


@pytest.mark.parametrize(
    ("validation", "has_rule", "why"),
    [
        ("date_dmy", False, "consent_date is validated as a date"),
        ("datetime_seconds_ymd", False, "consent_date is validated as a date"),
        ("", True, "consent_date accepts any text"),
    ],
)
def test_only_a_field_without_validation_can_hold_an_unreadable_date(
    open_redcap: Open, validation: str, has_rule: bool, why: str
) -> None:
    fields = [Field("record_id", "enrolment"), Field("consent_date", "consent", validation=validation)]
    _, rules = compared(open_redcap(a_redcap_project(fields=[*fields, *REDCAP_FIELDS[3:]])), a_study())
    assert ("unreadable_date" in {rule.code for rule in rules.rules}) == has_rule
    assert [(one.code, one.why[: len(why)]) for one in rules.omitted] == [("unreadable_date", why)]


def test_a_survey_timestamp_cannot_be_expressed(open_redcap: Open) -> None:
    study = a_study(consents=CONSENT.replace('"consent_date"', '"consent_timestamp"'), riders="")
    _, rules = compared(open_redcap(a_project(surveys={"consent"})), study)
    assert [rule.code for rule in rules.rules] == ["unknown_code"]
    assert any("consent_timestamp is a survey's timestamp" in one.why for one in rules.omitted)


def test_a_text_with_an_apostrophe_is_in_double_quotes(open_redcap: Open) -> None:
    study = a_study(consents=CONSENT.replace("Consent not completed", "isn't complete"))
    _, rules = compared(open_redcap(a_project()), study)
    assert '[consent_date] = "isn\'t complete"' in logic_of(rules, "agreed_but_open")


def test_the_file_has_redcaps_columns_and_no_rule_that_runs_by_itself(open_redcap: Open) -> None:
    _, rules = compared(open_redcap(a_project()), a_study())
    header, first, *_ = csv.reader(io.StringIO(rules_csv(rules.rules)))
    assert header == ["rule_name", "rule_logic", "real_time_execution"]
    assert first == ["Consent report: unknown_code (" + REASONS["unknown_code"] + ")", rules.rules[0].logic, "n"]
