"""Tests of planning an export: what is requested, and every mismatch between study file and project is named."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from consent.errors import DictionaryError
from consent.redcap.arrivals import EVENT, GROUP, INSTANCE, INSTRUMENT, RECORD
from consent.redcap.dictionary import Line, Project, parse_project
from consent.redcap.export_plan import ExportPlan, plan_export
from consent.redcap.validation import find_mixed_forms
from consent.studies.model import FieldRef
from tests.support.builders import CONSENT, RIDER, a_study

SURVEY_CONSENT = CONSENT.replace('"consent_date"', '"consent_timestamp"')
BOX_RIDER = '[[riders]]\nkey = "rider a"\nfield = "rider_box({code})"\nagreed = ["1"]\n'


def a_line(name: str, form: str = "consent", kind: str = "text", choices: str = "") -> Line:
    """One line of the data dictionary."""
    return {
        "field_name": name, "form_name": form, "field_type": kind, "select_choices_or_calculations": choices,
    }  # fmt: skip


DICTIONARY = {
    "record_id": a_line("record_id", "enrolment"),
    "consent_date": a_line("consent_date"),
    "consent_obtained": a_line("consent_obtained", kind="radio", choices="1, Yes | 2, No, thanks | 0, Open"),
    "rider_a": a_line("rider_a", kind="yesno"),
}


def a_project(
    *more: Line,
    without: str = "",
    columns: Mapping[str, str] | None = None,
    events: Mapping[str, tuple[str, ...]] | None = None,
    repeating: Iterable[tuple[str, str]] = (),
    **says: str,
) -> Project:
    """A classic project that fits ``a_study()``; ``more`` adds or replaces fields, ``columns`` are of options.

    repeating: (event, form); the event is empty in a classic project, the form where a whole event repeats.
    """
    lines = {**DICTIONARY, **{line["field_name"]: line for line in more}}
    lines.pop(without, None)
    about = {"is_longitudinal": "1" if events else "0", "has_repeating_instruments_or_events": "0", **says}
    repeats = [{"event_name": event, "form_name": form} for event, form in repeating]
    return parse_project(
        about,
        {
            "metadata": list(lines.values()),
            **({"repeatingFormsEvents": repeats} if repeats else {}),
            "exportFieldNames": [
                {"original_field_name": "rider_box", "choice_value": code, "export_field_name": name}
                for code, name in (columns or {}).items()
            ],
            "formEventMapping": [
                {"unique_event_name": event, "form": form} for event, forms in (events or {}).items() for form in forms
            ],
        },
    )


def problems_of(project: Project, **study: str) -> str:
    """The problems that stop an export of this project, a line each."""
    with pytest.raises(DictionaryError, match="'a-study' does not match") as caught:
        plan_export(a_study(**study), project)
    return "\n".join(map(str, caught.value.problems))


def plan_of(project: Project, **study: str) -> ExportPlan:
    return plan_export(a_study(**study), project)


# What is requested


def test_only_the_fields_of_the_study_are_requested() -> None:
    plan = plan_of(a_project(a_line("full_name"), a_line("phone"), a_line("notes", kind="notes")))
    assert plan.fields == ("record_id", "consent_date", "consent_obtained", "rider_a")


def test_the_listing_requests_the_record_id_and_the_status_of_the_used_forms() -> None:
    assert plan_of(a_project(a_line("x", "follow_up"))).listing_fields == ("record_id", "consent_complete")


def test_the_record_id_is_the_first_field_of_the_dictionary() -> None:
    project = parse_project({}, {"metadata": [a_line("study_no"), *DICTIONARY.values()]})
    plan = plan_export(a_study(), project)
    assert (plan.fields[0], plan.listing_fields[0], plan.shape.record_id) == ("study_no",) * 3


def test_a_timestamp_is_requested_through_its_forms_status() -> None:
    plan = plan_of(a_project(), consents=SURVEY_CONSENT)
    assert plan.survey_fields
    assert plan.fields == ("record_id", "consent_obtained", "rider_a", "consent_complete")
    assert plan.column_map.timestamps == {"consent_timestamp"}


def test_a_field_with_a_name_like_a_timestamp_is_a_field() -> None:
    plan = plan_of(a_project(a_line("consent_timestamp")), consents=SURVEY_CONSENT)
    assert "consent_timestamp" in plan.fields
    assert not plan.survey_fields


def test_survey_fields_are_not_requested_without_a_timestamp() -> None:
    assert not plan_of(a_project()).survey_fields


@pytest.mark.parametrize(
    ("events", "repeats", "structure"),
    [
        (None, "0", ()),
        ({"one_arm_1": ("consent",)}, "0", (EVENT,)),
        ({"one_arm_1": ("consent",)}, "1", (EVENT, INSTRUMENT, INSTANCE)),
    ],
)
def test_the_structure_columns_are_required_where_the_project_has_them(
    events: Mapping[str, tuple[str, ...]] | None, repeats: str, structure: tuple[str, ...]
) -> None:
    project = a_project(events=events, has_repeating_instruments_or_events=repeats)
    assert plan_of(project).shape.structure == structure


def test_where_forms_repeat_the_export_requests_the_statuses_of_the_listing() -> None:
    plan = plan_of(a_project(has_repeating_instruments_or_events="1"))
    assert set(plan.listing_fields) <= set(plan.fields)


def test_a_checkbox_option_is_read_from_the_column_in_redcaps_list() -> None:
    project = a_project(a_line("rider_box", kind="checkbox", choices="-2, Data | K>9, X"), columns={"K>9": "odd_name"})
    plan = plan_of(project, riders=BOX_RIDER.format(code="K>9"))
    assert plan.fields[-1] == "rider_box"
    assert plan.column_map.columns[FieldRef("rider_box", "K>9")] == "odd_name"


def test_the_record_id_can_be_used_like_any_field() -> None:
    more = '[[leave_out]]\nreason = "test"\nfield = "record_id"\ncodes = ["TEST"]\n'
    plan = plan_of(a_project(), more=more)
    assert plan.column_map.columns[FieldRef("record_id")] == RECORD
    assert "record_id" not in plan.shape.values


def test_events_keep_the_order_of_the_project() -> None:
    project = a_project(events={"zero_arm_1": ("consent",), "again_arm_1": ("consent", "enrolment")})
    assert plan_of(project).column_map.event_order == ("zero_arm_1", "again_arm_1")


def test_a_rider_on_a_consent_form_is_offered_by_that_form() -> None:
    newer = CONSENT.replace("consent_date", "date_v2").replace("consent_obtained", "obtained_v2")
    project = a_project(a_line("date_v2", "v2"), a_line("obtained_v2", "v2", "yesno"))
    newer = newer.replace('declined = ["2"]\npending = ["0"]', 'declined = ["0"]')
    column_map = plan_of(project, consents=CONSENT + newer).column_map
    assert column_map.offered_by == {"rider a": {0: (FieldRef("rider_a"),)}}
    assert column_map.separate_fields == {"rider a": ()}


def test_a_rider_on_a_form_of_its_own_is_offered_by_every_consent_form() -> None:
    column_map = plan_of(a_project(a_line("rider_a", "riders", "yesno"))).column_map
    assert column_map.offered_by == {"rider a": {0: (FieldRef("rider_a"),)}}
    assert column_map.separate_fields == {"rider a": (FieldRef("rider_a"),)}


def test_repeat_columns_are_not_required_where_an_old_server_does_not_report_repeats() -> None:
    project = parse_project({"project_id": "14"}, {"metadata": list(DICTIONARY.values())})
    assert plan_export(a_study(), project).shape.structure == ()


# Mismatches


def test_a_renamed_field_is_named_with_similar_names() -> None:
    problems = problems_of(a_project(a_line("consent_date_v2"), without="consent_date"))
    assert "consent[1].date: REDCap has no field 'consent_date' in this project." in problems
    assert "Similar: consent_date_v2" in problems


def test_all_mismatches_are_reported_together() -> None:
    problems = problems_of(a_project(a_line("rider_a", kind="file"), without="consent_date"))
    assert len(problems.splitlines()) == 2


BOX = a_line("rider_box", kind="checkbox", choices="1, Samples | 2, Data")


@pytest.mark.parametrize(
    ("field", "riders", "problem"),
    [
        (
            a_line("consent_obtained", kind="radio", choices="1, Yes | 2, No | 0, Open | 3, Verbal"),
            RIDER,
            "consent[1].decision: 'consent_obtained' has an option '3' that is not in the study file.",
        ),
        (
            a_line("consent_obtained", kind="radio", choices="11, Yes | 2, No | 0, Open"),
            RIDER,
            "consent[1].agreed: 'consent_obtained' has none of these options any more (options now: 11, 2, 0).",
        ),
        (
            a_line("rider_a", kind="radio", choices="2, Yes | 0, No"),
            RIDER,
            "riders[1].agreed: 'rider_a' has none of these options any more (options now: 2, 0).",
        ),
        (
            a_line("rider_a", kind="radio", choices="1, Yes | 2, No"),
            RIDER,
            "riders[1].declined: 'rider_a' has none of these options any more (options now: 1, 2).",
        ),
        (BOX, RIDER.replace("rider_a", "rider_box"), "Name one of its options: rider_box(1) or rider_box(2)."),
        (BOX, BOX_RIDER.format(code="3"), "The checkbox 'rider_box' has no option '3'. Options now: 1, 2."),
        (a_line("rider_box", kind="yesno"), BOX_RIDER.format(code="1"), "'rider_box' is not a checkbox."),
        (BOX, BOX_RIDER.format(code="1"), "REDCap exports no column for 'rider_box(1)'."),
        (BOX, BOX_RIDER.format(code="1").replace('["1"]', '["2"]'), "any more (options now: 0, 1)."),
        (a_line("rider_a", kind="descriptive"), RIDER, "'rider_a' is a descriptive field, which holds no answer."),
        (a_line("rider_a", kind="file"), RIDER, "'rider_a' is a file field, which holds no answer."),
        (a_line("x"), RIDER.replace("rider_a", "consent_timestamp"), "REDCap has no field 'consent_timestamp'"),
        (a_line("record"), RIDER.replace("rider_a", "record"), "A field named 'record' cannot be distinguished from"),
        (
            a_line("consent_date", kind="radio", choices="1, Today | 2, Yesterday"),
            RIDER,
            "consent[1].date: 'consent_date' is a radio field, which holds no date.",
        ),
    ],
)
def test_a_field_or_option_that_does_not_fit_is_named(field: Line, riders: str, problem: str) -> None:
    assert problem in problems_of(a_project(field), riders=riders)


def test_an_option_that_shares_its_column_is_no_answer_to_count() -> None:
    project = a_project(BOX, columns={"1": "rider_box___1", "2": "rider_box___1"})
    assert "exports 'rider_box(1)' and 'rider_box(2)' as one column" in problems_of(
        project, riders=BOX_RIDER.format(code="1")
    )


def test_options_that_share_a_column_do_not_matter_unless_they_are_used() -> None:
    plan_export(a_study(), a_project(BOX, columns={"1": "rider_box___1", "2": "rider_box___1"}))


def test_a_riders_no_that_is_no_longer_an_option_is_no_mismatch() -> None:
    assert plan_of(a_project(a_line("rider_a", kind="radio", choices="1, Yes")))


@pytest.mark.parametrize(
    ("consents", "problem"),
    [
        (CONSENT + 'events = ["enrolment_arm_1"]\n', "consent[1].events: REDCap has no event 'enrolment_arm_1'."),
        (CONSENT.replace("consent_obtained", "consent_complete"), "A form's status cannot be used here."),
        (CONSENT + 'form_complete = "old_complete"\n', "consent[1].form_complete: REDCap has no field 'old_complete'"),
        (CONSENT + 'form_complete = "enrolment_complete"\n', "is not the status of the decision's form."),
        (SURVEY_CONSENT.replace("consent_timestamp", "old_timestamp"), "consent[1].date: REDCap has no field 'old_ti"),
    ],
)
def test_a_consent_form_that_does_not_fit_is_named(consents: str, problem: str) -> None:
    assert problem in problems_of(a_project(), consents=consents)


def test_a_renamed_event_is_named_with_the_current_events() -> None:
    project = a_project(events={"start_arm_1": ("consent",)})
    assert "Events now: start_arm_1." in problems_of(project, consents=CONSENT + 'events = ["enrolment_arm_1"]\n')


def test_the_status_of_the_consent_form_may_certify_an_e_consent() -> None:
    plan = plan_of(a_project(), consents=CONSENT + 'form_complete = "consent_complete"\n')
    assert "consent_complete" in plan.shape.values


@pytest.mark.parametrize("rule", ['[[leave_out]]\nreason = "test record"\n', "[only]\n"], ids=["leave out", "only"])
def test_a_code_that_would_leave_out_nobody_or_everybody_is_named(rule: str) -> None:
    project = a_project(a_line("is_test", "enrolment", "yesno"))
    problems = problems_of(project, more=rule + 'field = "is_test"\ncodes = ["yes"]\n')
    assert "codes: 'is_test' has no option 'yes' (options now: 1, 0)." in problems


def test_a_missing_data_code_may_leave_records_out() -> None:
    project = a_project(a_line("moved", "enrolment", "yesno"), missing_data_codes="NASK, Not asked")
    rule = '[[leave_out]]\nreason = "never asked"\nfield = "moved"\ncodes = ["NASK"]\n'
    assert plan_of(project, more=rule)


# The optional parts


WITHDRAWAL = '[withdrawal]\nflag = "left"\ncodes = ["1"]\ndate = "left_on"\nextent = "how_far"\n'
LABELS = 'extent_labels = { 1 = "No contact" }\n'
SITES = '[sites]\nby = "site"\n[[sites.site]]\ncode = "n"\n'
BY_GROUP = '[sites]\nby = "data_access_group"\n[[sites.site]]\ncode = "north"\n'
VERSION = '[version]\nfield = "version"\naccepted = ["2"]\n'
A_SITE = a_line("site", "enrolment", "dropdown", "n, North | s, South")
A_VERSION = a_line("version", kind="radio", choices="1, Old | 2, New")
LEAVING = (
    a_line("left", "closing", "yesno"),
    a_line("left_on", "closing"),
    a_line("how_far", "closing", "radio", "1, No contact | 9, No use"),
)


def test_the_fields_and_forms_of_the_optional_parts_are_requested() -> None:
    plan = plan_of(a_project(A_SITE, A_VERSION, *LEAVING), more=WITHDRAWAL + SITES + VERSION)
    assert plan.fields[4:] == ("left", "left_on", "how_far", "site", "version")
    assert plan.listing_fields == ("record_id", "consent_complete", "closing_complete", "enrolment_complete")


def test_the_data_access_group_is_kept_only_where_it_is_the_site() -> None:
    by_group, by_field = plan_of(a_project(), more=BY_GROUP), plan_of(a_project(A_SITE), more=SITES)
    assert (GROUP in by_group.shape.values, GROUP in by_field.shape.values) == (True, False)


def test_the_data_access_group_is_not_requested_as_a_field() -> None:
    assert plan_of(a_project(), more=BY_GROUP).fields == plan_of(a_project()).fields


def test_a_timestamp_may_date_a_withdrawal() -> None:
    plan = plan_of(a_project(*LEAVING), more='[withdrawal]\ndate = "closing_timestamp"\n')
    assert (set(plan.column_map.timestamps), plan.survey_fields) == ({"closing_timestamp"}, True)


@pytest.mark.parametrize(
    ("more", "fields", "problem"),
    [
        (WITHDRAWAL, LEAVING[1:], "withdrawal.flag: REDCap has no field 'left'"),
        (WITHDRAWAL.replace('"1"', '"yes"'), LEAVING, "withdrawal.codes: 'left' has no option 'yes'"),
        (WITHDRAWAL.replace("left_on", "left"), LEAVING, "withdrawal.date: 'left' is a yesno field"),
        (WITHDRAWAL + 'ends = ["3"]\n' + LABELS, LEAVING, "withdrawal.ends: 'how_far' has no option '3'"),
        (WITHDRAWAL + LABELS.replace("1 =", "3 ="), LEAVING, "withdrawal.extent_labels: 'how_far' has no option '3'"),
        (WITHDRAWAL + 'ends = ["9"]\n', LEAVING, "withdrawal.extent: 'how_far' has an option '1' that is not in the"),
        (SITES, (), "sites.by: REDCap has no field 'site'"),
        (SITES.replace('"n"', '"x"'), (A_SITE,), "sites.site.code: 'site' has no option 'x' (options now: n, s)"),
        (SITES, (a_line("site", kind="checkbox", choices="n, North"),), "may hold several answers"),
        (VERSION.replace('"2"', '"3"'), (A_VERSION,), "version.accepted: 'version' has no option '3'"),
    ],
)
def test_an_optional_part_that_does_not_fit_is_named(more: str, fields: tuple[Line, ...], problem: str) -> None:
    assert problem in problems_of(a_project(*fields), more=more)


def test_a_form_version_that_the_field_cannot_hold_is_named() -> None:
    problems = problems_of(a_project(A_VERSION), riders=RIDER + 'offered_in = ["2", "4"]\n', more=VERSION)
    assert "riders[1].offered_in: 'version' has no option '4' (options now: 1, 2)." in problems


def test_a_version_or_site_in_a_text_field_may_have_any_code() -> None:
    assert plan_of(a_project(a_line("site"), a_line("version")), more=SITES + VERSION)


def test_ends_and_labels_may_share_the_extents_between_them() -> None:
    assert plan_of(a_project(*LEAVING), more=WITHDRAWAL + 'ends = ["9"]\n' + LABELS)


# Fields that must stand on one row

DATE_APART, DECISION_APART = a_line("consent_date", "enrolment"), a_line("consent_obtained", "icf", "radio", "1,|2,|0,")
STATUS = 'form_complete = "consent_complete"\n'
CHOICE = a_line("which", kind="dropdown", choices="main, Main study | blood, Blood")
WHERE = 'where = { which = ["main"] }\n'
TWO_EVENTS = {"screening_arm_1": ("enrolment",), "consent_arm_1": ("consent", "icf")}
A_REPEAT = {"repeating": [("", "consent")], "has_repeating_instruments_or_events": "1"}


@pytest.mark.parametrize(
    ("lines", "project", "study", "problem"),
    [
        ((DATE_APART,), A_REPEAT, {}, "consent[1]: no row holds all of these: consent_obtained (form consent), "),
        ((DATE_APART, DECISION_APART), {"repeating": [("", "icf")]}, {}, "consent[1]: no row holds all of these"),
        ((DATE_APART,), {"events": TWO_EVENTS}, {}, "consent_date (form enrolment)"),
        (
            (),
            {"events": TWO_EVENTS},
            {"consents": CONSENT + 'events = ["screening_arm_1"]\n'},
            "of the events",
        ),
        ((a_line("which", "enrolment"),), A_REPEAT, {"consents": CONSENT + WHERE}, "which (form enrolment)"),
        ((a_line("rider_a", "icf"), CHOICE), A_REPEAT, {"riders": RIDER + WHERE}, "riders[1].where: no row"),
        (
            (a_line("version", "icf"),),
            {"repeating": [("", "icf")]},
            {"more": VERSION},
            "version.field: ",
        ),
        (
            (a_line("version", "enrolment"),),
            {"events": TWO_EVENTS},
            {"more": VERSION},
            "version.field: ",
        ),
        (
            (a_line("rider_a", "later"),),
            {"events": TWO_EVENTS},
            {},
            "riders[1].field: the form",
        ),
    ],
)
def test_fields_that_never_share_a_row_are_named(
    lines: tuple[Line, ...], project: dict[str, Any], study: dict[str, str], problem: str
) -> None:
    assert problem in problems_of(a_project(*lines, **project), **study)


@pytest.mark.parametrize(
    ("lines", "project", "study"),
    [
        ((DATE_APART, DECISION_APART), {}, {}),
        ((DATE_APART,), {"events": {"one_arm_1": ("enrolment", "consent")}}, {}),
        ((DATE_APART,), {"events": {"one_arm_1": ("enrolment", "consent")}, "repeating": [("one_arm_1", "")]}, {}),
        ((DATE_APART,), {"events": TWO_EVENTS | {"again_arm_1": ("consent", "enrolment")}}, {}),
        ((DATE_APART, DECISION_APART), {"has_repeating_instruments_or_events": "1"}, {}),  # without the right to know
        ((a_line("version", "enrolment"),), A_REPEAT, {"more": VERSION}),
        ((a_line("rider_a", "enrolment", "yesno"),), A_REPEAT, {}),
        ((CHOICE,), A_REPEAT, {"consents": CONSENT + STATUS + WHERE}),
    ],
)
def test_fields_that_may_share_a_row_are_accepted(
    lines: tuple[Line, ...], project: dict[str, Any], study: dict[str, str]
) -> None:
    assert plan_of(a_project(*lines, **project), **study)


@pytest.mark.parametrize(("key", "study"), [("consent[1].where", "consents"), ("riders[1].where", "riders")])
def test_a_code_of_where_that_the_field_cannot_have_is_named(key: str, study: str) -> None:
    text = (CONSENT if study == "consents" else RIDER) + 'where = { which = ["main", "bloods"] }\n'
    assert f"{key}: 'which' has no option 'bloods'" in problems_of(a_project(CHOICE), **{study: text})


@pytest.mark.parametrize(
    ("where", "project", "warned"),
    [("", A_REPEAT, ["consent[1]"]), (WHERE, A_REPEAT, []), ("", {}, [])],
    ids=["no where", "where", "nothing repeats"],
)
def test_a_repeating_form_that_may_hold_several_consents_is_warned_of(
    where: str, project: dict[str, Any], warned: list[str]
) -> None:
    warnings = find_mixed_forms(a_study(consents=CONSENT + where), a_project(CHOICE, **project))
    assert [warning.what.partition(":")[0] for warning in warnings] == warned


def test_a_form_without_a_decision_has_no_codes_to_check() -> None:
    dated = '[[consent]]\ndate = "consent_date"\nagreed_when = "complete"\n' + STATUS
    assert plan_of(a_project(), consents=dated).fields == ("record_id", "consent_date", "consent_complete", "rider_a")


def test_a_rider_on_several_forms_is_read_from_the_form_of_the_consent() -> None:
    newer = CONSENT.replace("consent_date", "date_v2").replace("consent_obtained", "obtained_v2")
    newer = newer.replace('declined = ["2"]\npending = ["0"]', 'declined = ["0"]')
    lines = (a_line("date_v2", "v2"), a_line("obtained_v2", "v2", "yesno"), a_line("rider_v2", "v2", "yesno"))
    extra = a_line("rider_extra", "extra", "yesno")
    rider = RIDER.replace('"rider_a"', '["rider_a", "rider_v2", "rider_extra"]')
    column_map = plan_of(a_project(*lines, extra), consents=CONSENT + newer, riders=rider).column_map
    extra_field = FieldRef("rider_extra")
    assert column_map.offered_by["rider a"] == {
        0: (FieldRef("rider_a"), extra_field), 1: (FieldRef("rider_v2"), extra_field)
    }  # fmt: skip
    assert column_map.separate_fields["rider a"] == (extra_field,)


def test_the_events_of_a_rider_on_its_own_form_are_known() -> None:
    events = {"start_arm_1": ("enrolment", "consent", "riders"), "year_1_arm_1": ("consent",)}
    own_form = a_project(a_line("rider_a", "riders", "yesno"), events=events)
    assert plan_of(own_form).column_map.rider_events == {"rider a": {"start_arm_1"}}
    assert plan_of(a_project(events=events)).column_map.rider_events == {}
