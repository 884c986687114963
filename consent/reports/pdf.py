"""The report as an accessible PDF (PDF/UA-1) that carries its own fonts.

Texts reach the layout (``templates/report.typ``) as data, so none of them is read as markup.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any

import typst

from consent.counting.summary import ConsentSummary
from consent.dates import long_day
from consent.files import ReportFile
from consent.reports.charts import cumulative_alt, total_plot, weekly_alt, weekly_plot
from consent.reports.definitions import definitions
from consent.reports.figures import figures
from consent.reports.headline import export_words, news, next_report, warning
from consent.reports.model import Cell, ChartKind, Medium, Row, Section
from consent.reports.sections import TURNED_NOTE, provenance, sections
from consent.reports.svg import to_svg
from consent.reports.wording import cell_text, without_controls

LINES_OF_A_LIST = 8
"""The most lines of a definition; a longer list is printed as one paragraph."""

LONGEST_TEXT = 160
"""Characters that a cell has room for. REDCap does not limit the code of a site."""

_CHARTS: dict[ChartKind | None, Any] = {
    ChartKind.WEEKLY: (weekly_plot, weekly_alt),
    ChartKind.TO_DATE: (total_plot, cumulative_alt),
}
_TEMPLATES = resources.files("consent.reports") / "templates"
_TOO_LONG = re.compile(r"\S{24}(?=\S{4})")  # such a word may break there, or it would leave its column


def render_pdf(summary: ConsentSummary) -> ReportFile:
    """Return ``<title>.pdf``: headline, charts, tables, definitions and provenance.

    The bytes repeat: the day of its creation is the cut-off.
    """
    return ReportFile(f"{summary.study.title}.pdf", compile_pdf(_content(summary), summary.period.cutoff))


def compile_pdf(content: dict[str, Any], day: date, *, one_page: bool = False) -> bytes:
    """Lay out texts as ``_content`` returns them.

    one_page: print in the largest size that needs one page only; there are no definitions then.
    """
    report = _printable({**content, "one_page": one_page})
    pages = typst.compile(
        (_TEMPLATES / "report.typ").read_bytes(),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"report": json.dumps(report, ensure_ascii=False)},
        pdf_standards=["ua-1"],
        timestamp=datetime(day.year, day.month, day.day, tzinfo=UTC),
    )
    return bytes(pages)


def _content(summary: ConsentSummary) -> dict[str, Any]:
    """Everything that the PDF shows, as texts."""
    source = provenance(summary)
    traced = [_traced(source.table.rows)] if source.table else []
    rules = [{"heading": rule.heading, "lines": _lines(rule.text)} for rule in definitions(summary.study)]
    cutoff, exported_on = long_day(summary.period.cutoff), long_day(summary.period.exported_on)
    return {
        "title": summary.study.title,
        "author": summary.study.contact,
        "as_of": cutoff,
        "dated": f"As of {cutoff} (the last day counted), {export_words(summary.source)} {exported_on}.",
        "notes": summary.notes,
        "news": " ".join(news(summary)),
        "warning": warning(summary),
        "figures": [asdict(figure) for figure in figures(summary)],
        "sections": [section_content(s, summary) for s in sections(summary) if s.only is not Medium.WORKBOOK],
        "definitions": [*rules, {"heading": source.heading, "lines": traced}],
        "foot": next_report(summary),
    }


def section_content(section: Section, summary: ConsentSummary) -> dict[str, Any]:
    """Return what the layout shows of a section."""
    table = section.shown_in(Medium.PDF).table
    return {
        "heading": section.heading,
        "sentences": section.sentences,
        "notes": [*filter(None, [section.note])],
        "table": {
            "columns": [column.short or column.heading for column in table.columns],
            "rows": [[_text(cell) for cell in row] for row in table.rows],
            "totals": table.totals,
            "turned_note": TURNED_NOTE,
        }
        if table
        else None,
        "chart": _chart(section.chart, summary) if section.chart in _CHARTS else None,
        "narrow": section.narrow,
        "shape": section.shape.value,
    }


def _chart(kind: ChartKind | None, summary: ConsentSummary) -> dict[str, str]:
    plot, alt = _CHARTS[kind]
    return {"svg": to_svg(plot(summary)), "alt": alt(summary)}


def _text(cell: Cell) -> str:
    text = cell_text(cell)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _traced(rows: Sequence[Row]) -> str:
    """Return names and values as one sentence; a row without a name continues the value above it."""
    return "".join(f"{_text(v)}" if name is None else f"; {_text(name)}: {_text(v)}" for name, v in rows)[2:] + "."


def _lines(text: str) -> list[str]:
    first, *others = text.split("\n")
    return [first, *([" ".join(others)] if len(others) > LINES_OF_A_LIST else others)]


def _printable(value: Any) -> Any:
    """Replace control characters, and mark where long words may break (zero-width spaces)."""
    if isinstance(value, str):
        return _TOO_LONG.sub("\\g<0>\u200b", without_controls(value))
    if isinstance(value, dict):
        return {key: inner if key == "svg" else _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list | tuple) else value


@cache
def _fonts() -> typst.Fonts:
    """Return the only fonts of the report: for most alphabets, for East Asia, and for everything else."""
    folders = [str(_TEMPLATES / "fonts")]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=list(folders))
