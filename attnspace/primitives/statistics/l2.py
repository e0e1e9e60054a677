"""l2: the Euclidean norm over the region."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from attnspace.primitives.statistic import Statistic

__all__ = ["L2", "L2Module"]


class L2(Statistic):
    """sqrt(sum of x^2 + eps) over the region; with eps 0, a region of zeros has gradient 0.

    Source: gated channel transformation, arXiv 1909.11519, eq. 2; GRN, arXiv 2301.00808, eq. 1.
    """

    kind: Literal["l2"] = "l2"
    searched = False
    eps: Annotated[float, Field(ge=0, le=1, description="Added to the sum of squares.")] = 1e-5

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        return L2Module(dims, self.eps)


class L2Module(nn.Module):
    """Euclidean norm over `dims`, kept with size 1."""

    def __init__(self, dims: tuple[int, ...], eps: float) -> None:
        super().__init__()
        self.dims = dims
        self.eps = eps

    def forward(self, x_nchw: Tensor) -> Tensor:
        if self.eps == 0:
            return torch.linalg.vector_norm(x_nchw, dim=self.dims, keepdim=True)
        return (x_nchw.pow(2).sum(self.dims, keepdim=True) + self.eps).sqrt()

    def extra_repr(self) -> str:
        return f"dims={self.dims}, eps={self.eps}"
