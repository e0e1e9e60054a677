"""avg: the mean over the region."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from attnspace.primitives.statistic import Statistic

__all__ = ["Avg", "AvgModule"]


class Avg(Statistic):
    """Mean over the region. Source: SE, arXiv 1709.01507, eq. 2."""

    kind: Literal["avg"] = "avg"

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        return AvgModule(dims)


class AvgModule(nn.Module):
    """Mean over `dims`, kept with size 1."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw.mean(self.dims, keepdim=True)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"
