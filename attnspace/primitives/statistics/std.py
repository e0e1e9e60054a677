"""std: the standard deviation over the region."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from attnspace.primitives.maps import check_several
from attnspace.primitives.statistic import Statistic

__all__ = ["Std", "StdModule"]


class Std(Statistic):
    """sqrt(variance + eps) over the region; with eps 0, a region of equal values has gradient 0.

    `unbiased` divides by one less than the number of values, so that it needs two of them.

    Source: SRM, arXiv 1903.10829, eq. 2; contrast-aware attention, arXiv 1909.11856, eq. 5.
    """

    kind: Literal["std"] = "std"
    unbiased: Annotated[bool, Field(description="Divide by one less than the number of values.")] = False
    eps: Annotated[float, Field(ge=0, le=1, description="Added to the variance.")] = 1e-5

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        return StdModule(dims, int(self.unbiased), self.eps)

    def label(self) -> str:
        return "std1" if self.unbiased else "std"


class StdModule(nn.Module):
    """Standard deviation over `dims`, kept with size 1; `correction` is subtracted from the number of values."""

    def __init__(self, dims: tuple[int, ...], correction: int, eps: float) -> None:
        super().__init__()
        self.dims = dims
        self.correction = correction
        self.eps = eps

    def forward(self, x_nchw: Tensor) -> Tensor:
        if self.correction:
            check_several(x_nchw, self.dims, "an unbiased standard deviation")
        if self.eps == 0:
            return x_nchw.std(self.dims, correction=self.correction, keepdim=True)
        return (x_nchw.var(self.dims, correction=self.correction, keepdim=True) + self.eps).sqrt()

    def extra_repr(self) -> str:
        return f"dims={self.dims}, correction={self.correction}, eps={self.eps}"
