"""amax: the maximum over the region; where several elements tie, the gradient is spread evenly over them."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from attnspace.primitives.statistic import Statistic

__all__ = ["Amax", "AmaxModule"]


class Amax(Statistic):
    """Maximum over the region; a tie's gradient is spread evenly, which is timm's dialect of CBAM.

    The value is that of `max`, so a search does not offer both.
    """

    kind: Literal["amax"] = "amax"
    searched = False

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        return AmaxModule(dims)


class AmaxModule(nn.Module):
    """Maximum over `dims`, kept with size 1."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw.amax(self.dims, keepdim=True)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"
