"""The steps of an excitation that torch has no module for."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from attnspace.modules.maps import Fold, fold
from attnspace.modules.words import Comparison, Padding

__all__ = ["AffineModule", "BranchesModule", "ChannelConv1d", "StandardizeModule", "WeightedSumModule", "zeroed"]


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


class ChannelConv1d(nn.Module):
    """Convolution along the channel axis.

    Shape:
        (N, stacked * C, 1, 1) -> (N, filters * C, 1, 1)
    """

    def __init__(self, stacked: int, filters: int, kernel: int, bias: bool, padding_mode: Padding) -> None:
        super().__init__()
        self.stacked = stacked
        self.conv = nn.Conv1d(stacked, filters, kernel, padding=kernel // 2, bias=bias, padding_mode=padding_mode)

    def forward(self, d_nm11: Tensor) -> Tensor:
        along_channels = d_nm11.flatten(1).unflatten(1, (self.stacked, -1))
        return self.conv(along_channels).flatten(1).unsqueeze(2).unsqueeze(3)


class StandardizeModule(nn.Module):
    """Standardises each value by those of its group of channels at the same position.

    Shape:
        (N,maps,.,.) -> (N,maps,.,.)
    """

    def __init__(self, by: Comparison, groups: int, eps: float) -> None:
        super().__init__()
        self.by = by
        self.groups = groups
        self.eps = eps

    def forward(self, d: Tensor) -> Tensor:
        if self.groups == 1:
            return self._standardized(d, 1)
        return self._standardized(d.unflatten(1, (self.groups, -1)), 2).flatten(1, 2)

    def _standardized(self, d: Tensor, axis: int) -> Tensor:
        if self.by == "mean_abs":
            return d / (d.abs().mean(axis, keepdim=True) + self.eps)
        if self.by == "std":
            d = d - d.mean(axis, keepdim=True)
        return d * (d.pow(2).mean(axis, keepdim=True) + self.eps).rsqrt()

    def extra_repr(self) -> str:
        return f"by={self.by}, groups={self.groups}, eps={self.eps}"


class BranchesModule(nn.Module):
    """Applies every branch to the same tensor and merges their outputs.

    Shape:
        (N,maps,.,.) -> (N,maps',.,.)
    """

    def __init__(self, branches: list[nn.Sequential], merge: Fold | Literal["stack"]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.merge = merge

    def forward(self, d: Tensor) -> Tensor:
        outputs = [branch(d) for branch in self.branches]
        return torch.cat(outputs, dim=1) if self.merge == "stack" else fold(self.merge, outputs)

    def extra_repr(self) -> str:
        return self.merge


def zeroed(module: nn.Conv2d, what: str | None) -> nn.Conv2d:
    """Set the weight of a convolution (and its bias, for `all`) to zero; return the convolution."""
    if what:
        nn.init.zeros_(module.weight)
    if what == "all" and module.bias is not None:
        nn.init.zeros_(module.bias)
    return module
