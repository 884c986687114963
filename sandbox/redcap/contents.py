"""The small contents of REDCap's API: project, dictionary, forms by event, repeats, users, groups."""

from collections.abc import Callable, Mapping, Sequence

from sandbox.redcap.call import Call, Refusal
from sandbox.redcap.formats import Value, json_list, json_object
from sandbox.redcap.project import Project, User, arm_number, columns_of

Rows = Sequence[Mapping[str, Value]]

_RIGHT_NUMBERS = {"none": 0, "full": 1, "de-identified": 2, "no identifiers": 3}
_FIRST_GROUP_NUMBER = 100
_METADATA_KEYS = (
    "field_name form_name section_header field_type field_label select_choices_or_calculations field_note "
    "text_validation_type_or_show_slider_number text_validation_min text_validation_max identifier branching_logic "
    "required_field custom_alignment question_number matrix_group_name matrix_ranking field_annotation"
)
_PROJECT_KEYS_SINCE_15_8_2 = {
    "has_repeating_instruments_or_events",
    "missing_data_codes",
    "external_modules",
    "bypass_branching_erase_field_prompt",
    "project_pi_email",
}
_USER_SWITCHES = (
    "design alerts user_rights data_access_groups reports stats_and_charts manage_survey_participants calendar "
    "data_import_tool data_comparison_tool logging email_logging file_repository data_quality_create "
    "data_quality_execute api_export api_import api_modules mobile_app mobile_app_download_data record_create "
    "record_rename record_delete lock_records_all_forms lock_records lock_records_customization"
)


def _project(call: Call) -> dict[str, Value]:
    """Return the 27 keys that describe a project (fewer on servers before 15.8.2)."""
    project = call.project
    found: dict[str, Value] = {
        "project_id": project.project_id,
        "project_title": project.title,
        "creation_time": "2022-02-20 00:11:01",
        "production_time": "2022-03-01 09:30:00",
        "in_production": 1,
        "project_language": "English",
        "purpose": 2,
        **dict.fromkeys(("purpose_other", "project_notes", "custom_record_label", "secondary_unique_field"), ""),
        "is_longitudinal": int(project.is_longitudinal),
        "has_repeating_instruments_or_events": int(project.has_repeats),
        "surveys_enabled": int(bool(project.surveys)),
        "scheduling_enabled": 0,
        "record_autonumbering_enabled": 1,
        "randomization_enabled": 0,
        "ddp_enabled": 0,
        **dict.fromkeys(("project_irb_number", "project_grant_number", "project_pi_firstname"), ""),
        **dict.fromkeys(("project_pi_lastname", "project_pi_email"), ""),
        "display_today_now_button": 1,
        "missing_data_codes": project.missing_data_codes,
        "external_modules": "",
        "bypass_branching_erase_field_prompt": 0,
    }
    hidden = _PROJECT_KEYS_SINCE_15_8_2 if call.switches.hide_newer_project_keys else set()
    return {key: value for key, value in found.items() if key not in hidden}


def _metadata(call: Call) -> Rows:
    return [
        dict.fromkeys(_METADATA_KEYS.split(), "")
        | {
            "field_name": one.name,
            "form_name": one.form,
            "field_type": one.type,
            "field_label": one.label,
            "select_choices_or_calculations": one.choices,
            "text_validation_type_or_show_slider_number": one.validation,
            "identifier": "y" if one.identifier else "",
            "field_annotation": one.annotation,
        }
        for one in call.project.fields
    ]


def _field_names(call: Call) -> Rows:
    columns = columns_of(call.project.id_field) + call.project.columns()
    return [
        {"original_field_name": one.field, "choice_value": one.code, "export_field_name": one.name}
        for one in columns
        if one.part != "timestamp" and (one.source is None or one.source.type != "file")
    ]


def _form_events(call: Call) -> Rows:
    if call.project.events is None:
        raise Refusal(400, "You cannot export form/event mappings for classic projects")
    return [
        {"arm_num": arm_number(event), "unique_event_name": event, "form": form}
        for event, forms in call.project.events.items()
        for form in forms
    ]


def _repeats(call: Call) -> Rows:
    project = call.project
    if not project.has_repeats:
        raise Refusal(
            400,
            "You cannot export repeating instruments and events because the project does not contain any "
            "repeating instruments and events",
        )
    if project.events is None:
        repeating = {form for _, form in project.repeating_forms}
        return [{"form_name": form, "custom_form_label": ""} for form in project.form_names if form in repeating]
    return [
        {"event_name": event, "form_name": form, "custom_form_label": ""}
        for event in project.events
        for form in ("", *project.form_names)
        if (event in project.repeating_events if form == "" else (event, form) in project.repeating_forms)
    ]


def _require(allowed: bool, privilege: str) -> None:
    if not allowed:
        raise Refusal(
            400,
            "Insufficient user privileges: You must have 'API Export' privileges and "
            f"'{privilege}' privileges in the project.",
        )


def _users(call: Call) -> Rows:
    _require(call.user.user_rights, "User Rights")
    return [_user(call.project, user) for user in call.project.users]


def _user(project: Project, user: User) -> dict[str, Value]:
    switches = dict.fromkeys(_USER_SWITCHES.split(), 0) | {
        "user_rights": int(user.user_rights),
        "data_access_groups": int(user.dag_right),
        "api_export": int(user.api_export),
    }
    return {
        "username": user.name,
        "email": f"{user.name}@example.org",
        "firstname": user.name.title(),
        "lastname": "Example",
        "expiration": "",
        "data_access_group": user.group or "",
        "data_access_group_id": _group_number(project, user.group) if user.group else "",
        "data_access_group_label": _group_label(user.group) if user.group else "",
        **switches,
        "forms": dict.fromkeys(project.form_names, 1),
        "forms_export": {form: _RIGHT_NUMBERS[user.right(form)] for form in project.form_names},
    }


def _group_number(project: Project, group: str) -> int:
    return _FIRST_GROUP_NUMBER + list(project.groups).index(group)


def _group_label(group: str) -> str:
    return group.replace("_", " ").title()


def _groups(call: Call) -> Rows:
    _require(call.user.dag_right, "Data Access Groups")
    return [
        {
            "data_access_group_name": _group_label(group),
            "unique_group_name": group,
            "data_access_group_id": _group_number(call.project, group),
        }
        for group in call.project.groups
    ]


CONTENTS: Mapping[str, Callable[[Call], str]] = {
    "project": lambda call: json_object(_project(call)),
    "metadata": lambda call: json_list(_metadata(call), separator=",\n"),
    "exportFieldNames": lambda call: json_list(_field_names(call)),
    "formEventMapping": lambda call: json_list(_form_events(call)),
    "repeatingFormsEvents": lambda call: json_list(_repeats(call)),
    "user": lambda call: json_list(_users(call)),
    "dag": lambda call: json_list(_groups(call)),
}
