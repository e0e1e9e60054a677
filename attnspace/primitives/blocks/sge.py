"""sge: how much each position is like the mean of its group of channels."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from attnspace.primitives.block import Block
from attnspace.primitives.maps import check_several
from attnspace.primitives.node import Grid
from attnspace.primitives.width import check_groups

__all__ = ["Sge", "SgeModule"]


class Sge(Block):
    """Spatial group-wise enhance: x * sigmoid(w (t - mean t) / (std t + 1e-5) + b), t = sum over a group of x * mean x.

    One w, at first 0, and one b, at first 1, for each group; the standard deviation is the unbiased one, so the map
    needs more than one position.

    Source: SGE, arXiv 1905.09646, eqs. 1 to 5.
    """

    kind: Literal["sge"] = "sge"
    groups: Annotated[int, Field(ge=1, le=65_536, description="Groups of channels."), Grid(4, 8)] = 64

    def resolve(self, channels: int) -> Block:
        check_groups(self.groups, channels)
        return self

    def build(self, channels: int) -> nn.Module:
        return SgeModule(self.groups)

    def label(self) -> str:
        return f"sge{self.groups}"


class SgeModule(nn.Module):
    """x * sigmoid of a normalised similarity, one gate for each group of channels.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.zeros(groups, 1, 1))
        self.bias = nn.Parameter(torch.ones(groups, 1, 1))

    def forward(self, x_nchw: Tensor) -> Tensor:
        check_several(x_nchw, (2, 3), "sge")
        grouped = x_nchw.unflatten(1, (self.groups, -1))
        similarity = (grouped * grouped.mean((3, 4), keepdim=True)).sum(2)
        centred = similarity - similarity.mean((2, 3), keepdim=True)
        normed = centred / (centred.std((2, 3), keepdim=True) + 1e-5)
        gate = torch.sigmoid(normed * self.weight + self.bias)
        return (grouped * gate.unsqueeze(2)).flatten(1, 2)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
