"""l1: the sum of absolute values over the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["L1"]


class L1(Statistic):
    """Sum of |x| over the region. Source: gated channel transformation, arXiv 1909.11519, section 3.2."""

    kind: Literal["l1"] = "l1"
    searched = False

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        from attnspace.modules.statistics import L1Module

        return L1Module(dims)
