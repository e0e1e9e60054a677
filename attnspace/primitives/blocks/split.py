"""split: channels in groups that share weights, in chunks with a block each, shuffled afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from attnspace.errors import SpecError, within
from attnspace.primitives.block import AtFirst, Block, Blocks
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.blocks.identity import Identity
from attnspace.primitives.node import Grid
from attnspace.primitives.sketch import Box, Fork, Frame, Row, Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Split"]

Parts = Annotated[int, Field(ge=1, le=65_536)]


class Split(Block):
    """Each of `groups` groups of channels goes through the same blocks, which share its channels among them.

    The groups are folded into the batch, so that their weights are shared. With several blocks, each gets an equal
    chunk of a group's channels. `shuffle` then deals the channels out, as ShuffleNet does.

    Source: shuffle attention, arXiv 2102.00240, section 3.
    """

    kind: Literal["split"] = "split"
    groups: Annotated[Parts, Grid(1, 4), Field(description="Groups of channels that share the blocks' weights.")] = 1
    blocks: Annotated[Blocks, Field(description="A block for each chunk of a group's channels.")]
    shuffle: Annotated[Parts, Grid(1, 2), Field(description="Groups of the channel shuffle; 1 for none.")] = 1

    def resolve(self, channels: int) -> Block:
        chunks = len(self.blocks)
        if channels % (self.groups * chunks):
            raise SpecError(
                f"{self.groups} groups of {chunks} chunks do not divide {channels} channels",
                at=("groups",),
                remedy=f"use fewer groups or blocks, so that their product divides {channels}",
            )
        if channels % self.shuffle:
            raise SpecError(
                f"shuffle {self.shuffle} does not divide {channels} channels",
                at=("shuffle",),
                remedy=f"use a divisor of {channels}",
            )
        blocks = []
        for i, block in enumerate(self.blocks):
            with within("blocks", i):
                blocks.append(block.resolve(channels // self.groups // chunks))
        shuffle = 1 if self.shuffle == channels else self.shuffle
        if all(isinstance(block, Identity) for block in blocks):
            if shuffle == 1:
                return Identity()
            return self.with_(groups=1, blocks=(Identity(),), shuffle=shuffle)
        if self.groups == chunks == shuffle == 1:
            return blocks[0]
        return self.with_(blocks=tuple(blocks), shuffle=shuffle)

    @property
    def at_first(self) -> AtFirst:
        (first, *others) = {block.at_first for block in self.blocks}
        return None if others or (first == "identity" and self.shuffle > 1) else first

    @property
    def keeps_zero(self) -> bool:
        return all(block.keeps_zero for block in self.blocks)

    def build(self, channels: int) -> nn.Module:
        from attnspace.modules.composition import SplitModule

        width = channels // self.groups // len(self.blocks)
        return SplitModule(self.groups, [block.build(width) for block in self.blocks], self.shuffle)

    def sketch(self) -> Sketch:
        lanes = tuple(block.sketch() for block in self.blocks)
        inner: Sketch = Fork(lanes, "cat") if len(lanes) > 1 else lanes[0]
        grouped = Frame(f"in each of {self.groups} groups, weights shared", inner) if self.groups > 1 else inner
        return Row((grouped, Box(f"shuffle {self.shuffle}"))) if self.shuffle > 1 else grouped

    def label(self) -> str:
        shuffle = f" shuffle{self.shuffle}" if self.shuffle > 1 else ""
        return f"split{self.groups}[{' | '.join(block.label() for block in self.blocks)}]{shuffle}"

    @classmethod
    def any_of(cls) -> Any:
        return {**super().any_of(), "blocks": [Gate.any_of(), Gate.any_of()]}
