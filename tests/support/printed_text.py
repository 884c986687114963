"""Where each text is printed on a page of a PDF report, measured in the fonts that the report carries."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont
from pypdf import PageObject

FONTS = Path(__file__).resolve().parents[2] / "consent" / "reports" / "templates" / "fonts"


@dataclass(frozen=True)
class Printed:
    """A text on one line: its box in points from the bottom left of the page, and its size."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    size: float

    def overlaps(self, other: "Printed") -> bool:
        """Whether the two boxes share more than a hairline."""
        across = min(self.right, other.right) - max(self.left, other.left)
        return across > 0.5 and min(self.top, other.top) - max(self.bottom, other.bottom) > 0.5


def printed_on(page: PageObject) -> list[Printed]:
    """Every text of a page, from the base line to the height of its capital letters."""
    found: list[Printed] = []

    def note(text: str, within: Any, at: Any, font: Any, size: float) -> None:
        if words := text.strip():
            left, bottom = within[4] + at[4], within[5] - at[5]
            width = font_of(str(font["/BaseFont"])).getlength(words) / 100 * size
            found.append(Printed(words, left, bottom, left + width, bottom + 0.66 * size, size))

    page.extract_text(visitor_text=note)
    return found


@cache
def font_of(name: str) -> FreeTypeFont:
    """The font with this name in a PDF, such as ``/ABCDEF+SourceSans3-Regular-Identity-H``, at 100 points."""
    (path,) = FONTS.glob(f"{name.partition('+')[2].removesuffix('-Identity-H')}.*")
    return ImageFont.truetype(str(path), 100)
