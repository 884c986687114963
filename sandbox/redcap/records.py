"""The record export: a call becomes a flat table that is read row by row."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sandbox.redcap.call import AuthorisedCall, invalid_values, not_simulated
from sandbox.redcap.cells import adjustments, stored
from sandbox.redcap.columns import data_columns, record_id, structure_columns, with_missing_codes
from sandbox.redcap.project import Column, Project, Row

Cells = list[str]

_NOT_SIMULATED = {
    **dict.fromkeys(("filterLogic", "dateRangeBegin", "dateRangeEnd", "combineCheckboxOptions", "decimalCharacter")),
    "type": "flat",
    "rawOrLabel": "raw",
    "rawOrLabelHeaders": "raw",
    "csvDelimiter": ",",
}
"""Parameters that are refused, but for this value."""


@dataclass(frozen=True)
class Table:
    """Column names, and the rows, read anew each time ``rows`` is called."""

    names: Cells
    rows: Callable[[], Iterator[Cells]]


def record_table(asked: AuthorisedCall) -> Table:
    """The table a record export sends; raises Refusal for what REDCap, or this stand-in, refuses."""
    for name, accepted in _NOT_SIMULATED.items():
        if asked.call.text(name) not in ("", accepted):
            raise not_simulated(name)
    keep = _keeps(asked)
    with_id, columns = data_columns(asked)
    columns = with_missing_codes(asked.project, columns, lambda: _rows(asked, keep))
    return _Export(asked, with_id, columns, lambda: _rows(asked, keep)).table()


def _keeps(asked: AuthorisedCall) -> list[Callable[[Row], bool]]:
    """The tests a row must pass; checked before anything is sent."""
    tests: list[Callable[[Row], bool]] = []
    group, records, events = asked.user.group, asked.call.listed("records"), asked.call.listed("events")
    if group is not None:
        tests.append(lambda row: row.group == group)
    if records is not None:
        wanted, id_of = set(records), record_id(asked)
        tests.append(lambda row: id_of(row) in wanted)
    if events is not None and asked.project.events is not None:
        unknown = [event for event in events if event not in asked.project.events]
        if unknown:
            raise invalid_values("events", unknown)
        tests.append(lambda row: row.event in events)
    return tests


def _rows(asked: AuthorisedCall, keeps: list[Callable[[Row], bool]]) -> Iterable[Row]:
    rows = asked.project.read() if asked.switches.row_order == "record" else _events_first(asked.project)
    for keep in keeps:
        rows = filter(keep, rows)
    return rows


def _events_first(project: Project) -> Iterator[Row]:
    """All rows of one event, then of the next, then the repeats: read anew for each, so that none are held."""
    for repeat in (False, True):
        for event in project.events or [""]:
            for row in project.read():
                if row.event == event and (row.instance is not None) == repeat:
                    yield row


@dataclass(frozen=True)
class _Export:
    asked: AuthorisedCall
    with_id: bool
    columns: list[Column]
    rows: Callable[[], Iterable[Row]]

    def table(self) -> Table:
        """A row for each record, event and repeat."""
        structure = structure_columns(self.asked, with_id=self.with_id)
        names = [one.name for one in structure] + [column.name for column in self.columns]
        keys = [one.value for one in structure]
        if self.asked.call.listed("events") is None or self.asked.project.is_longitudinal:
            return Table(names, lambda: self._rows(keys))
        order = sorted(range(len(names)), key=names.__getitem__)  # what a classic project does when asked for events

        def sort(cells: Cells) -> Cells:
            return [cells[place] for place in order]

        return Table(sort(names), lambda: map(sort, self._rows(keys)))

    def _rows(self, keys: list[Callable[[Row], str]]) -> Iterator[Cells]:
        lookups: dict[tuple[str, str], list[tuple[str, str]] | None] = {}
        adjust = list(adjustments(self.asked, self.columns))
        for row in self.rows():
            kind = (row.event, row.instrument)
            if kind not in lookups:
                lookups[kind] = self._lookup(row)
            lookup = lookups[kind]
            if lookup is None or not (self.with_id or any(stored(row, column) for column in self._live(row))):
                continue
            get = row.values.get
            cells = [get(name) or untouched for name, untouched in lookup]
            for change in adjust:
                change(row, cells)
            yield [key(row) for key in keys] + cells

    def _lookup(self, row: Row) -> list[tuple[str, str]] | None:
        """For each cell of this kind of row its column and what stands for nothing; None if no such row is sent."""
        sent = {column.form for column in self.columns}
        if self.with_id:
            sent.add(self.asked.project.id_field.form)
        if row.instrument and row.instrument not in sent:
            return None
        forms = self.asked.project.forms_on(row)
        gray_is_blank = self.asked.call.flag("exportBlankForGrayFormStatus")
        return [
            (column.name, "" if gray_is_blank and column.part == "status" else column.untouched)
            if column.form in forms
            else ("", "")  # no column has this name, so the cell stays blank
            for column in self.columns
        ]

    def _live(self, row: Row) -> list[Column]:
        forms = self.asked.project.forms_on(row)
        return [column for column in self.columns if column.form in forms]
