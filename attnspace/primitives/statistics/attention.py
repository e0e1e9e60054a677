"""attention: a mean over the region, weighted by a softmax of learned logits."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from attnspace.primitives.descriptor import Region
from attnspace.primitives.statistic import Statistic

__all__ = ["Attention", "AttentionModule"]


class Attention(Statistic):
    """Sum of softmax(w x + b) x over the positions, one logit for each. Source: GCNet, arXiv 1904.11492, eq. 5."""

    regions: ClassVar[frozenset[Region]] = frozenset({"global", "directional"})
    any_channels: ClassVar[bool] = False

    kind: Literal["attention"] = "attention"

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        return AttentionModule(channels, dims)


class AttentionModule(nn.Module):
    """Weighted mean over the spatial `dims`, kept with size 1."""

    def __init__(self, channels: int, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.logits = nn.Conv2d(channels, 1, kernel_size=1)
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        logits = self.logits(x_nchw)
        if len(self.dims) == 1:
            return (x_nchw * logits.softmax(self.dims[0])).sum(self.dims, keepdim=True)
        weights = logits.flatten(2).softmax(2)
        return (x_nchw.flatten(2) @ weights.transpose(1, 2)).unsqueeze(3)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"
