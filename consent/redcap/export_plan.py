"""What to request from a REDCap project for one study, and how to read the response."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consent.errors import DictionaryError
from consent.redcap.arrivals import EVENT, GROUP, INSTANCE, INSTRUMENT, RECORD, RowShape
from consent.redcap.dictionary import COMPLETE, TIMESTAMP, Project
from consent.redcap.validation import find_mismatches
from consent.studies.model import FieldRef, Rider, StudyConfig, named_fields


@dataclass(frozen=True)
class ColumnMap:
    """Where an export holds the study's fields."""

    columns: Mapping[FieldRef, str]  # the export column of each field or checkbox option that the study uses
    missing_codes: frozenset[str]  # they mean "no answer" in any field
    event_order: tuple[str, ...]  # unique event names, first to last; empty where unknown
    # for each rider, the positions of the consent forms that offer it, each with the rider's fields for such a consent
    offered_by: Mapping[str, Mapping[int, tuple[FieldRef, ...]]]
    separate_fields: Mapping[str, tuple[FieldRef, ...]]  # of each rider: on no consent form; they may have other rows
    timestamps: frozenset[str]  # the date fields that are survey timestamps, in the server's time zone
    # for each rider, the events whose consents can have its answer on their row; absent where every event may
    rider_events: Mapping[str, frozenset[str]] = field(default_factory=dict)


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
    structure = ((EVENT,) if project.events else ()) + ((INSTRUMENT, INSTANCE) if project.has_repeats else ())
    return ExportPlan(
        shape=RowShape(record_id=project.record_id, values=value_columns(study, columns), structure=structure),
        column_map=ColumnMap(
            columns=columns,
            missing_codes=project.missing_codes | {*study.redcap.missing_codes},
            event_order=project.events,
            offered_by={rider.key: _offering_forms(rider, study, project) for rider in study.riders},
            separate_fields={rider.key: _separate_fields(rider, study, project) for rider in study.riders},
            timestamps=timestamps,
            rider_events={rider.key: events for rider in study.riders if (events := _events_of(rider, study, project))},
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


def _offering_forms(rider: Rider, study: StudyConfig, project: Project) -> dict[int, tuple[FieldRef, ...]]:
    """Return the consent forms that a rider is on; every consent form offers a rider that is also on other forms."""
    if rider.where:  # it is read from rows of its own
        return dict.fromkeys(range(len(study.consents)), ())
    elsewhere = _separate_fields(rider, study, project)
    forms = [project.form_of(consent.decision.field) for consent in study.consents]
    own = [tuple(ref for ref in rider.fields if project.form_of(ref.field) == form) for form in forms]
    return {n: (*refs, *elsewhere) for n, refs in enumerate(own) if refs or elsewhere}


def _events_of(rider: Rider, study: StudyConfig, project: Project) -> frozenset[str]:
    """Return the events of a rider on forms of its own; none where it selects rows, or is on a consent form."""
    if rider.where or _separate_fields(rider, study, project) != rider.fields:
        return frozenset()
    return frozenset(event for ref in rider.fields for event, _ in project.places_of(ref.field))


def _separate_fields(rider: Rider, study: StudyConfig, project: Project) -> tuple[FieldRef, ...]:
    """Return the fields on no consent form, or all fields of a rider that selects rows of its own."""
    forms = {project.form_of(consent.decision.field) for consent in study.consents}
    return tuple(ref for ref in rider.fields if rider.where or project.form_of(ref.field) not in forms)
