"""max: the maximum over the region; where several elements tie, the gradient goes to one of them."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from attnspace.primitives.statistic import Statistic

__all__ = ["Max", "MaxModule"]


class Max(Statistic):
    """Maximum over the region; a tie's gradient goes to one element, as in max pooling.

    Source: CBAM, arXiv 1807.06521, section 3.1.
    """

    kind: Literal["max"] = "max"

    def build(self, channels: int, dims: tuple[int, ...]) -> nn.Module:
        return MaxModule(dims)


class MaxModule(nn.Module):
    """Maximum over `dims` (neighbouring axes), kept with size 1."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x_nchw: Tensor) -> Tensor:
        first, *others = self.dims
        if not others:
            return x_nchw.max(first, keepdim=True).values
        # One axis at a time would pick another element of a tie than max pooling does.
        flat = x_nchw.flatten(first, others[-1]).max(first, keepdim=True).values
        for axis in others:
            flat = flat.unsqueeze(axis)
        return flat

    def extra_repr(self) -> str:
        return f"dims={self.dims}"
