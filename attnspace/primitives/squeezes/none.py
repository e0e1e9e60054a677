"""none: the map itself is the descriptor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.squeeze import Squeeze

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NoneSqueeze"]


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

    def build(self, channels: int, *, wide: bool = False) -> nn.Module:
        from attnspace.modules.squeeze import NoneModule

        return NoneModule()
