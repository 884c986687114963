"""A REDCap project: its fields, forms, option codes, events, repeats and data access groups.

``project.py`` gets the description from REDCap, or from a downloaded data dictionary.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from consent.studies.model import FieldRef

COMPLETE, TIMESTAMP = "_complete", "_timestamp"

Line = Mapping[str, str]

_WITH_CHOICES = ("radio", "dropdown", "checkbox")
_FIXED_CHOICES = {"yesno": (("1", "Yes"), ("0", "No")), "truefalse": (("1", "True"), ("0", "False"))}
_INLINE_TAGS = re.compile(r"</?(b|i|u|em|strong|span|font|a|sub|sup)\b[^>]*>", re.IGNORECASE)
_OTHER_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[/!a-z][^>]*>", re.IGNORECASE | re.DOTALL)
_API_NAMES = {
    "variable / field name": "field_name",
    "form name": "form_name",
    "field type": "field_type",
    "field label": "field_label",
    "choices": "select_choices_or_calculations",
    "text validation type": "text_validation_type_or_show_slider_number",
    "identifier": "identifier",
    "field annotation": "field_annotation",
}
"""How the headings of a downloaded dictionary begin, and the API's names; the endings differ between versions."""


@dataclass(frozen=True)
class ProjectField:
    """One field; ``choices`` are pairs of code and label, ``annotation`` holds its action tags."""

    name: str
    form: str
    type: str
    label: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    validation: str = ""
    annotation: str = ""
    is_identifier: bool = False

    @property
    def options(self) -> tuple[str, ...] | None:
        """The option codes; None where fields of this type have no options."""
        if self.type not in (*_WITH_CHOICES, *_FIXED_CHOICES):
            return None
        return tuple(code for code, _ in self.choices)

    @property
    def is_date(self) -> bool:
        """Whether REDCap accepts only dates (or dates with times) in this field."""
        return self.validation.startswith(("date_", "datetime_"))


@dataclass(frozen=True)
class Project:
    """The description of a REDCap project.

    ``repeating`` holds (event, form): the event is empty in a classic project, the form where a whole event repeats.
    """

    fields: tuple[ProjectField, ...]  # in the order of the data dictionary; the first is the record id
    title: str = ""  # from the file's name where a downloaded dictionary describes the project
    project_id: int | None = None
    forms_by_event: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # events in order; none if classic
    has_repeats: bool = False  # as REDCap reports it; older servers do not
    repeating: frozenset[tuple[str, str]] | None = None  # None where unknown
    groups: tuple[tuple[str, str], ...] | None = None  # data access groups as code and label; None where unknown
    surveys: bool | None = None  # whether forms can be surveys; None where unknown
    missing_codes: frozenset[str] = frozenset()  # they mean "no answer" in any field
    checkbox_columns: Mapping[FieldRef, str] = field(default_factory=dict)  # of each option, where requested

    @property
    def record_id(self) -> str:
        return self.fields[0].name

    @property
    def events(self) -> tuple[str, ...]:
        """The unique event names in order; empty for a classic project."""
        return tuple(self.forms_by_event)

    @cached_property
    def forms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.form for each in self.fields))

    @cached_property
    def _by_name(self) -> Mapping[str, ProjectField]:
        return {each.name: each for each in self.fields}

    def field(self, name: str) -> ProjectField | None:
        """Return the field with this name; None for a form's status or timestamp."""
        return self._by_name.get(name)

    def form_of(self, name: str) -> str:
        """Return the instrument of a field, a form's status or a survey timestamp."""
        found = self.field(name)
        return found.form if found else re.sub(rf"({COMPLETE}|{TIMESTAMP})$", "", name)

    def is_of_form(self, name: str, ending: str) -> bool:
        """Return whether a name is an instrument's status (COMPLETE) or survey time (TIMESTAMP), and not a field."""
        return self.field(name) is None and name.endswith(ending) and name.removesuffix(ending) in self.forms

    def places_of(self, name: str) -> frozenset[tuple[str, str]]:
        """Return the kinds of rows that hold a field, as (event, form).

        The event is empty in a classic project. The form is empty unless it repeats there: such a row holds its fields
        only. The record id is on every row.
        """
        forms, repeating = (self.forms if name == self.record_id else (self.form_of(name),)), self.repeating or ()
        events = self.forms_by_event.items() if self.events else (("", self.forms),)
        found = ((event, form) for event, held in events for form in forms if form in held)
        return frozenset((event, form if (event, form) in repeating else "") for event, form in found)

    def options_of(self, ref: FieldRef) -> tuple[str, ...] | None:
        """Return the codes that a field can hold now; None where it has no options."""
        if ref.is_checkbox:
            return ("0", "1")
        found = self.field(ref.field)
        return found.options if found and found.type != "checkbox" else None


def parse_project(about: Line, responses: Mapping[str, Sequence[Line]]) -> Project:
    """Build a project from REDCap's responses.

    about: the response to ``project``. responses: by content, ``metadata`` and, where requested and allowed,
    ``formEventMapping`` (in the order of the events), ``exportFieldNames``, ``repeatingFormsEvents`` and ``dag``.
    Raises KeyError with the name of a column that a response lacks.
    """
    forms_by_event: dict[str, tuple[str, ...]] = {}
    for row in responses.get("formEventMapping", ()):
        event = row["unique_event_name"]
        forms_by_event[event] = (*forms_by_event.get(event, ()), row["form"])
    number, repeats_flag = about.get("project_id", ""), about.get("has_repeating_instruments_or_events")
    repeats = responses.get("repeatingFormsEvents", () if repeats_flag == "0" else None)
    groups = responses.get("dag")
    return Project(
        fields=tuple(_field(row) for row in responses["metadata"]),
        title=about.get("project_title", ""),
        project_id=int(number) if number.isdecimal() else None,
        forms_by_event=forms_by_event,
        has_repeats=repeats_flag == "1",
        repeating=None
        if repeats is None
        else frozenset((row.get("event_name", ""), row["form_name"]) for row in repeats),
        groups=None
        if groups is None
        else tuple((row["unique_group_name"], row.get("data_access_group_name", "")) for row in groups),
        surveys=about["surveys_enabled"] == "1" if "surveys_enabled" in about else None,
        missing_codes=frozenset(code for code, _ in _choices(about.get("missing_data_codes", ""))),
        checkbox_columns={
            FieldRef(row["original_field_name"], row["choice_value"]): row["export_field_name"]
            for row in responses.get("exportFieldNames", ())
            if row.get("choice_value", "") != ""
        },
    )


def api_name(heading: str) -> str:
    """Return the API's name of a dictionary column, given its heading in a downloaded or an exported file."""
    known = (name for start, name in _API_NAMES.items() if heading.strip().lower().startswith(start))
    return next(known, heading.strip())


def plain_text(label: str) -> str:
    """Return a label as one line, without HTML tags and control characters."""
    without_tags = _OTHER_TAGS.sub(" ", _INLINE_TAGS.sub("", label)) if "<" in label else label
    printable = "".join(mark if mark.isprintable() else " " for mark in html.unescape(without_tags))
    return " ".join(printable.split())


def _field(row: Line) -> ProjectField:
    kind, choices = row["field_type"].strip(), row.get("select_choices_or_calculations", "")
    return ProjectField(
        name=row["field_name"].strip(),
        form=row["form_name"].strip(),
        type=kind,
        label=plain_text(row.get("field_label", "")),
        choices=tuple(_choices(choices)) if kind in _WITH_CHOICES else _FIXED_CHOICES.get(kind, ()),
        validation=row.get("text_validation_type_or_show_slider_number", "").strip() if kind == "text" else "",
        annotation=row.get("field_annotation", ""),
        is_identifier=row.get("identifier", "").strip().lower() == "y",
    )


def _choices(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of ``0, Goal | 1, Left wing, or right``."""
    for choice in text.split("|"):
        code, _, label = choice.partition(",")
        if code.strip():
            yield code.strip(), plain_text(label)
