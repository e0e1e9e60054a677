"""sequential: blocks one after the other."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from attnspace.errors import within
from attnspace.primitives.block import Block
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.blocks.identity import Identity

__all__ = ["Sequential"]


class Sequential(Block):
    """x -> blocks[-1](... blocks[0](x))."""

    kind: Literal["sequential"] = "sequential"
    blocks: Annotated[tuple[Block, ...], Field(min_length=1, max_length=64)]

    def resolve(self, channels: int) -> Block:
        flat: list[Block] = []
        for i, block in enumerate(self.blocks):
            with within("blocks", i):
                resolved = block.resolve(channels)
            if isinstance(resolved, Sequential):
                flat += resolved.blocks
            elif not isinstance(resolved, Identity):
                flat.append(resolved)
        if len(flat) < 2:
            return flat[0] if flat else Identity()
        return self.with_(blocks=tuple(flat))

    def build(self, channels: int) -> nn.Module:
        return nn.Sequential(*(block.build(channels) for block in self.blocks))

    def label(self) -> str:
        return " ; ".join(block.label() for block in self.blocks)

    @classmethod
    def any_of(cls) -> Any:
        return {"kind": "sequential", "blocks": [Gate.any_of(), Gate.any_of()]}
