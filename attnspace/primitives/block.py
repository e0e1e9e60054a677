"""The family of blocks: maps of (N,C,H,W) onto (N,C,H,W)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from attnspace.primitives.drawing import draw
from attnspace.primitives.node import Node
from attnspace.primitives.sketch import Box, Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["AtFirst", "Block", "Blocks"]

AtFirst = Literal["identity", "zero"] | None
"""What a block makes of every map before it is trained: the map itself, zeros, or what random weights make of it."""


class Block(Node, family=True):
    """A block: keeps the shape of the map it is given.

    A block is compiled in two steps. `resolve` writes it in canonical form at C channels: rules become
    numbers, unused fields their defaults, synonyms one form. `build` turns the resolved block into a module.
    Two blocks whose resolved forms are equal are one design.
    """

    @abstractmethod
    def resolve(self, channels: int) -> Block:
        """The canonical form at `channels` channels.

        Raises:
            SpecError: the block is not possible at this channel count.
        """

    @property
    def any_channels(self) -> bool:
        """Whether the block has the same weights, and computes the same, at every channel count, as `swap` needs."""
        return False

    @property
    def at_first(self) -> AtFirst:
        """What the resolved block makes of every map before it is trained."""
        return None

    @property
    def keeps_zero(self) -> bool:
        """Whether the resolved block, before it is trained, makes zeros of a map of zeros."""
        return False

    def sketch(self) -> Sketch:
        """The sketch of the block, from its input to its output."""
        return Box(self.label())

    def _repr_html_(self) -> str:
        """The picture that notebooks show."""
        return draw(self.sketch(), self.label())

    @abstractmethod
    def build(self, channels: int) -> nn.Module:
        """The module of a resolved block. Parameters are created in the order of the reference."""


Blocks = Annotated[tuple[Block, ...], Field(min_length=1, max_length=256)]
