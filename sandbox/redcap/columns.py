"""Which columns a record export has. A column that the user's rights withhold is absent, without a message."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from sandbox.redcap.call import AuthorisedCall, Refusal, invalid_values
from sandbox.redcap.project import Column, Field, Project, Row, User, option_column


@dataclass(frozen=True)
class Structure:
    """A column that says which record, event, repeat or group a row is."""

    name: str
    value: Callable[[Row], str]


def data_columns(asked: AuthorisedCall) -> tuple[bool, list[Column]]:
    """Whether the record id (and with it event and repeat) is sent, and the columns of data."""
    project = asked.project
    fields, forms = _known_fields(asked), _known_forms(asked)
    everything = fields is None and forms is None

    def wanted(field: str, form: str) -> bool:
        return everything or field in (fields or ()) or form in (forms or ())

    with_id = wanted(project.id_field.name, project.id_field.form)
    surveys: set[str] = set()
    if asked.call.flag("exportSurveyFields"):
        surveys = {one.form for one in project.columns() if one.part != "timestamp" and wanted(one.field, one.form)}
        surveys |= {project.id_field.form} if with_id else set()
    chosen = [
        one
        for one in project.columns()
        if (one.form in surveys if one.part == "timestamp" else wanted(one.field, one.form))
    ]
    allowed = [column for column in chosen if _may_export(asked, column)]
    if chosen and not allowed and not with_id:
        raise Refusal(403, asked.switches.unknown_text)
    return with_id, allowed


def _known_fields(asked: AuthorisedCall) -> set[str] | None:
    project, names = asked.project, asked.call.listed("fields")
    known = {one.name for one in project.fields} | {f"{form}_complete" for form in project.form_names}
    unknown = [name for name in names or () if name not in known]
    if unknown and not asked.switches.ignore_unknown_fields:
        raise invalid_values("fields", unknown)
    return None if names is None else set(names)


def _known_forms(asked: AuthorisedCall) -> set[str] | None:
    names = asked.call.listed("forms")
    if names is None:
        return None
    forms = [name.replace(" ", "_") for name in names]
    unknown = [form for form in forms if form not in asked.project.form_names]
    if unknown:
        raise invalid_values("forms", unknown)
    return set(forms)


def _may_export(asked: AuthorisedCall, column: Column) -> bool:
    right, source = asked.user.right(column.form), column.source
    if right == "none":
        return False
    if right == "full" or source is None:
        return True
    if source.identifier:
        return False
    return right == "no identifiers" or not _withheld_when_deidentified(asked, source)


def _withheld_when_deidentified(asked: AuthorisedCall, source: Field) -> bool:
    free_text = source.type == "notes" or (source.type == "text" and not source.validation)
    dated = source.validation.startswith("date")
    return free_text or dated


def with_missing_codes(project: Project, columns: list[Column], rows: Callable[[], Iterable[Row]]) -> list[Column]:
    """The columns, and after each checkbox those of the missing-data codes that some row uses for it."""
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


def structure_columns(asked: AuthorisedCall, *, with_id: bool) -> list[Structure]:
    """The columns before the data, each only when it applies."""
    project, user, call = asked.project, asked.user, asked.call
    found = list(_keys(asked)) if with_id else []
    if call.flag("exportDataAccessGroups") and project.groups and user.group is None:
        found.append(Structure("redcap_data_access_group", lambda row: row.group))
    if call.flag("exportSurveyFields") and project.surveys and not _sees_no_identifiers(project, user):
        name = "redcap_survey_identifier"
        found.append(Structure(name, lambda row: row.values.get(name, "")))
    return found


def _keys(asked: AuthorisedCall) -> Iterator[Structure]:
    project = asked.project
    yield Structure(project.id_field.name, record_id(asked))
    if project.is_longitudinal:
        yield Structure("redcap_event_name", lambda row: row.event)
    if project.has_repeats:
        yield Structure("redcap_repeat_instrument", lambda row: row.instrument)
        yield Structure("redcap_repeat_instance", lambda row: "" if row.instance is None else str(row.instance))


def record_id(asked: AuthorisedCall) -> Callable[[Row], str]:
    """How this user sees a row's record id: as it is, or (old servers) hashed to 32 hex digits."""
    id_field = asked.project.id_field
    if not (asked.switches.hash_ids and id_field.identifier and asked.user.right(id_field.form) == "de-identified"):
        return lambda row: row.record
    return lambda row: hashlib.md5(row.record.encode(), usedforsecurity=False).hexdigest()


def _sees_no_identifiers(project: Project, user: User) -> bool:
    return any(user.right(form) in ("de-identified", "no identifiers") for form in project.form_names)
