"""The CIFAR ResNet: 6n+2 layers in three stages, with a named site at every position of every block.

Source: He et al., Deep Residual Learning, arXiv 1512.03385, section 4.2. By default shortcuts that change shape are
1x1 convolutions with BN; with `shortcut: padded` they are the paper's. With bottlenecks: He et al., Identity Mappings,
arXiv 1603.05027, appendix, with the activations of the first paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import torch.nn.functional as F
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from torch import Tensor, nn

from attnspace.backbones.residual import EXPANSION, BasicBlock, Bottleneck, Shortcut
from attnspace.backbones.section import Backbone
from attnspace.documents.families import fault
from attnspace.errors import StudyError

__all__ = ["ResNet", "ResNetConfig"]

BlockKind = Literal["basic", "bottleneck"]
LAYERS: dict[BlockKind, int] = {"basic": 2, "bottleneck": 3}
"""Convolutions in the residual branch of a block."""


class ResNetConfig(Backbone):
    """A CIFAR ResNet: `depth` 6n+2 layers, `width` channels in its first stage, twice as many in each next one.

    With bottlenecks it has 9n+2 layers, and each stage gives four times the channels. `extra` adds channels between the
    two convolutions of each basic block, block by block: a plain network of any size.
    """

    kind: Literal["resnet"] = "resnet"
    depth: Annotated[int, Field(ge=8, le=1202, description="Layers, 6n+2; 9n+2 with bottlenecks.")] = 20
    width: Annotated[int, Field(ge=1, le=4096, description="Channels in the first stage.")] = 16
    extra: Annotated[
        tuple[Annotated[int, Field(ge=0, le=4096)], ...],
        Field(max_length=600, description="Channels added between the two convolutions of each block, block by block."),
    ] = ()
    shortcut: Annotated[
        Shortcut, Field(description="What changes the shape on a shortcut: a 1x1 convolution, or zeros for channels.")
    ] = "projection"
    block: Annotated[BlockKind, Field(description="Two 3x3 convolutions, or a 3x3 one between two 1x1 ones.")] = "basic"

    @model_validator(mode="after")
    def _whole_blocks(self) -> Self:
        layers = LAYERS[self.block]
        if self.depth % (3 * layers) != 2:
            raise fault(f"is not {3 * layers}n+2", at=("depth",), allowed=_depths(self.depth, layers))
        return self

    @model_validator(mode="after")
    def _extra_for_each_block(self) -> Self:
        blocks = (self.depth - 2) // 2
        if self.extra and self.block != "basic":
            raise fault("is for basic blocks", at=("extra",), remedy="leave it out")
        if self.extra and len(self.extra) != blocks:
            raise fault("has a number for each block", at=("extra",), allowed=f"{blocks} numbers, or none")
        return self

    @model_serializer(mode="wrap")
    def _as_recorded(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Serialise without the fields that recorded studies lack, where they keep their default."""
        later = {"shortcut": "projection", "block": "basic"}
        return {name: value for name, value in handler(self).items() if later.get(name) != value}

    def make(self, in_channels: int, num_classes: int, size: tuple[int, int] | None = None) -> nn.Module:
        return ResNet(self.depth, self.width, in_channels, num_classes, self.extra, self.shortcut, self.block)

    def widened(self, params: int) -> Self:
        """The same network with more channels between the two convolutions of its blocks, which leaves the slots alone.

        Every block is widened by the same share of its channels, as far as whole channels go; the parameters left over
        go to single channels, the dearest first. The network is unchanged if they do not buy one channel, and if it has
        bottlenecks.
        """
        if self.block != "basic":
            return self
        blocks = (self.depth - 2) // 6
        outs = [self.width * 2**stage for stage in range(3) for _ in range(blocks)]
        ins = [self.width, *outs[:-1]]
        prices = [9 * (i + o) + 2 for i, o in zip(ins, outs, strict=True)]  # a filter, BN's two, and what reads it
        added = _channels_added(params, prices, outs)
        if not any(added):
            return self
        before = self.extra or (0,) * len(outs)
        return self.model_copy(update={"extra": tuple(b + a for b, a in zip(before, added, strict=True))})


def _depths(near: int, per_block: int) -> str:
    """The depths that a ResNet may have, in words: the first ones, and those next to another depth."""
    step = 3 * per_block
    below = max(step + 2, near - (near - 2) % step)
    first = ", ".join(str(step * n + 2) for n in (1, 2, 3))
    return f"{first}, ..., such as {below} or {below + step}"


def _channels_added(params: int, prices: Sequence[int], outs: Sequence[int]) -> list[int]:
    """How many channels to add to each block, for at most `params` parameters in all."""
    share = params / sum(price * out for price, out in zip(prices, outs, strict=True))
    added = [int(share * out) for out in outs]
    left = params - sum(price * more for price, more in zip(prices, added, strict=True))
    for block in sorted(range(len(outs)), key=lambda block: -prices[block]):
        if left >= prices[block]:
            added[block] += 1
            left -= prices[block]
    cheapest = prices.index(min(prices))
    added[cheapest] += left // prices[cheapest]
    return added


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
        shortcut: Shortcut = "projection",
        block: BlockKind = "basic",
    ) -> None:
        super().__init__()
        per_block = LAYERS[block]
        blocks, left = divmod(depth - 2, 3 * per_block)
        if left or blocks < 1:
            raise StudyError(f"is not {3 * per_block}n+2", at=("depth",), got=depth, allowed=_depths(depth, per_block))
        if width < 1:
            raise StudyError("has no channels", at=("width",), got=width, allowed="1 or more")
        if extra and block != "basic":
            raise ValueError("extra is for basic blocks")
        extra = tuple(extra) or (0,) * (3 * blocks)
        if len(extra) != 3 * blocks:
            raise ValueError(f"a ResNet of depth {depth} has {3 * blocks} blocks; extra names {len(extra)}")
        self.input_shape = (in_channels, 32, 32)
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        outer = width if block == "basic" else EXPANSION * width
        self.stage1 = _stage(1, width, width, extra[:blocks], shortcut, block)
        self.stage2 = _stage(2, outer, 2 * width, extra[blocks : 2 * blocks], shortcut, block)
        self.stage3 = _stage(3, 2 * outer, 4 * width, extra[2 * blocks :], shortcut, block)
        self.fc = nn.Linear(4 * outer, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nchw = F.relu(self.bn1(self.conv1(x_nchw)))
        x_nchw = self.stage3(self.stage2(self.stage1(x_nchw)))
        return self.fc(x_nchw.mean((2, 3)))


def _stage(
    stage: int, in_channels: int, width: int, extra: Sequence[int], shortcut: Shortcut, block: BlockKind
) -> nn.Sequential:
    """A stage with one block for each number in `extra`."""
    built = nn.Sequential()
    for i, more in enumerate(extra, start=1):
        stride = 2 if i == 1 and stage > 1 else 1
        if block == "bottleneck":
            built.add_module(f"block{i}", Bottleneck(in_channels, width, stride, stage, i, shortcut))
            in_channels = EXPANSION * width
        else:
            built.add_module(f"block{i}", BasicBlock(in_channels, width, stride, stage, i, more, shortcut))
            in_channels = width
    return built
