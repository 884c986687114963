"""What to request from a REDCap project for one study, and how to read the response."""

from collections.abc import Mapping
from dataclasses import dataclass

from consent.errors import DictionaryError
from consent.redcap.arrivals import EVENT, GROUP, INSTANCE, INSTRUMENT, RECORD, RowShape
from consent.redcap.dictionary import COMPLETE, TIMESTAMP, Project
from consent.redcap.validation import find_mismatches
from consent.studies.model import FieldRef, StudyConfig, named_fields


@dataclass(frozen=True)
class ColumnMap:
    """Where an export holds the study's fields."""

    columns: Mapping[FieldRef, str]  # the export column of each field or checkbox option that the study uses
    missing_codes: frozenset[str]  # they mean "no answer" in any field
    event_order: tuple[str, ...]  # unique event names, first to last; empty where unknown
    offered_by: Mapping[str, frozenset[int]]  # for each rider, the positions of the consent forms that offer it
    separate_riders: frozenset[str]  # on no consent form; their answers may be on rows without a consent
    timestamps: frozenset[str]  # the date fields that are survey timestamps, in the server's time zone


@dataclass(frozen=True)
class ExportPlan:
    """The fields to request for the export and for the listing, and how to read the rows."""

    shape: RowShape
    column_map: ColumnMap
    fields: tuple[str, ...]
    listing_fields: tuple[str, ...]
    survey_fields: bool
    needs_plain_ids: bool = False  # records are left out by id, and REDCap may hash an id marked as an identifier


def plan_export(study: StudyConfig, project: Project) -> ExportPlan:
    """Plan the export of everything that counting the study needs.

    Raises DictionaryError with everything in the study file that the project does not have, or codes differently.
    """
    if problems := list(find_mismatches(study, project)):
        raise DictionaryError(problems, f"The study file of '{study.key}' does not match REDCap's data dictionary:")
    columns = {ref: _column_of(ref, project) for _, ref in named_fields(study)}
    forms = dict.fromkeys(project.form_of(ref.field) for ref in columns)
    timestamps = frozenset(ref.field for ref in columns if project.is_of_form(ref.field, TIMESTAMP))
    surveys = [form for form in forms if f"{form}{TIMESTAMP}" in timestamps]
    named = [ref.field for ref in columns if ref.field not in timestamps]
    # REDCap exports a timestamp only together with a field of its survey. It may export a repeat whose other fields
    # are blank only with its status, so the export requests every status that the listing requests.
    with_status = forms if project.has_repeats else surveys
    fields = dict.fromkeys([project.record_id, *named, *(f"{form}{COMPLETE}" for form in with_status)])
    # A consent form offers the riders on it; every consent form offers a rider that is on no consent form.
    rider_forms, all_forms = _rider_forms(study, project), frozenset(range(len(study.consents)))
    structure = ((EVENT,) if project.events else ()) + ((INSTRUMENT, INSTANCE) if project.has_repeats else ())
    return ExportPlan(
        shape=RowShape(record_id=project.record_id, values=value_columns(study, columns), structure=structure),
        column_map=ColumnMap(
            columns=columns,
            missing_codes=project.missing_codes | {*study.redcap.missing_codes},
            event_order=project.events,
            offered_by={key: on_forms or all_forms for key, on_forms in rider_forms.items()},
            separate_riders=frozenset(key for key, on_forms in rider_forms.items() if not on_forms),
            timestamps=timestamps,
        ),
        fields=tuple(fields),
        listing_fields=(project.record_id, *(f"{form}{COMPLETE}" for form in forms)),
        survey_fields=bool(surveys),
        needs_plain_ids=project.fields[0].is_identifier and any(rule.id_pattern for rule in study.leave_out),
    )


def value_columns(study: StudyConfig, columns: Mapping[FieldRef, str]) -> tuple[str, ...]:
    """Return the export columns to keep: the study's fields, and the data access group where it is the site."""
    group = (GROUP,) if study.sites and study.sites.by is None else ()
    return (*dict.fromkeys(column for column in columns.values() if column != RECORD), *group)


def _column_of(ref: FieldRef, project: Project) -> str:
    return RECORD if ref.field == project.record_id else project.checkbox_columns.get(ref, ref.field)


def _rider_forms(study: StudyConfig, project: Project) -> dict[str, frozenset[int]]:
    """The positions of the consent forms that each rider's field is on."""
    forms = [project.form_of(consent.decision.field) for consent in study.consents]
    form_of = {rider.key: project.form_of(rider.field.field) for rider in study.riders}
    return {key: frozenset(n for n, form in enumerate(forms) if form == own) for key, own in form_of.items()}
