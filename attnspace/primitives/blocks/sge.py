"""sge: how much each position is like the mean of its group of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from attnspace.primitives.block import Block
from attnspace.primitives.node import Grid
from attnspace.primitives.width import check_groups

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Sge"]


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
        from attnspace.modules.formulas import SgeModule

        return SgeModule(self.groups)

    def label(self) -> str:
        return f"sge{self.groups}"
