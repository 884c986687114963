"""How a stored value reads once it is exported: labels for codes, old file names, blanks where 0 would stand.

Deliberately not here: the plain case. A raw export of an ordinary project needs none of this and does not pay for it.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from sandbox.redcap.call import AuthorisedCall
from sandbox.redcap.project import STATUS_LABELS, Column, Row

Cells = list[str]
Adjustment = Callable[[Row, Cells], None]


def stored(row: Row, column: Column) -> str:
    """What is stored, or nothing; a checkbox option that is not ticked is nothing."""
    value = row.values.get(column.name) or ""
    return "" if column.part == "option" and value == "0" else value


def adjustments(asked: AuthorisedCall, columns: Sequence[Column]) -> Iterator[Adjustment]:
    """What is done to every row's cells, in this order."""
    call, switches = asked.call, asked.switches
    if switches.blank_checkboxes_when_empty:
        yield _blank_checkboxes_of_empty_rows(columns)
    if asked.project.missing_codes:
        yield _blank_checkboxes_with_a_missing_code(columns, asked.project.missing_codes)
    if switches.old_file_names:
        yield _each(columns, _is_file, lambda _: "[document]")
    if mark := call.text("decimalCharacter"):
        yield _each(columns, _is_number, lambda text: text.replace(",", ".").replace(".", mark))
    if call.text("rawOrLabel") == "label":
        yield _relabel(columns, labels(asked, columns))


def labels(asked: AuthorisedCall, columns: Sequence[Column]) -> dict[str, Mapping[str, str]]:
    """By column: exported value to label; empty in a raw export."""
    if asked.call.text("rawOrLabel") != "label":
        return {}
    own = asked.call.flag("exportCheckboxLabel") or asked.call.text("type") == "eav"
    missing = asked.project.missing_codes
    return {column.name: _labels_of(column, missing, own_checkbox_labels=own) for column in columns}


def _labels_of(column: Column, missing: Mapping[str, str], *, own_checkbox_labels: bool) -> Mapping[str, str]:
    if column.part == "status":
        return STATUS_LABELS
    if column.source is None:
        return {}
    if column.part == "value":
        return {**missing, **column.source.options}
    if own_checkbox_labels:
        return {"1": {**missing, **column.source.options}[column.code], "0": ""}
    return {"1": "Checked", "0": "Unchecked"}


def entity_value(row: Row, column: Column, value: str) -> str:
    """A value as entity-attribute-value rows have it: a ticked option's code, a file's internal number."""
    if column.part == "option":
        return column.code
    if _is_file(column):
        return str(zlib.crc32(f"{row.record}/{column.name}".encode()) % 100_000)
    return value


def _blank_checkboxes_of_empty_rows(columns: Sequence[Column]) -> Adjustment:
    options = _places(columns, lambda column: column.part == "option")

    def adjust(row: Row, cells: Cells) -> None:
        if not any(stored(row, column) for column in columns):
            for place in options:
                cells[place] = ""

    return adjust


def _blank_checkboxes_with_a_missing_code(columns: Sequence[Column], codes: Mapping[str, str]) -> Adjustment:
    options = _places(columns, lambda column: column.part == "option" and column.code not in codes)
    missing = [column for column in columns if column.part == "option" and column.code in codes]

    def adjust(row: Row, cells: Cells) -> None:
        fields = {column.field for column in missing if stored(row, column)}
        for place in options:
            if columns[place].field in fields:
                cells[place] = ""

    return adjust


def _relabel(columns: Sequence[Column], by_column: Mapping[str, Mapping[str, str]]) -> Adjustment:
    in_order = [by_column[column.name] for column in columns]

    def adjust(row: Row, cells: Cells) -> None:
        cells[:] = [label.get(cell, cell) for label, cell in zip(in_order, cells, strict=True)]

    return adjust


def _each(columns: Sequence[Column], applies: Callable[[Column], bool], change: Callable[[str], str]) -> Adjustment:
    places = _places(columns, applies)

    def adjust(row: Row, cells: Cells) -> None:
        for place in places:
            if cells[place]:
                cells[place] = change(cells[place])

    return adjust


def _places(columns: Sequence[Column], applies: Callable[[Column], bool]) -> list[int]:
    return [place for place, column in enumerate(columns) if applies(column)]


def _is_file(column: Column) -> bool:
    return column.source is not None and column.source.type == "file"


def _is_number(column: Column) -> bool:
    source = column.source
    return source is not None and (source.type == "calc" or source.validation.startswith(("number", "integer")))
