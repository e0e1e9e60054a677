"""l2: the Euclidean norm over the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["L2"]


class L2(Statistic):
    """sqrt(sum of x^2 + eps) over the region; with eps 0, a region of zeros has gradient 0.

    Source: gated channel transformation, arXiv 1909.11519, eq. 2; GRN, arXiv 2301.00808, eq. 1.
    """

    kind: Literal["l2"] = "l2"
    searched = False
    eps: Annotated[float, Field(ge=0, le=1, description="Added to the sum of squares.")] = 1e-5

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        from attnspace.modules.statistics import L2Module

        return L2Module(dims, self.eps)
