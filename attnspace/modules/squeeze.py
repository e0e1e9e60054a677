"""Squeezes: modules that turn a map into its descriptors, to which the excitation is applied one by one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnspace.modules.precision import may_widen
from attnspace.modules.words import Combine

__all__ = ["DirectionalModule", "NoneModule", "SqueezeModule"]


class SqueezeModule(nn.Module):
    """Pools one or more statistics over `dims` and combines them.

    Shape:
        (N,C,H,W) -> a tuple of (N,maps,.,.), one for each run through the excitation.
    """

    def __init__(self, stats: list[nn.Module], combine: Combine, *, wide: bool) -> None:
        super().__init__()
        self.stats = nn.ModuleList(stats)
        self.combine = combine
        self.narrows = not wide and may_widen(self.stats)

    def forward(self, x_nchw: Tensor) -> tuple[Tensor, ...]:
        pooled = [stat(x_nchw) for stat in self.stats]
        return _combined(_narrowed(pooled, x_nchw) if self.narrows else pooled, self.combine)


class DirectionalModule(nn.Module):
    """Pools each row and each column.

    Shape:
        (N,C,H,W) -> a tuple of pairs (N,maps,H,1), (N,maps,W,1). The strip along W is transposed, so that both
        run along the third axis and can be concatenated.
    """

    def __init__(self, over_w: list[nn.Module], over_h: list[nn.Module], combine: Combine, *, wide: bool) -> None:
        super().__init__()
        self.over_w = nn.ModuleList(over_w)
        self.over_h = nn.ModuleList(over_h)
        self.combine = combine
        self.narrows = not wide and may_widen(self.over_w)

    def forward(self, x_nchw: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        rows = [stat(x_nchw) for stat in self.over_w]
        columns = [stat(x_nchw).transpose(2, 3) for stat in self.over_h]
        if self.narrows:
            rows, columns = _narrowed(rows, x_nchw), _narrowed(columns, x_nchw)
        return tuple(zip(_combined(rows, self.combine), _combined(columns, self.combine), strict=True))


class NoneModule(nn.Module):
    """(N,C,H,W) -> a tuple of that one map."""

    def forward(self, x_nchw: Tensor) -> tuple[Tensor]:
        return (x_nchw,)


def _narrowed(pooled: list[Tensor], x_nchw: Tensor) -> list[Tensor]:
    """The statistics in the type of the map, for an excitation whose weights have that type."""
    return [one.to(x_nchw.dtype) for one in pooled]


def _combined(pooled: list[Tensor], combine: Combine) -> tuple[Tensor, ...]:
    """Combine the statistics of one region into the descriptors that the excitation is applied to."""
    if combine == "shared" or len(pooled) == 1:
        return tuple(pooled)
    if combine == "stack":
        return (torch.cat(pooled, dim=1),)
    total = pooled[0]
    for one in pooled[1:]:
        total = total + one
    return (total / len(pooled) if combine == "mean" else total,)
