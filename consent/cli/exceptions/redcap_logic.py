"""Conditions in REDCap's logic language, as data quality rules and branching logic have it.

Pure, and knows nothing of consent. Uses comparisons, ``and``, ``or``, brackets, and of REDCap's functions ``datediff``,
``length``, ``left``, ``mid`` and ``isinteger`` alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from consent.redcap.dictionary import Project, ProjectField
from consent.studies.model import FieldRef


class CannotSayError(Exception):
    """REDCap's logic has no words for this; the message says why."""


def both(*conditions: str) -> str:
    """All of the conditions."""
    return _joined(" and ", conditions)


def either(*conditions: str) -> str:
    """At least one of the conditions."""
    return _joined(" or ", conditions)


def is_one_of(cell: str, codes: Iterable[str]) -> str:
    """The cell holds one of the codes; blank is the code ``""``."""
    return either(*(f"{cell} = {quoted(code)}" for code in codes))


def is_none_of(cell: str, codes: Iterable[str]) -> str:
    """The cell holds none of the codes."""
    return both(*(f"{cell} <> {quoted(code)}" for code in codes))


def quoted(text: str) -> str:
    """A text between quotation marks that it does not hold itself."""
    mark = '"' if "'" in text else "'"
    if mark in text or "[" in text:
        raise CannotSayError(f"the text {text} cannot be written in REDCap's logic")
    return f"{mark}{text}{mark}"


def days_from(first: str, last: str) -> str:
    """The days from one date to another, below 0 where the last is earlier; each a cell or a quoted date."""
    return f"datediff({first}, {last}, 'd', true)"


def without_outer_brackets(condition: str) -> str:
    """The condition, and no brackets around the whole of it."""
    if not condition.startswith("("):
        return condition
    depth = 0
    for position, mark in enumerate(condition):
        depth += (mark == "(") - (mark == ")")
        if depth == 0:
            return condition[1:-1] if position == len(condition) - 1 else condition
    return condition


def _joined(word: str, conditions: tuple[str, ...]) -> str:
    several = tuple(dict.fromkeys(condition for condition in conditions if condition))
    return several[0] if len(several) == 1 else f"({word.join(several)})" if several else ""


_LENGTHS = (10, 16, 19)  # of 2023-09-12; with 09:30; with 09:30:00


@dataclass(frozen=True)
class RuleCells:
    """The cells of one project; ``blanks`` are what a cell holds where nobody wrote anything: "" and missing codes."""

    project: Project
    blanks: tuple[str, ...]

    def cell(self, ref: FieldRef | str, event: str = "") -> str:
        """The cell of a field, or of one checkbox option, in an event (empty: of the row that is looked at)."""
        return f"[{event}][{ref}]" if event else f"[{ref}]"

    def date(self, name: str, event: str = "") -> "DateCell":
        """The cell of a date.

        Raises:
            CannotSayError: it is a survey's timestamp, which is no field.
        """
        described = self.project.field(name)
        if described is None:
            raise CannotSayError(f"{name} is a survey's timestamp, which REDCap's logic has no field for")
        return DateCell(self.cell(name, event), described, self.blanks)

    def events_of(self, name: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The events of a record in which a field may stand, each in one cell; ("",) in a classic project.

        Raises:
            CannotSayError: its form repeats, or may.
        """
        form = self.project.form_of(name)
        events = tuple(event for event, forms in self.project.forms_by_event.items() if form in forms) or ("",)
        events = tuple(event for event in events if not only or event in only)
        repeating = self.project.repeating
        if repeating is None:
            raise CannotSayError(
                "the token may not read which forms repeat (that needs the right 'Project Design and Setup')"
            )
        if name != self.project.fields[0].name and any({(e, form), (e, "")} & repeating for e in events):
            raise CannotSayError(f"the form {form} repeats, and REDCap's logic sees one repeat at a time")
        return events


@dataclass(frozen=True)
class DateCell:
    """A cell that holds a date, and the conditions that can be made of it."""

    text: str
    described: ProjectField
    blanks: tuple[str, ...]

    @property
    def blank(self) -> str:
        """Nothing is written."""
        return is_one_of(self.text, self.blanks)

    @property
    def readable(self) -> str:
        """A date is written: so the field's validation says or, in a plain text field, the shape of the text."""
        if self.described.is_date:
            return is_none_of(self.text, self.blanks)
        return both(
            either(*(f"length({self.text}) = {n}" for n in _LENGTHS)), *(f"{part} = {it}" for part, it in self._shape)
        )

    @property
    def unreadable(self) -> str:
        """Something else than a date is written.

        Raises:
            CannotSayError: the field's validation lets nothing else in.
        """
        if self.described.is_date:
            raise CannotSayError(
                f"{self.described.name} is validated as a date; if something else was saved there before, REDCap's own "
                "rule 'Field validation errors (incorrect data type)' lists it"
            )
        length = both(*(f"length({self.text}) <> {n}" for n in _LENGTHS))
        return both(
            is_none_of(self.text, self.blanks), either(length, *(f"{part} <> {it}" for part, it in self._shape))
        )

    @property
    def still_to_come(self) -> str:
        """The date is later than today."""
        return f"{days_from(quoted('today'), self._comparable)} >= 1"

    @property
    def not_to_come(self) -> str:
        """The date is not later than today."""
        return f"{days_from(quoted('today'), self._comparable)} < 1"

    def before(self, day: str) -> str:
        """The date is before a day, given as YYYY-MM-DD."""
        return f"{days_from(self._comparable, quoted(day))} > 0"

    def from_on(self, day: str) -> str:
        """The date is a day, given as YYYY-MM-DD, or later."""
        return f"{days_from(self._comparable, quoted(day))} <= 0"

    @property
    def day(self) -> str:
        """The date without its time of day.

        Raises:
            CannotSayError: it has one that REDCap's logic cannot take off.
        """
        if self.described.validation.startswith("date_"):
            return self.text
        if self.described.validation.endswith(("_mdy", "_dmy")):
            raise CannotSayError(f"{self.described.name} has a time of day, which cannot be taken off in its format")
        return f"left({self.text}, 10)"

    @property
    def _comparable(self) -> str:
        return self.text if self.described.is_date else self.day

    @property
    def _shape(self) -> tuple[tuple[str, str], ...]:
        dashes = ((f"mid({self.text}, {n}, 1)", "'-'") for n in (5, 8))
        numbers = (f"left({self.text}, 4)", f"mid({self.text}, 6, 2)", f"mid({self.text}, 9, 2)")
        return (*dashes, *((f"isinteger({number})", "1") for number in numbers))
