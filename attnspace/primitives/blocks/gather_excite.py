"""gather_excite: what is gathered over an extent decides for the positions in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from attnspace.errors import within
from attnspace.primitives.block import Block
from attnspace.primitives.node import Grid
from attnspace.primitives.reduction import Reduction

if TYPE_CHECKING:
    from torch import nn

__all__ = ["GatherExcite"]


class GatherExcite(Block):
    """x * sigmoid(upsample(excite(gather(x)))): upsampled to the size of x by its nearest neighbour.

    Gather `avg` is the mean over a window of 2 extent - 1, at every extent-th position; `conv` is a depthwise 3x3
    convolution of stride 2 with BN for each factor of two in the extent, with ReLU between them. Excite is nothing,
    or two 1x1 convolutions with a bottleneck. Over the whole map, the mean is a `gate` with squeeze `global`.

    Source: Gather-Excite, arXiv 1810.12348, sections 3.1 to 3.4.
    """

    kind: Literal["gather_excite"] = "gather_excite"
    extent: Annotated[Literal[2, 4, 8, 16], Grid(2, 4, 8), Field(description="Positions along H and W.")] = 8
    gather: Annotated[
        Literal["avg", "conv"], Grid("avg", "conv"), Field(description="A mean, or depthwise convolutions.")
    ] = "avg"
    reduction: Annotated[
        Reduction | None, Field(description="Hidden width of the excitation at C channels; null for none.")
    ] = None

    def resolve(self, channels: int) -> Block:
        if self.reduction is None:
            return self
        with within("reduction"):
            return self.with_(reduction=Reduction.of(self.reduction.at(channels)))

    def build(self, channels: int) -> nn.Module:
        from torch import nn

        from attnspace.modules.formulas import GatherExciteModule
        from attnspace.modules.norm import batch_norm

        gather: list[nn.Module] = []
        if self.gather == "avg":
            # The window reaches into its neighbours; what lies beyond the map is not counted.
            window = 2 * self.extent - 1
            gather.append(nn.AvgPool2d(window, self.extent, padding=self.extent - 1, count_include_pad=False))
        else:
            for _ in range(self.extent.bit_length() - 1):
                conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels, bias=False)
                gather += [nn.ReLU()] * bool(gather) + [conv, batch_norm(channels)]
        excite: list[nn.Module] = []
        if self.reduction is not None:
            hidden = self.reduction.absolute
            excite = [nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1)]
        return GatherExciteModule(nn.Sequential(*gather), nn.Sequential(*excite))

    def label(self) -> str:
        excite = f" > fc{self.reduction.label()}" if self.reduction else ""
        return f"gather{self.extent}:{self.gather}{excite}"
