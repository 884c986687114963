"""What a section of the PDF is made of, as plain texts: sentences, a table of texts, a chart.

Decides nothing about what is said, nor how it looks.
"""

from dataclasses import dataclass

from consent.reports.charts import Chart

LONGEST_LABEL = 80
"""Characters, as in a study file; the code of a site that it does not name may be of any length."""


@dataclass(frozen=True)
class Table:
    """Rows of texts under headings (in several lines, some of them); the first column names the row.

    strong: positions of the rows that are totals.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading, sentences, a table or a chart, and sentences after it; any of them may be missing.

    narrow: half the width of a page is enough for it, so that it may stand beside the next one.
    """

    heading: str
    before: tuple[str, ...] = ()
    table: Table | None = None
    chart: Chart | None = None
    after: tuple[str, ...] = ()
    narrow: bool = False


def number(count: int) -> str:
    """``1,234``."""
    return f"{count:,}"


def shortened(label: str) -> str:
    """A label, or as much of it as a table has room for."""
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"
