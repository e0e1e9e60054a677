"""The CIFAR ResNet: 6n+2 layers in three stages, with a named site at every position of every block.

Source: He et al., Deep Residual Learning, arXiv 1512.03385, section 4.2. Shortcuts that change shape are
1x1 convolutions with BN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import torch.nn.functional as F
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from attnspace.placement import Site
from attnspace.primitives.node import fault

__all__ = ["BasicBlock", "ResNet", "ResNetConfig", "widened"]


def _six_n_plus_two(depth: int) -> int:
    if depth % 6 != 2:
        below = max(8, depth - (depth - 2) % 6)
        raise fault("is not 6n+2", allowed=f"8, 14, 20, ..., such as {below} or {below + 6}")
    return depth


class ResNetConfig(BaseModel):
    """A CIFAR ResNet: `depth` 6n+2 layers, `width` channels in its first stage, twice as many in each next one.

    `extra` adds channels between the two convolutions of each block, block by block: a plain network of any size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["resnet"] = "resnet"
    depth: Annotated[int, Field(ge=8, le=1202, description="Layers, 6n+2."), AfterValidator(_six_n_plus_two)] = 20
    width: Annotated[int, Field(ge=1, le=4096, description="Channels in the first stage.")] = 16
    extra: Annotated[
        tuple[Annotated[int, Field(ge=0, le=4096)], ...],
        Field(max_length=600, description="Channels added between the two convolutions of each block, block by block."),
    ] = ()

    @model_validator(mode="after")
    def _extra_for_each_block(self) -> Self:
        blocks = self.depth // 2 - 1
        if self.extra and len(self.extra) != blocks:
            raise fault("has a number for each block", at=("extra",), allowed=f"{blocks} numbers, or none")
        return self


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, stage: int, block: int, extra: int = 0
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

    def __init__(
        self,
        depth: int = 20,
        width: int = 16,
        in_channels: int = 3,
        num_classes: int = 10,
        extra: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if depth % 6 != 2 or depth < 8 or width < 1:
            raise ValueError(f"no CIFAR ResNet has depth {depth} and width {width}: 6n+2 layers, at least one channel")
        blocks = (depth - 2) // 6
        extra = tuple(extra) or (0,) * (3 * blocks)
        if len(extra) != 3 * blocks:
            raise ValueError(f"a ResNet of depth {depth} has {3 * blocks} blocks; extra names {len(extra)}")
        self.input_shape = (in_channels, 32, 32)
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stage1 = _stage(1, width, width, extra[:blocks])
        self.stage2 = _stage(2, width, 2 * width, extra[blocks : 2 * blocks])
        self.stage3 = _stage(3, 2 * width, 4 * width, extra[2 * blocks :])
        self.fc = nn.Linear(4 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nchw = F.relu(self.bn1(self.conv1(x_nchw)))
        x_nchw = self.stage3(self.stage2(self.stage1(x_nchw)))
        return self.fc(x_nchw.mean((2, 3)))


def widened(config: ResNetConfig, params: int) -> ResNetConfig:
    """The plain network with up to `params` parameters more, by channels between the two convolutions of its blocks.

    Every block is widened by the same share of its channels, as far as whole channels go; what is left goes to
    single channels, the dearest first. The slots keep their channels. Unchanged if no channel costs so few.
    """
    blocks = (config.depth - 2) // 6
    outs = [config.width * 2**stage for stage in range(3) for _ in range(blocks)]
    ins = [config.width, *outs[:-1]]
    prices = [9 * (i + o) + 2 for i, o in zip(ins, outs, strict=True)]  # a filter, BN's two, and what reads it
    before = config.extra or (0,) * len(outs)
    share = params / sum(price * out for price, out in zip(prices, outs, strict=True))
    added = [int(share * out) for out in outs]
    left = params - sum(price * more for price, more in zip(prices, added, strict=True))
    for block in sorted(range(len(outs)), key=lambda block: -prices[block]):
        if left >= prices[block]:
            added[block] += 1
            left -= prices[block]
    cheapest = prices.index(min(prices))
    added[cheapest] += left // prices[cheapest]
    if not any(added):
        return config
    return config.model_copy(update={"extra": tuple(b + a for b, a in zip(before, added, strict=True))})


def _stage(stage: int, in_channels: int, out_channels: int, extra: Sequence[int]) -> nn.Sequential:
    built = nn.Sequential()
    for i, more in enumerate(extra, start=1):
        stride = 2 if i == 1 and stage > 1 else 1
        built.add_module(f"block{i}", BasicBlock(in_channels, out_channels, stride, stage, i, more))
        in_channels = out_channels
    return built
