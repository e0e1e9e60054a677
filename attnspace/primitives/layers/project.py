"""project: a 1x1 convolution, the same linear map at every position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from attnspace.errors import within
from attnspace.primitives.descriptor import Descriptor, Region
from attnspace.primitives.layer import Layer, Sharing
from attnspace.primitives.node import Grid
from attnspace.primitives.reduction import Reduction
from attnspace.primitives.width import Width, width_at, width_label

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Project", "ZeroInit"]

ZeroInit = Annotated[
    Literal["weight", "all"] | None,
    Field(description="What starts at zero, so that the layer at first says nothing: the weight, or the bias too."),
]


class Project(Layer):
    """Linear map on channels to `out` of them: `"C"`, a number, or a reduction rule.

    Source: ESE, arXiv 1911.06667, eq. 4; sSE, arXiv 1803.02579, section 2.2.
    """

    kind: Literal["project"] = "project"
    out: Annotated[Width, Grid("C", 1), Field(description="Channels that it leaves.")] = "C"
    bias: Annotated[bool, Field(description="Whether a bias is added.")] = True
    sharing: Sharing = "joint"
    zero_init: ZeroInit = None

    def resolve(self, d: Descriptor) -> tuple[Layer, ...]:
        with within("out"):
            out = width_at(self.out, d.channels)
        # Pointwise, so that one application to both strips is the same as one to each.
        separate = d.region == "directional" and self.sharing == "separate"
        zero_init = "weight" if self.zero_init and not self.bias else self.zero_init
        return (self.with_(out=Reduction.of(out), sharing="separate" if separate else "joint", zero_init=zero_init),)

    def constant(self, given: float | None) -> float | None:
        if self.zero_init == "all" or (self.zero_init == "weight" and not self.bias):
            return 0.0
        return 0.0 if given == 0 and not self.bias else None

    def after(self, d: Descriptor) -> Descriptor:
        return d.to(self._width)

    def any_channels(self, region: Region) -> bool:
        return region == "channel" and isinstance(self.out, Reduction) and self.out.width is not None

    def build(self, d: Descriptor) -> nn.Module:
        from torch import nn

        from attnspace.modules.layers import ZeroProject

        if self.zero_init is None:
            return nn.Conv2d(d.maps, self._width, kernel_size=1, bias=self.bias)
        return ZeroProject(d.maps, self._width, bias=self.bias, zero=self.zero_init)

    @property
    def _width(self) -> int:
        assert isinstance(self.out, Reduction)
        return self.out.absolute

    def label(self) -> str:
        return f"1x1->{width_label(self.out)}"
