"""A sketch as an SVG picture, from left to right, that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from attnspace.primitives.sketch import Box, Fork, Frame, Row, Sketch

__all__ = ["draw"]

BOX, GAP, PAD, LANE, CHAR, RADIUS, MARGIN = 28, 20, 10, 12, 7.2, 10, 34
COLOURS = {
    "squeeze": ("#dbe8f8", "#3d6fb6"),
    "layer": ("#fbe9d7", "#c77d2e"),
    "gate": ("#dcf1e4", "#2a9d5c"),
    "other": ("#eeeeee", "#777777"),
}
_ARROW = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>'
)


def draw(sketch: Sketch, title: str) -> str:
    """Draw the sketch as an SVG element; `title` describes it to those who do not see it."""
    part = _place(sketch)
    width, height = part.width + 2 * MARGIN + 10, part.above + part.below + 12
    y = part.above + 6
    ends = [
        f'<text x="6" y="{y + 4:.1f}" font-style="italic">x</text>',
        _line(18, y, MARGIN),
        _line(MARGIN + part.width, y, width - 22),
        f'<text x="{width - 16:.1f}" y="{y + 4:.1f}" font-style="italic">y</text>',
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="system-ui, sans-serif" font-size="12" role="img">'
        f"<title>{escape(title)}</title>{_ARROW}{''.join([*ends, *part.svg(MARGIN, y)])}</svg>"
    )


@dataclass(frozen=True)
class _Part:
    """A sketch with its size: how far it reaches above and below the line that runs through it, in pixels."""

    sketch: Sketch
    width: float
    above: float
    below: float
    inner: tuple[_Part, ...] = ()

    def svg(self, x: float, y: float) -> Iterator[str]:
        """The SVG elements of the sketch; its line, at height y, enters at x and leaves at x + width."""
        if isinstance(self.sketch, Box):
            yield _box(self.sketch, x, y, self.width)
        elif isinstance(self.sketch, Row):
            yield from self._row(x, y)
        elif isinstance(self.sketch, Fork):
            yield from self._fork(self.sketch, x, y)
        else:
            yield (
                f'<rect x="{x:.1f}" y="{y - self.above + 4:.1f}" width="{self.width:.1f}" '
                f'height="{self.above + self.below - 8:.1f}" rx="6" fill="none" stroke="#999" stroke-dasharray="4 3"/>'
                f'<text x="{x + 8:.1f}" y="{y - self.above + 18:.1f}" fill="#555">{escape(self.sketch.title)}</text>'
            )
            (inner,) = self.inner
            yield _line(x, y, x + GAP, tip=False)
            yield from inner.svg(x + GAP, y)
            yield _line(x + GAP + inner.width, y, x + self.width, tip=False)

    def _row(self, x: float, y: float) -> Iterator[str]:
        end = x + self.width
        for i, part in enumerate(self.inner):
            if i:
                yield _line(x, y, x + GAP)
                x += GAP
            yield from part.svg(x, y)
            x += part.width
        yield _line(x, y, end, tip=False)

    def _fork(self, sketch: Fork, x: float, y: float) -> Iterator[str]:
        half = _half(sketch.join)
        join = x + self.width - half
        lane_y = y - _entry(self.inner, sketch.straight) + self.inner[0].above
        for i, part in enumerate(self.inner):
            if i:
                lane_y += self.inner[i - 1].below + LANE + part.above
            start = x + GAP
            if abs(lane_y - y) < 1:  # straight on, into the side of what they meet in
                yield _line(x, y, start, tip=False)
                yield _line(start + part.width, y, join - half)
            else:
                yield f'<path d="M{x:.1f} {y:.1f}V{lane_y:.1f}H{start:.1f}" fill="none" stroke="#555"/>'
                tip = RADIUS if lane_y > y else -RADIUS
                yield (
                    f'<path d="M{start + part.width:.1f} {lane_y:.1f}H{join:.1f}V{y + tip:.1f}" '
                    'fill="none" stroke="#555" marker-end="url(#tip)"/>'
                )
            yield from part.svg(start, lane_y)
        yield (
            f'<rect x="{join - half:.1f}" y="{y - RADIUS:.1f}" width="{2 * half:.1f}" height="{2 * RADIUS}" '
            f'rx="{RADIUS}" fill="#fff" stroke="#2a9d5c"/>'
            f'<text x="{join:.1f}" y="{y + 4:.1f}" text-anchor="middle">{escape(sketch.join)}</text>'
        )


def _place(sketch: Sketch) -> _Part:
    if isinstance(sketch, Box):
        return _Part(sketch, len(sketch.text) * CHAR + 2 * PAD, BOX / 2, BOX / 2)
    if isinstance(sketch, Frame):
        inner = _place(sketch.inner)
        width = max(inner.width + 2 * GAP, len(sketch.title) * CHAR + 2 * PAD)
        return _Part(sketch, width, inner.above + 26, inner.below + 10, (inner,))
    if isinstance(sketch, Row):
        parts = tuple(_place(item) for item in sketch.items)
        width = sum(part.width for part in parts) + GAP * max(0, len(parts) - 1)
        above, below = (max((getattr(part, side) for part in parts), default=LANE / 2) for side in ("above", "below"))
        return _Part(sketch, width, above, below, parts)
    lanes = tuple(_place(lane) for lane in sketch.lanes)
    width = max(lane.width for lane in lanes) + 2 * GAP + 2 * _half(sketch.join)
    above = _entry(lanes, sketch.straight)
    return _Part(sketch, width, max(above, RADIUS), max(_tall(lanes) - above, RADIUS), lanes)


def _entry(lanes: tuple[_Part, ...], straight: bool) -> float:
    """How far below the top of the lanes the line enters: at the first lane, the middle one, or halfway."""
    many = len(lanes)
    if straight or many % 2:
        before = lanes[: 0 if straight else many // 2]
        return _tall(before) + LANE * bool(before) + lanes[len(before)].above
    return _tall(lanes) / 2


def _tall(lanes: tuple[_Part, ...]) -> float:
    return sum(lane.above + lane.below for lane in lanes) + LANE * max(0, len(lanes) - 1)


def _half(join: str) -> float:
    """Half the width of the rounded box that the lanes meet in."""
    return max(RADIUS, len(join) * CHAR / 2 + 7)


def _box(box: Box, x: float, y: float, width: float) -> str:
    fill, stroke = COLOURS[box.colour]
    return (
        f'<rect x="{x:.1f}" y="{y - BOX / 2:.1f}" width="{width:.1f}" height="{BOX}" rx="5" fill="{fill}" '
        f'stroke="{stroke}"/>'
        f'<text x="{x + width / 2:.1f}" y="{y + 4:.1f}" text-anchor="middle">{escape(box.text)}</text>'
    )


def _line(x1: float, y: float, x2: float, *, tip: bool = True) -> str:
    end = ' marker-end="url(#tip)"' if tip else ""
    return f'<path d="M{x1:.1f} {y:.1f}H{x2:.1f}" fill="none" stroke="#555"{end}/>'
