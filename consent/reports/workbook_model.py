"""What a sheet of the workbook is made of: values that stay what they are, numbers, days, shares and text.

Holds no number of any report and writes no cell.
"""

from dataclasses import dataclass
from datetime import date


class Share(float):
    """A fraction from 0 to 1, shown as a percentage."""


class Change(int):
    """A difference, shown with its sign."""


Cell = str | int | float | date | None
"""Any float but a ``Share`` is shown with one decimal; None is an empty cell."""


CHART_SIZE = (620, 300)
"""How wide and how high a chart between tables is, in pixels."""

CHART_ROWS = 16
"""How many rows such a chart takes, with a gap below it."""


@dataclass(frozen=True)
class Table:
    """A heading ("" for none), column headings and rows of as many cells.

    strong: the numbers of rows that are sums. running: the row of the week in progress, if there is one.
    """

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    strong: tuple[int, ...] = ()
    running: int | None = None


@dataclass(frozen=True)
class Sheet:
    """One sheet: its name, the lines above its tables, and the tables below each other.

    fixed: how many columns of the only table stay in view, as do its column headings. Where there are several tables,
    nothing does, and what is too long for a column after the first may run over into the next. charts: how many charts
    stand under the first table. one_page: whether it is printed so small that all of it fits a page.
    """

    name: str
    lines: tuple[str, ...]
    tables: tuple[Table, ...]
    fixed: int = 1
    landscape: bool = False
    filtered: bool = False
    charts: int = 0
    one_page: bool = False

    @property
    def several(self) -> bool:
        """Whether there is more than one table, each with widths of its own."""
        return len(self.tables) > 1
