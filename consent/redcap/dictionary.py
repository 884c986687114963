"""What a REDCap project consists of, as its data dictionary tells: fields, forms, options, events.

Pure. Whether a study file fits it is told by ``fit.py``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from consent.studies.model import FieldRef

COMPLETE, TIMESTAMP = "_complete", "_timestamp"


@dataclass(frozen=True)
class DictionaryField:
    """One field of the project: its form, its type, and its option codes (None where it has no options).

    identifier: whether the project flags it as one that tells who somebody is.
    """

    name: str
    form: str
    type: str
    options: tuple[str, ...] | None
    identifier: bool = False


@dataclass(frozen=True)
class Project:
    """What REDCap says of a project: its dictionary, its events in order, its missing-data codes."""

    record_id: str
    fields: Mapping[str, DictionaryField]
    events: tuple[str, ...]
    has_repeats: bool
    missing_codes: frozenset[str]
    checkbox_columns: Mapping[FieldRef, str]

    @property
    def forms(self) -> frozenset[str]:
        """Names of the project's instruments."""
        return frozenset(field.form for field in self.fields.values())

    def form_of(self, name: str) -> str:
        """The instrument that a field, a status or a survey timestamp belongs to."""
        if name in self.fields:
            return self.fields[name].form
        return re.sub(rf"({COMPLETE}|{TIMESTAMP})$", "", name)

    def is_timestamp(self, name: str) -> bool:
        """Whether a name is that of a survey's timestamp, and not of a field."""
        return self._is_of_form(name, TIMESTAMP)

    def is_status(self, name: str) -> bool:
        """Whether a name is that of an instrument's status, and not of a field."""
        return self._is_of_form(name, COMPLETE)

    def options_of(self, ref: FieldRef) -> tuple[str, ...] | None:
        """The codes that a field can hold now; None where it has no options."""
        if ref.is_checkbox:
            return ("0", "1")
        field = self.fields.get(ref.field)
        return field.options if field and field.type != "checkbox" else None

    def _is_of_form(self, name: str, ending: str) -> bool:
        return name not in self.fields and name.endswith(ending) and name.removesuffix(ending) in self.forms


def parse_project(
    metadata: Sequence[Mapping[str, str]],
    project: Mapping[str, str],
    *,
    field_names: Iterable[Mapping[str, str]] = (),
    form_events: Iterable[Mapping[str, str]] = (),
) -> Project:
    """The project as its own answers describe it.

    Args:
        metadata, project: answers of these names.
        field_names: answer of ``exportFieldNames``, needed where the study uses a checkbox.
        form_events: answer of ``formEventMapping``, for longitudinal projects; its order is the events' order.
    """
    fields = {row["field_name"]: _field(row) for row in metadata}
    return Project(
        record_id=metadata[0]["field_name"],
        fields=fields,
        events=tuple(dict.fromkeys(row["unique_event_name"] for row in form_events)),
        has_repeats=project.get("has_repeating_instruments_or_events", "0") == "1",
        missing_codes=frozenset(_codes(project.get("missing_data_codes", ""))),
        checkbox_columns={
            FieldRef(row["original_field_name"], row["choice_value"]): row["export_field_name"]
            for row in field_names
            if row.get("choice_value", "") != ""
        },
    )


def _field(row: Mapping[str, str]) -> DictionaryField:
    kind = row["field_type"]
    options: tuple[str, ...] | None = None
    if kind in ("radio", "dropdown", "checkbox"):
        options = tuple(_codes(row.get("select_choices_or_calculations", "")))
    elif kind in ("yesno", "truefalse"):
        options = ("1", "0")
    return DictionaryField(row["field_name"], row["form_name"], kind, options, row.get("identifier") == "y")


def _codes(choices: str) -> Iterator[str]:
    """The codes of a choices string: ``0, Goal | 1, Left wing, or right``."""
    for choice in choices.split("|"):
        if code := choice.partition(",")[0].strip():
            yield code
