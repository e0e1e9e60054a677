"""simam: an energy of each neuron, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from attnspace.primitives.block import Block

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Simam"]


class Simam(Block):
    """x * sigmoid(d / (4 (sum d / (HW - 1) + lambda)) + 1/2), d = (x - mean)^2 over H and W; no parameters.

    The map needs more than one position.

    Source: SimAM, Yang et al., ICML 2021, eq. 5 and the released code.
    """

    kind: Literal["simam"] = "simam"
    regularization: Annotated[float, Field(gt=0, le=1, description="lambda, added to the variance.")] = 1e-4

    def resolve(self, channels: int) -> Block:
        return self

    @property
    def any_channels(self) -> bool:
        return True

    def build(self, channels: int) -> nn.Module:
        from attnspace.modules.formulas import SimamModule

        return SimamModule(self.regularization)
