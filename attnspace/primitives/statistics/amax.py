"""amax: the maximum over the region; where several elements tie, the gradient is spread evenly over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attnspace.primitives.statistic import Statistic

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Amax"]


class Amax(Statistic):
    """Maximum over the region; a tie's gradient is spread evenly, which is timm's dialect of CBAM.

    The value is that of `max`, so a search does not offer both.
    """

    kind: Literal["amax"] = "amax"
    searched = False

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        from attnspace.modules.statistics import AmaxModule

        return AmaxModule(dims)
