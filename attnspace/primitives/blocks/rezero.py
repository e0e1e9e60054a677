"""rezero: a block that begins as the identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from attnspace.errors import within
from attnspace.primitives.block import AtFirst, Block
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.sketch import Fork, Row, Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Rezero"]


class Rezero(Block):
    """x + a (block(x) - x), with one learned number a, at first 0: nothing changes until training moves it.

    Around a block that begins as the identity, such as another rezero, it resolves to that block: it is not needed
    there, and neither a nor the block would have a gradient.

    Source: after ReZero, arXiv 2003.04887, eq. 1, and SkipInit, arXiv 2002.10444.
    """

    searched: ClassVar[bool] = False

    kind: Literal["rezero"] = "rezero"
    block: Annotated[Block, Field(description="The block that x turns into as a goes from 0 to 1.")]

    def resolve(self, channels: int) -> Block:
        with within("block"):
            block = self.block.resolve(channels)
        return block if block.at_first == "identity" else self.with_(block=block)

    @property
    def at_first(self) -> AtFirst:
        return "identity"

    @property
    def keeps_zero(self) -> bool:
        return True

    @property
    def any_channels(self) -> bool:
        return self.block.any_channels

    def build(self, channels: int) -> nn.Module:
        from attnspace.modules.composition import RezeroModule

        return RezeroModule(self.block.build(channels))

    def sketch(self) -> Sketch:
        return Fork((Row(), self.block.sketch()), "1-a : a", straight=True)

    def label(self) -> str:
        return f"rezero({self.block.label()})"

    @classmethod
    def any_of(cls) -> Any:
        return {"kind": "rezero", "block": Gate.any_of()}
