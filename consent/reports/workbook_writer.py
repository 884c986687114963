"""Writes a sheet of the workbook: its cells, and how it looks on a screen and on paper.

No text becomes a formula, a link or a number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from consent.reports.model import Cell, ChartKind, Medium, Section, Table
from consent.reports.wording import NO_NUMBER
from consent.reports.workbook_looks import (
    BOLD,
    LOOKS,
    SLACK,
    Layout,
    Look,
    in_margin,
    kind_of,
    lines_of,
    pixels_of,
    printable,
)

CHART_SIZE, CHART_ROWS = (620, 300), 16
"""Pixels of a chart between tables, and the rows it takes with a gap below it."""

_LETTER, _EVERY_CELL = 1, "A1:XFD1048576"
_NARROWEST = 90  # pixels of a column
_LINE = 15.0  # points: the height of a line of text
_PAGE = 698, 665  # pixels across and points down: the smaller of A4 and Letter, without margins
_WIDER = 1.4  # columns are up to this much wider for a reader without Excel's font
_READABLE_WIDTH = 1700  # pixels: a wider sheet takes a second page across, or nobody could read it
_SHORT_HEADING, _HEADING_LINES = 12, 4  # letters that stay on one line; lines before a heading widens its column
_MOST_LINES, _COLUMN = 27, 64  # lines of the highest row that Excel allows; pixels of an unused column


@dataclass(frozen=True)
class PlacedTable:
    """Where a table is on its sheet: rows from 0, the last one included; ``top`` is the row of its heading."""

    table: Table
    top: int
    first_row: int
    last_row: int

    def column(self, heading: str) -> int:
        return [column.heading for column in self.table.columns].index(heading)


class SheetWriter:
    """Writes sheets into one workbook; ``charts`` (sheet and row) and ``tables`` (by sheet) hold the positions."""

    def __init__(self, workbook: Workbook, *, title: str, as_of: str, marks: Sequence[str]) -> None:
        self._workbook = workbook
        self._title, self._as_of, self._marks = title, as_of, marks
        self._formats: dict[Look, Format] = {}
        self.charts: dict[ChartKind, tuple[Worksheet, int]] = {}
        self.tables: dict[str, list[PlacedTable]] = {}

    def write(self, name: str, sections: Sequence[Section], layout: Layout, lines: Sequence[str] = ()) -> None:
        """Write one sheet: title, days, marks and lines, then the sections below each other."""
        worksheet = self._workbook.add_worksheet(name)
        worksheet.hide_gridlines(2)
        title = self._title if layout.several else f"{self._title}: {name}"
        lines = lines if layout.several else [line for section in sections for line in section.sentences]
        top = [(title, "title"), (self._as_of, "plain"), *((mark, "mark") for mark in self._marks)]
        top += [(line, "plain") for line in lines]
        sheet = _Sheet(worksheet, layout, self._format)
        sheet.place(sections, below=len(top) + 1, charts=self.charts)
        sheet.write_tables()
        sheet.write_lines(top)
        self.tables[name] = sheet.tables
        self._set_up_page(worksheet, name, sheet)

    def _format(self, *look: str) -> Format:
        if look not in self._formats:
            properties = {name: value for part in look for name, value in LOOKS[part].items()}
            self._formats[look] = self._workbook.add_format({"valign": "top", **properties})
        return self._formats[look]

    def _set_up_page(self, worksheet: Worksheet, name: str, sheet: "_Sheet") -> None:
        """Print on Letter (or A4); every page shows its title, its day and its audience."""
        worksheet.ignore_errors({"number_stored_as_text": _EVERY_CELL})  # a version "2.0" is text, and stays so
        if sheet.layout.landscape:
            worksheet.set_landscape()
        worksheet.set_paper(_LETTER)
        sheet.fit_pages()
        worksheet.set_margins(left=0.5, right=0.5, top=0.8, bottom=0.8)
        mark = "".join(f"&C{in_margin(mark, 60)}" for mark in self._marks[:1])
        worksheet.set_header(f"&L{in_margin(self._title, 50)}{mark}&R{name}")
        worksheet.set_footer(f"&L{in_margin(self._as_of, 100)}&RPage &P of &N")


class _Sheet:
    """The sheet that is being written: where its tables are, and how wide its columns."""

    def __init__(self, worksheet: Worksheet, layout: Layout, format_of: Any) -> None:
        self._worksheet, self.layout, self._format = worksheet, layout, format_of
        self.tables: list[PlacedTable] = []
        self._lines: list[tuple[int, str, str]] = []
        self._widths: list[int] = []  # pixels
        self._heights: dict[int, float] = {}  # points, by row

    def place(self, sections: Iterable[Section], *, below: int, charts: dict[ChartKind, tuple[Worksheet, int]]) -> None:
        """Give each heading, sentence, table and chart its rows."""
        row = below
        for section in sections:
            top = row
            if self.layout.several and section.table:
                texts = [(section.heading, "heading"), *((sentence, "plain") for sentence in section.sentences)]
                self._lines += [(top + n, text, look) for n, (text, look) in enumerate(texts)]
                row += len(texts)
            if section.table:
                table = section.table.shown_in(Medium.WORKBOOK)
                row += any(column.heading for column in table.columns)
                self.tables.append(PlacedTable(table, top, row, row + len(table.rows) - 1))
                row += len(table.rows) + 1
            if section.chart:
                charts[section.chart] = self._worksheet, row
                row += CHART_ROWS

    def write_tables(self) -> None:
        """Write the cells, and make each column as wide as its cells need."""
        columns = range(max((len(placed.table.columns) for placed in self.tables), default=1))
        narrowest = [self._narrowest(column) for column in columns]
        for column in columns:
            self._worksheet.set_column_pixels(column, column, narrowest[column])
        late = [cell for placed in self.tables for cell in self._write_rows(placed)]
        self._worksheet.autofit(self.layout.widest)
        for column in columns:
            fitted = int(self._worksheet.col_info[column].width)
            self._widths.append(int(SLACK * fitted) + 10 if fitted > narrowest[column] else fitted)
            self._worksheet.set_column_pixels(column, column, self._widths[column])
        for cell in late:
            self._write_cell(*cell)
        for placed in self.tables:
            self._write_head(placed)
            for n, cells in enumerate(placed.table.rows, placed.first_row):
                wrapped = [
                    lines_of(cell, self._widths[at] - (16 if at else 7))
                    for at, cell in enumerate(cells)
                    if isinstance(cell, str) and "wrapped" in self._look(placed.table, at)
                ]
                self._set_height(n, wrapped)

    def write_lines(self, top: Sequence[tuple[str, str]]) -> None:
        """Write each line over the whole width of the tables, in as high a row as it needs."""
        lines = [(n, text, look) for n, (text, look) in enumerate(top)]
        beside = max(0, CHART_SIZE[0] - sum(self._widths)) // _COLUMN if self.layout.several else 0
        last, pixels = len(self._widths) + beside - 1, sum(self._widths) + beside * _COLUMN
        for row, text, look in (*lines, *self._lines):
            form, font = self._format(look, "wrapped"), LOOKS[look]
            if last:
                self._worksheet.merge_range(row, 0, row, last, "", form)
            self._worksheet.write_string(row, 0, printable(text), form)
            larger = font.get("font_size", 11) / 11
            self._set_height(row, [lines_of(text, pixels / larger, bold="bold" in font)], larger)

    def fit_pages(self) -> None:
        """Keep the headings in view and on every page. Of several tables, keep each on one page."""
        if self.layout.several:
            # Excel ignores page breaks in a sheet that it fits to pages itself, so the scale is given.
            scale = min(100, int(100 * _PAGE[0] / (_WIDER * max(sum(self._widths), CHART_SIZE[0]))))
            self._worksheet.set_print_scale(scale)
            self._worksheet.set_h_pagebreaks(self._page_breaks(100 * _PAGE[1] / scale))
            return
        across = ceil(sum(self._widths) / _READABLE_WIDTH)
        self._worksheet.fit_to_pages(across, 1 if self.layout.one_page else 0)
        if across > 1:
            self._worksheet.repeat_columns(0, self.layout.fixed - 1)
        for placed in self.tables:
            head = placed.first_row - 1
            self._worksheet.freeze_panes(head + 1, self.layout.fixed)
            self._worksheet.repeat_rows(head)
            if self.layout.filtered:
                self._worksheet.autofilter(head, 0, placed.last_row - len(placed.table.totals), len(self._widths) - 1)

    def _narrowest(self, column: int) -> int:
        """Pixels for the longest word of the headings, in a few lines at most."""
        headings = [p.table.columns[column].heading for p in self.tables if column < len(p.table.columns)]
        parts = [[h] if len(h) <= _SHORT_HEADING else h.split() for h in headings]
        arrow = 30 if self.layout.filtered else 14
        words = [int(SLACK * BOLD * pixels_of(word)) + arrow for part in parts for word in part]
        return max(_NARROWEST, *words, *(pixels_of(heading) // _HEADING_LINES + 20 for heading in headings))

    def _write_rows(self, placed: PlacedTable) -> list[tuple[int, int, Cell, Look]]:
        """Write the cells that a column must be wide enough for; return the others."""
        table, late = placed.table, []
        looks = [self._look(table, column) for column in range(len(table.columns))]
        for n, cells in enumerate(table.rows):
            style: Look = ("strong",) if n in table.totals else ("running",) if n == table.running else ()
            for column, (cell, look) in enumerate(zip(cells, looks, strict=True)):
                at = placed.first_row + n, column, cell, (*style, *look, kind_of(cell))
                if isinstance(cell, float) or (isinstance(cell, str) and look == ("beside",)):
                    late.append(at)
                else:
                    self._write_cell(*at)
        return late

    def _write_cell(self, row: int, column: int, cell: Cell, look: Look) -> None:
        write = self._worksheet.write_string if isinstance(cell, str) else self._worksheet.write
        write(row, column, printable(cell) if isinstance(cell, str) else cell, self._format(*look))

    def _write_head(self, placed: PlacedTable) -> None:
        if not any(column.heading for column in placed.table.columns):
            return
        for n, column in enumerate(placed.table.columns):
            side = self.layout.right if _is_numeric(placed.table, n) else "beside" if n else "left"
            text = printable(column.heading.replace("\n", " "))
            self._worksheet.write_string(placed.first_row - 1, n, text, self._format("head", side))
        room = [width - (25 if self.layout.filtered else 10) for width in self._widths]
        lines = [lines_of(c.heading, pixels, bold=True) for c, pixels in zip(placed.table.columns, room, strict=False)]
        self._set_height(placed.first_row - 1, lines)

    def _set_height(self, row: int, lines: Sequence[int], larger: float = 1.0) -> None:
        """Set a row's height: not every program fits rows to wrapped text by itself."""
        self._heights[row] = 0.75 * ceil(
            _LINE * larger * min(max(lines, default=1), _MOST_LINES) / 0.75
        )  # whole pixels
        self._worksheet.set_row(row, self._heights[row])

    def _page_breaks(self, room: float) -> list[int]:
        """Return the rows that start a page; a table that fits on a page (``room``: points) is not split."""
        breaks, top = [], 0
        for placed in self.tables[1:]:
            if sum(self._heights.get(row, _LINE) for row in range(top, placed.last_row + 2)) > room:
                breaks.append(placed.top)
                top = placed.top
        return breaks

    def _look(self, table: Table, column: int) -> Look:
        """Align numbers to the right. Wrap text, or let it run over beside tables of other widths."""
        if _is_numeric(table, column):
            return (self.layout.right,)
        side = "beside" if column else "left"
        return (side,) if column and self.layout.several else (side, "wrapped")


def _is_numeric(table: Table, column: int) -> bool:
    return any(isinstance(row[column], int | float) or row[column] == NO_NUMBER for row in table.rows)
