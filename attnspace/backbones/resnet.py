"""The CIFAR ResNet: 6n+2 layers in three stages, with a named site at every position of every block.

Source: He et al., Deep Residual Learning, arXiv 1512.03385, section 4.2. Shortcuts that change shape are
1x1 convolutions with BN.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch.nn.functional as F
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from torch import Tensor, nn

from attnspace.placement import Site
from attnspace.primitives.node import fault

__all__ = ["BasicBlock", "ResNet", "ResNetConfig"]


def _six_n_plus_two(depth: int) -> int:
    if depth % 6 != 2:
        below = max(8, depth - (depth - 2) % 6)
        raise fault("is not 6n+2", allowed=f"8, 14, 20, ..., such as {below} or {below + 6}")
    return depth


class ResNetConfig(BaseModel):
    """A CIFAR ResNet: `depth` 6n+2 layers, `width` channels in its first stage, twice as many in each next one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["resnet"] = "resnet"
    depth: Annotated[int, Field(ge=8, le=1202, description="Layers, 6n+2."), AfterValidator(_six_n_plus_two)] = 20
    width: Annotated[int, Field(ge=1, le=4096, description="Channels in the first stage.")] = 16


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, stage: int, block: int) -> None:
        super().__init__()
        self.pre = Site(stage, block, "pre")
        self.before_conv1 = Site(stage, block, "conv1")
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.before_conv2 = Site(stage, block, "conv2")
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.residual = Site(stage, block, "residual")
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        self.identity = Site(stage, block, "identity")
        self.post_add = Site(stage, block, "post_add")

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nchw = self.pre(x_nchw)
        branch = F.relu(self.bn1(self.conv1(self.before_conv1(x_nchw))))
        branch = self.residual(self.bn2(self.conv2(self.before_conv2(branch))))
        shortcut = self.identity(self.shortcut(x_nchw))
        return self.post_add(F.relu(branch + shortcut))


class ResNet(nn.Module):
    """Stem, three stages of n blocks, global average, linear classifier.

    Shape:
        (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(self, depth: int = 20, width: int = 16, in_channels: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        if depth % 6 != 2 or depth < 8 or width < 1:
            raise ValueError(f"no CIFAR ResNet has depth {depth} and width {width}: 6n+2 layers, at least one channel")
        blocks = (depth - 2) // 6
        self.input_shape = (in_channels, 32, 32)
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stage1 = _stage(1, width, width, blocks)
        self.stage2 = _stage(2, width, 2 * width, blocks)
        self.stage3 = _stage(3, 2 * width, 4 * width, blocks)
        self.fc = nn.Linear(4 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nchw = F.relu(self.bn1(self.conv1(x_nchw)))
        x_nchw = self.stage3(self.stage2(self.stage1(x_nchw)))
        return self.fc(x_nchw.mean((2, 3)))


def _stage(stage: int, in_channels: int, out_channels: int, blocks: int) -> nn.Sequential:
    built = nn.Sequential()
    for i in range(1, blocks + 1):
        stride = 2 if i == 1 and stage > 1 else 1
        built.add_module(f"block{i}", BasicBlock(in_channels, out_channels, stride, stage, i))
        in_channels = out_channels
    return built
