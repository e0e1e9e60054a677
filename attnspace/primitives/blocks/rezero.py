"""rezero: a block that begins as the identity."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from attnspace.errors import within
from attnspace.primitives.block import Block
from attnspace.primitives.blocks.gate import Gate
from attnspace.primitives.blocks.identity import Identity
from attnspace.primitives.sketch import Fork, Row, Sketch

__all__ = ["Rezero", "RezeroModule"]


class Rezero(Block):
    """x + a (block(x) - x), with one learned number a, at first 0: nothing changes until training moves it.

    Around another rezero it resolves to that one: with two factors of 0 neither has a gradient.

    Source: after ReZero, arXiv 2003.04887, eq. 1, and SkipInit, arXiv 2002.10444.
    """

    searched: ClassVar[bool] = False

    kind: Literal["rezero"] = "rezero"
    block: Annotated[Block, Field(description="The block that x turns into as a goes from 0 to 1.")]

    def resolve(self, channels: int) -> Block:
        with within("block"):
            block = self.block.resolve(channels)
        return block if isinstance(block, Identity | Rezero) else self.with_(block=block)

    @property
    def any_channels(self) -> bool:
        return self.block.any_channels

    def build(self, channels: int) -> nn.Module:
        return RezeroModule(self.block.build(channels))

    def sketch(self) -> Sketch:
        return Fork((Row(), self.block.sketch()), "1-a : a", straight=True)

    def label(self) -> str:
        return f"rezero({self.block.label()})"

    @classmethod
    def any_of(cls) -> Any:
        return {"kind": "rezero", "block": Gate.any_of()}


class RezeroModule(nn.Module):
    """(1 - a) x + a block(x), which is exactly x at a = 0 and exactly block(x) at a = 1.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x_nchw: Tensor) -> Tensor:
        # As x + a (block(x) - x) the difference of two large numbers might overflow, and 0 times that is no number.
        scale = self.scale[0]  # without an axis it leaves the type of x as it is, under autocast too
        return (1 - scale) * x_nchw + scale * self.block(x_nchw)
