"""swap: a block that sees C exchanged with H or with W."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from attnspace.documents.families import fault
from attnspace.errors import SpecError, within
from attnspace.primitives.block import AtFirst, Block
from attnspace.primitives.blocks.identity import Identity
from attnspace.primitives.node import Grid
from attnspace.primitives.sketch import Frame, Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Swap"]

AXES = {"H": 2, "W": 3}
UNKNOWN = 2**31 - 1
"""A channel count that no layer can have by chance; it stands for H or W, which are not known."""


class Swap(Block):
    """The block is applied to the map with its channel axis and one spatial axis exchanged, then they are put back.

    H and W are not known when a module is built, so the block must not depend on the number of channels.

    Source: triplet attention, arXiv 2010.03045, section 3.2.
    """

    kind: Literal["swap"] = "swap"
    axis: Annotated[Literal["H", "W"], Grid("H", "W"), Field(description="The axis exchanged with C.")] = "H"
    block: Annotated[Block, Field(description="What is applied to the exchanged map.")]

    @model_validator(mode="after")
    def _same_at_every_size(self) -> Self:
        if not self.block.any_channels:
            raise fault(
                f"the swapped block has weights for each channel, and {self.axis} has no fixed size",
                at=("block",),
                allowed="squeeze channel with layers that end with one map; layers that do not depend on C",
            )
        return self

    def resolve(self, channels: int) -> Block:
        with within("block"):
            try:
                block = self.block.resolve(UNKNOWN)
            except SpecError as error:
                error.what = error.what.replace(f"the map has {UNKNOWN}", f"{self.axis} has no fixed size")
                raise
        if isinstance(block, Identity):
            return block
        if isinstance(block, Swap) and block.axis == self.axis:
            return block.block
        return self.with_(block=block)

    @property
    def at_first(self) -> AtFirst:
        return self.block.at_first

    @property
    def keeps_zero(self) -> bool:
        return self.block.keeps_zero

    @property
    def any_channels(self) -> bool:
        return True

    def build(self, channels: int) -> nn.Module:
        from attnspace.modules.composition import SwapModule

        return SwapModule(AXES[self.axis], self.block.build(UNKNOWN))

    def sketch(self) -> Sketch:
        return Frame(f"C and {self.axis} exchanged", self.block.sketch())

    def label(self) -> str:
        return f"C<->{self.axis}({self.block.label()})"

    @classmethod
    def any_of(cls) -> Any:
        stats = {"$subset": ["avg", "max", "std"]}
        conv = {"kind": "conv2d", "kernel": {"$choice": [3, 5, 7]}}
        gate = {"kind": "gate", "squeeze": {"kind": "channel", "stats": stats}, "excite": [conv]}
        return {**super().any_of(), "block": gate}
