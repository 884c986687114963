"""An invented REDCap project (dictionary, events, users, rows), and the habits of the server that holds it.

Rows are not checked: data outside the forms of the row's event is not sent, as in REDCap.
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
    """Return code to label of a choices string such as ``1, Yes | 0, No``."""
    pairs = (choice.partition(",") for choice in choices.split("|") if choice.strip())
    return {code.strip(): label.strip() for code, _, label in pairs}


@dataclass(frozen=True)
class User:
    """A token and its export rights by form; a form that is not named has ``full``."""

    name: str
    token: str
    group: str | None = None
    rights: Mapping[Form, Right] = field(default_factory=dict)
    api_export: bool = True
    user_rights: bool = True
    dag_right: bool = True

    def right(self, form: Form) -> Right:
        """Return the user's export right for this form."""
        return self.rights.get(form, "full")


@dataclass(slots=True)  # not frozen: a registry of a million rows makes one each
class Row:
    """One row as REDCap exports it: a record, or one event or repeat of it.

    ``values`` are by export column (``race___1``, ``<form>_complete``, ``<form>_timestamp``). An absent column is
    blank; a form without ``_complete`` was never saved. A row of a repeating form has ``instrument`` and
    ``instance``; a row of a repeating event has ``instance``.
    """

    record: str
    values: Mapping[str, str]
    event: Event = ""
    instrument: Form = ""
    instance: int | None = None
    group: str = ""


@dataclass(frozen=True)
class Column:
    """One export column; ``part`` is its kind."""

    name: str
    form: Form
    field: str
    part: Literal["value", "option", "status", "timestamp"]
    source: Field | None = None
    code: str = ""

    @property
    def untouched(self) -> str:
        """The value that REDCap sends where nothing is stored."""
        return "0" if self.part in ("option", "status") else ""


@dataclass(frozen=True)
class Switches:
    """The habits that differ between versions and servers, or that are not confirmed.

    ignore_unknown_fields: before 13.4.10 an unknown name in ``fields`` was no error
    max_keys: form keys beyond this number are dropped without a message (PHP's ``max_input_vars``)
    blank_checkboxes_when_empty: a row without any value has blank checkboxes instead of 0
    hide_newer_project_keys: the project information of a server before 15.8.2
    memory_limit_cells: a record export of more rows x columns than this runs out of memory
    row_order: ``event`` sends the rows of one record apart
    escape_unicode: letters outside ASCII are escaped in JSON (not confirmed)
    """

    ignore_unknown_fields: bool = False
    max_keys: int = 1000
    blank_checkboxes_when_empty: bool = False
    hide_newer_project_keys: bool = False
    memory_limit_cells: int | None = None
    row_order: Literal["record", "event"] = "record"
    escape_unicode: bool = True


@dataclass
class Project:
    """A REDCap project. The first field is the record id.

    ``events`` maps unique event names, in order, to their forms (None: a classic project). A repeating form is
    ``(event, form)``; in a classic project the event is None. ``rows`` is a list, or a function called for each
    request, so that a registry of any size can be streamed. The rows of a record are adjacent.
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
        """Return the rows from the first one."""
        return self.rows() if callable(self.rows) else self.rows

    def forms_on(self, row: Row) -> set[Form]:
        """Return the forms whose data such a row can have."""
        if row.instrument:
            return {row.instrument}
        event = row.event if self.is_longitudinal else None
        designated = self.form_names if self.events is None else self.events.get(row.event, ())
        return {form for form in designated if (event, form) not in self.repeating_forms}

    def columns(self) -> list[Column]:
        """Return all data columns in export order: for each form its timestamp (surveys), its fields, its status."""
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
    """Return the columns of a field: one, one for each checkbox option, or none."""
    if one.type in _NEVER_EXPORTED:
        return []
    if one.type == "checkbox":
        return [option_column(one, code) for code in one.options]
    return [Column(one.name, one.form, one.name, "value", one)]


def option_column(one: Field, code: str) -> Column:
    """Return the column of one checkbox option: ``field___code``, lower case, other characters as underscores."""
    return Column(f"{one.name}___{re.sub(r'[^a-z0-9_]', '_', code.lower())}", one.form, one.name, "option", one, code)


def arm_number(event: Event) -> int:
    """Return 2 for ``event_1_arm_2``."""
    found = re.search(r"_arm_(\d+)$", event)
    return int(found[1]) if found else 1
