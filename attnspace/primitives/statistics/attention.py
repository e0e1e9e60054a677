"""attention: a mean over the region, weighted by a softmax of learned logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from attnspace.primitives.descriptor import Region
from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Attention"]


class Attention(Statistic):
    """Sum of softmax(w x + b) x over the positions, one logit for each. Source: GCNet, arXiv 1904.11492, eq. 5."""

    regions: ClassVar[frozenset[Region]] = frozenset({"global", "directional"})
    any_channels: ClassVar[bool] = False

    kind: Literal["attention"] = "attention"

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        from attnspace.modules.statistics import AttentionModule

        return AttentionModule(channels, dims)
