"""sequential: blocks one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from attnspace.errors import within
from attnspace.primitives.block import AtFirst, Block, Blocks
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.blocks.identity import Identity
from attnspace.primitives.blocks.layers import MapLayers
from attnspace.primitives.sketch import Row, Sketch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Sequential"]


class Sequential(Block):
    """x -> blocks[-1](... blocks[0](x))."""

    kind: Literal["sequential"] = "sequential"
    blocks: Annotated[Blocks, Field(description="The blocks, the first one first.")]

    def resolve(self, channels: int) -> Block:
        flat: list[Block] = []
        for i, block in enumerate(self.blocks):
            with within("blocks", i):
                resolved = block.resolve(channels)
            for step in resolved.blocks if isinstance(resolved, Sequential) else (resolved,):
                if flat and isinstance(step, MapLayers) and isinstance(flat[-1], MapLayers):
                    flat[-1] = flat[-1].then(step)
                elif not isinstance(step, Identity):
                    flat.append(step)
        if len(flat) < 2:
            return flat[0] if flat else Identity()
        return self.with_(blocks=tuple(flat))

    @property
    def at_first(self) -> AtFirst:
        so_far: AtFirst = "identity"
        for block in self.blocks:
            if so_far == "zero" and block.keeps_zero:
                continue
            so_far = block.at_first if so_far == "identity" or block.at_first == "zero" else None
        return so_far

    @property
    def keeps_zero(self) -> bool:
        return all(block.keeps_zero for block in self.blocks)

    @property
    def any_channels(self) -> bool:
        return all(block.any_channels for block in self.blocks)

    def build(self, channels: int) -> nn.Module:
        from torch import nn

        return nn.Sequential(*(block.build(channels) for block in self.blocks))

    def sketch(self) -> Sketch:
        return Row(tuple(block.sketch() for block in self.blocks))

    def label(self) -> str:
        return " ; ".join(block.label() for block in self.blocks)

    @classmethod
    def any_of(cls) -> Any:
        return {"kind": "sequential", "blocks": [Gate.any_of(), Gate.any_of()]}
