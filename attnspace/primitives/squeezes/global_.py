"""global: each statistic over the whole map, (N,C,H,W) -> (N,C,1,1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from attnspace.primitives.descriptor import Region
from attnspace.primitives.squeeze import PoolingSqueeze

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Global"]


class Global(PoolingSqueeze):
    """One value for each channel. Source: SE, arXiv 1709.01507, section 3.1."""

    region: ClassVar[Region] = "global"

    kind: Literal["global"] = "global"

    def build(self, channels: int, *, wide: bool = False) -> nn.Module:
        from attnspace.modules.squeeze import SqueezeModule

        return SqueezeModule([stat.build(channels, (2, 3)) for stat in self.stats], self.combine, wide=wide)
