"""std: the standard deviation over the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Std"]


class Std(Statistic):
    """sqrt(variance + eps) over the region; with eps 0, a region of equal values has gradient 0.

    `unbiased` divides by one less than the number of values, so that it needs two of them.

    Source: SRM, arXiv 1903.10829, eq. 2; contrast-aware attention, arXiv 1909.11856, eq. 5.
    """

    kind: Literal["std"] = "std"
    unbiased: Annotated[bool, Field(description="Divide by one less than the number of values.")] = False
    eps: Annotated[float, Field(ge=0, le=1, description="Added to the variance.")] = 1e-5

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        from attnspace.modules.statistics import StdModule

        return StdModule(dims, int(self.unbiased), self.eps)

    def label(self) -> str:
        return "std1" if self.unbiased else "std"
