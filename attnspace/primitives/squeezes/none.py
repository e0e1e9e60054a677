"""none: the map itself is the descriptor."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.squeeze import Squeeze

__all__ = ["NoneModule", "NoneSqueeze"]


class NoneSqueeze(Squeeze):
    """Nothing is pooled. Source: sSE, arXiv 1803.02579, section 2.2; pixel attention, arXiv 2010.01073."""

    region: ClassVar[Region] = "none"

    kind: Literal["none"] = "none"

    def descriptor(self, channels: int) -> Descriptor:
        return Descriptor("none", channels, channels)

    def resolve(self, channels: int, *, keep_order: bool) -> Squeeze:
        return self

    def label(self) -> str:
        return "map"

    def build(self, channels: int) -> nn.Module:
        return NoneModule()


class NoneModule(nn.Module):
    """(N,C,H,W) -> a tuple of that one map."""

    def forward(self, x_nchw: Tensor) -> tuple[Tensor]:
        return (x_nchw,)
