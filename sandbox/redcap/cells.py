"""Blank checkboxes where other servers send 0; an ordinary export needs none of this."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from sandbox.redcap.call import AuthorisedCall
from sandbox.redcap.project import Column, Row

Cells = list[str]
Adjustment = Callable[[Row, Cells], None]


def stored(row: Row, column: Column) -> str:
    """What is stored, or nothing; a checkbox option that is not ticked is nothing."""
    value = row.values.get(column.name) or ""
    return "" if column.part == "option" and value == "0" else value


def adjustments(asked: AuthorisedCall, columns: Sequence[Column]) -> Iterator[Adjustment]:
    """What is done to every row's cells, in this order."""
    if asked.switches.blank_checkboxes_when_empty:
        yield _blank_checkboxes_of_empty_rows(columns)
    if asked.project.missing_codes:
        yield _blank_checkboxes_with_a_missing_code(columns, asked.project.missing_codes)


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


def _places(columns: Sequence[Column], applies: Callable[[Column], bool]) -> list[int]:
    return [place for place, column in enumerate(columns) if applies(column)]
