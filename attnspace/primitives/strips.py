"""How the two strips of a directional squeeze go through layers together."""

from __future__ import annotations

from itertools import groupby

import torch
from torch import Tensor, nn

from attnspace.primitives.descriptor import Descriptor
from attnspace.primitives.layer import Layer, build_layers

__all__ = ["Joint", "Separate", "Shared", "build_strips"]


def build_strips(layers: tuple[Layer, ...], d: Descriptor) -> tuple[nn.Sequential, Descriptor]:
    """Neighbouring layers that share alike become one step, so that strips are concatenated once."""
    sharing: list[str] = []
    for layer in layers:
        sharing.append(layer.shares() or (sharing[-1] if sharing else "shared"))
    steps: list[nn.Module] = []
    for how, group in groupby(zip(sharing, layers, strict=True), key=lambda pair: pair[0]):
        members = tuple(layer for _, layer in group)
        module, after = build_layers(members, d)
        if how == "separate":
            steps.append(Separate(module, build_layers(members, d)[0]))
        else:
            steps.append(Joint(module) if how == "joint" else Shared(module))
        d = after
    return nn.Sequential(*steps), d


class Joint(nn.Module):
    """One application to both strips, concatenated along their length.

    Shape:
        (N,maps,H,1), (N,maps,W,1) -> the same with the layers' maps
    """

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, strips: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, columns = strips
        both = self.layers(torch.cat([rows, columns], dim=2))
        rows, columns = both.split([rows.shape[2], columns.shape[2]], dim=2)
        return rows, columns


class Shared(nn.Module):
    """The same weights applied to each strip, rows first."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, strips: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, columns = strips
        return self.layers(rows), self.layers(columns)


class Separate(nn.Module):
    """Weights of their own for each strip."""

    def __init__(self, rows: nn.Module, columns: nn.Module) -> None:
        super().__init__()
        self.rows = rows
        self.columns = columns

    def forward(self, strips: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, columns = strips
        return self.rows(rows), self.columns(columns)
