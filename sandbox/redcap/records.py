"""Build the table of a record export row by row."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sandbox.redcap.call import Call, not_simulated
from sandbox.redcap.columns import Structure, data_columns, structure_columns, with_missing_codes
from sandbox.redcap.project import Column, Project, Row

Cells = list[str]
Adjustment = Callable[[Row, Cells], None]

_ONLY_SIMULATED = {"type": "flat", "rawOrLabel": "raw", "rawOrLabelHeaders": "raw", "csvDelimiter": ","}
_NOT_SIMULATED = "forms events filterLogic dateRangeBegin dateRangeEnd combineCheckboxOptions decimalCharacter"


@dataclass(frozen=True)
class Table:
    """Column names, and the rows, read anew each time ``rows`` is called."""

    names: Cells
    rows: Callable[[], Iterator[Cells]]


def record_table(call: Call) -> Table:
    """Return the table that a record export sends; raises Refusal."""
    for name, accepted in (_ONLY_SIMULATED | dict.fromkeys(_NOT_SIMULATED.split(), "")).items():
        if call.parameters.text(name) not in ("", accepted) or name in call.parameters.arrays:
            raise not_simulated(name)

    def rows() -> Iterator[Row]:
        return _selected_rows(call)

    columns = with_missing_codes(call.project, data_columns(call), rows)
    structure = list(structure_columns(call))
    names = [one.name for one in structure] + [column.name for column in columns]
    return Table(names, lambda: _table_rows(call, structure, columns, rows()))


def _selected_rows(call: Call) -> Iterator[Row]:
    group, records = call.user.group, call.parameters.listed("records")
    wanted = None if records is None else set(records)
    rows = call.project.read() if call.switches.row_order == "record" else _events_first(call.project)
    for row in rows:
        if (group is None or row.group == group) and (wanted is None or row.record in wanted):
            yield row


def _events_first(project: Project) -> Iterator[Row]:
    """Yield the rows of each event, then its repeats; the project is read anew for each, to hold none in memory."""
    for repeat in (False, True):
        for event in project.events or [""]:
            for row in project.read():
                if row.event == event and (row.instance is not None) == repeat:
                    yield row


def _table_rows(
    call: Call, structure: Sequence[Structure], columns: Sequence[Column], rows: Iterable[Row]
) -> Iterator[Cells]:
    lookups: dict[tuple[str, str], list[tuple[str, str]] | None] = {}
    adjust = list(_adjustments(call, columns))
    for row in rows:
        kind = (row.event, row.instrument)
        if kind not in lookups:
            lookups[kind] = _lookup(call, columns, row)
        lookup = lookups[kind]
        if lookup is None:
            continue
        get = row.values.get
        cells = [get(name) or untouched for name, untouched in lookup]
        for change in adjust:
            change(row, cells)
        yield [one.value(row) for one in structure] + cells


def _lookup(call: Call, columns: Sequence[Column], row: Row) -> list[tuple[str, str]] | None:
    """Return, for each cell of such a row, its column and the default; None if such rows are not sent."""
    sent = {column.form for column in columns} | {call.project.id_field.form}
    if row.instrument and row.instrument not in sent:
        return None
    forms = call.project.forms_on(row)
    gray_is_blank = call.parameters.flag("exportBlankForGrayFormStatus")
    return [
        (column.name, "" if gray_is_blank and column.part == "status" else column.untouched)
        if column.form in forms
        else ("", "")  # no column has this name, so the cell stays blank
        for column in columns
    ]


def _adjustments(call: Call, columns: Sequence[Column]) -> Iterator[Adjustment]:
    """Yield the changes to each row's cells: checkboxes that other servers leave blank where most send 0."""
    if call.switches.blank_checkboxes_when_empty:
        yield _blank_checkboxes_of_empty_rows(columns)
    if call.project.missing_codes:
        yield _blank_checkboxes_with_a_missing_code(columns, call.project.missing_codes)


def _blank_checkboxes_of_empty_rows(columns: Sequence[Column]) -> Adjustment:
    options = [place for place, column in enumerate(columns) if column.part == "option"]

    def adjust(row: Row, cells: Cells) -> None:
        if not any(_stored(row, column) for column in columns):
            for place in options:
                cells[place] = ""

    return adjust


def _blank_checkboxes_with_a_missing_code(columns: Sequence[Column], codes: Iterable[str]) -> Adjustment:
    options = [(place, column) for place, column in enumerate(columns) if column.part == "option"]
    missing = [column for _, column in options if column.code in codes]

    def adjust(row: Row, cells: Cells) -> None:
        fields = {column.field for column in missing if _stored(row, column)}
        for place, column in options:
            if column.field in fields and column.code not in codes:
                cells[place] = ""

    return adjust


def _stored(row: Row, column: Column) -> str:
    """Return the stored value; a checkbox option that is not ticked has none."""
    value = row.values.get(column.name) or ""
    return "" if column.part == "option" and value == "0" else value
