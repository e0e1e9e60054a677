"""A block as a picture: the flow of each gate, left to right, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from attnspace.primitives import Block, Layer
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.blocks.sequential import Sequential
from attnspace.primitives.layers.fc import Fc
from attnspace.primitives.squeeze import PoolingSqueeze

__all__ = ["draw"]

TIMES = "\N{MULTIPLICATION SIGN}"
LANE, GAP, PAD, BOX, CHAR, TOP = 40, 22, 12, 28, 7.2, 46
COLOURS = {
    "squeeze": ("#dbe8f8", "#3d6fb6"),
    "layer": ("#fbe9d7", "#c77d2e"),
    "gate": ("#dcf1e4", "#2a9d5c"),
    "other": ("#eeeeee", "#777777"),
}
POOLED = {"global": ("H, W",), "channel": ("C",), "directional": ("W", "H")}
SYMBOLS = {"sum": "+", "product": TIMES, "mean": "mean", "max": "max"}


@dataclass(frozen=True)
class Column:
    """Boxes above one another: one for each lane, or a single one across them all."""

    texts: tuple[str, ...]
    colour: str

    @property
    def width(self) -> float:
        """Pixels."""
        return max(len(text) for text in self.texts) * CHAR + 2 * PAD


def draw(block: Block) -> str:
    """The block as an SVG element that needs nothing from outside."""
    gates = _gates(block)
    rows: list[str] = []
    y, width = 0.0, 0.0
    for i, gate in enumerate(gates):
        svg, row_width, row_height = _row(gate, y, "x" if i == 0 else f"x{_subscript(i)}", i == len(gates) - 1, i + 1)
        rows.append(svg)
        y, width = y + row_height, max(width, row_width)
    title = f"<title>{escape(block.label())}</title>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {y:.0f}" width="{width:.0f}" '
        f'height="{y:.0f}" font-family="system-ui, sans-serif" font-size="12" role="img">'
        f"{title}{_ARROW}{''.join(rows)}</svg>"
    )


_ARROW = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>'
)


def _gates(block: Block) -> list[Block]:
    if isinstance(block, Sequential):
        return [gate for inner in block.blocks for gate in _gates(inner)]
    return [block]


def _subscript(index: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(index))


def _columns(gate: Gate) -> list[Column]:
    squeeze, region = gate.squeeze, gate.squeeze.region
    columns = [Column(_pooled(gate), "squeeze")]
    if isinstance(squeeze, PoolingSqueeze) and len(squeeze.stats) > 1 and squeeze.combine != "shared":
        columns.append(Column((squeeze.combine,), "squeeze"))
    columns += [_layer(layer, region) for layer in gate.excite]
    level, how = gate.merge.split("_")
    merged = gate.squeeze.runs > 1 or region == "directional"
    merge = [Column((SYMBOLS[how],), "gate")] if merged else []
    activation = [Column((gate.activation,), "gate")]
    tail = [_layer(layer, "none") for layer in gate.tail]
    return columns + ([*merge, *tail, *activation] if level == "logit" else [*activation, *merge])


def _pooled(gate: Gate) -> tuple[str, ...]:
    squeeze = gate.squeeze
    if not isinstance(squeeze, PoolingSqueeze):
        return ("the map itself",)
    return tuple(f"{stat.label()} over {axes}" for stat in squeeze.stats for axes in POOLED[squeeze.region])


def _layer(layer: Layer, region: str) -> Column:
    if isinstance(layer, Fc):
        rule = layer.reduction
        hidden = str(rule.width) if rule.width else f"C{rule.label()}"
        middle = " · ".join([*(["BN"] if layer.norm else []), layer.act])
        strips = ", a head for each strip" if region == "directional" else ""
        return Column((f"fc C → {hidden} · {middle} → C{strips}",), "layer")
    shares = layer.shares() if region == "directional" else None
    note = f" ({shares})" if shares else ""
    return Column((f"{layer.label()}{note}",), "other" if layer.kind in ("norm", "act") else "layer")


def _row(block: Block, y: float, name: str, last: bool, number: int) -> tuple[str, float, float]:
    if not isinstance(block, Gate):
        return _plain_row(block, y, name, last, number)
    columns = _columns(block)
    lanes = max(len(column.texts) for column in columns)
    height = TOP + lanes * LANE + 16
    main, first = y + 24, y + TOP
    middle = first + (lanes * LANE) / 2
    x = 46.0
    parts = [f'<text x="8" y="{main + 4}" font-style="italic">{name}</text>']
    parts.append(_line(24, main, 36, main, tip=False))
    for lane in _centres(len(columns[0].texts), first, lanes):
        parts.append(f'<path d="M36 {main}V{lane}H{x}" fill="none" stroke="#555"/>')
    for column, following in zip(columns, [*columns[1:], None], strict=True):
        parts += _boxes(column, x, first, lanes)
        x += column.width
        if following is not None:
            streams = max(len(column.texts), len(following.texts))
            parts += [_line(x, lane, x + GAP, lane) for lane in _centres(streams, first, lanes)]
            x += GAP
    join = x + 24
    parts.append(f'<path d="M{x} {middle}H{join}V{main + 9}" fill="none" stroke="#555" marker-end="url(#tip)"/>')
    symbol = "+" if block.apply == "add" else TIMES
    parts.append(_line(36, main, join - 9, main))
    parts.append(f'<circle cx="{join}" cy="{main}" r="9" fill="#fff" stroke="#2a9d5c"/>')
    parts.append(f'<text x="{join}" y="{main + 4}" text-anchor="middle">{symbol}</text>')
    parts.append(_line(join + 9, main, join + 36, main))
    out = "y" if last else f"x{_subscript(number)}"
    parts.append(f'<text x="{join + 42}" y="{main + 4}" font-style="italic">{out}</text>')
    return "".join(parts), join + 66, height


def _plain_row(block: Block, y: float, name: str, last: bool, number: int) -> tuple[str, float, float]:
    """A block that is no gate: one box on the way."""
    column = Column((block.label(),), "other")
    main = y + 24
    end = 46 + column.width
    parts = [f'<text x="8" y="{main + 4}" font-style="italic">{name}</text>', _line(24, main, 46, main)]
    parts += _boxes(column, 46, main - LANE / 2, 1)
    parts.append(_line(end, main, end + 36, main))
    out = "y" if last else f"x{_subscript(number)}"
    parts.append(f'<text x="{end + 42}" y="{main + 4}" font-style="italic">{out}</text>')
    return "".join(parts), end + 66, TOP + 16


def _centres(streams: int, first: float, lanes: int) -> list[float]:
    """The heights at which so many streams run."""
    share = lanes * LANE / streams
    return [first + (i + 0.5) * share for i in range(streams)]


def _boxes(column: Column, x: float, first: float, lanes: int) -> list[str]:
    fill, stroke = COLOURS[column.colour]
    share = lanes * LANE / len(column.texts)
    parts = []
    for i, text in enumerate(column.texts):
        tall = share - (LANE - BOX)
        top = first + i * share + (LANE - BOX) / 2
        parts.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{column.width:.1f}" height="{tall:.1f}" rx="5" fill="{fill}" '
            f'stroke="{stroke}"/><text x="{x + column.width / 2:.1f}" y="{top + tall / 2 + 4:.1f}" '
            f'text-anchor="middle">{escape(text)}</text>'
        )
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, tip: bool = True) -> str:
    end = ' marker-end="url(#tip)"' if tip else ""
    return f'<path d="M{x1:.1f} {y1:.1f}H{x2:.1f}" fill="none" stroke="#555"{end}/>'
