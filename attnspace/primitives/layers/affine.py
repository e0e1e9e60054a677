"""affine: a learned scale and shift for each channel."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import Layer

__all__ = ["Affine", "AffineModule", "WeightedSumModule"]

Start = Annotated[float, Field(ge=-1e3, le=1e3)]


class Affine(Layer):
    """scale * d + shift, a number of each for every channel; statistics side by side are summed, each with its scale.

    Source: SRM, arXiv 1903.10829, eq. 3; gated channel transformation, arXiv 1909.11519, eqs. 2 and 4.
    """

    kind: Literal["affine"] = "affine"
    scale: Annotated[Start, Field(description="The scale's initial value.")] = 1.0
    shift: Annotated[Start | None, Field(description="The shift's initial value; null for no shift.")] = 0.0
    sharing: Annotated[
        Literal["shared", "separate"], Field(description="Whether the strips of a directional squeeze share it.")
    ] = "shared"

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        return (self if d.region == "directional" else self.with_(sharing="shared"),)

    def after(self, d: Descriptor) -> Descriptor:
        return d.to(d.maps // d.stacked)

    def build(self, d: Descriptor) -> nn.Module:
        if d.stacked == 1:
            return AffineModule(d.maps, self.scale, self.shift)
        return WeightedSumModule(d.maps // d.stacked, d.stacked, self.scale, self.shift)

    def label(self) -> str:
        return "affine" if self.shift is not None else "scale"


class AffineModule(nn.Module):
    """weight * d + bias, for each channel.

    Shape:
        (N,C,.,.) -> (N,C,.,.)
    """

    def __init__(self, channels: int, scale: float, shift: float | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), float(scale)))
        self.bias = None if shift is None else nn.Parameter(torch.full((channels, 1, 1), float(shift)))

    def forward(self, d: Tensor) -> Tensor:
        scaled = d * self.weight
        return scaled if self.bias is None else scaled + self.bias


class WeightedSumModule(nn.Module):
    """Sum over the stacked statistics of weight * d, and bias, for each channel.

    Shape:
        (N,stacked*C,.,.) -> (N,C,.,.)
    """

    def __init__(self, channels: int, stacked: int, scale: float, shift: float | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, stacked, 1, 1), float(scale)))
        self.bias = None if shift is None else nn.Parameter(torch.full((channels, 1, 1), float(shift)))
        self.stacked = stacked

    def forward(self, d: Tensor) -> Tensor:
        statistics = d.unflatten(1, (self.stacked, -1)).transpose(1, 2)
        mixed = (statistics * self.weight).sum(2)
        return mixed if self.bias is None else mixed + self.bias
