"""How the two strips of a directional squeeze go through layers together, and meet again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnspace.modules.maps import fold

__all__ = ["Joint", "Separate", "Shared", "sum_strips"]


class Joint(nn.Module):
    """Applies layers once to both strips, concatenated along their length.

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
    """Applies the same layers to each strip, rows first."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, strips: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, columns = strips
        return self.layers(rows), self.layers(columns)


class Separate(nn.Module):
    """Applies to each strip layers of its own."""

    def __init__(self, rows: nn.Module, columns: nn.Module) -> None:
        super().__init__()
        self.rows = rows
        self.columns = columns

    def forward(self, strips: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rows, columns = strips
        return self.rows(rows), self.columns(columns)


def sum_strips(logits: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Sum the logits of several statistics in each strip: (N,maps,H,1) and (N,maps,1,W)."""
    rows = fold("sum", [pair[0] for pair in logits])
    columns = fold("sum", [pair[1] for pair in logits])
    return [rows, columns.transpose(2, 3)]
