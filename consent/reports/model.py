"""The parts of a report: sections with sentences, a table or a chart. The PDF and the workbook render the same ones.

Values keep their types, so Excel gets numbers and days. Each renderer formats them for its readers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

SUMMARY = "Summary"
"""The first sheet of the workbook: it holds every section that has no sheet of its own."""


class Share(float):
    """A fraction from 0 to 1, shown as a percentage."""


class Change(int):
    """A difference, shown with its sign."""


Cell = str | int | float | date | None
"""Any float other than a ``Share`` is shown with one decimal; None is an empty cell."""

Row = tuple[Cell, ...]


class Medium(Enum):
    """Where a report is read."""

    PDF = "PDF"
    WORKBOOK = "workbook"


class ChartKind(Enum):
    """What a chart shows. The PDF has no room for the answers to the riders."""

    WEEKLY = "consents per week"
    TO_DATE = "consents to date"
    RIDERS = "answers to each rider"


class Shape(Enum):
    """How the PDF draws a table: as it is, turned where the weeks do not fit as rows, or with a bar for each share."""

    PLAIN = "plain"
    WEEKS = "weeks"
    SHARES = "shares"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    heading: may hold line breaks, which the PDF keeps. short: the heading in the PDF, where it differs. only: the one
    medium that shows the column.
    """

    heading: str
    short: str = ""
    only: Medium | None = None


def columns_of(*headings: str) -> tuple[Column, ...]:
    """Return columns that both media show."""
    return tuple(Column(heading) for heading in headings)


@dataclass(frozen=True)
class Table:
    """Rows of typed cells; the first cell names the row.

    totals: positions of the rows that are totals; a negative one counts from the end. running: position of the week in
    progress. pdf_rows: the most rows that the PDF shows, totals apart; it shows the last ones, and the totals must then
    follow them.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    totals: Sequence[int] = ()
    running: int | None = None
    pdf_rows: int | None = None
    newest_first: bool = False

    def shown_in(self, medium: Medium) -> "Table":
        """Return the columns and rows that a medium shows; a column without any value is left out."""
        filled = [not self.rows or any(row[n] is not None for row in self.rows) for n in range(len(self.columns))]
        kept = [n for n, column in enumerate(self.columns) if column.only in (None, medium) and filled[n]]
        most = self.pdf_rows if medium is Medium.PDF and self.pdf_rows else len(self.rows)
        end = len(self.rows) - len(self.totals)
        order = [*range(max(0, end - most), len(self.rows))]
        if self.newest_first and medium is Medium.WORKBOOK:
            order = [*reversed(range(end)), *range(end, len(self.rows))]
        return replace(
            self,
            columns=tuple(self.columns[n] for n in kept),
            rows=tuple(tuple(self.rows[at][n] for n in kept) for at in order),
            totals=tuple(order.index(n % len(self.rows)) for n in self.totals),
            running=None if self.running is None else order.index(self.running),
        )


@dataclass(frozen=True)
class Section:
    """A heading, sentences, and a table or a chart.

    note: a sentence below the table for the PDF alone. sheet: the sheet of the workbook. only: the one medium that
    shows the section. narrow: half the width of a page is enough. shape: how the PDF draws the table.
    """

    heading: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None
    chart: ChartKind | None = None
    note: str = ""
    sheet: str = SUMMARY
    only: Medium | None = None
    narrow: bool = False
    shape: Shape = Shape.PLAIN

    def shown_in(self, medium: Medium) -> "Section":
        """Return the section with what a medium shows of its table; without a table if that has no rows."""
        return replace(self, table=self.table.shown_in(medium) if self.table and self.table.rows else None)
