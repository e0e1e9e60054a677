"""The steps of an excitation that torch has no module for."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from attnspace.modules.maps import Fold, fold
from attnspace.modules.precision import widened
from attnspace.modules.words import Comparison, Padding

__all__ = ["AffineModule", "BranchesModule", "ChannelConv1d", "StandardizeModule", "WeightedSumModule", "ZeroProject"]


class AffineModule(nn.Module):
    """weight * d + bias, for each channel.

    Shape:
        (N,C,.,.) -> (N,C,.,.)
    """

    def __init__(self, channels: int, scale: float, shift: float | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, 1))
        self.bias = None if shift is None else nn.Parameter(torch.empty(channels, 1, 1))
        self.scale, self.shift = scale, shift
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weight and bias to their initial values."""
        _start(self.weight, self.scale)
        _start(self.bias, self.shift)

    def forward(self, d: Tensor) -> Tensor:
        scaled = d * self.weight
        return (scaled if self.bias is None else scaled + self.bias).to(d.dtype)


class WeightedSumModule(nn.Module):
    """Sum over the stacked statistics of weight * d, and bias, for each channel.

    Shape:
        (N,stacked*C,.,.) -> (N,C,.,.)
    """

    def __init__(self, channels: int, stacked: int, scale: float, shift: float | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, stacked, 1, 1))
        self.bias = None if shift is None else nn.Parameter(torch.empty(channels, 1, 1))
        self.stacked = stacked
        self.scale, self.shift = scale, shift
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weight and bias to their initial values."""
        _start(self.weight, self.scale)
        _start(self.bias, self.shift)

    def forward(self, d: Tensor) -> Tensor:
        statistics = d.unflatten(1, (self.stacked, -1)).transpose(1, 2)
        mixed = (statistics * self.weight).sum(2)
        return (mixed if self.bias is None else mixed + self.bias).to(d.dtype)


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
        wide = widened(d)
        if self.groups == 1:
            return self._standardized(wide, 1).to(d.dtype)
        return self._standardized(wide.unflatten(1, (self.groups, -1)), 2).flatten(1, 2).to(d.dtype)

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


class ZeroProject(nn.Conv2d):
    """A 1x1 convolution whose weight starts at zero, and with `all` its bias too: at first it says nothing.

    Torch draws the numbers first, so that what is drawn after them is what it would be without the zeros.
    """

    def __init__(self, maps: int, out: int, *, bias: bool, zero: Literal["weight", "all"]) -> None:
        self.zero = zero
        super().__init__(maps, out, kernel_size=1, bias=bias)

    def reset_parameters(self) -> None:
        """Draw initial values as torch does, then set to zero what starts at zero."""
        super().reset_parameters()
        nn.init.zeros_(self.weight)
        if self.zero == "all" and self.bias is not None:
            nn.init.zeros_(self.bias)


def _start(parameter: Tensor | None, value: float | None) -> None:
    """Fill a parameter with its initial value, where there is one."""
    if parameter is not None and value is not None:
        nn.init.constant_(parameter, value)
