"""A REDCap project as its data dictionary describes it to people: fields with their labels, events, repeats, groups.

Pure. What counting needs to know of a project is in ``redcap/dictionary.py``, which has no labels.
"""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from consent.redcap.dictionary import COMPLETE, TIMESTAMP

_YES_NO = {"yesno": (("1", "Yes"), ("0", "No")), "truefalse": (("1", "True"), ("0", "False"))}
_WITHIN_WORDS = r"</?(b|i|u|em|strong|span|font|a|sub|sup)\b[^>]*>"
_BETWEEN_WORDS = r"<(script|style)\b.*?</\1>|<[/!a-z][^>]*>"
_HEADINGS = {
    "variable / field name": "field_name",
    "form name": "form_name",
    "field type": "field_type",
    "field label": "field_label",
    "choices": "select_choices_or_calculations",
    "text validation type": "text_validation_type_or_show_slider_number",
    "identifier": "identifier",
    "field annotation": "field_annotation",
}
"""How the headings of a downloaded dictionary begin, and what the API calls them; endings differ between versions."""


@dataclass(frozen=True)
class DescribedField:
    """One field; ``choices`` are pairs of code and label, ``annotation`` holds its action tags."""

    name: str
    form: str
    type: str
    label: str
    choices: tuple[tuple[str, str], ...] = ()
    validation: str = ""
    annotation: str = ""
    is_identifier: bool = False

    @property
    def is_date(self) -> bool:
        """Whether REDCap sees to it that a date (or a date and time) stands here."""
        return self.validation.startswith(("date_", "datetime_"))


@dataclass(frozen=True)
class ProjectDescription:
    """What is known of a project.

    Attributes:
        title, project_id: empty and None where a file describes it.
        forms_by_event: unique event names in order, with their forms; empty for a classic project.
        repeating: (event, form) of what repeats, the event empty in a classic project and the form where the whole
            event repeats; None where the token may not read it.
        groups: the data access groups as code and label; None where the token may not read them.
        surveys: whether forms can be surveys; None where that is not known.
    """

    fields: tuple[DescribedField, ...]
    title: str = ""
    project_id: int | None = None
    forms_by_event: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    repeating: frozenset[tuple[str, str]] | None = frozenset()
    groups: tuple[tuple[str, str], ...] | None = None
    surveys: bool | None = None

    @property
    def forms(self) -> tuple[str, ...]:
        """The instruments in order."""
        return tuple(dict.fromkeys(each.form for each in self.fields))

    def field(self, name: str) -> DescribedField | None:
        """The field of that name, if it is one and not a form's status or timestamp."""
        return next((each for each in self.fields if each.name == name), None)

    def form_of(self, name: str) -> str:
        """The instrument of a field, a status or a timestamp."""
        found = self.field(name)
        return found.form if found else name.removesuffix(COMPLETE).removesuffix(TIMESTAMP)


def describe_fields(rows: Iterable[Mapping[str, str]]) -> tuple[DescribedField, ...]:
    """The fields of a data dictionary, whose rows go by the names that the API gives its columns."""
    return tuple(_field(row) for row in rows)


def api_names(headings: Iterable[str]) -> list[str]:
    """The API's names of the columns of a dictionary, downloaded (``Variable / Field Name``) or exported by API."""
    return [_api_name(heading.strip()) for heading in headings]


def plain_text(label: str) -> str:
    """A label as one line, without HTML tags and control characters."""
    joined = re.sub(_WITHIN_WORDS, "", label, flags=re.IGNORECASE)
    apart = re.sub(_BETWEEN_WORDS, " ", joined, flags=re.IGNORECASE | re.DOTALL)
    shown = "".join(mark if mark.isprintable() else " " for mark in html.unescape(apart))
    return " ".join(shown.split())


def _api_name(heading: str) -> str:
    known = (name for start, name in _HEADINGS.items() if heading.lower().startswith(start))
    return next(known, heading)


def _field(row: Mapping[str, str]) -> DescribedField:
    kind = row["field_type"].strip()
    return DescribedField(
        name=row["field_name"].strip(),
        form=row["form_name"].strip(),
        type=kind,
        label=plain_text(row.get("field_label", "")),
        choices=_choices(kind, row.get("select_choices_or_calculations", "")),
        validation=row.get("text_validation_type_or_show_slider_number", "").strip() if kind == "text" else "",
        annotation=row.get("field_annotation", ""),
        is_identifier=row.get("identifier", "").strip().lower() == "y",
    )


def _choices(kind: str, text: str) -> tuple[tuple[str, str], ...]:
    """The pairs of ``0, Goal | 1, Left wing, or right``."""
    if kind not in ("radio", "dropdown", "checkbox"):
        return _YES_NO.get(kind, ())
    pairs = (choice.partition(",") for choice in text.split("|"))
    return tuple((code.strip(), plain_text(label)) for code, _, label in pairs if code.strip())
