"""Writes a sheet of the workbook: its cells, and how it looks on a screen and on paper.

No text ever becomes a formula, a link or a number, whatever it looks like.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from textwrap import wrap
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from consent.reports.wording import NO_NUMBER, share_words, without_controls
from consent.reports.workbook_model import CHART_ROWS, CHART_SIZE, Cell, Change, Share, Sheet, Table

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


_NOT_TEXT = re.compile("[\ufffe\uffff]")
_READABLE_WIDTH = 220  # characters: what is wider goes on a second page across, or nobody could read it
_LETTER, _EVERY_CELL = 1, "A1:XFD1048576"
_ACCENT = "#0B4A6F"
_LOOKS: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 16, "font_color": _ACCENT},
    "plain": {},
    "wrapped": {"text_wrap": True},
    "beside": {"align": "left", "indent": 1},
    "mark": {"bold": True, "bg_color": "#FFF3CD"},
    "heading": {"bold": True, "font_size": 12, "font_color": _ACCENT},
    "head": {"bold": True, "text_wrap": True, "valign": "bottom", "bottom": 1, "bg_color": "#E8EFF3"},
    "left": {"align": "left"},
    "right": {"align": "right"},
    "beside arrow": {"align": "right", "indent": 2},
    "strong": {"bold": True, "top": 1},
    "running": {"italic": True, "bg_color": "#EEEEEE"},
    "count": {"num_format": "#,##0"},
    "change": {"num_format": "+#,##0;-#,##0;0"},
    "rate": {"num_format": "#,##0.0"},
    "share": {"num_format": "0%"},
    "nearly nobody": {"num_format": '"<1%"'},
    "nearly everybody": {"num_format": '">99%"'},
    "day": {"num_format": "d mmm yyyy"},
}
_NEARLY = {"<1%": "nearly nobody", ">99%": "nearly everybody"}  # the number stays what it is
_KINDS = ((Share, "share"), (Change, "change"), (int, "count"), (float, "rate"), (date, "day"))

Look = tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """Where a table stands on its sheet: rows counted from 0, the last one included; ``top`` is that of its heading."""

    table: Table
    top: int
    first_row: int
    last_row: int

    def column(self, heading: str) -> int:
        """The number of the column with this heading."""
        return self.table.columns.index(heading)


class SheetWriter:
    """Writes sheets into one workbook, which keeps each way that a cell can look once."""

    def __init__(self, workbook: Workbook, *, title: str, as_of: str, marks: Sequence[str]) -> None:
        self._workbook = workbook
        self._title, self._as_of, self._marks = title, as_of, marks
        self._formats: dict[Look, Format] = {}
        self._heights: dict[int, float] = {}  # of the rows of the sheet that is being written

    def write(self, sheet: Sheet) -> tuple[Worksheet, list[Placed]]:
        """Write one sheet; the tables follow each other in the order given."""
        worksheet = self._workbook.add_worksheet(sheet.name)
        worksheet.hide_gridlines(2)
        self._heights.clear()
        widths = widths_of(sheet)
        for n, width in enumerate(widths):
            worksheet.set_column(n, n, width)
        row = self._write_top(worksheet, sheet, sum(widths))
        placed: list[Placed] = []
        for table in sheet.tables:
            placed.append(self._write_table(worksheet, sheet, table, row, widths))
            charts = sheet.charts if len(placed) == 1 else 0
            row = placed[-1].last_row + 2 + charts * CHART_ROWS
        self._keep_in_view(worksheet, sheet, placed)
        self._set_up_page(worksheet, sheet, widths, placed)
        return worksheet, placed

    def _write_top(self, worksheet: Worksheet, sheet: Sheet, width: float) -> int:
        """Title, days, marks and lines, each over the whole width of the tables; the row that comes after."""
        title = self._title if sheet.several else f"{self._title}: {sheet.name}"
        texts = [(title, "title"), (self._as_of, "plain")]
        texts += [(mark, "mark") for mark in self._marks] + [(line, "plain") for line in sheet.lines]
        last = max(len(table.columns) for table in sheet.tables) - 1
        for row, (text, look) in enumerate(texts):
            worksheet.merge_range(row, 0, row, last, "", self._format(look, "wrapped"))
            worksheet.write_string(row, 0, printable(text), self._format(look, "wrapped"))
            larger = 1.5 if look == "title" else 1
            self._set_height(worksheet, row, height_of([text], [width], larger=larger, bold=look != "plain"))
        return len(texts) + 1

    def _write_table(
        self, worksheet: Worksheet, sheet: Sheet, table: Table, row: int, widths: Sequence[float]
    ) -> Placed:
        top = row
        if table.heading:
            worksheet.write_string(row, 0, table.heading, self._format("heading"))
            row += 1
        if any(table.columns):
            self._write_head(worksheet, sheet, table, row, widths)
            row += 1
        looks = [_look_in(sheet, table, column) for column in range(len(table.columns))]
        for n, cells in enumerate(table.rows):
            style: Look = ("strong",) if n in table.strong else ("running",) if n == table.running else ()
            self._write_row(worksheet, row + n, cells, [(*style, *look) for look in looks], widths)
        return Placed(table, top, row, row + len(table.rows) - 1)

    def _write_head(self, worksheet: Worksheet, sheet: Sheet, table: Table, row: int, widths: Sequence[float]) -> None:
        for column, text in enumerate(table.columns):
            side = _right(sheet) if is_numeric(table, column) else "beside" if column else "left"
            worksheet.write_string(row, column, printable(text), self._format("head", side))
        beside = 3 if sheet.filtered else 0
        self._set_height(worksheet, row, height_of(table.columns, [width - beside for width in widths], bold=True))

    def _write_row(
        self, worksheet: Worksheet, row: int, cells: Sequence[Cell], looks: Sequence[Look], widths: Sequence[float]
    ) -> None:
        wrapped = [str(cell or "") if "wrapped" in look else "" for cell, look in zip(cells, looks, strict=True)]
        self._set_height(worksheet, row, height_of(wrapped, widths))
        for column, (cell, look) in enumerate(zip(cells, looks, strict=True)):
            self._write_cell(worksheet, row, column, cell, look)

    def _write_cell(self, worksheet: Worksheet, row: int, column: int, cell: Cell, look: Look) -> None:
        form = self._format(*look, _kind(cell))
        if cell is None:
            worksheet.write_blank(row, column, None, form)
        elif isinstance(cell, str):
            worksheet.write_string(row, column, printable(cell), form)
        elif isinstance(cell, date):
            worksheet.write_datetime(row, column, cell, form)
        else:
            worksheet.write_number(row, column, cell, form)

    def _set_height(self, worksheet: Worksheet, row: int, height: float) -> None:
        worksheet.set_row(row, height)
        self._heights[row] = height

    def _format(self, *look: str) -> Format:
        if look not in self._formats:
            properties = {name: value for part in look for name, value in _LOOKS[part].items()}
            self._formats[look] = self._workbook.add_format({"valign": "top", **properties})
        return self._formats[look]

    def _keep_in_view(self, worksheet: Worksheet, sheet: Sheet, placed: Sequence[Placed]) -> None:
        """The headings of the only table stay on the screen, stand on every page, and filter it."""
        if sheet.several:
            return
        table, head = placed[0], placed[0].first_row - 1
        worksheet.freeze_panes(head + 1, sheet.fixed)
        worksheet.repeat_rows(head)
        if sheet.filtered:
            last = table.last_row - len(table.table.strong)
            worksheet.autofilter(head, 0, last, len(table.table.columns) - 1)

    def _set_up_page(
        self, worksheet: Worksheet, sheet: Sheet, widths: Sequence[float], placed: Sequence[Placed]
    ) -> None:
        """Print on Letter (or A4), no wider than pages; every page says what it is of, as of when, and for whom."""
        worksheet.ignore_errors({"number_stored_as_text": _EVERY_CELL})  # a version "2.0" is text, and stays so
        if sheet.landscape:
            worksheet.set_landscape()
        worksheet.set_paper(_LETTER)
        if sheet.several:
            self._keep_tables_whole(worksheet, sheet, widths, placed)
        else:
            _fit_across(worksheet, sheet, sum(widths))
        worksheet.set_margins(left=0.5, right=0.5, top=0.8, bottom=0.8)
        mark = "".join(f"&C{_in_margin(mark, 60)}" for mark in self._marks[:1])
        worksheet.set_header(f"&L{_in_margin(self._title, 50)}{mark}&R{sheet.name}")
        worksheet.set_footer(f"&L{_in_margin(self._as_of, 100)}&RPage &P of &N")

    def _keep_tables_whole(
        self, worksheet: Worksheet, sheet: Sheet, widths: Sequence[float], placed: Sequence[Placed]
    ) -> None:
        """Break pages between tables. Excel does not where it fits pages by itself, so the scale is said as well."""
        scale = print_scale(widths)
        worksheet.set_print_scale(scale)
        worksheet.set_h_pagebreaks(page_breaks([(at.top, at.last_row) for at in placed], self._heights, scale))


def _fit_across(worksheet: Worksheet, sheet: Sheet, width: float) -> None:
    across = ceil(width / _READABLE_WIDTH)
    worksheet.fit_to_pages(across, 1 if sheet.one_page else 0)
    if across > 1:
        worksheet.repeat_columns(0, sheet.fixed - 1)


def printable(text: str) -> str:
    """The text with a mark in place of each character that a workbook cannot hold."""
    return _NOT_TEXT.sub("\ufffd", without_controls(text))


def _look_in(sheet: Sheet, table: Table, column: int) -> Look:
    """Under a column of numbers everything stands on the right; other text is wrapped, or runs over."""
    if is_numeric(table, column):
        return (_right(sheet),)
    side = "beside" if column else "left"
    return (side,) if runs_over(sheet, table, column) else (side, "wrapped")


def _right(sheet: Sheet) -> str:
    """Where numbers and their headings stand: clear of the arrow that opens a filter."""
    return "beside arrow" if sheet.filtered else "right"


def _in_margin(text: str, longest: int) -> str:
    """The text as a header or footer may hold it, which have room for 255 characters; an ampersand is doubled."""
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return printable(short).replace("&", "&&")


def _kind(cell: Cell) -> str:
    if isinstance(cell, Share) and share_words(cell) in _NEARLY:
        return _NEARLY[share_words(cell)]
    return next((kind for of, kind in _KINDS if isinstance(cell, of)), "plain")
