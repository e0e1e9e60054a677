"""l1: the sum of absolute values over the region."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from attnspace.primitives.statistic import Statistic

__all__ = ["L1", "L1Module"]


class L1(Statistic):
    """Sum of |x| over the region. Source: gated channel transformation, arXiv 1909.11519, section 3.2."""

    kind: Literal["l1"] = "l1"
    searched = False

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        return L1Module(dims)


class L1Module(nn.Module):
    """Sum of absolute values over `dims`, kept with size 1."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw.abs().sum(self.dims, keepdim=True)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"
