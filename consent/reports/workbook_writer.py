"""Writes a sheet of the workbook: its cells, and how it looks on a screen and on paper.

No text becomes a formula, a link or a number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from consent.reports.model import ChartKind, Medium, Section, Table
from consent.reports.wording import NO_NUMBER, cell_text
from consent.reports.workbook_looks import BOLD, LOOKS, SLACK, Layout, kind_of, lines_of, pixels_of, printable

CHART_SIZE, CHART_ROWS = (620, 300), 16
"""Pixels of a chart between tables, and the rows it takes with a gap below it."""

_NARROWEST, _UNUSED_COLUMN = 90, 64  # pixels
_LINE, _MOST_LINES = 15.0, 27  # points of a line of text; lines of the highest row that Excel allows
_PAGE = 698, 665  # pixels across and points down: the smaller of A4 and Letter, without margins
_WIDER = 1.4  # columns are up to this much wider for a reader without Excel's font
_READABLE_WIDTH = 1700  # pixels: a wider sheet takes a second page across, or nobody could read it
_HEADING_LINES = 4  # lines before a heading widens its column


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
    """Writes one sheet; ``tables`` and ``charts`` (first rows) hold the positions."""

    def __init__(self, worksheet: Worksheet, layout: Layout, format_of: Callable[..., Format]) -> None:
        self.worksheet, self._layout, self._format = worksheet, layout, format_of
        self.tables: list[PlacedTable] = []
        self.charts: dict[ChartKind, int] = {}
        self._lines: list[tuple[int, str, str]] = []
        self._heights: dict[int, float] = {}  # points, by row

    def write(self, top: Sequence[tuple[str, str]], sections: Sequence[Section]) -> None:
        """Write the lines at the top (text and look), then the sections below each other."""
        self._lines += [(row, text, look) for row, (text, look) in enumerate(top)]
        self._place(sections, len(top) + 1)
        columns = max((len(placed.table.columns) for placed in self.tables), default=1)
        self._widths = [self._width(column) for column in range(columns)]  # pixels
        for column, width in enumerate(self._widths):
            self.worksheet.set_column_pixels(column, column, width)
        for placed in self.tables:
            self._write_table(placed)
        self._write_lines()
        self._fit_pages()

    def _place(self, sections: Sequence[Section], row: int) -> None:
        """Give each heading, sentence, table and chart its rows."""
        for section in sections:
            top = row
            if section.table:
                if self._layout.several:
                    texts = [(section.heading, "heading"), *((sentence, "plain") for sentence in section.sentences)]
                    self._lines += [(top + n, *text) for n, text in enumerate(texts)]
                    row += len(texts)
                table = section.table.shown_in(Medium.WORKBOOK)
                row += any(column.heading for column in table.columns)
                self.tables.append(PlacedTable(table, top, row, row + len(table.rows) - 1))
                row += len(table.rows) + 1
            if section.chart:
                self.charts[section.chart] = row
                row += CHART_ROWS

    def _width(self, column: int) -> int:
        """Pixels for the widest cell up to a limit, and for the longest word of a heading."""
        tables = [placed.table for placed in self.tables if column < len(placed.table.columns)]
        headings = [table.columns[column].heading for table in tables]
        fitted = [table for table in tables if self._side(table, column) != "beside" or not self._layout.several]
        cells = [cell_text(row[column]) for table in fitted for row in table.rows]
        arrow = 30 if self._layout.filtered else 14
        return max(
            _NARROWEST,
            *(int(SLACK * min(self._layout.widest, pixels_of(text) + 7)) + 10 for text in cells),
            *(int(SLACK * BOLD * pixels_of(word)) + arrow for heading in headings for word in heading.split()),
            *(pixels_of(heading) // _HEADING_LINES + 20 for heading in headings),
        )

    def _write_table(self, placed: PlacedTable) -> None:
        table = placed.table
        sides = [self._side(table, column) for column in range(len(table.columns))]
        wrapped = [side in ("left", "beside") and not (n and self._layout.several) for n, side in enumerate(sides)]
        if any(column.heading for column in table.columns):
            for n, (column, side) in enumerate(zip(table.columns, sides, strict=True)):
                text = printable(column.heading.replace("\n", " "))
                self.worksheet.write_string(placed.first_row - 1, n, text, self._format("head", side))
            room = [width - (25 if self._layout.filtered else 10) for width in self._widths]
            heads = zip(table.columns, room, strict=False)
            self._set_height(placed.first_row - 1, [lines_of(head.heading, width, bold=True) for head, width in heads])
        for number, cells in enumerate(table.rows):
            row, lines = placed.first_row + number, [1]
            style = ("strong",) if number in table.totals else ("running",) if number == table.running else ()
            for n, (cell, side) in enumerate(zip(cells, sides, strict=True)):
                form = self._format(*style, side, *(("wrapped",) if wrapped[n] else ()), kind_of(cell))
                if isinstance(cell, str):
                    self.worksheet.write_string(row, n, printable(cell), form)
                    lines += [lines_of(cell, self._widths[n] - (16 if n else 7))] if wrapped[n] else []
                else:
                    self.worksheet.write(row, n, cell, form)
            self._set_height(row, lines)

    def _side(self, table: Table, column: int) -> str:
        """Align numbers to the right, clear of the arrow that opens a filter; text beside other cells is indented."""
        if any(isinstance(row[column], int | float) or row[column] == NO_NUMBER for row in table.rows):
            return "beside arrow" if self._layout.filtered else "right"
        return "beside" if column else "left"

    def _write_lines(self) -> None:
        """Write each line over the whole width of the tables, in as high a row as it needs."""
        beside = max(0, CHART_SIZE[0] - sum(self._widths)) // _UNUSED_COLUMN if self._layout.several else 0
        last, pixels = len(self._widths) + beside - 1, sum(self._widths) + beside * _UNUSED_COLUMN
        for row, text, look in self._lines:
            form, font = self._format(look, "wrapped"), LOOKS[look]
            if last:
                self.worksheet.merge_range(row, 0, row, last, "", form)
            self.worksheet.write_string(row, 0, printable(text), form)
            larger = font.get("font_size", 11) / 11
            self._set_height(row, [lines_of(text, pixels / larger, bold="bold" in font)], larger)

    def _fit_pages(self) -> None:
        """Keep the headings in view and on every page. Of several tables, keep each on one page."""
        if self._layout.several:
            # Excel ignores page breaks in a sheet that it fits to pages itself, so the scale is given.
            scale = min(100, int(100 * _PAGE[0] / (_WIDER * max(sum(self._widths), CHART_SIZE[0]))))
            self.worksheet.set_print_scale(scale)
            self.worksheet.set_h_pagebreaks(self._page_breaks(100 * _PAGE[1] / scale))
            return
        across = ceil(sum(self._widths) / _READABLE_WIDTH)
        self.worksheet.fit_to_pages(across, 1 if self._layout.one_page else 0)
        if across > 1:
            self.worksheet.repeat_columns(0, self._layout.fixed - 1)
        for placed in self.tables:
            head = placed.first_row - 1
            self.worksheet.freeze_panes(head + 1, self._layout.fixed)
            self.worksheet.repeat_rows(head)
            if self._layout.filtered:
                self.worksheet.autofilter(head, 0, placed.last_row - len(placed.table.totals), len(self._widths) - 1)

    def _set_height(self, row: int, lines: Sequence[int], larger: float = 1.0) -> None:
        """Set a row's height: not every program fits rows to wrapped text by itself."""
        pixels = ceil(_LINE * larger * min(max(lines), _MOST_LINES) / 0.75)
        self._heights[row] = 0.75 * pixels
        self.worksheet.set_row(row, self._heights[row])

    def _page_breaks(self, room: float) -> list[int]:
        """Return the rows that start a page; a table that fits on a page (``room``: points) is not split."""
        breaks, top = [], 0
        for placed in self.tables[1:]:
            if sum(self._heights.get(row, _LINE) for row in range(top, placed.last_row + 2)) > room:
                breaks.append(placed.top)
                top = placed.top
        return breaks
