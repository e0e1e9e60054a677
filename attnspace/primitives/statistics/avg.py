"""avg: the mean over the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Avg"]


class Avg(Statistic):
    """Mean over the region. Source: SE, arXiv 1709.01507, eq. 2."""

    kind: Literal["avg"] = "avg"

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        from attnspace.modules.statistics import AvgModule

        return AvgModule(dims)
