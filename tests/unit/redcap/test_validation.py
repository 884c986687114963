"""A study file is held against the project's own description, and every disagreement is named before data is read."""

from collections.abc import Mapping

import pytest

from consent.errors import DictionaryError
from consent.redcap.arrivals import GROUP, RECORD
from consent.redcap.dictionary import Project, parse_project
from consent.redcap.export_plan import ExportPlan, plan_export
from consent.studies.model import FieldRef
from tests.support.builders import CONSENT, RIDER, a_study

Line = Mapping[str, str]

SURVEY_CONSENT = """
[[consent]]
date = "consent_timestamp"
decision = "consent_obtained"
agreed = ["1"]
declined = ["2"]
pending = ["0"]
"""
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
    **says: str,
) -> Project:
    """A classic project that fits ``a_study()``; ``more`` adds or replaces fields, ``columns`` are of options."""
    lines = {**DICTIONARY, **{line["field_name"]: line for line in more}}
    lines.pop(without, None)
    return parse_project(
        list(lines.values()),
        {"is_longitudinal": "1" if events else "0", "has_repeating_instruments_or_events": "0", **says},
        field_names=[
            {"original_field_name": "rider_box", "choice_value": code, "export_field_name": name}
            for code, name in (columns or {}).items()
        ],
        form_events=[
            {"unique_event_name": event, "form": form} for event, forms in (events or {}).items() for form in forms
        ],
    )


def problems_of(project: Project, **study: str) -> str:
    """What the refusal of this project says."""
    with pytest.raises(DictionaryError, match="disagree") as caught:
        plan_export(a_study(**study), project)
    return str(caught.value)


def plan_of(project: Project, **study: str) -> ExportPlan:
    return plan_export(a_study(**study), project)


# What is asked for


def test_only_the_fields_that_the_study_names_are_asked_for() -> None:
    plan = plan_of(a_project(a_line("full_name"), a_line("phone"), a_line("notes", kind="notes")))
    assert plan.fields == ("record_id", "consent_date", "consent_obtained", "rider_a")


def test_the_listing_asks_for_the_record_id_and_the_status_of_the_forms_in_use() -> None:
    assert plan_of(a_project(a_line("x", "follow_up"))).listing_fields == ("record_id", "consent_complete")


def test_the_record_id_is_whatever_the_first_line_of_the_dictionary_is() -> None:
    project = parse_project([a_line("study_no"), *DICTIONARY.values()], {})
    plan = plan_export(a_study(), project)
    assert (plan.fields[0], plan.listing_fields[0], plan.shape.record_id) == ("study_no",) * 3


def test_a_timestamp_is_never_asked_for_by_name_but_with_its_forms_status() -> None:
    plan = plan_of(a_project(), consents=SURVEY_CONSENT)
    assert plan.survey_fields
    assert plan.fields == ("record_id", "consent_obtained", "rider_a", "consent_complete")


def test_a_timestamp_is_known_to_be_in_the_servers_time() -> None:
    assert plan_of(a_project(), consents=SURVEY_CONSENT).coding.timestamps == {"consent_timestamp"}


def test_a_field_that_merely_ends_like_a_timestamp_is_a_field() -> None:
    plan = plan_of(a_project(a_line("consent_timestamp")), consents=SURVEY_CONSENT)
    assert "consent_timestamp" in plan.fields
    assert not plan.survey_fields


def test_survey_fields_are_not_asked_for_without_need() -> None:
    assert not plan_of(a_project()).survey_fields


@pytest.mark.parametrize(
    ("events", "repeats", "structure"),
    [
        (None, "0", ()),
        ({"one_arm_1": ("consent",)}, "0", ("redcap_event_name",)),
        (None, "1", ("redcap_repeat_instrument", "redcap_repeat_instance")),
        (
            {"one_arm_1": ("consent",)},
            "1",
            ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"),
        ),
    ],
)
def test_the_columns_that_tell_rows_apart_are_expected_where_the_project_has_them(
    events: Mapping[str, tuple[str, ...]] | None, repeats: str, structure: tuple[str, ...]
) -> None:
    project = a_project(events=events, has_repeating_instruments_or_events=repeats)
    assert plan_of(project).shape.structure == structure


def test_where_forms_repeat_the_export_asks_for_the_statuses_that_the_listing_asks_for() -> None:
    plan = plan_of(a_project(has_repeating_instruments_or_events="1"))
    assert set(plan.listing_fields) <= set(plan.fields)


def test_a_checkbox_option_is_read_from_the_column_that_redcap_names() -> None:
    project = a_project(a_line("rider_box", kind="checkbox", choices="-2, Data | K>9, X"), columns={"K>9": "odd_name"})
    plan = plan_of(project, riders=BOX_RIDER.format(code="K>9"))
    assert plan.fields[-1] == "rider_box"
    assert plan.coding.columns[FieldRef("rider_box", "K>9")] == "odd_name"


def test_the_record_id_can_be_named_like_any_field() -> None:
    more = '[[leave_out]]\nreason = "test"\nfield = "record_id"\ncodes = ["TEST"]\n'
    plan = plan_of(a_project(), more=more)
    assert plan.coding.columns[FieldRef("record_id")] == RECORD
    assert "record_id" not in plan.shape.values


def test_events_keep_the_projects_order() -> None:
    project = a_project(events={"zero_arm_1": ("consent",), "again_arm_1": ("consent", "enrolment")})
    assert plan_of(project).coding.event_order == ("zero_arm_1", "again_arm_1")


def test_missing_data_codes_are_known() -> None:
    project = a_project(missing_data_codes="-999, Not asked | UNK, Unknown, or not")
    assert plan_of(project).coding.missing_codes == {"-999", "UNK"}


def test_a_rider_on_a_consent_form_is_offered_by_that_form_alone() -> None:
    newer = CONSENT.replace("consent_date", "date_v2").replace("consent_obtained", "obtained_v2")
    project = a_project(a_line("date_v2", "v2"), a_line("obtained_v2", "v2", "yesno"))
    newer = newer.replace('declined = ["2"]\npending = ["0"]', 'declined = ["0"]')
    assert plan_of(project, consents=CONSENT + newer).coding.offered_by == {"rider a": {0}}


def test_a_rider_on_a_form_of_its_own_is_offered_by_every_consent_form() -> None:
    assert plan_of(a_project(a_line("rider_a", "riders", "yesno"))).coding.offered_by == {"rider a": {0}}


@pytest.mark.parametrize("kind", ["text", "calc", "sql", "slider"])
def test_a_field_without_options_may_hold_any_code(kind: str) -> None:
    project = a_project(a_line("consent_obtained", kind=kind, choices="[a] + [b]"))
    assert project.fields["consent_obtained"].options is None
    assert plan_of(project)


@pytest.mark.parametrize(
    ("choices", "codes"),
    [
        ("1, Yes | 2, No | 0, Open", {"1", "2", "0"}),
        ("1,Yes|2,No, never|0,Open", {"1", "2", "0"}),
        (" 1 , <b>Yes</b>\n | 2, No | 0, ", {"1", "2", "0"}),
    ],
)
def test_option_codes_are_read_however_they_are_spaced(choices: str, codes: set[str]) -> None:
    project = a_project(a_line("consent_obtained", kind="radio", choices=choices))
    assert set(project.fields["consent_obtained"].options or ()) == codes


def test_yes_and_no_have_the_codes_that_redcap_gives_them() -> None:
    assert a_project().fields["rider_a"].options == ("1", "0")


def test_a_server_that_does_not_tell_of_repeats_is_not_expected_to_send_their_columns() -> None:
    project = parse_project(list(DICTIONARY.values()), {"project_id": "14"})
    assert plan_export(a_study(), project).shape.structure == ()


# What is refused, by name


def test_a_renamed_field_is_named_with_what_it_may_be_called_now() -> None:
    said = problems_of(a_project(a_line("consent_date_v2"), without="consent_date"))
    assert "consent[1].date: REDCap has no field 'consent_date' in this project; was it renamed or deleted?" in said
    assert "Similar: consent_date_v2" in said


def test_every_disagreement_is_reported_at_once() -> None:
    said = problems_of(a_project(a_line("rider_a", kind="file"), without="consent_date"))
    assert said.count("\n  - ") == 2


def test_a_new_option_of_the_decision_must_be_placed() -> None:
    choices = "1, Yes | 2, No | 0, Open | 3, Verbal"
    said = problems_of(a_project(a_line("consent_obtained", kind="radio", choices=choices)))
    assert "consent[1].decision: 'consent_obtained' has an option '3' that the study file puts under none" in said


def test_a_changed_code_of_the_agreeing_option_is_named() -> None:
    said = problems_of(a_project(a_line("consent_obtained", kind="radio", choices="11, Yes | 2, No | 0, Open")))
    assert "agreed: 'consent_obtained' has none of these options any more (options now: 11, 2, 0)" in said


def test_a_changed_code_of_a_riders_yes_is_named() -> None:
    said = problems_of(a_project(a_line("rider_a", kind="radio", choices="2, Yes | 0, No")))
    assert "riders[1].agreed: 'rider_a' has none of these options any more (options now: 2, 0)" in said


def test_a_changed_code_of_a_riders_no_is_named() -> None:
    said = problems_of(a_project(a_line("rider_a", kind="radio", choices="1, Yes | 2, No")))
    assert "riders[1].declined: 'rider_a' has none of these options any more (options now: 1, 2)" in said


def test_a_riders_no_that_can_no_longer_be_chosen_is_no_problem() -> None:
    assert plan_of(a_project(a_line("rider_a", kind="radio", choices="1, Yes")))


def test_a_checkbox_without_an_option_is_shown_with_its_options() -> None:
    said = problems_of(a_project(a_line("rider_a", kind="checkbox", choices="1, Samples | 2, Data")))
    assert "'rider_a' is a checkbox; name one option: rider_a(1) or rider_a(2)" in said


def test_an_option_that_a_checkbox_does_not_have_is_named() -> None:
    project = a_project(a_line("rider_box", kind="checkbox", choices="1, Samples | 2, Data"))
    said = problems_of(project, riders=BOX_RIDER.format(code="3"))
    assert "the checkbox 'rider_box' has no option '3' (options: 1, 2)" in said


def test_an_option_of_a_field_that_is_no_checkbox_is_refused() -> None:
    said = problems_of(a_project(a_line("rider_box", kind="yesno")), riders=BOX_RIDER.format(code="1"))
    assert "'rider_box' is not a checkbox, so write it without an option" in said


def test_an_option_without_a_column_is_refused() -> None:
    project = a_project(a_line("rider_box", kind="checkbox", choices="1, Samples"))
    assert "REDCap exports no column for 'rider_box(1)'" in problems_of(project, riders=BOX_RIDER.format(code="1"))


@pytest.mark.parametrize("kind", ["descriptive", "file"])
def test_a_field_without_an_answer_is_refused(kind: str) -> None:
    assert f"'rider_a' is a {kind} field, which holds no answer" in problems_of(a_project(a_line("rider_a", kind=kind)))


def test_a_renamed_event_is_named_with_the_events_there_are() -> None:
    said = problems_of(
        a_project(events={"start_arm_1": ("consent",)}), consents=CONSENT + 'events = ["enrolment_arm_1"]\n'
    )
    assert "consent[1].events: REDCap has no event 'enrolment_arm_1' (events: start_arm_1)" in said


def test_an_event_of_a_project_without_events_is_refused() -> None:
    said = problems_of(a_project(), consents=CONSENT + 'events = ["enrolment_arm_1"]\n')
    assert "none: the project is not longitudinal" in said


def test_a_forms_status_is_no_decision() -> None:
    said = problems_of(a_project(), consents=CONSENT.replace('"consent_obtained"', '"consent_complete"'))
    assert "consent[1].decision: a form's status cannot be used here; name a field" in said


def test_a_forms_status_may_say_that_an_e_consent_was_certified() -> None:
    plan = plan_of(a_project(), consents=CONSENT + 'form_complete = "consent_complete"\n')
    assert "consent_complete" in plan.shape.values


def test_the_status_of_a_form_that_is_gone_is_named() -> None:
    said = problems_of(a_project(), consents=CONSENT + 'form_complete = "old_consent_complete"\n')
    assert "consent[1].form_complete: REDCap has no field 'old_consent_complete'" in said


def test_the_timestamp_of_a_form_that_is_gone_is_named() -> None:
    said = problems_of(a_project(), consents=SURVEY_CONSENT.replace("consent_timestamp", "e_consent_timestamp"))
    assert "consent[1].date: REDCap has no field 'e_consent_timestamp'" in said


def test_a_timestamp_is_no_decision() -> None:
    said = problems_of(a_project(), riders=RIDER.replace('"rider_a"', '"consent_timestamp"'))
    assert "riders[1].field: REDCap has no field 'consent_timestamp'" in said


def test_a_field_that_would_pass_for_the_record_id_is_refused() -> None:
    said = problems_of(a_project(a_line("record")), riders=RIDER.replace('"rider_a"', '"record"'))
    assert "a field named 'record' cannot be told from the record id" in said


def test_a_rider_on_the_consent_form_is_not_kept_apart() -> None:
    assert plan_of(a_project()).coding.kept_apart == set()


def test_a_rider_on_a_form_of_its_own_is_kept_apart() -> None:
    assert plan_of(a_project(a_line("rider_a", "riders", "yesno"))).coding.kept_apart == {"rider a"}


@pytest.mark.parametrize(
    "apart",
    [
        '[[leave_out]]\nreason = "test record"\nfield = "is_test"\ncodes = ["yes"]\n',
        '[only]\nfield = "is_test"\ncodes = ["yes"]\n',
    ],
)
def test_a_code_that_would_leave_out_nobody_or_everybody_is_refused(apart: str) -> None:
    project = a_project(a_line("is_test", "enrolment", "yesno"))
    with pytest.raises(DictionaryError, match=r"codes: 'is_test' has no option 'yes' \(options now: 1, 0\)"):
        plan_of(project, more=apart)


def test_the_status_of_another_form_certifies_no_consent() -> None:
    project = a_project(a_line("weight", "visit"))
    consent = CONSENT + 'form_complete = "visit_complete"\n'
    with pytest.raises(DictionaryError, match="'visit_complete' is not the status of the decision's form"):
        plan_of(project, consents=consent)


def test_a_field_with_options_is_no_date() -> None:
    project = a_project(a_line("consent_date", kind="radio", choices="1, Today | 2, Yesterday"))
    with pytest.raises(DictionaryError, match="'consent_date' is a radio field, which holds no date"):
        plan_of(project)


def test_a_missing_data_code_may_leave_records_out() -> None:
    project = a_project(a_line("moved", "enrolment", "yesno"), missing_data_codes="NASK, Not asked")
    apart = '[[leave_out]]\nreason = "never asked"\nfield = "moved"\ncodes = ["NASK"]\n'
    assert plan_of(project, more=apart)


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


def test_the_fields_of_the_optional_parts_are_asked_for() -> None:
    plan = plan_of(a_project(A_SITE, A_VERSION, *LEAVING), more=WITHDRAWAL + SITES + VERSION)
    assert plan.fields[4:] == ("left", "left_on", "how_far", "site", "version")


def test_the_forms_of_the_optional_parts_are_listed() -> None:
    plan = plan_of(a_project(A_SITE, A_VERSION, *LEAVING), more=WITHDRAWAL + SITES + VERSION)
    assert plan.listing_fields == ("record_id", "consent_complete", "closing_complete", "enrolment_complete")


def test_the_data_access_group_is_kept_only_where_it_is_the_site() -> None:
    by_group, by_field = plan_of(a_project(), more=BY_GROUP), plan_of(a_project(A_SITE), more=SITES)
    assert (GROUP in by_group.shape.values, GROUP in by_field.shape.values) == (True, False)


def test_the_data_access_group_is_no_field_to_ask_for() -> None:
    assert plan_of(a_project(), more=BY_GROUP).fields == plan_of(a_project()).fields


def test_a_timestamp_may_date_a_withdrawal() -> None:
    plan = plan_of(a_project(*LEAVING), more='[withdrawal]\ndate = "closing_timestamp"\n')
    assert (set(plan.coding.timestamps), plan.survey_fields) == ({"closing_timestamp"}, True)


@pytest.mark.parametrize(
    ("more", "fields", "said"),
    [
        (WITHDRAWAL, LEAVING[1:], "withdrawal.flag: REDCap has no field 'left'"),
        (WITHDRAWAL, LEAVING[::2], "withdrawal.date: REDCap has no field 'left_on'"),
        (WITHDRAWAL, LEAVING[:2], "withdrawal.extent: REDCap has no field 'how_far'"),
        (WITHDRAWAL.replace('"1"', '"yes"'), LEAVING, "withdrawal.codes: 'left' has no option 'yes'"),
        (
            WITHDRAWAL.replace("left_on", "left"),
            LEAVING,
            "withdrawal.date: 'left' is a yesno field, which holds no date",
        ),
        (WITHDRAWAL + 'ends = ["3"]\n' + LABELS, LEAVING, "withdrawal.ends: 'how_far' has no option '3'"),
        (WITHDRAWAL + LABELS.replace("1 =", "3 ="), LEAVING, "withdrawal.extent_labels: 'how_far' has no option '3'"),
        (
            WITHDRAWAL + 'ends = ["9"]\n',
            LEAVING,
            "'how_far' has an option '1' that is under neither ends nor extent_labels",
        ),
        (SITES, (), "sites.by: REDCap has no field 'site'"),
        (SITES.replace('"n"', '"x"'), (A_SITE,), "sites.site.code: 'site' has no option 'x' (options now: n, s)"),
        (SITES, (a_line("site", kind="checkbox", choices="n, North"),), "may hold several answers at once"),
        (VERSION, (), "version.field: REDCap has no field 'version'"),
        (VERSION.replace('"2"', '"3"'), (A_VERSION,), "version.accepted: 'version' has no option '3'"),
    ],
)
def test_what_the_optional_parts_name_must_be_there(more: str, fields: tuple[Line, ...], said: str) -> None:
    assert said in problems_of(a_project(*fields), more=more)


def test_a_version_of_a_rider_that_the_field_cannot_hold_is_named() -> None:
    said = problems_of(a_project(A_VERSION), riders=RIDER + 'offered_in = ["2", "4"]\n', more=VERSION)
    assert "riders[1].offered_in: 'version' has no option '4' (options now: 1, 2)" in said


def test_a_version_or_site_that_is_written_as_text_can_be_any() -> None:
    assert plan_of(a_project(a_line("site"), a_line("version")), more=SITES + VERSION)


def test_an_extent_that_ends_taking_part_and_the_labels_of_the_others_are_enough() -> None:
    assert plan_of(a_project(*LEAVING), more=WITHDRAWAL + 'ends = ["9"]\n' + LABELS)
