"""MobileNetV2: inverted residuals in seven stages, with a named site at every position of every block.

Source: Sandler et al., MobileNetV2, arXiv 1801.04381, tables 1 and 2. The classifier has no dropout.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from attnspace.backbones.section import Backbone
from attnspace.placement.sites import Site

__all__ = ["InvertedResidual", "MobileNetV2", "MobileNetV2Config"]

Stem = Literal["cifar", "imagenet"]

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and stride of each stage, as in table 2."""


class MobileNetV2Config(Backbone):
    """MobileNetV2, its stem for images of CIFAR's size or of ImageNet's."""

    kind: Literal["mobilenet_v2"] = "mobilenet_v2"
    width: Annotated[
        float, Field(ge=0.05, le=16, allow_inf_nan=False, description="Times the channels, in multiples of 8.")
    ] = 1.0
    stem: Annotated[
        Stem, Field(description="cifar halves the image neither in the stem nor in stage 2; imagenet does both.")
    ] = "cifar"

    def make(self, in_channels: int, num_classes: int, size: tuple[int, int] | None = None) -> nn.Module:
        return MobileNetV2(self.width, self.stem, in_channels, num_classes)


class InvertedResidual(nn.Module):
    """A 1x1 convolution that expands, a depthwise 3x3 one, a 1x1 one that projects; the input is added if it fits.

    Without an expansion the first convolution is left out, and so is the position `expand`.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expansion: int, stage: int, block: int
    ) -> None:
        super().__init__()
        hidden = expansion * in_channels
        self.adds = stride == 1 and in_channels == out_channels
        self.pre = Site(stage, block, "pre")
        self.expansion = nn.Sequential()
        if expansion != 1:
            self.expansion = _conv(in_channels, hidden, 1)
            self.expansion.add_module("expand", Site(stage, block, "expand"))
        self.filter = _conv(hidden, hidden, 3, stride, groups=hidden)
        self.depthwise = Site(stage, block, "depthwise")
        self.project = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.residual = Site(stage, block, "residual")
        self.post_add = Site(stage, block, "post_add")

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nchw = self.pre(x_nchw)
        branch = self.depthwise(self.filter(self.expansion(x_nchw)))
        branch = self.residual(self.bn(self.project(branch)))
        return self.post_add(x_nchw + branch if self.adds else branch)


class MobileNetV2(nn.Module):
    """Stem, seven stages of inverted residuals, 1x1 convolution, global average, linear classifier.

    Shape:
        (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(self, width: float = 1.0, stem: Stem = "cifar", in_channels: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        small = stem == "cifar"
        self.input_shape = (in_channels, 32, 32) if small else (in_channels, 224, 224)
        channels = _rounded(32 * width)
        self.stem = _conv(in_channels, channels, 3, stride=1 if small else 2)
        self.stages = nn.Sequential()
        for stage, (expansion, base, blocks, stride) in enumerate(STAGES, start=1):
            first = 1 if small and stage == 2 else stride
            out_channels = _rounded(base * width)
            built = nn.Sequential()
            for i in range(1, blocks + 1):
                made = InvertedResidual(channels, out_channels, first if i == 1 else 1, expansion, stage, i)
                built.add_module(f"block{i}", made)
                channels = out_channels
            self.stages.add_module(f"stage{stage}", built)
        last = _rounded(1280 * max(1.0, width))
        self.head = _conv(channels, last, 1)
        self.fc = nn.Linear(last, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nchw = self.head(self.stages(self.stem(x_nchw)))
        return self.fc(x_nchw.mean((2, 3)))


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, BN and ReLU6."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(),
    )


def _rounded(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and not less than 90% of what was asked for, as in the released code."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
