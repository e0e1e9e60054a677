"""lse: log-mean-exp over the region, between the mean and the maximum."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from attnspace.primitives.statistic import Statistic

__all__ = ["Lse", "LseModule"]


class Lse(Statistic):
    """log(mean of exp(r x)) / r over the region: near the mean for a small sharpness r, the maximum for a large one.

    Source: Pinheiro and Collobert, arXiv 1411.6228, eq. 6.
    """

    kind: Literal["lse"] = "lse"
    searched = False
    sharpness: Annotated[float, Field(ge=1e-3, le=1e3, description="r, how close to the maximum.")] = 1.0

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        return LseModule(dims, self.sharpness)

    def label(self) -> str:
        return "lse" if self.sharpness == 1 else f"lse{self.sharpness:g}"


class LseModule(nn.Module):
    """Log-mean-exp over `dims`, kept with size 1; the maximum is taken out, so that nothing overflows."""

    def __init__(self, dims: tuple[int, ...], sharpness: float) -> None:
        super().__init__()
        self.dims = dims
        self.sharpness = sharpness

    def forward(self, x_nchw: Tensor) -> Tensor:
        top = x_nchw.detach().amax(self.dims, keepdim=True)
        mean = ((x_nchw - top) * self.sharpness).exp().mean(self.dims, keepdim=True)
        return top + mean.log() / self.sharpness

    def extra_repr(self) -> str:
        return f"dims={self.dims}, sharpness={self.sharpness}"
