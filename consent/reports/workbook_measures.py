"""How wide a column and how high a row of the workbook must be, and where its pages break, so that nobody has to drag.

An estimate from the number of characters: the font is the reader's own.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from math import ceil
from textwrap import wrap

from consent.reports.words import NO_NUMBER
from consent.reports.workbook_values import CHART_SIZE, Cell, Sheet, Table

NARROWEST, WIDEST, READING_WIDTH = 12, 54, 90  # in characters; the last is that of a column of sentences
LINE = 15.0  # points: the height of a line of text

_LETTERS, _BOLD_LETTERS = 1.1, 0.95  # for one of width: that is in digits, and letters are narrower unless bold
_PAGE = 698, 665  # pixels across, and points down a page of A4 or Letter, whichever is less, within its margins
_WIDER = 1.4  # so much wider, at most, are columns where the reader has not the font of Excel
_SHORT_HEADING = 14  # letters, which stay on one line
_HEADING_LINES = 4  # a heading takes a wider column rather than more lines
_HIGHEST = 27  # lines: no row of a workbook can be higher


def widths_of(sheet: Sheet) -> list[float]:
    """How wide each column must be, in characters; what is longer than the widest is wrapped (or see ``runs_over``)."""
    columns = range(max(len(table.columns) for table in sheet.tables))
    return [_width(sheet, column) for column in columns]


def height_of(texts: Sequence[str], widths: Sequence[float], *, larger: float = 1.0, bold: bool = False) -> float:
    """How high a row must be, in points, for the text that wraps most; ``larger`` is the font's size."""
    letters = (_BOLD_LETTERS if bold else _LETTERS) / larger
    lines = [_lines(text, int(letters * width)) for text, width in zip(texts, widths, strict=False)]
    return LINE * larger * min(max(lines, default=1), _HIGHEST)


def print_scale(widths: Sequence[float]) -> int:
    """At how many percent these columns (and a chart) are as wide as an upright page, whatever the reader's font."""
    across = max(sum(int(7 * width + 5) for width in widths), CHART_SIZE[0])
    return min(100, int(100 * _PAGE[0] / (_WIDER * across)))


def page_breaks(tables: Sequence[tuple[int, int]], heights: Mapping[int, float], scale: int) -> list[int]:
    """Before which rows a page must begin, so that each table that a page has room for is printed whole.

    Args:
        tables: the first and the last row of each, its heading included.
        heights: those of the rows, in points, where they are not ``LINE``.
        scale: of the print, in percent.
    """
    breaks, top = [], 0
    for first, last in tables[1:]:
        if sum(heights.get(row, LINE) for row in range(top, last + 1)) * scale > 100 * _PAGE[1]:
            breaks.append(first)
            top = first
    return breaks


def is_numeric(table: Table, column: int) -> bool:
    """Whether a column holds numbers (and perhaps a word where there is none)."""
    return any(isinstance(row[column], int | float) or row[column] == NO_NUMBER for row in table.rows)


def runs_over(sheet: Sheet, table: Table, column: int) -> bool:
    """Whether text of a column may run over into the next, as the other tables of the sheet decide how wide it is."""
    return column > 0 and sheet.several and not is_numeric(table, column)


def _width(sheet: Sheet, column: int) -> float:
    tables = [table for table in sheet.tables if column < len(table.columns)]
    shown = [
        _shown(row[column])
        for table in tables
        for row in table.rows
        if not (isinstance(row[column], str) and runs_over(sheet, table, column))
    ]
    longest = max((_length(text) for text in shown), default=0)
    if longest > 3 * WIDEST:
        return READING_WIDTH
    return min(max(longest + 2, _heading_width(tables, column), NARROWEST), WIDEST)


def _heading_width(tables: Sequence[Table], column: int) -> int:
    headings = [table.columns[column] for table in tables]
    short = [_length(heading) + 2 for heading in headings if len(heading) <= _SHORT_HEADING]
    words = [_length(word) + 4 for heading in headings for word in heading.split()]
    return max(*short, *words, *(ceil(_length(heading) / _HEADING_LINES) + 4 for heading in headings))


def _shown(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, date):
        return "30 Sep 2026"
    return "" if cell is None else f"{cell:,.1f}" if isinstance(cell, float) else f"{cell:,}"


def _lines(text: str, letters: int) -> int:
    return max(1, len(wrap(text, letters)), ceil(_length(text) / letters))


def _length(text: str) -> int:
    """How many letters wide a text is; a Chinese character is as wide as two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
