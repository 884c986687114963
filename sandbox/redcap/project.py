"""An invented REDCap project: its dictionary, its events, its users and its rows.

A project does not check its rows: data that does not belong to a form of the row's event is never sent, as in REDCap.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Right = Literal["none", "full", "de-identified", "no identifiers"]
Form = str
Event = str

_BUILT_IN_CHOICES = {"yesno": "1, Yes | 0, No", "truefalse": "1, True | 0, False"}
_NEVER_EXPORTED = {"descriptive"}


@dataclass(frozen=True)
class Field:
    """One variable of the data dictionary; ``choices`` as REDCap writes them, ``1, Yes | 0, No``."""

    name: str
    form: Form
    type: str = "text"
    label: str = ""
    choices: str = ""
    validation: str = ""
    identifier: bool = False
    annotation: str = ""

    @property
    def options(self) -> dict[str, str]:
        """Code to label, in order; each choice is split at its first comma only."""
        if self.type in ("calc", "slider"):
            return {}
        return split_choices(self.choices or _BUILT_IN_CHOICES.get(self.type, ""))


def split_choices(choices: str) -> dict[str, str]:
    """Code to label of a choices string such as ``1, Yes | 0, No``."""
    pairs = (choice.partition(",") for choice in choices.split("|") if choice.strip())
    return {code.strip(): label.strip() for code, _, label in pairs}


@dataclass(frozen=True)
class User:
    """A token and what its owner may see; ``rights`` by form, ``full`` where a form is not named."""

    name: str
    token: str
    group: str | None = None
    rights: Mapping[Form, Right] = field(default_factory=dict)
    api_export: bool = True
    user_rights: bool = True
    dag_right: bool = True
    expired: bool = False
    deleted: bool = False

    def right(self, form: Form) -> Right:
        """What of this form the user may export."""
        return self.rights.get(form, "full")


@dataclass(slots=True)  # not frozen: a registry of a million rows makes one each
class Row:
    """One row as REDCap exports it: a record, or one event or repeat of it.

    ``values`` goes by export column (``race___1``, ``<form>_complete``, ``<form>_timestamp``); a column that is
    absent or blank is blank, and a form whose ``_complete`` is absent was never touched. ``instrument`` is set on
    the rows of a repeating form, ``instance`` on these and on those of a repeating event.
    """

    record: str
    values: Mapping[str, str]
    event: Event = ""
    instrument: Form = ""
    instance: int | None = None
    group: str = ""


@dataclass(frozen=True)
class Column:
    """One column that data can be exported in; ``part`` says which of a field's or form's columns it is."""

    name: str
    form: Form
    field: str
    part: Literal["value", "option", "status", "timestamp"]
    source: Field | None = None
    code: str = ""

    @property
    def untouched(self) -> str:
        """What REDCap sends where nothing is stored on a form that could have been filled in."""
        return "0" if self.part in ("option", "status") else ""


@dataclass
class Project:
    """A REDCap project. The first field is the record id.

    ``events`` maps unique event names, in event order, to their forms (None: a classic project). A repeating form
    is ``(event, form)``, with event None in a classic project. ``rows`` is a list, or is called for every request
    and read lazily, so that a registry of any size can be streamed; the rows of a record stay together.
    """

    fields: Sequence[Field]
    rows: Callable[[], Iterable[Row]] | Sequence[Row] = ()
    users: Sequence[User] = ()
    project_id: int = 14
    title: str = "Consent registry"
    events: Mapping[Event, Sequence[Form]] | None = None
    repeating_forms: set[tuple[Event | None, Form]] = field(default_factory=set)
    repeating_events: set[Event] = field(default_factory=set)
    surveys: set[Form] = field(default_factory=set)
    groups: Sequence[str] = ()
    missing_data_codes: str = ""
    version: str = "15.8.2"

    @property
    def id_field(self) -> Field:
        """The field that holds the record id."""
        return self.fields[0]

    @property
    def form_names(self) -> list[Form]:
        """The forms in the order of the dictionary."""
        return list(dict.fromkeys(one.form for one in self.fields))

    @property
    def is_longitudinal(self) -> bool:
        """Whether the project has events."""
        return self.events is not None

    @property
    def has_repeats(self) -> bool:
        """Whether any form or event repeats."""
        return bool(self.repeating_forms or self.repeating_events)

    @property
    def missing_codes(self) -> dict[str, str]:
        """Missing-data code to label."""
        return split_choices(self.missing_data_codes)

    def read(self) -> Iterable[Row]:
        """The rows from the beginning."""
        return self.rows() if callable(self.rows) else self.rows

    def forms_on(self, row: Row) -> set[Form]:
        """The forms whose data a row of this kind can hold."""
        if row.instrument:
            return {row.instrument}
        event = row.event if self.is_longitudinal else None
        designated = self.form_names if self.events is None else self.events.get(row.event, ())
        return {form for form in designated if (event, form) not in self.repeating_forms}

    def columns(self) -> list[Column]:
        """Every data column in export order: by form its timestamp (surveys), its fields, its status."""
        found: list[Column] = []
        for form in self.form_names:
            if form in self.surveys:
                found.append(Column(f"{form}_timestamp", form, "", "timestamp"))
            for one in self.fields[1:]:
                if one.form == form:
                    found += columns_of(one)
            found.append(Column(f"{form}_complete", form, f"{form}_complete", "status"))
        return found


def columns_of(one: Field) -> list[Column]:
    """The columns a field is exported in: one, one for each checkbox option, or none."""
    if one.type in _NEVER_EXPORTED:
        return []
    if one.type == "checkbox":
        return [option_column(one, code) for code in one.options]
    return [Column(one.name, one.form, one.name, "value", one)]


def option_column(one: Field, code: str) -> Column:
    """The column of one checkbox option: ``field___code``, lower case, other characters as underscores."""
    return Column(f"{one.name}___{re.sub(r'[^a-z0-9_]', '_', code.lower())}", one.form, one.name, "option", one, code)


def arm_number(event: Event) -> int:
    """2 of ``event_1_arm_2``."""
    found = re.search(r"_arm_(\d+)$", event)
    return int(found[1]) if found else 1
