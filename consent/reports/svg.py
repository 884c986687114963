"""Draws the geometry of a chart as SVG: readable in grey, and with the same bytes on every machine."""

from collections.abc import Iterator

from consent.reports.charts import BLUE, HEIGHT, INK, MARK, ORANGE, PALE, TEXT_SIZE, WIDTH, Label, Path, Plot, Point

FONT = "Source Sans 3"
"""It is bundled with the templates."""

_HATCHED = "url(#hatched)"
_HATCH = (
    '<pattern id="hatched" width="3" height="3" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="3" height="3" fill="white"/><rect width="1.2" height="3" fill="{BLUE}"/></pattern>'
)
_LOOKS = {
    "average": f'stroke="{ORANGE}" stroke-width="1.8"',
    "planned": f'stroke="{INK}" stroke-width="1" stroke-dasharray="5 3"',
    "approved": f'stroke="{INK}" stroke-width="1" stroke-dasharray="1.5 2"',
    "total": f'stroke="{BLUE}" stroke-width="2"',
    "running total": f'stroke="{BLUE}" stroke-width="2" stroke-dasharray="1.5 1.5"',
}


def to_svg(plot: Plot) -> str:
    """Return a whole document."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}pt" '
        f'height="{HEIGHT:g}pt" font-family="{FONT}" font-size="{TEXT_SIZE}" fill="{INK}"><defs>{_HATCH}</defs>'
    )
    return "\n".join([head, *_shapes(plot), "</svg>\n"])


def _shapes(plot: Plot) -> Iterator[str]:
    for tick in plot.counts:
        yield _line(((plot.left, tick.at), (plot.right, tick.at)), f'stroke="{PALE}" stroke-width="0.6"')
        yield _text(Label((plot.left - 4, tick.at + 3.2), tick.text, "end"))
    for bar in plot.bars:
        yield _rectangle((bar.left, bar.top), bar.width, bar.height, BLUE if bar.complete else _HATCHED)
    for path in plot.paths:
        yield _path(path)
    yield _line(((plot.left, plot.bottom), (plot.right, plot.bottom)), f'stroke="{INK}" stroke-width="0.8"')
    for tick in plot.months:
        yield _line(((tick.at, plot.bottom), (tick.at, plot.bottom + 3)), f'stroke="{INK}" stroke-width="0.8"')
        for text, down in ((tick.text, 12.5), (tick.below, 23.5)):
            yield from [_text(Label((tick.at, plot.bottom + down), text, "middle"))] if text else []
    for label in plot.labels:
        yield _text(label)
    for look, label in plot.keys:
        left, middle = label.at[0] - MARK, label.at[1] - 3.2
        if look in _LOOKS:
            yield _path(Path(look, ((left, middle), (label.at[0] - 3, middle))))
        else:
            yield _rectangle((left + 2, middle - 4), 8, 8, _HATCHED)
        yield _text(label)


def _path(path: Path) -> str:
    return _line(path.points, _LOOKS[path.look])


def _line(points: tuple[Point, ...], look: str) -> str:
    places = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" {look}/>'


def _rectangle(corner: Point, width: float, height: float, fill: str) -> str:
    x, y = corner
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{fill}"/>'


def _text(label: Label) -> str:
    x, y = label.at
    return f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{label.anchor}">{label.text}</text>'
