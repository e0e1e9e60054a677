"""What a block looks like, before it is drawn: boxes in rows, and forks whose lanes meet again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Box", "Colour", "Fork", "Frame", "Row", "Sketch", "TIMES", "symbol"]

TIMES = "\N{MULTIPLICATION SIGN}"
Colour = Literal["squeeze", "layer", "gate", "other"]


@dataclass(frozen=True)
class Box:
    """One step, as a box with its text."""

    text: str
    colour: Colour = "other"


@dataclass(frozen=True)
class Row:
    """Steps from left to right; a row without steps is the bare line."""

    items: tuple[Sketch, ...] = ()


@dataclass(frozen=True)
class Fork:
    """Lanes that start at one point and meet in a circle with a symbol.

    Attributes:
        lanes: what stands on each lane, the first one on top.
        join: the symbol in the circle.
        straight: whether the first lane goes straight on, as the map does past its gate.
    """

    lanes: tuple[Sketch, ...]
    join: str
    straight: bool = False


@dataclass(frozen=True)
class Frame:
    """A part in a frame with a title."""

    title: str
    inner: Sketch


Sketch = Box | Row | Fork | Frame


def symbol(how: str) -> str:
    """`+` for a sum, the multiplication sign for a product, else the word itself."""
    return {"sum": "+", "product": TIMES}.get(how, how)
