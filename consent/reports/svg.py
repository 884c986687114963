"""Draws the geometry of a chart as SVG: readable in grey, and with the same bytes on every machine."""

from collections.abc import Iterator

from consent.reports.charts import BLUE, HEIGHT, INK, MARK, ORANGE, PALE, TEXT_SIZE, WIDTH, Label, Path, Plot, Point

FONT = "Source Sans 3"
"""It is bundled with the templates."""

_FULL, _HATCHED = f'fill="{BLUE}"', 'fill="url(#hatched)"'
_HATCH = (
    '<pattern id="hatched" width="3" height="3" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="3" height="3" fill="white"/><rect width="1.2" height="3" fill="{BLUE}"/></pattern>'
)


def _stroke(colour: str, width: float, dashes: str = "") -> str:
    return f'fill="none" stroke="{colour}" stroke-width="{width}"' + (f' stroke-dasharray="{dashes}"' if dashes else "")


_LOOKS = {
    "average": _stroke(ORANGE, 1.8),
    "planned": _stroke(INK, 1, "5 3"),
    "projected": f'fill="{ORANGE}" fill-opacity="0.35"',
    "projected middle": _stroke(ORANGE, 1.2),
    "approved": _stroke(INK, 1, "1.5 2"),
    "total": _stroke(BLUE, 2),
    "running total": _stroke(BLUE, 2, "1.5 1.5"),
}
_GRID, _AXIS = _stroke(PALE, 0.6), _stroke(INK, 0.8)


def to_svg(plot: Plot) -> str:
    """Return a whole document."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}pt" '
        f'height="{HEIGHT:g}pt" font-family="{FONT}" font-size="{TEXT_SIZE}" fill="{INK}"><defs>{_HATCH}</defs>'
    )
    return "\n".join([head, *_shapes(plot), "</svg>\n"])


def _shapes(plot: Plot) -> Iterator[str]:
    for tick in plot.counts:
        yield _line(((plot.left, tick.at), (plot.right, tick.at)), _GRID)
        yield _text(Label((plot.left - 4, tick.at + 3.2), tick.text, "end"))
    for bar in plot.bars:
        yield _rectangle((bar.left, bar.top), bar.width, plot.bottom - bar.top, _FULL if bar.complete else _HATCHED)
    for path in plot.paths:
        yield _path(path)
    yield _line(((plot.left, plot.bottom), (plot.right, plot.bottom)), _AXIS)
    for tick in plot.months:
        yield _line(((tick.at, plot.bottom), (tick.at, plot.bottom + 3)), _AXIS)
        for text, down in ((tick.text, 12.5), (tick.below, 23.5)):
            yield from [_text(Label((tick.at, plot.bottom + down), text, "middle"))] if text else []
    for label in plot.labels:
        yield _text(label)
    for look, label in plot.keys:
        left, middle = label.at[0] - MARK, label.at[1] - 3.2
        if look in ("projected", "running bar"):
            yield _rectangle((left, middle - 4), MARK - 5, 8, _LOOKS.get(look, _HATCHED))
        else:
            yield _path(Path(look, ((left, middle), (label.at[0] - 4, middle))))
        yield _text(label)


def _path(path: Path) -> str:
    return _line(path.points, _LOOKS[path.look])


def _line(points: tuple[Point, ...], look: str) -> str:
    places = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return f'<polyline points="{places}" {look}/>'


def _rectangle(corner: Point, width: float, height: float, look: str) -> str:
    x, y = corner
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" {look}/>'


def _text(label: Label) -> str:
    x, y = label.at
    return f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{label.anchor}">{label.text}</text>'
