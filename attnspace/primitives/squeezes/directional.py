"""directional: each statistic over one spatial axis at a time, (N,C,H,W) -> (N,C,H,1) and (N,C,W,1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from attnspace.modules.words import Combine
from attnspace.primitives.descriptor import Region
from attnspace.primitives.node import Grid
from attnspace.primitives.squeeze import COMBINE, PoolingSqueeze

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Directional"]


class Directional(PoolingSqueeze):
    """Two strips, one along H and one along W: the directional split.

    Source: Coordinate Attention, arXiv 2103.02907, eqs. 4 and 5.
    """

    region: ClassVar[Region] = "directional"

    kind: Literal["directional"] = "directional"
    combine: Annotated[Combine, Grid("shared", "sum"), COMBINE] = "shared"

    def build(self, channels: int, *, wide: bool = False) -> nn.Module:
        from attnspace.modules.squeeze import DirectionalModule

        over_w = [stat.build(channels, (3,)) for stat in self.stats]
        over_h = [stat.build(channels, (2,)) for stat in self.stats]
        return DirectionalModule(over_w, over_h, self.combine, wide=wide)
