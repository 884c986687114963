"""The columns of a record export. A column that the user's rights exclude is absent, without a message."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from sandbox.redcap.call import Call, Refusal, not_simulated
from sandbox.redcap.project import Column, Project, Row, User, option_column


@dataclass(frozen=True)
class Structure:
    """A column with a row's record, event, repeat or group."""

    name: str
    value: Callable[[Row], str]


def data_columns(call: Call) -> list[Column]:
    """Return the columns of data that were requested and that the user may export."""
    project, fields = call.project, _known_fields(call)

    def requested(field: str) -> bool:
        return fields is None or field in fields

    if not requested(project.id_field.name):
        raise not_simulated("fields without the record id")
    surveys: set[str] = set()
    if call.parameters.flag("exportSurveyFields"):
        surveys = {one.form for one in project.columns() if one.part != "timestamp" and requested(one.field)}
        surveys.add(project.id_field.form)
    return [
        one
        for one in project.columns()
        if (one.form in surveys if one.part == "timestamp" else requested(one.field)) and _may_export(call.user, one)
    ]


def _known_fields(call: Call) -> set[str] | None:
    project, names = call.project, call.parameters.listed("fields")
    known = {one.name for one in project.fields} | {f"{form}_complete" for form in project.form_names}
    unknown = [f"'{name}'" for name in names or () if name not in known]
    if unknown and not call.switches.ignore_unknown_fields:
        raise Refusal(400, f'The following values in the parameter "fields" are not valid: {", ".join(unknown)}')
    return None if names is None else set(names)


def _may_export(user: User, column: Column) -> bool:
    right, source = user.right(column.form), column.source
    if right == "none":
        return False
    if right == "full" or source is None:
        return True
    free_text = source.type == "notes" or (source.type == "text" and not source.validation)
    dated = source.validation.startswith("date")
    return not source.identifier and (right == "no identifiers" or not (free_text or dated))


def with_missing_codes(project: Project, columns: list[Column], rows: Callable[[], Iterable[Row]]) -> list[Column]:
    """Add, after each checkbox, the columns of the missing-data codes that some row has."""
    extra = [
        option_column(source, code)
        for source in {column.source for column in columns if column.part == "option"}
        for code in project.missing_codes
        if source
    ]
    if not extra:
        return columns
    used = {column.name for row in rows() for column in extra if row.values.get(column.name) == "1"}
    found: list[Column] = []
    for name, own in groupby(columns, key=lambda column: column.field):
        found += [*own, *(column for column in extra if column.field == name and column.name in used)]
    return found


def structure_columns(call: Call) -> Iterator[Structure]:
    """Yield the columns before the data, each only when it applies."""
    project, user, parameters = call.project, call.user, call.parameters
    yield Structure(project.id_field.name, lambda row: row.record)
    if project.is_longitudinal:
        yield Structure("redcap_event_name", lambda row: row.event)
    if project.has_repeats:
        yield Structure("redcap_repeat_instrument", lambda row: row.instrument)
        yield Structure("redcap_repeat_instance", lambda row: "" if row.instance is None else str(row.instance))
    if parameters.flag("exportDataAccessGroups") and project.groups and user.group is None:
        yield Structure("redcap_data_access_group", lambda row: row.group)
    without_identifiers = any(user.right(form) in ("de-identified", "no identifiers") for form in project.form_names)
    if parameters.flag("exportSurveyFields") and project.surveys and not without_identifiers:
        name = "redcap_survey_identifier"
        yield Structure(name, lambda row: row.values.get(name, ""))
