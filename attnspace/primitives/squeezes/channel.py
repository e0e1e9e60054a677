"""channel: each statistic over the channels, (N,C,H,W) -> (N,1,H,W)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from attnspace.modules.words import Combine
from attnspace.primitives.descriptor import Region
from attnspace.primitives.node import Grid
from attnspace.primitives.squeeze import COMBINE, PoolingSqueeze

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Channel"]


class Channel(PoolingSqueeze):
    """One value for each position. Several statistics are stacked as channels.

    Source: CBAM, arXiv 1807.06521, section 3.2.
    """

    region: ClassVar[Region] = "channel"

    kind: Literal["channel"] = "channel"
    combine: Annotated[Combine, Grid("stack", "sum"), COMBINE] = "stack"

    def build(self, channels: int, *, wide: bool = False) -> nn.Module:
        from attnspace.modules.squeeze import SqueezeModule

        return SqueezeModule([stat.build(channels, (1,)) for stat in self.stats], self.combine, wide=wide)
