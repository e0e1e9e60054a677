"""parallel: blocks side by side, their outputs merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field

from attnspace.errors import within
from attnspace.primitives.block import AtFirst, Block, Blocks
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.blocks.identity import Identity
from attnspace.primitives.blocks.residual import Residual
from attnspace.primitives.node import Grid, in_order
from attnspace.primitives.sketch import Fork, Sketch, symbol

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Parallel"]

Join = Literal["sum", "mean", "max"]


class Parallel(Block):
    """The sum, mean or maximum of what each block makes of x.

    Source: scSE, arXiv 1803.02579, section 2.3; triplet attention, arXiv 2010.03045, eq. 4.
    """

    kind: Literal["parallel"] = "parallel"
    blocks: Annotated[Blocks, Field(description="The blocks, each applied to the same map.")]
    merge: Annotated[
        Join, Grid("sum", "mean", "max"), Field(description="How their outputs become one, element by element.")
    ] = "sum"

    def resolve(self, channels: int) -> Block:
        flat: list[Block] = []
        for i, block in enumerate(self.blocks):
            with within("blocks", i):
                resolved = block.resolve(channels)
            flat += self._terms(resolved)
        others = tuple(block for block in flat if not isinstance(block, Identity))
        if len(flat) == 1 or (not others and self.merge != "sum"):
            return flat[0]
        if self.merge == "sum" and len(flat) == len(others) + 1 and others:
            inner = others[0] if len(others) == 1 else self.with_(blocks=others)
            return Residual(block=inner).resolve(channels)
        return self.with_(blocks=tuple(flat))

    def _terms(self, block: Block) -> tuple[Block, ...]:
        """The blocks that a resolved block is the merge of, to be listed in its place; else the block itself."""
        if self.merge == "sum" and isinstance(block, Residual):
            return (Identity(), *self._terms(block.block))
        if isinstance(block, Parallel) and block.merge == self.merge != "mean":
            return block.blocks
        return (block,)

    @property
    def at_first(self) -> AtFirst:
        parts = [block.at_first for block in self.blocks]
        if self.merge != "sum":
            return parts[0] if len(set(parts)) == 1 else None
        if None in parts or parts.count("identity") > 1:
            return None
        return "identity" if "identity" in parts else "zero"

    @property
    def keeps_zero(self) -> bool:
        return all(block.keeps_zero for block in self.blocks)

    def canonical(self) -> Self:
        same = super().canonical()
        return same.with_(blocks=in_order(same.blocks))

    @property
    def any_channels(self) -> bool:
        return all(block.any_channels for block in self.blocks)

    def build(self, channels: int) -> nn.Module:
        from attnspace.modules.composition import ParallelModule

        return ParallelModule([block.build(channels) for block in self.blocks], self.merge)

    def sketch(self) -> Sketch:
        return Fork(tuple(block.sketch() for block in self.blocks), symbol(self.merge))

    def label(self) -> str:
        return f"{self.merge}({' | '.join(block.label() for block in self.blocks)})"

    @classmethod
    def any_of(cls) -> Any:
        return {**super().any_of(), "blocks": [Gate.any_of(), Gate.any_of()]}
