"""The blocks of a ResNet, and its shortcuts, with a named site at every position.

Source: He et al., Deep Residual Learning, arXiv 1512.03385, figure 5 and section 3.3.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from attnspace.placement.sites import Site

__all__ = ["BasicBlock", "Bottleneck", "EXPANSION", "PaddedShortcut", "Shortcut"]

Shortcut = Literal["projection", "padded"]
"""How a shortcut changes shape: by a 1x1 convolution with BN (option B), or without parameters (option A)."""

EXPANSION = 4
"""How many channels a bottleneck gives for each one inside it."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        stage: int,
        block: int,
        extra: int = 0,
        shortcut: Shortcut = "projection",
    ) -> None:
        super().__init__()
        inner = out_channels + extra
        self.pre = Site(stage, block, "pre")
        self.before_conv1 = Site(stage, block, "conv1")
        self.conv1 = nn.Conv2d(in_channels, inner, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.before_conv2 = Site(stage, block, "conv2")
        self.conv2 = nn.Conv2d(inner, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.residual = Site(stage, block, "residual")
        self.shortcut = _shortcut(in_channels, out_channels, stride, shortcut)
        self.identity = Site(stage, block, "identity")
        self.post_add = Site(stage, block, "post_add")

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nchw = self.pre(x_nchw)
        branch = F.relu(self.bn1(self.conv1(self.before_conv1(x_nchw))))
        branch = self.residual(self.bn2(self.conv2(self.before_conv2(branch))))
        shortcut = self.identity(self.shortcut(x_nchw))
        return self.post_add(F.relu(branch + shortcut))


class Bottleneck(nn.Module):
    """A 1x1 convolution that reduces, a 3x3 one, a 1x1 one that expands, and a shortcut.

    The 3x3 convolution has the stride, as in the Torch code that the authors' later papers use.

    Shape:
        (N, in_channels, H, W) -> (N, 4 width, H / stride, W / stride)
    """

    def __init__(
        self, in_channels: int, width: int, stride: int, stage: int, block: int, shortcut: Shortcut = "projection"
    ) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.pre = Site(stage, block, "pre")
        self.before_conv1 = Site(stage, block, "conv1")
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.before_conv2 = Site(stage, block, "conv2")
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.before_conv3 = Site(stage, block, "conv3")
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.residual = Site(stage, block, "residual")
        self.shortcut = _shortcut(in_channels, out_channels, stride, shortcut)
        self.identity = Site(stage, block, "identity")
        self.post_add = Site(stage, block, "post_add")

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nchw = self.pre(x_nchw)
        branch = F.relu(self.bn1(self.conv1(self.before_conv1(x_nchw))))
        branch = F.relu(self.bn2(self.conv2(self.before_conv2(branch))))
        branch = self.residual(self.bn3(self.conv3(self.before_conv3(branch))))
        shortcut = self.identity(self.shortcut(x_nchw))
        return self.post_add(F.relu(branch + shortcut))


class PaddedShortcut(nn.Module):
    """Keeps every stride-th position and appends channels of zeros: option A.

    Shape:
        (N, C, H, W) -> (N, C + more, H / stride, W / stride)
    """

    def __init__(self, stride: int, more: int) -> None:
        super().__init__()
        self.stride = stride
        self.more = more

    def forward(self, x_nchw: Tensor) -> Tensor:
        return F.pad(x_nchw[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))

    def extra_repr(self) -> str:
        return f"stride={self.stride}, more={self.more}"


def _shortcut(in_channels: int, out_channels: int, stride: int, kind: Shortcut) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Sequential()
    if kind == "padded":
        return PaddedShortcut(stride, out_channels - in_channels)
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
