"""simam: an energy of each neuron, in closed form."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from attnspace.primitives.block import Block
from attnspace.primitives.maps import check_several

__all__ = ["Simam", "SimamModule"]


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
        return SimamModule(self.regularization)


class SimamModule(nn.Module):
    """x * sigmoid(energy), without parameters.

    Shape:
        (N,C,H,W) -> (N,C,H,W)
    """

    def __init__(self, regularization: float) -> None:
        super().__init__()
        self.regularization = regularization

    def forward(self, x_nchw: Tensor) -> Tensor:
        check_several(x_nchw, (2, 3), "simam")
        d = (x_nchw - x_nchw.mean((2, 3), keepdim=True)).pow(2)
        variance = d.sum((2, 3), keepdim=True) / (x_nchw.shape[2] * x_nchw.shape[3] - 1)
        return x_nchw * torch.sigmoid(d / (4 * (variance + self.regularization)) + 0.5)

    def extra_repr(self) -> str:
        return f"regularization={self.regularization}"
