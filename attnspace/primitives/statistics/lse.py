"""lse: log-mean-exp over the region, between the mean and the maximum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Lse"]


class Lse(Statistic):
    """log(mean of exp(r x)) / r over the region: near the mean for a small sharpness r, the maximum for a large one.

    Source: Pinheiro and Collobert, arXiv 1411.6228, eq. 6.
    """

    kind: Literal["lse"] = "lse"
    searched = False
    sharpness: Annotated[float, Field(ge=1e-3, le=1e3, description="r, how close to the maximum.")] = 1.0

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        from attnspace.modules.statistics import LseModule

        return LseModule(dims, self.sharpness)

    def label(self) -> str:
        return "lse" if self.sharpness == 1 else f"lse{self.sharpness:g}"
