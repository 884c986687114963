"""Conditions in REDCap's logic, the language of data quality rules and branching logic.

They use comparisons, ``and``, ``or``, brackets, and the functions ``datediff``, ``length``, ``left``, ``mid`` and
``isinteger``. The condition "" is never true.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from consent.redcap.dictionary import Project, ProjectField
from consent.studies.model import FieldRef, RowFilter

_DATE_LENGTHS = (10, 16, 19)  # of 2023-09-12, with 09:30, with 09:30:00


class NotExpressibleError(Exception):
    """REDCap's logic cannot express this; the message is the reason."""


def both(*conditions: str) -> str:
    """Return the condition that all of the conditions are true; "" is left out."""
    return _joined(" and ", conditions)


def either(*conditions: str) -> str:
    """Return the condition that at least one of the conditions is true."""
    return _joined(" or ", conditions)


def _joined(word: str, conditions: tuple[str, ...]) -> str:
    different = tuple(dict.fromkeys(filter(None, conditions)))
    return f"({word.join(different)})" if len(different) > 1 else "".join(different)


def is_one_of(cell: str, codes: Iterable[str]) -> str:
    """Return the condition that a cell holds one of the codes; "" is the blank."""
    return either(*(f"{cell} = {quoted(code)}" for code in codes))


def is_none_of(cell: str, codes: Iterable[str]) -> str:
    """Return the condition that a cell holds none of the codes."""
    return both(*(f"{cell} <> {quoted(code)}" for code in codes))


def quoted(text: str) -> str:
    """Return a text in quotation marks that it does not contain."""
    mark = '"' if "'" in text else "'"
    if mark in text or "[" in text:
        raise NotExpressibleError(f"the text {text} cannot be written in REDCap's logic")
    return f"{mark}{text}{mark}"


def days_between(first: str, last: str) -> str:
    """Return the number of days from one date to another, each a cell or a quoted date."""
    return f"datediff({first}, {last}, 'd', true)"


def without_outer_brackets(condition: str) -> str:
    """Return a condition without the brackets around the whole of it."""
    depth = 0
    for position, mark in enumerate(condition, 1):
        depth += (mark == "(") - (mark == ")")
        if depth == 0:
            return condition[1:-1] if 1 < position == len(condition) else condition
    return condition


@dataclass(frozen=True)
class RuleCells:
    """The cells of one project; raises ``NotExpressibleError`` where REDCap's logic cannot read a cell."""

    project: Project
    blanks: tuple[str, ...]  # the values of an unanswered cell: "" and the missing-data codes

    def cell(self, ref: FieldRef | str, event: str = "") -> str:
        """Return the cell of a field or checkbox option in an event; "" is the event of the evaluated row."""
        return f"[{event}][{ref}]" if event else f"[{ref}]"

    def selected(self, filters: Iterable[RowFilter], event: str = "") -> str:
        """Return the condition that every filter selects the row; "" without filters."""
        return both(*(is_one_of(self.cell(each.field, event), each.codes) for each in filters))

    def not_selected(self, filters: Iterable[RowFilter], event: str = "") -> str:
        return either(*(is_none_of(self.cell(each.field, event), each.codes) for each in filters))

    def in_all_events(self, ref: FieldRef) -> list[str]:
        return [self.cell(ref, event) for event in self.events_of(ref.field)]

    def only_cell(self, ref: FieldRef) -> str:
        return self.cell(ref, self.event_of(ref.field))

    def unknown(self, cell: str, known: tuple[str, ...]) -> str:
        """Return the condition that a cell holds an unknown code; "" if the study file names no codes."""
        return is_none_of(cell, (*self.blanks, *known)) if known else ""

    def date(self, name: str, event: str = "") -> "DateCell":
        described = self.project.field(name)
        if described is None:
            raise NotExpressibleError(f"{name} is a survey's timestamp, and REDCap's logic has no field for it")
        return DateCell(self.cell(name, event), described, self.blanks)

    def events_of(self, name: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the events in which a record has a field, each in one cell; ("",) in a classic project."""
        form, repeating = self.project.form_of(name), self.project.repeating
        if repeating is None:
            raise NotExpressibleError(
                "the token may not read which forms repeat (this needs the right 'Project Design and Setup')"
            )
        found = tuple(event for event, forms in self.project.forms_by_event.items() if form in forms) or ("",)
        events = tuple(event for event in found if not only or event in only)
        if name != self.project.record_id and any({(event, form), (event, "")} & repeating for event in events):
            raise NotExpressibleError(f"the form {form} repeats, and REDCap's logic reads one repeat at a time")
        return events

    def event_of(self, name: str, only: tuple[str, ...] = ()) -> str:
        first, *more = self.events_of(name, only)
        if more:
            raise NotExpressibleError(f"{name} is in several events, and the one that counts cannot be selected")
        return first


@dataclass(frozen=True)
class DateCell:
    """A cell that holds a date, and conditions on it."""

    text: str
    described: ProjectField
    blanks: tuple[str, ...]

    @property
    def blank(self) -> str:
        return is_one_of(self.text, self.blanks)

    @property
    def readable(self) -> str:
        """A date is entered: by the field's validation or, in a plain text field, by the shape of the text."""
        if self.described.is_date:
            return is_none_of(self.text, self.blanks)
        lengths = either(*(f"length({self.text}) = {n}" for n in _DATE_LENGTHS))
        return both(lengths, *(f"{part} = {value}" for part, value in self._shape))

    @property
    def unreadable(self) -> str:
        """Something else than a date is entered; never true for a validated field."""
        if self.described.is_date:
            return ""
        lengths = both(*(f"length({self.text}) <> {n}" for n in _DATE_LENGTHS))
        wrong = either(lengths, *(f"{part} <> {value}" for part, value in self._shape))
        return both(is_none_of(self.text, self.blanks), wrong)

    @property
    def in_future(self) -> str:
        return f"{self.days_after('today')} >= 1"

    @property
    def not_in_future(self) -> str:
        return f"{self.days_after('today')} < 1"

    @property
    def day(self) -> str:
        """The date without its time of day."""
        if self.described.validation.startswith("date_"):
            return self.text
        if self.described.validation.endswith(("_mdy", "_dmy")):
            raise NotExpressibleError(f"{self.described.name} has a time of day, which cannot be removed in its format")
        return f"left({self.text}, 10)"

    def days_after(self, day: str) -> str:
        """Return the number of days from a day (YYYY-MM-DD or ``today``) to this date."""
        return days_between(quoted(day), self.text if self.described.is_date else self.day)

    @property
    def _shape(self) -> tuple[tuple[str, str], ...]:
        dashes = ((f"mid({self.text}, {n}, 1)", "'-'") for n in (5, 8))
        numbers = (f"left({self.text}, 4)", f"mid({self.text}, 6, 2)", f"mid({self.text}, 9, 2)")
        return (*dashes, *((f"isinteger({number})", "1") for number in numbers))
