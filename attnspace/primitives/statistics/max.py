"""max: the maximum over the region; where several elements tie, the gradient goes to one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Max"]


class Max(Statistic):
    """Maximum over the region; a tie's gradient goes to one element, as in max pooling.

    Source: CBAM, arXiv 1807.06521, section 3.1.
    """

    kind: Literal["max"] = "max"

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        from attnspace.modules.statistics import MaxModule

        return MaxModule(dims)
