"""What to ask a REDCap project for so that a study can be counted, and how to read what comes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from consent.errors import DictionaryError
from consent.redcap.arrivals import EVENT, GROUP, INSTANCE, INSTRUMENT, RECORD, RowShape
from consent.redcap.dictionary import COMPLETE, TIMESTAMP, Project
from consent.redcap.validation import find_mismatches
from consent.studies.model import FieldRef, Rider, StudyConfig, named_fields


@dataclass(frozen=True)
class ColumnMap:
    """How the study's fields are written in an export.

    Attributes:
        columns: the export column of each field or checkbox option that the study uses.
        missing_codes: codes that stand for "no answer" in any field.
        event_order: unique event names, first to last; empty where unknown.
        offered_by: for each rider, the positions of the consent forms that have it.
        kept_apart: the riders whose field is on no consent form; their answers may stand on rows of their own.
        timestamps: the date fields that are survey timestamps, written in the server's time zone.
    """

    columns: Mapping[FieldRef, str]
    missing_codes: frozenset[str]
    event_order: tuple[str, ...]
    offered_by: Mapping[str, frozenset[int]]
    kept_apart: frozenset[str]
    timestamps: frozenset[str]


@dataclass(frozen=True)
class ExportPlan:
    """What to ask REDCap for, and how to read what comes."""

    shape: RowShape
    coding: ColumnMap
    fields: tuple[str, ...]
    listing_fields: tuple[str, ...]
    survey_fields: bool


def plan_export(study: StudyConfig, project: Project) -> ExportPlan:
    """What to ask for so that the study can be counted.

    Raises:
        DictionaryError: everything that the study file names and the project does not have, or codes differently.
    """
    if problems := list(find_mismatches(study, project)):
        raise DictionaryError(
            problems, f"The study file of '{study.key}' and REDCap's data dictionary disagree. Correct one of them:"
        )
    columns = {ref: _column_of(ref, project) for _, ref in named_fields(study)}
    forms = dict.fromkeys(project.form_of(ref.field) for ref in columns)
    timestamps = frozenset(ref.field for ref in columns if project.is_timestamp(ref.field))
    surveys = [form for form in forms if f"{form}{TIMESTAMP}" in timestamps]
    asked = [ref.field for ref in columns if ref.field not in timestamps]
    # A timestamp comes only with a field of its survey, and a repeat in which all else is blank perhaps only with its
    # status, as in the listing.
    with_status = forms if project.has_repeats else surveys
    fields = dict.fromkeys([project.record_id, *asked, *(f"{form}{COMPLETE}" for form in with_status)])
    structure = ((EVENT,) if project.events else ()) + ((INSTRUMENT, INSTANCE) if project.has_repeats else ())
    values = value_columns(study, columns)
    return ExportPlan(
        shape=RowShape(record_id=project.record_id, values=values, structure=structure),
        coding=ColumnMap(
            columns=columns,
            missing_codes=project.missing_codes,
            event_order=project.events,
            offered_by=_offers(study, project),
            kept_apart=frozenset(rider.key for rider in study.riders if not _forms_with(rider, study, project)),
            timestamps=timestamps,
        ),
        fields=tuple(fields),
        listing_fields=(project.record_id, *(f"{form}{COMPLETE}" for form in forms)),
        survey_fields=bool(surveys),
    )


def value_columns(study: StudyConfig, columns: Mapping[FieldRef, str]) -> tuple[str, ...]:
    """The columns to keep of an export: those of the study's fields, and the group where it tells the site."""
    group = (GROUP,) if study.sites and study.sites.by_group else ()
    return (*dict.fromkeys(column for column in columns.values() if column != RECORD), *group)


def _column_of(ref: FieldRef, project: Project) -> str:
    return RECORD if ref.field == project.record_id else project.checkbox_columns.get(ref, ref.field)


def _offers(study: StudyConfig, project: Project) -> dict[str, frozenset[int]]:
    """A rider on a consent form is offered by that form; one on a form of its own, by every consent form."""
    everyone = frozenset(range(len(study.consents)))
    return {rider.key: _forms_with(rider, study, project) or everyone for rider in study.riders}


def _forms_with(rider: Rider, study: StudyConfig, project: Project) -> frozenset[int]:
    form = project.form_of(rider.field.field)
    decisions = (consent.decision.field for consent in study.consents)
    return frozenset(n for n, decision in enumerate(decisions) if project.form_of(decision) == form)
