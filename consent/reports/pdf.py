"""The report as a PDF that can be handed to a board: tagged and accessible (PDF/UA-1), with fonts of its own.

Texts reach the layout (``templates/report.typ``) as data, so that none of them is ever read as markup. What stands in
the report is decided in ``pdf_content.py``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from consent.counting.summary import ConsentSummary
from consent.dates import long_day
from consent.files import ReportFile
from consent.reports.definitions import Definition, definitions
from consent.reports.headline import headline, next_report
from consent.reports.pdf_content import provenance, sections
from consent.reports.wording import marks, without_controls

if TYPE_CHECKING:
    import typst

LINES_OF_A_LIST = 8
"""Of a definition; a longer list is set as one paragraph."""

_TEMPLATES = resources.files("consent.reports") / "templates"
_TOO_LONG = re.compile(r"\S{24}(?=\S{4})")  # what is longer may be broken there, or it would leave its column


def render_pdf(summary: ConsentSummary) -> ReportFile:
    """``<title>.pdf``: headline, charts, tables, definitions and provenance; the bytes repeat."""
    return ReportFile(f"{summary.study.title}.pdf", typeset(content(summary), summary))


def typeset(report: Mapping[str, Any], summary: ConsentSummary) -> bytes:
    """The pages of what was decided to be in the report; created, as its data tell, on the day of the cut-off."""
    import typst

    day = summary.period.cutoff
    pages = typst.compile(
        (_TEMPLATES / "report.typ").read_bytes(),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"report": json.dumps(report, ensure_ascii=False)},
        pdf_standards=["ua-1"],
        timestamp=datetime(day.year, day.month, day.day, tzinfo=UTC),
    )
    return bytes(pages)


def content(summary: ConsentSummary) -> dict[str, Any]:
    """Everything that the PDF shows, as plain texts."""
    printable: dict[str, Any] = _printable(
        {
            "title": summary.study.title,
            "author": summary.study.contact,
            "as_of": long_day(summary.period.cutoff),
            "exported_on": long_day(summary.period.exported_on),
            "marks": marks(summary),
            "headline": headline(summary),
            "sections": [asdict(section) for section in sections(summary)],
            "definitions": [_definition(rule) for rule in (*definitions(summary.study), provenance(summary))],
            "foot": next_report(summary),
        }
    )
    return printable


def _definition(rule: Definition) -> dict[str, Any]:
    """A rule and its lines; those of a long list, such as one of many sites, follow each other in one paragraph."""
    first, *others = rule.text.split("\n")
    listed = [" ".join(others)] if len(others) > LINES_OF_A_LIST else others
    return {"heading": rule.heading, "lines": [first, *listed]}


def _printable(value: Any) -> Any:
    """The same with a mark in place of each control character, which no font has, and long words broken up."""
    if isinstance(value, str):
        return _with_breaks(without_controls(value))
    if isinstance(value, dict):
        return {key: inner if key == "svg" else _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _with_breaks(text: str) -> str:
    """The text with places where a line may break (zero-width spaces) in words too long for a column."""
    return _TOO_LONG.sub("\\g<0>\u200b", text)


@cache
def _fonts() -> "typst.Fonts":
    """The fonts of the report and no others: one for most alphabets, one for East Asia, one for all that is left."""
    import matplotlib
    import typst

    folders = [f"{matplotlib.get_data_path()}/fonts/ttf", str(_TEMPLATES / "fonts")]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=list(folders))
