"""directional: each statistic over one spatial axis at a time, (N,C,H,W) -> (N,C,H,1) and (N,C,W,1)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from attnspace.primitives.descriptor import Region
from attnspace.primitives.node import Grid
from attnspace.primitives.squeeze import COMBINE, Combine, PoolingSqueeze, combined

__all__ = ["Directional", "DirectionalModule"]


class Directional(PoolingSqueeze):
    """Two strips, one along H and one along W: the directional split.

    Source: Coordinate Attention, arXiv 2103.02907, eqs. 4 and 5.
    """

    region: ClassVar[Region] = "directional"

    kind: Literal["directional"] = "directional"
    combine: Annotated[Combine, Grid("shared", "sum"), COMBINE] = "shared"

    def build(self, channels: int) -> nn.Module:
        over_w = [stat.build(channels, (3,)) for stat in self.stats]
        over_h = [stat.build(channels, (2,)) for stat in self.stats]
        return DirectionalModule(over_w, over_h, self.combine)


class DirectionalModule(nn.Module):
    """Pools each row and each column.

    Shape:
        (N,C,H,W) -> a tuple of pairs (N,maps,H,1), (N,maps,W,1). The strip along W is transposed, so that both
        run along the third axis and can be concatenated.
    """

    def __init__(self, over_w: list[nn.Module], over_h: list[nn.Module], combine: Combine) -> None:
        super().__init__()
        self.over_w = nn.ModuleList(over_w)
        self.over_h = nn.ModuleList(over_h)
        self.combine = combine

    def forward(self, x_nchw: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        rows = [stat(x_nchw) for stat in self.over_w]
        columns = [stat(x_nchw).transpose(2, 3) for stat in self.over_h]
        return tuple(zip(combined(rows, self.combine), combined(columns, self.combine), strict=True))
