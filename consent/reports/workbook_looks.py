"""How the workbook looks: the formats of its cells, the layout of its sheets, and how wide its texts are."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from textwrap import wrap
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_pixel_width

from consent.reports.model import Cell, Change, Share
from consent.reports.wording import share_words, without_controls

SLACK, BOLD = 1.15, 1.17
"""How much wider letters are in another font than Excel's, and bold ones at most."""

_NOT_TEXT = re.compile("[\ufffe\uffff]")
_ACCENT = "#0B4A6F"
LOOKS: dict[str, dict[str, Any]] = {
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
    "<1%": {"num_format": '"<1%"'},
    ">99%": {"num_format": '">99%"'},
    "day": {"num_format": "d mmm yyyy"},
}
_KINDS = ((Share, "share"), (Change, "change"), (int, "count"), (float, "rate"), (date, "day"))


@dataclass(frozen=True)
class Layout:
    """How a sheet is laid out.

    several: it has several tables, headed and below each other; text after the first column may then run over into the
    next ones. fixed: the columns of the only table that stay in view. one_page: it is printed on one page. widest: the
    pixels at which text is wrapped, in Excel's font.
    """

    several: bool = False
    fixed: int = 1
    landscape: bool = False
    filtered: bool = False
    one_page: bool = False
    widest: int = 330


def formats_of(workbook: Workbook) -> Callable[..., Format]:
    """Return the function that gives each combination of looks its format."""

    @cache
    def format_of(*look: str) -> Format:
        properties = {name: value for part in look for name, value in LOOKS[part].items()}
        return workbook.add_format({"valign": "top", **properties})

    return format_of


@lru_cache(10_000)  # most cells of a report hold one of a few numbers
def pixels_of(text: str) -> int:
    """Return the width of a text; xlsxwriter assumes half the width of East Asian letters."""
    return int(xl_pixel_width(text)) + 8 * sum(unicodedata.east_asian_width(character) in "WF" for character in text)


def lines_of(text: str, pixels: float, *, bold: bool = False) -> int:
    """Return the lines that a text needs, also in a font wider than Excel's."""
    wider = SLACK * (BOLD if bold else 1)
    letters = int(pixels * len(text) / max(1.0, wider * pixels_of(text)))
    return max(1, len(wrap(text, max(1, letters))))


def kind_of(cell: Cell) -> str:
    """Return the look of a value by its type."""
    if isinstance(cell, Share) and share_words(cell) in LOOKS:
        return share_words(cell)
    return next((kind for of, kind in _KINDS if isinstance(cell, of)), "plain")


def in_margin(text: str, longest: int) -> str:
    """Return the text for a header or footer, which hold 255 characters; an ampersand is doubled."""
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return printable(short).replace("&", "&&")


def printable(text: str) -> str:
    """Replace each character that a workbook cannot hold."""
    return _NOT_TEXT.sub("\ufffd", without_controls(text))
